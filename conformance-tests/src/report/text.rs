//! What the terminal shows: progress while cases run, then what did not pass and why, and the counts.

use crate::run::{Outcome, Progress};
use crate::transcript::Direction;
use crate::verdict::{Level, Verdict};
use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Instant;

/// Progress on standard error: one line that is written over on a terminal, a line every few seconds elsewhere.
pub struct Terminal {
    interactive: bool,
    last: Cell<Instant>,
    failed: Cell<usize>,
}

impl Terminal {
    /// For standard error as it is.
    pub fn new() -> Self {
        Self { interactive: std::io::stderr().is_terminal(), last: Cell::new(Instant::now()), failed: Cell::new(0) }
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Terminal {
    fn done(&self, outcome: &Outcome, count: usize, of: usize) {
        if !matches!(outcome.finding.verdict, Verdict::Pass | Verdict::Nonstrict | Verdict::Unimplemented) {
            self.failed.set(self.failed.get() + 1);
        }
        let every = if self.interactive { 100 } else { 5_000 };
        if count < of && self.last.get().elapsed().as_millis() < every {
            return;
        }
        self.last.set(Instant::now());
        let line = format!("{count} of {of} cases, {} not passed, last {}", self.failed.get(), outcome.instance.id());
        let mut stderr = std::io::stderr().lock();
        // Nothing is lost if nobody reads the progress.
        let _ = if self.interactive {
            let end = if count == of { "\n" } else { "" };
            write!(stderr, "\r\x1b[K{line}{end}").and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "{line}")
        };
    }
}

/// How many outcomes have this verdict, at this level or at any.
pub fn counts(outcomes: &[Outcome], verdict: Verdict, level: Option<Level>) -> usize {
    let fits = |outcome: &&Outcome| {
        outcome.finding.verdict == verdict && level.is_none_or(|level| outcome.instance.case.level == level)
    };
    outcomes.iter().filter(fits).count()
}

/// What did not pass, and the counts. `transcripts` adds what went over the wire.
pub fn summary(outcomes: &[Outcome], transcripts: bool) -> String {
    let mut out = String::new();
    let told = [Verdict::Nonstrict, Verdict::Blocked, Verdict::Inconclusive, Verdict::Error, Verdict::Fail];
    for outcome in told.iter().flat_map(|verdict| outcomes.iter().filter(|outcome| outcome.finding.verdict == *verdict))
    {
        let case = &outcome.instance.case;
        let _ = writeln!(
            out,
            "{} {} ({}, {})",
            outcome.finding.verdict,
            outcome.instance.id(),
            case.level,
            case.clauses.join(" ")
        );
        let _ = writeln!(out, "    {}", case.title);
        for line in outcome.finding.reason.lines() {
            let _ = writeln!(out, "    {line}");
        }
        if transcripts {
            transcript(outcome, &mut out);
        }
    }
    let _ = writeln!(out, "{:>15}{:>8}{:>8}{:>8}", "", "must", "should", "may");
    for verdict in Verdict::ALL {
        let row = [Level::Must, Level::Should, Level::May].map(|level| counts(outcomes, verdict, Some(level)));
        if row.iter().sum::<usize>() > 0 {
            let _ = writeln!(out, "{verdict:>15}{:>8}{:>8}{:>8}", row[0], row[1], row[2]);
        }
    }
    out
}

fn transcript(outcome: &Outcome, out: &mut String) {
    for entry in &outcome.transcript {
        let arrow = match entry.direction {
            Direction::Sent => "->",
            Direction::Received => "<-",
            Direction::Note => "--",
        };
        let _ = writeln!(out, "      {:>8.3} {}#{} {arrow}", entry.at.as_secs_f64(), entry.who, entry.connection);
        for line in entry.text.lines() {
            let _ = writeln!(out, "        {line}");
        }
    }
}
