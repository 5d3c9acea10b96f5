//! `cargo xtask matrix`: the conformance suite against every server that a script in conformance-tests/targets starts and every client
//! that one in conformance-tests/clients does, and the tables and the page of what was found. The test run asks a part of them, see
//! [`IN_TESTS`].

mod paths;
mod target;

use std::{fs, path::Path, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;

use self::target::{Running, version};
use crate::{
    process::{self, How},
    workspace,
};

/// A whole run against one implementation takes less than four minutes.
const LIMIT: Duration = Duration::from_secs(6 * 60);
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);

/// An implementation: the script that starts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Implementation {
    /// Below conformance-tests.
    pub(crate) script: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// How long its sessions live without a connect, in milliseconds.
    Server {
        max_interval: &'static str,
    },
    Client,
}

const fn server(script: &'static str, max_interval: &'static str) -> Implementation {
    Implementation { script, kind: Kind::Server { max_interval } }
}

const fn client(script: &'static str) -> Implementation {
    Implementation { script, kind: Kind::Client }
}

/// The columns, in their order.
const ALL: [Implementation; 10] = [
    server("targets/ours", "10000"),
    server("targets/ours-mounted", "10000"),
    server("targets/faye", "4000"),
    server("targets/cometd-nodejs-server", "10000"),
    server("targets/cometd-java", "10000"),
    client("clients/ours"),
    client("clients/cometd"),
    client("clients/faye"),
    client("clients/aiocometd"),
    client("clients/cometd-java"),
];

/// Those that every test run asks, and at which level. The other servers are not ours to mend, and the other clients take minutes.
pub(crate) const IN_TESTS: [(Implementation, &str); 6] =
    [(ALL[0], "may"), (ALL[1], "may"), (ALL[2], "must"), (ALL[5], "may"), (ALL[6], "may"), (ALL[7], "may")];

#[derive(Args, Debug)]
pub(crate) struct Matrix {
    /// Only these implementations, such as targets/faye; the committed tables are left alone then.
    #[arg(long, value_name = "SCRIPT")]
    only: Vec<String>,
}

/// What a run found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Passed, tolerated, or failed as an expectation file says.
    pub(crate) expected: u64,
    /// Anything else, unexpected passes included.
    pub(crate) unexpected: u64,
    /// The implementation has nothing of that kind.
    pub(crate) unimplemented: u64,
}

#[derive(Deserialize)]
struct Report {
    counts: Counts,
}

#[derive(Deserialize)]
struct Counts {
    pass: u64,
    nonstrict: u64,
    fail: u64,
    unimplemented: u64,
    blocked: u64,
    inconclusive: u64,
    error: u64,
}

/// Runs the suite against all, or some, and writes what was found.
pub(crate) fn run(what: &Matrix) -> Result<bool> {
    let chosen: Vec<_> =
        ALL.into_iter().filter(|one| what.only.is_empty() || what.only.iter().any(|only| only == one.script)).collect();
    ensure!(!chosen.is_empty(), "no implementation is called that; there are {}", ALL.map(|one| one.script).join(", "));
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--release", "--package", workspace::BINARY_CRATE]);
    ensure!(process::run(&mut build, BUILD_LIMIT)?.how == How::Success, "the binary can't be built");
    let binary = workspace::metadata()?.target_directory.join("release/bayeux");
    let mut all_as_expected = true;
    for implementation in &chosen {
        println!("\n== {}", implementation.script);
        all_as_expected &= ask(&binary, *implementation, "may")?.unexpected == 0;
    }
    let folder = workspace::root().join("conformance-tests");
    let page = if what.only.is_empty() { folder.join("RESULTS.html") } else { results()?.join("matrix.html") };
    let table = page.with_extension("md");
    let mut report = Command::new(&binary);
    report.args(["conformance", "report", "--html"]).arg(&page).arg("--markdown").arg(&table);
    for implementation in &chosen {
        report.arg(result_of(*implementation)?);
    }
    ensure!(process::run(&mut report, LIMIT)?.how == How::Success, "the report can't be made");
    if what.only.is_empty() {
        fs::write(&table, introduced(&fs::read_to_string(&table)?)).context("cannot write the table")?;
    }
    println!("\n{}\n{}", page.display(), table.display());
    Ok(all_as_expected)
}

/// The table as it is committed: with what it is, and how it was made.
fn introduced(table: &str) -> String {
    let date = process::probe("date", &["+%Y-%m-%d"]).unwrap_or_default();
    format!(
        "# Results\n\nMade by `cargo xtask matrix` on {date}. [RESULTS.html](RESULTS.html), to be opened in a browser, has what went over \
         the wire. What the verdicts\nmean stands in [README.md](README.md); why somebody does not pass, where it is known, beside the \
         scripts that start them, in\n[targets](targets) and [clients](clients). `hardened` is beyond the published text. The origin of a case \
         says\nwhether its clauses are in the published text or were added by this project. Cases over \
         several transports count once for\neach; their rows have the worst verdict. A `·` is a pass, a `–` something that is not \
         there.\n\n{table}"
    )
}

/// Runs the suite from this level on against an implementation.
pub(crate) fn ask(binary: &Path, implementation: Implementation, level: &str) -> Result<Found> {
    // Whatever is missing is fetched and built before anybody counts the time.
    let version = version(binary, implementation.script)?;
    let mut suite = Command::new(binary);
    suite.arg("conformance");
    let running = match implementation.kind {
        Kind::Server { max_interval } => {
            let running = Running::start(binary, implementation.script)?;
            suite.args(["server", &running.url, "--max-interval", max_interval]);
            Some(running)
        }
        Kind::Client => {
            let exec = format!("'{}' {{url}} {{transport}}", target::script(implementation.script).display());
            suite.args(["client", "--exec", &exec]);
            None
        }
    };
    suite.args(["--profile", "all", "--level", level, "--name", &version]);
    let result = result_of(implementation)?;
    suite.arg("--report").arg(format!("json={}", result.display()));
    let expected = target::script(implementation.script).with_extension("expected");
    if expected.exists() {
        suite.arg("--expect").arg(expected);
    }
    let ended = process::run(&mut suite, LIMIT)?;
    drop(running);
    let good = match ended.how {
        How::Success => true,
        How::Failure(_) => false,
        How::TimedOut(limit) => anyhow::bail!("the suite was still running after {} s", limit.as_secs()),
    };
    let text = fs::read_to_string(&result).with_context(|| format!("cannot read {}", result.display()))?;
    let home = std::env::home_dir();
    let text = paths::without(&text, workspace::root(), home.as_deref());
    fs::write(&result, &text).with_context(|| format!("cannot write {}", result.display()))?;
    let Report { counts } = serde_json::from_str(&text).context("a result that is no result")?;
    let bad = counts.fail + counts.blocked + counts.inconclusive + counts.error;
    Ok(Found {
        expected: counts.pass + counts.nonstrict + if good { bad } else { 0 },
        // An unexpected pass or a line that matches nothing is one at least.
        unexpected: if good { 0 } else { bad.max(1) },
        unimplemented: counts.unimplemented,
    })
}

fn result_of(implementation: Implementation) -> Result<PathBuf> {
    Ok(results()?.join(implementation.script.replace('/', "-")).with_extension("json"))
}

fn results() -> Result<PathBuf> {
    let folder = workspace::metadata()?.target_directory.join("conformance");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
