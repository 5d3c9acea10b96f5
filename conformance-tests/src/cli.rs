//! The command line. `bayeux conformance` runs the same.

use crate::case::{self, Case, Kind, Profile};
use crate::expected::Expected;
use crate::json::{Json, object, parse};
use crate::peer::Transport;
use crate::probe::discover;
use crate::report::{Terminal, junit, result, summary};
use crate::run::{Choice, Outcome, Suite, run};
use crate::target::Target;
use crate::verdict::Level;
use clap::{Args, Parser, Subcommand};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

/// Every selected case reached a verdict, and none failed unexpectedly.
const EXIT_GOOD: u8 = 0;
/// Something failed, or passed, unexpectedly, or could not be judged.
const EXIT_BAD: u8 = 1;
/// The command line is wrong, or selects no case.
const EXIT_USAGE: u8 = 2;
/// The server could not be reached, or does not shake hands.
const EXIT_UNREACHABLE: u8 = 3;

#[derive(Parser)]
#[command(
    name = "bayeux-conformance",
    version,
    about = "Checks implementations of Bayeux 1.0 against its numbered clauses",
    max_term_width = 120
)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Runs the cases against a server
    Server(Box<ServerArgs>),
    /// Lists the cases
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Ids of cases or clauses, with * for anything
        #[arg(long, value_name = "PATTERN")]
        only: Vec<String>,
    },
}

/// Exit code: 0 if every selected case reached a verdict and none failed unexpectedly, 1 otherwise, 2 for a wrong command line, 3 if
/// the server can't be reached.
#[derive(Args)]
struct ServerArgs {
    /// The endpoint: http, https, ws or wss
    url: String,
    /// Only these transports: long-polling, websocket, callback-polling
    #[arg(long, value_name = "NAME", value_parser = transport)]
    transport: Vec<Transport>,
    /// Only these cases or clauses; * stands for anything
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Not these cases or clauses
    #[arg(long, value_name = "PATTERN")]
    skip: Vec<String>,
    /// Only cases of this level or a stricter one: may, should, must
    #[arg(long, value_name = "LEVEL", default_value = "may", value_parser = level)]
    level: Level,
    /// What to conform to, beside the published text: base, cometd, faye, hardened, or all
    #[arg(long, value_name = "NAME", default_value = "base", value_delimiter = ',')]
    profile: Vec<String>,
    /// How long a session without a connect lives, in milliseconds; some cases need to know
    #[arg(long, value_name = "MS")]
    max_interval: Option<u64>,
    /// Multiplies whatever is waited for at most
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    timeout_scale: f64,
    /// A head field for every request, such as "Authorization: Bearer …"
    #[arg(long, value_name = "FIELD")]
    header: Vec<String>,
    /// An object for the ext of every handshake, as JSON
    #[arg(long, value_name = "JSON")]
    ext: Option<String>,
    /// A PEM file of certificates to trust, beside the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How many cases run side by side
    #[arg(long, value_name = "N", default_value_t = 24)]
    jobs: usize,
    /// The seed of their order; chosen and printed if none is given
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The implementation's name and version, for the reports
    #[arg(long, value_name = "NAME", default_value = "the server")]
    name: String,
    /// Files to write: json=FILE, junit=FILE
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',', value_parser = report)]
    report: Vec<(String, PathBuf)>,
    /// A file of findings that are known, each with its reason
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Print what went over the wire in each case that did not pass
    #[arg(short, long)]
    verbose: bool,
    /// Print the selected cases and run none
    #[arg(long)]
    list: bool,
}

fn transport(name: &str) -> Result<Transport, String> {
    Transport::parse(name).ok_or_else(|| format!("the suite speaks {}", Transport::ALL.map(Transport::name).join(", ")))
}

fn level(name: &str) -> Result<Level, String> {
    Level::parse(name).ok_or_else(|| "it is one of may, should, must".into())
}

fn report(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((kind @ ("json" | "junit"), file)) if !file.is_empty() => Ok((kind.to_owned(), file.into())),
        _ => Err("it is json=FILE or junit=FILE".into()),
    }
}

/// Runs the command line, and returns the exit code of the process.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Command::try_parse_from(args) {
        Ok(command) => command,
        Err(error) => {
            // Nobody is left to tell if even this can't be written.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { EXIT_GOOD });
        }
    };
    let done = match command.action {
        Action::Server(args) => server(*args),
        Action::List { json, only } => list(json, &only),
    };
    ExitCode::from(done.unwrap_or_else(|(code, why)| {
        say(&format!("error: {why}\n"));
        code
    }))
}

type Stopped = (u8, String);

fn usage(why: impl ToString) -> Stopped {
    (EXIT_USAGE, why.to_string())
}

#[expect(clippy::print_stderr, reason = "errors of a program go there")]
fn say(text: &str) {
    eprint!("{text}");
}

#[expect(clippy::print_stdout, reason = "what a program was asked for goes there")]
fn print(text: &str) {
    print!("{text}");
}

fn list(json: bool, only: &[String]) -> Result<u8, Stopped> {
    let cases = case::all().map_err(usage)?;
    let named = |case: &Case| {
        let fits = |pattern: &String| {
            crate::run::like(pattern, &case.id) || case.clauses.iter().any(|clause| crate::run::like(pattern, clause))
        };
        only.is_empty() || only.iter().any(fits)
    };
    let cases: Vec<_> = cases.into_iter().filter(named).collect();
    if json {
        let items = cases.iter().map(describe).map(|case| format!("  {case}")).collect::<Vec<_>>();
        print(&format!("[\n{}\n]\n", items.join(",\n")));
    } else {
        for case in &cases {
            print(&format!("{:<9}{:<8}{:<10}{}\n", case.id, case.level.to_string(), case.profile, case.title));
        }
    }
    Ok(EXIT_GOOD)
}

fn describe(case: &Case) -> Json {
    let list = |items: Vec<&str>| Json::Array(items.into_iter().map(Json::from).collect());
    object([
        ("id", case.id.as_str().into()),
        ("level", case.level.to_string().into()),
        ("clauses", list(case.clauses.iter().map(String::as_str).collect())),
        ("title", case.title.as_str().into()),
        ("role", "server".into()),
        ("profile", case.profile.to_string().into()),
        ("transports", list(case.transports.iter().map(|transport| transport.name()).collect())),
        ("kind", if matches!(case.kind, Kind::Steps(_)) { "data" } else { "code" }.into()),
    ])
}

fn server(args: ServerArgs) -> Result<u8, Stopped> {
    let target = target(&args)?;
    let expected = match &args.expect {
        None => Expected::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| usage(format!("{}: {error}", path.display())))?;
            Expected::parse(&text).map_err(|error| usage(format!("{}: {error}", path.display())))?
        }
    };
    let seed = args.seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
    let choice = Choice {
        only: args.only.clone(),
        skip: args.skip.clone(),
        level: args.level,
        profiles: profiles(&args.profile)?,
        transports: args.transport.iter().copied().collect(),
        jobs: args.jobs,
        seed,
    };
    let cases = case::all().map_err(usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| usage(format!("no runtime: {error}")))?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        if args.list {
            for instance in Suite::new(cases, target, choice).instances {
                print(&format!("{}\n", instance.id()));
            }
            return Ok(EXIT_GOOD);
        }
        let target = discover(target).await.map_err(|why| (EXIT_UNREACHABLE, format!("{}: {why}", args.url)))?;
        let suite = Suite::new(cases, target, choice);
        if suite.instances.is_empty() {
            return Err(usage("no case is selected"));
        }
        introduce(&suite);
        let outcomes = run(&suite, Rc::new(Terminal::new())).await;
        write_reports(&args, &suite, &outcomes)?;
        print(&summary(&outcomes, args.verbose));
        Ok(conclude(&expected, &outcomes))
    })
}

fn target(args: &ServerArgs) -> Result<Target, Stopped> {
    let trusted = match &args.ca {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(|error| usage(format!("{}: {error}", path.display())))?),
    };
    let mut target = Target::new(&args.url, trusted.as_deref()).map_err(usage)?;
    for field in &args.header {
        let (name, value) =
            field.split_once(':').ok_or_else(|| usage(format!("{field:?} is no head field: NAME: VALUE")))?;
        target.headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    if let Some(text) = &args.ext {
        let ext = parse(text.as_bytes()).map_err(|error| usage(format!("--ext: {error}")))?;
        target.ext = Some(ext.value);
    }
    if !(args.timeout_scale.is_finite() && args.timeout_scale > 0.0) {
        return Err(usage("--timeout-scale is a number above 0"));
    }
    target.budget.scale = args.timeout_scale;
    target.budget.expiry = args.max_interval.map(Duration::from_millis);
    Ok(target)
}

fn profiles(names: &[String]) -> Result<BTreeSet<Profile>, Stopped> {
    if names.iter().any(|name| name == "all") {
        return Ok(Profile::ALL.into());
    }
    names
        .iter()
        .map(|name| {
            Profile::parse(name).ok_or_else(|| {
                usage(format!("no profile is called {name:?}: {}, all", Profile::ALL.map(|p| p.to_string()).join(", ")))
            })
        })
        .collect()
}

fn introduce(suite: &Suite) {
    let target = &suite.target;
    let capabilities: Vec<_> = target.capabilities.iter().map(String::as_str).collect();
    say(&format!("{}\n  it has {}\n", target.url, capabilities.join(", ")));
    for (name, fact) in &target.facts {
        say(&format!("  {name}: {fact}\n"));
    }
    say(&format!("  {} cases, seed {}\n", suite.instances.len(), suite.choice.seed));
}

fn write_reports(args: &ServerArgs, suite: &Suite, outcomes: &[Outcome]) -> Result<(), Stopped> {
    for (kind, path) in &args.report {
        let text = match kind.as_str() {
            "json" => format!("{}\n", result(&args.name, suite, outcomes)),
            _ => junit(&args.name, outcomes),
        };
        std::fs::write(path, text).map_err(|error| usage(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

fn conclude(expected: &Expected, outcomes: &[Outcome]) -> u8 {
    let surprises = expected.surprises(outcomes);
    for surprise in &surprises {
        say(&format!("unexpected: {surprise}\n"));
    }
    // A case that could not be judged is a surprise as well, unless the file says so.
    if surprises.is_empty() { EXIT_GOOD } else { EXIT_BAD }
}
