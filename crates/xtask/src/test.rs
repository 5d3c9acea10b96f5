//! `cargo xtask test`: every test and check, in an order that tells soonest what is wrong, and one line in the end.

mod counts;
mod step;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::ValueEnum;

use self::{
    counts::Counts,
    step::{Context, Outcome, Step},
};

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Rustfmt finds nothing to change.
    Fmt,
    /// Clippy finds nothing in any crate, with tests and examples.
    Clippy,
    /// All Rust tests: cargo test --workspace.
    Rust,
    /// The conformance suite finds each defect of a server that is made to have it.
    KillMatrix,
    /// Every interleaving of the engine's concurrent parts, tried out by loom.
    Loom,
    /// Rustdoc finds nothing wrong in the libraries.
    Doc,
    /// The same as cargo xtask tidy.
    Tidy,
    /// The same as cargo xtask spec-check.
    Spec,
    /// Real clients against the release binary (after setup): npm cometd, npm faye, aiocometd, Chromium; also behind nginx and
    /// haproxy.
    Peers,
    /// The conformance suite against the release binary, on both fronts, and against npm faye, npm cometd and the Rust client.
    Conformance,
}

/// A step that was run.
struct Run {
    step: Step,
    outcome: Outcome,
    took: Duration,
}

/// Runs what is chosen, or all. Tells whether nothing failed.
pub(crate) fn run(what: &[What]) -> Result<bool> {
    let what = if what.is_empty() { What::value_variants() } else { what };
    let steps: BTreeSet<Step> = what.iter().flat_map(|what| steps_of(*what)).copied().collect();
    let mut context = Context::default();
    let mut runs = Vec::new();
    for step in steps {
        println!("\n== {}: {}", step.name(), step.explanation());
        let begun = Instant::now();
        let outcome = step.run(&mut context);
        if let Some(why) = &outcome.failure {
            println!("== {} failed: {why}", step.name());
        }
        runs.push(Run { step, outcome, took: begun.elapsed() });
    }
    println!("\n{}", report(&runs));
    Ok(runs.iter().all(|run| run.outcome.failure.is_none()))
}

fn steps_of(what: What) -> &'static [Step] {
    match what {
        What::Fmt => &[Step::Fmt],
        What::Clippy => &[Step::Clippy],
        What::Rust => &[Step::Rust],
        What::KillMatrix => &[Step::KillMatrix],
        What::Loom => &[Step::Loom],
        What::Doc => &[Step::Doc],
        What::Tidy => &[Step::Tidy],
        What::Spec => &[Step::Spec],
        What::Conformance => &[Step::Build, Step::Conformance],
        What::Peers => &[Step::Setup, Step::Build, Step::Node, Step::Python],
    }
}

/// A line for each step, and last the sum, alone.
fn report(runs: &[Run]) -> String {
    let mut lines = String::new();
    let mut sum = Counts::default();
    for Run { step, outcome, took } in runs {
        let counts = outcome.counted();
        sum = sum + counts;
        let result = if outcome.failure.is_none() { "ok" } else { "FAILED" };
        let tests = outcome.counts.map_or_else(String::new, |counts| counts.to_string());
        let line = format!("{:<12}{result:<8}{:>7.1} s   {tests}", step.name(), took.as_secs_f64());
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    let total: Duration = runs.iter().map(|run| run.took).sum();
    lines.push_str(&format!("{:<20}{:>7.1} s\n\n{sum}", "all", total.as_secs_f64()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(step: Step, outcome: Outcome) -> Run {
        Run { step, outcome, took: Duration::from_millis(1500) }
    }

    fn counted(passed: u64, failed: u64, skipped: u64) -> Outcome {
        Outcome { counts: Some(Counts { passed, failed, skipped }), failure: None }
    }

    #[test]
    fn the_last_line_is_the_sum_alone() {
        let checked = Outcome { counts: None, failure: None };
        let runs =
            [run_of(Step::Fmt, checked), run_of(Step::Rust, counted(40, 0, 0)), run_of(Step::Node, counted(2, 0, 0))];
        let report = report(&runs);
        assert_eq!(report.lines().last(), Some("42 passed, 0 failed"));
        assert_eq!(report.lines().next(), Some("fmt         ok          1.5 s"));
    }

    #[test]
    fn whatever_failed_shows_in_the_sum() {
        let failure = || Some("why".to_owned());
        let check = Outcome { counts: None, failure: failure() };
        let tests = Outcome { failure: failure(), ..counted(5, 2, 1) };
        // Each test passed, but the runner said that something was wrong.
        let runner = Outcome { failure: failure(), ..counted(3, 0, 0) };
        let report = report(&[run_of(Step::Clippy, check), run_of(Step::Rust, tests), run_of(Step::Node, runner)]);
        assert_eq!(report.lines().last(), Some("8 passed, 4 failed, 1 skipped"));
    }

    #[test]
    fn by_default_every_step_is_run() {
        let steps: BTreeSet<Step> = What::value_variants().iter().flat_map(|what| steps_of(*what)).copied().collect();
        assert_eq!(steps.into_iter().collect::<Vec<_>>(), Step::ALL);
    }
}
