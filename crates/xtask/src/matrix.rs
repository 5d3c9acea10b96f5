//! `cargo xtask matrix`: the conformance suite against every implementation that a script in conformance-tests/targets starts, and the
//! tables and the page of what was found. The test run asks a part of them, see [`IN_TESTS`].

mod target;

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;

use self::target::Running;
use crate::{
    process::{self, How},
    workspace,
};

/// A whole run against one implementation takes less than four minutes.
const LIMIT: Duration = Duration::from_secs(6 * 60);
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);

/// An implementation: the script that starts it, and what the suite is told beside its address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Implementation {
    pub(crate) script: &'static str,
    options: &'static [&'static str],
}

/// The columns, in their order.
const ALL: [Implementation; 5] = [
    Implementation { script: "ours", options: &["--max-interval", "10000"] },
    Implementation { script: "ours-mounted", options: &["--max-interval", "10000"] },
    Implementation { script: "faye", options: &["--max-interval", "4000"] },
    Implementation { script: "cometd-nodejs-server", options: &["--max-interval", "10000"] },
    Implementation { script: "cometd-java", options: &["--max-interval", "10000"] },
];

/// Those that every test run asks, and at which level.
pub(crate) const IN_TESTS: [(Implementation, &str); 3] = [(ALL[0], "may"), (ALL[1], "may"), (ALL[2], "must")];

#[derive(Args, Debug)]
pub(crate) struct Matrix {
    /// Only these implementations; the committed tables are left alone then.
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
        "# Results\n\nMade by `cargo xtask matrix` on {date}; [RESULTS.html](RESULTS.html) has every transcript.\n\
         What the verdicts mean stands in [README.md](README.md).\n\n{table}"
    )
}

/// Starts an implementation, runs the suite from this level on against it, and ends it.
pub(crate) fn ask(binary: &Path, implementation: Implementation, level: &str) -> Result<Found> {
    let running = Running::start(binary, implementation.script)?;
    let mut suite = Command::new(binary);
    suite.args(["conformance", "server", &running.url, "--profile", "all", "--level", level]);
    suite.args(["--name", &running.version]).args(implementation.options);
    let result = result_of(implementation)?;
    suite.arg("--report").arg(format!("json={}", result.display()));
    let expected = target::script(implementation.script).with_extension("expected");
    if expected.exists() {
        suite.arg("--expect").arg(expected);
    }
    let ended = process::run(&mut suite, LIMIT)?;
    let good = match ended.how {
        How::Success => true,
        How::Failure(_) => false,
        How::TimedOut(limit) => anyhow::bail!("the suite was still running after {} s", limit.as_secs()),
    };
    let text = fs::read_to_string(&result).with_context(|| format!("cannot read {}", result.display()))?;
    let Report { counts } = serde_json::from_str(&text).context("a result that is no result")?;
    let bad = counts.fail + counts.blocked + counts.inconclusive + counts.error;
    Ok(Found {
        expected: counts.pass + counts.nonstrict + if good { bad } else { 0 },
        // An unexpected pass or a line that matches nothing is one at least.
        unexpected: if good { 0 } else { bad.max(1) },
        unimplemented: counts.unimplemented,
    })
}

fn result_of(implementation: Implementation) -> Result<std::path::PathBuf> {
    Ok(results()?.join(implementation.script).with_extension("json"))
}

fn results() -> Result<std::path::PathBuf> {
    let folder = workspace::metadata()?.target_directory.join("conformance");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
