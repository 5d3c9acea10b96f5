//! The command line. `bayeux conformance` runs the same.

mod client;
mod options;

use self::options::{ChoiceArgs, ReportFile, ToldArgs};
use crate::case::{self, Case, Kind};
use crate::expected::Expected;
use crate::json::{Json, object, parse};
use crate::peer::Transport;
use crate::probe::discover;
use crate::report::{Terminal, html, junit, markdown, result, summary};
use crate::run::{Choice, Outcome, Progress, Ran, Subject, Suite, run};
use crate::spec;
use crate::target::Target;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Every selected case reached a verdict, and none failed unexpectedly.
const EXIT_GOOD: u8 = 0;
/// Something failed, or passed, unexpectedly, or could not be judged.
const EXIT_BAD: u8 = 1;
/// The command line is wrong, or selects no case.
const EXIT_USAGE: u8 = 2;
/// The server could not be reached, does not shake hands, or went away.
const EXIT_UNREACHABLE: u8 = 3;

/// A signal came, as a shell would tell it.
const EXIT_INTERRUPTED: u8 = 130;
const EXIT_TERMINATED: u8 = 143;

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
    /// Runs the cases about servers against a server
    Server(Box<ServerArgs>),
    /// Runs the cases about clients against a client
    Client(Box<client::ClientArgs>),
    /// Lists the cases
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Ids of cases or clauses, with * for anything
        #[arg(long, value_name = "PATTERN")]
        only: Vec<String>,
    },
    /// Puts the results of several runs side by side
    #[command(arg_required_else_help = true)]
    Report {
        /// Files of `server --report json=FILE`, a column each
        #[arg(required = true)]
        results: Vec<PathBuf>,
        /// A page that holds everything, transcripts included
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Tables; printed if no file is named at all
        #[arg(long, value_name = "FILE")]
        markdown: Option<PathBuf>,
    },
}

/// Exit code: 0 if every selected case reached a verdict and none failed unexpectedly, 1 otherwise, 2 for a wrong command line, 3 if
/// the server can't be reached.
#[derive(Args)]
struct ServerArgs {
    /// The endpoint: http, https, ws or wss
    #[arg(required_unless_present = "list", default_value = "http://localhost/", hide_default_value = true)]
    url: String,
    #[command(flatten)]
    choice: ChoiceArgs,
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
    #[command(flatten)]
    told: ToldArgs,
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
        Action::Client(args) => client::client(*args),
        Action::List { json, only } => list(json, &only),
        Action::Report { results, html, markdown } => side_by_side(&results, html.as_ref(), markdown.as_ref()),
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

/// Whether anybody reads it is not the suite's concern: a pipe may be closed at its other end.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// As [`say`], for what the program was asked for.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn list(json: bool, only: &[String]) -> Result<u8, Stopped> {
    let cases = case::all().map_err(usage)?;
    let fits = |case: &Case, pattern: &str| {
        let over = |transport: &Transport| crate::run::like(pattern, &format!("{}[{transport}]", case.id));
        case.is_named(pattern) || case.transports.iter().any(over)
    };
    if let Some(pattern) = only.iter().find(|pattern| !cases.iter().any(|case| fits(case, pattern))) {
        return Err(usage(format!("no case is like {pattern:?}")));
    }
    let named = |case: &Case| only.is_empty() || only.iter().any(|pattern| fits(case, pattern));
    let cases: Vec<_> = cases.into_iter().filter(named).collect();
    if json {
        let items = cases.iter().map(describe).map(|case| format!("  {case}")).collect::<Vec<_>>();
        print(&format!("[\n{}\n]\n", items.join(",\n")));
    } else {
        for case in &cases {
            let (level, role) = (case.level.to_string(), case.role());
            print(&format!("{:<9}{level:<8}{role:<8}{:<10}{}\n", case.id, case.profile, case.title));
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
        ("role", case.role().to_string().into()),
        ("profile", case.profile.to_string().into()),
        ("transports", list(case.transports.iter().map(|transport| transport.name()).collect())),
        ("kind", if matches!(case.kind, Kind::Steps(_) | Kind::Stage(_)) { "data" } else { "code" }.into()),
    ])
}

fn server(args: ServerArgs) -> Result<u8, Stopped> {
    let target = target(&args)?;
    let run = Prepared::new(&args.choice, args.told, args.choice.jobs.unwrap_or(24))?;
    let list = args.choice.list;
    within_runtime(async {
        if list {
            return run.list(Subject::Server(Rc::new(target)));
        }
        run.check(&Subject::Server(Rc::new(target.clone())))?;
        let target = discover(target).await.map_err(|why| (EXIT_UNREACHABLE, format!("{}: {why}", args.url)))?;
        run.run(Subject::Server(Rc::new(target)), Rc::new(Terminal::new())).await
    })
}

/// Runs what needs a runtime, and tasks that stay on this thread.
fn within_runtime(work: impl Future<Output = Result<u8, Stopped>>) -> Result<u8, Stopped> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| usage(format!("no runtime: {error}")))?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let signals = || Ok::<_, std::io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
        let (mut terminate, mut interrupt) = signals().map_err(|error| usage(format!("no signals: {error}")))?;
        // What was started is ended as the work is dropped: the groups of the programs do not get the terminal's signals.
        tokio::select! {
            done = work => done,
            _ = terminate.recv() => Err((EXIT_TERMINATED, "ended by SIGTERM".to_owned())),
            _ = interrupt.recv() => Err((EXIT_INTERRUPTED, "ended by SIGINT".to_owned())),
        }
    })
}

/// A run that is ready to start, whoever is asked.
struct Prepared {
    cases: Vec<Case>,
    choice: Choice,
    expected: Expected,
    told: ToldArgs,
    files: Vec<ReportFile>,
}

impl Prepared {
    /// Whatever can be wrong with the command line is found here, and not when the run is over.
    fn new(args: &ChoiceArgs, told: ToldArgs, jobs: usize) -> Result<Self, Stopped> {
        let expected = match &told.expect {
            None => Expected::default(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| usage(format!("{}: {error}", path.display())))?;
                Expected::parse(&text).map_err(|error| usage(format!("{}: {error}", path.display())))?
            }
        };
        let (cases, choice) = (case::all().map_err(usage)?, args.choice(jobs)?);
        let files = if args.list { Vec::new() } else { ReportFile::open(&told.report)? };
        Ok(Self { cases, choice, expected, told, files })
    }

    /// Finds what can be wrong with the choice, before anybody is asked anything.
    fn check(&self, subject: &Subject) -> Result<(), Stopped> {
        let suite = Suite::new(self.cases.clone(), subject.clone(), self.choice.clone()).map_err(usage)?;
        if suite.instances.is_empty() {
            return Err(usage("no case is selected"));
        }
        let file = self.told.expect.as_deref().unwrap_or_else(|| Path::new("")).display();
        let checked = self.expected.check(suite.instances.iter().chain(&suite.left_out));
        checked.map_err(|why| usage(format!("{file}: {why}")))
    }

    fn list(self, subject: Subject) -> Result<u8, Stopped> {
        for instance in Suite::new(self.cases, subject, self.choice).map_err(usage)?.instances {
            print(&format!("{}\n", instance.id()));
        }
        Ok(EXIT_GOOD)
    }

    async fn run(self, subject: Subject, progress: Rc<dyn Progress>) -> Result<u8, Stopped> {
        let suite = Suite::new(self.cases, subject, self.choice).map_err(usage)?;
        introduce(&suite);
        let Ran { outcomes, gone } = run(&suite, progress).await;
        write_reports(&self.told.name, self.files, &suite, &outcomes)?;
        print(&summary(&outcomes, self.told.verbose));
        if let Some(case) = gone {
            let why = format!("{}: the server is gone since {case}, and the run has ended", suite.subject.name());
            return Err((EXIT_UNREACHABLE, why));
        }
        Ok(conclude(&self.expected, &outcomes))
    }
}

fn target(args: &ServerArgs) -> Result<Target, Stopped> {
    let trusted = match &args.ca {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(|error| usage(format!("{}: {error}", path.display())))?),
    };
    let mut target = Target::new(&args.url, trusted.as_deref()).map_err(usage)?;
    for field in &args.header {
        target.headers.push(options::header(field)?);
    }
    target.ext = args.ext.as_deref().map(options::ext).transpose()?;
    if !(args.timeout_scale.is_finite() && args.timeout_scale > 0.0) {
        return Err(usage("--timeout-scale is a number above 0"));
    }
    target.budget.scale = args.timeout_scale;
    target.budget.expiry = args.max_interval.map(Duration::from_millis);
    Ok(target)
}

fn introduce(suite: &Suite) {
    let capabilities: Vec<_> = suite.subject.capabilities().iter().map(String::as_str).collect();
    say(&format!("{}\n  it has {}\n", suite.subject.name(), capabilities.join(", ")));
    for (name, fact) in suite.subject.facts() {
        say(&format!("  {name}: {fact}\n"));
    }
    say(&format!("  {} cases, seed {}\n", suite.instances.len(), suite.choice.seed));
}

fn write_reports(name: &str, files: Vec<ReportFile>, suite: &Suite, outcomes: &[Outcome]) -> Result<(), Stopped> {
    for file in files {
        let result = result(name, suite, outcomes);
        let text = match file.kind.as_str() {
            "html" => html(&[result], &spec::clause),
            "json" => format!("{result}\n"),
            "markdown" => markdown(&[result], &spec::clause),
            _ => junit(name, outcomes),
        };
        file.write(&text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Stopped> {
    std::fs::write(path, text).map_err(|error| usage(format!("{}: {error}", path.display())))
}

fn side_by_side(files: &[PathBuf], page: Option<&PathBuf>, table: Option<&PathBuf>) -> Result<u8, Stopped> {
    let mut results = Vec::new();
    for path in files {
        let text = std::fs::read(path).map_err(|error| usage(format!("{}: {error}", path.display())))?;
        let parsed = parse(&text).map_err(|error| usage(format!("{}: {error}", path.display())))?;
        if parsed.value.get("cases").and_then(Json::as_array).is_none() {
            return Err(usage(format!("{}: it holds no result of a run", path.display())));
        }
        results.push(parsed.value);
    }
    if let Some(path) = page {
        write(path, &html(&results, &spec::clause))?;
    }
    match table {
        Some(path) => write(path, &markdown(&results, &spec::clause))?,
        None if page.is_none() => print(&markdown(&results, &spec::clause)),
        None => {}
    }
    Ok(EXIT_GOOD)
}

fn conclude(expected: &Expected, outcomes: &[Outcome]) -> u8 {
    let surprises = expected.surprises(outcomes);
    for surprise in &surprises {
        say(&format!("unexpected: {surprise}\n"));
    }
    // A case that could not be judged is a surprise as well, unless the file says so.
    if surprises.is_empty() { EXIT_GOOD } else { EXIT_BAD }
}
