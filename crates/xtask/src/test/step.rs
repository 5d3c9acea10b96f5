//! The steps of a test run: what each does, and when it has failed.

use std::{ffi::OsString, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::counts::{Counts, Form};
use crate::{
    kill_matrix, matrix,
    process::{self, How},
    setup, spec_check, tidy, workspace,
};

/// Each step, in the order in which they are run: the quick and telling ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Setup,
    Fmt,
    Tidy,
    Spec,
    Clippy,
    Rust,
    KillMatrix,
    Loom,
    Doc,
    Build,
    Conformance,
    Node,
    Python,
}

/// What later steps have to know of earlier ones.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// The release binary, once it is built.
    binary: Option<PathBuf>,
}

/// How a step ended.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// If it runs tests: how many.
    pub(super) counts: Option<Counts>,
    /// Why it failed, if it did.
    pub(super) failure: Option<String>,
}

/// Long enough for a cold build on one slow core; short enough that what hangs is noticed.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);
const TEST_LIMIT: Duration = Duration::from_secs(5 * 60);

impl Step {
    #[cfg(test)]
    pub(super) const ALL: [Self; 13] = [
        Self::Setup,
        Self::Fmt,
        Self::Tidy,
        Self::Spec,
        Self::Clippy,
        Self::Rust,
        Self::KillMatrix,
        Self::Loom,
        Self::Doc,
        Self::Build,
        Self::Conformance,
        Self::Node,
        Self::Python,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Spec => "spec",
            Self::Clippy => "clippy",
            Self::Rust => "rust",
            Self::KillMatrix => "mutants",
            Self::Loom => "loom",
            Self::Doc => "doc",
            Self::Build => "build",
            Self::Conformance => "conformance",
            Self::Node => "node",
            Self::Python => "python",
        }
    }

    pub(super) const fn explanation(self) -> &'static str {
        match self {
            Self::Setup => "what the tests need is installed",
            Self::Fmt => "rustfmt finds nothing to change",
            Self::Tidy => "this workspace's own rules",
            Self::Spec => "protocol-spec, code and cases say the same",
            Self::Clippy => "clippy over all crates and targets",
            Self::Rust => "the Rust tests of all crates",
            Self::KillMatrix => "the conformance suite against a server with one defect at a time",
            Self::Loom => "every interleaving of the engine's concurrent parts",
            Self::Doc => "rustdoc finds nothing wrong in the libraries",
            Self::Build => "the release binary for the real clients",
            Self::Conformance => {
                "the conformance suite against both fronts, npm faye and npm cometd, and the Rust client"
            }
            Self::Node => "npm cometd, npm faye and Chromium against the release binary, also behind nginx and haproxy",
            Self::Python => "aiocometd against the release binary",
        }
    }

    pub(super) fn run(self, context: &mut Context) -> Outcome {
        let done = match self {
            Self::Setup => setup::run().map(|()| Outcome::default()),
            Self::Fmt => check(workspace::cargo().args(["fmt", "--all", "--check"])),
            Self::Tidy => tidy::run().map(|tidy| Outcome {
                failure: (!tidy).then(|| "its findings are above".to_owned()),
                ..Outcome::default()
            }),
            Self::Spec => spec_check::run(&spec_check::Options::default()).map(|right| Outcome {
                failure: (!right).then(|| "its findings are above".to_owned()),
                ..Outcome::default()
            }),
            Self::Clippy => check(cargo("clippy").args(["--workspace", "--all-targets", "--", "--deny", "warnings"])),
            Self::Rust => rust(),
            Self::KillMatrix => kill_matrix(),
            Self::Loom => loom(),
            // Of the libraries: what a program's command line is made of is help text, and no documentation.
            Self::Doc => {
                check(cargo("doc").args(["--workspace", "--lib", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))
            }
            Self::Build => build(context),
            Self::Conformance => conformance(context),
            Self::Node => node(context),
            Self::Python => python(context),
        };
        done.unwrap_or_else(|error| Outcome { failure: Some(format!("{error:#}")), ..Outcome::default() })
    }
}

impl Outcome {
    /// What it adds to the sum: a step that failed counts as one failure at least.
    pub(super) fn counted(&self) -> Counts {
        let mut counts = self.counts.unwrap_or_default();
        if self.failure.is_some() {
            counts.failed = counts.failed.max(1);
        }
        counts
    }
}

/// The tests are built first, so that one that hangs is noticed before long.
fn rust() -> Result<Outcome> {
    let built = check(cargo("test").args(["--workspace", "--no-run"]))?;
    if built.failure.is_some() {
        return Ok(built);
    }
    tests(cargo("test").args(["--workspace", "--no-fail-fast"]), TEST_LIMIT, Form::Cargo)
}

/// Each defect counts as a test: it passes if the suite finds it.
fn kill_matrix() -> Result<Outcome> {
    let matrix = kill_matrix::run(&[])?;
    let counts = Counts { passed: matrix.killed as u64, failed: matrix.survived as u64, skipped: 0 };
    let failure = (!matrix.is_fine()).then(|| "the table above says which defects".to_owned());
    Ok(Outcome { counts: Some(counts), failure })
}

/// Under loom the engine is another program, in a directory of its own, so that nothing else is built anew.
fn loom() -> Result<Outcome> {
    let target = workspace::metadata()?.target_directory.join("loom");
    let engine = |more: &[&str]| {
        let mut cargo = cargo("test");
        cargo.args(["--package", "bayeux-engine", "--lib"]).args(more);
        cargo.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", &target);
        cargo
    };
    let built = check(&mut engine(&["--no-run"]))?;
    if built.failure.is_some() {
        return Ok(built);
    }
    tests(&mut engine(&["loom_"]), TEST_LIMIT, Form::Cargo)
}

fn build(context: &mut Context) -> Result<Outcome> {
    let outcome = check(cargo("build").args(["--release", "--package", workspace::BINARY_CRATE]))?;
    if outcome.failure.is_none() {
        context.binary = Some(workspace::metadata()?.target_directory.join("release/bayeux"));
    }
    Ok(outcome)
}

fn conformance(context: &Context) -> Result<Outcome> {
    let binary = context.binary.as_ref().context("the binary it tests could not be built")?;
    let mut counts = Counts::default();
    for (implementation, level) in matrix::IN_TESTS {
        println!("-- {}", implementation.script);
        let found = matrix::ask(binary, implementation, level)?;
        counts = counts + Counts { passed: found.expected, failed: found.unexpected, skipped: found.unimplemented };
    }
    let mut failure = (counts.failed > 0).then(|| format!("{} findings were not expected", counts.failed));
    println!("-- the Rust client against npm faye and npm cometd-nodejs-server");
    let mut foreign = cargo("test");
    foreign.args(["--package", "bayeux-client", "--test", "foreign", "--", "--test-threads", "1", "npm"]);
    let foreign = tests(&mut foreign, TEST_LIMIT, Form::Cargo)?;
    counts = counts + foreign.counts.unwrap_or_default();
    failure = failure.or(foreign.failure);
    Ok(Outcome { counts: Some(counts), failure })
}

fn node(context: &Context) -> Result<Outcome> {
    let mut command = Command::new("node");
    // Two at a time: most of them wait most of the time. A client that is left over must not keep its file from ending.
    command.args(["--test", "--test-force-exit", "--test-concurrency=2", "--test-reporter=spec"]);
    command.args(node_tests()?).env_remove("FORCE_COLOR");
    tests(for_peers(&mut command, context)?, TEST_LIMIT, Form::Lines)
}

fn python(context: &Context) -> Result<Outcome> {
    let mut command = Command::new(workspace::python());
    tests(for_peers(command.arg("aiocometd_test.py"), context)?, TEST_LIMIT, Form::Lines)
}

fn for_peers<'a>(command: &'a mut Command, context: &Context) -> Result<&'a mut Command> {
    let binary = context.binary.as_ref().context("the binary it tests could not be built")?;
    Ok(command.current_dir(workspace::peers()).env("BAYEUX_BIN", binary).env("BAYEUX_PYTHON", workspace::python()))
}

fn node_tests() -> Result<Vec<OsString>> {
    let peers = workspace::peers();
    let entries = std::fs::read_dir(&peers).with_context(|| format!("cannot read {}", peers.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("cannot read {}", peers.display()))?.file_name();
        if name.to_string_lossy().ends_with(".test.mjs") {
            names.push(name);
        }
    }
    ensure!(!names.is_empty(), "there are no tests in {}", peers.display());
    names.sort();
    Ok(names)
}

fn cargo(command: &str) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args([command, "--locked"]);
    cargo
}

/// A program that says by its exit code whether something is wrong.
fn check(command: &mut Command) -> Result<Outcome> {
    let ended = process::run(command, BUILD_LIMIT)?;
    Ok(Outcome { counts: None, failure: why(&ended.how) })
}

/// A runner of tests: it must succeed, and say how many it ran.
fn tests(command: &mut Command, limit: Duration, form: Form) -> Result<Outcome> {
    let ended = process::run(command, limit)?;
    Ok(judge(&ended.how, Counts::read(form, &ended.stdout)))
}

fn judge(how: &How, counts: Option<Counts>) -> Outcome {
    let failure = why(how).or_else(|| match counts {
        None => Some("it did not say how many tests it ran".to_owned()),
        Some(counts) if counts.ran() == 0 => Some("it ran no test".to_owned()),
        Some(counts) if counts.failed > 0 => Some(format!("{} tests failed", counts.failed)),
        Some(_) => None,
    });
    Outcome { counts, failure }
}

fn why(how: &How) -> Option<String> {
    match how {
        How::Success => None,
        How::Failure(status) => Some(status.clone()),
        How::TimedOut(limit) => Some(format!("it was still running after {} minutes", limit.as_secs() / 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64) -> Option<Counts> {
        Some(Counts { passed, failed, skipped: 0 })
    }

    #[test]
    fn a_runner_must_succeed_and_run_something() {
        assert_eq!(judge(&How::Success, counts(3, 0)).failure, None);
        assert_eq!(judge(&How::Success, None).failure.as_deref(), Some("it did not say how many tests it ran"));
        assert_eq!(judge(&How::Success, counts(0, 0)).failure.as_deref(), Some("it ran no test"));
        assert_eq!(judge(&How::Success, counts(3, 1)).failure.as_deref(), Some("1 tests failed"));
        let failed = How::Failure("exit status: 1".to_owned());
        assert_eq!(judge(&failed, counts(3, 0)).failure.as_deref(), Some("exit status: 1"));
        let late = How::TimedOut(TEST_LIMIT);
        assert_eq!(judge(&late, None).failure.as_deref(), Some("it was still running after 5 minutes"));
    }

    #[test]
    fn clients_are_not_run_against_an_old_binary() {
        let outcome = Step::Python.run(&mut Context::default());
        assert_eq!(outcome.failure.as_deref(), Some("the binary it tests could not be built"));
        assert_eq!(outcome.counted(), Counts { passed: 0, failed: 1, skipped: 0 });
    }
}
