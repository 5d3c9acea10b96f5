//! What a case may end with.

use crate::budget::Budget;
use std::fmt::{Display, Formatter};

/// How binding a clause is; a case is never stricter than its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Optional.
    May,
    /// To be kept unless there is a reason.
    Should,
    /// Binding.
    Must,
}

impl Level {
    /// As the cases write it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "may" => Self::May,
            "should" => Self::Should,
            "must" => Self::Must,
            _ => return None,
        })
    }
}

impl Display for Level {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::May => "may",
            Self::Should => "should",
            Self::Must => "must",
        })
    }
}

/// What a case found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// As the clause says.
    Pass,
    /// Tolerated, but not what the clause says.
    Nonstrict,
    /// The clause is broken.
    Fail,
    /// The peer does not have what the case is about, as it said itself or as was found before.
    Unimplemented,
    /// What the case stands on did not work.
    Blocked,
    /// The machine was too busy to tell.
    Inconclusive,
    /// The suite itself is at fault.
    Error,
}

impl Verdict {
    /// All of them, the best first.
    pub const ALL: [Self; 7] =
        [Self::Pass, Self::Nonstrict, Self::Fail, Self::Unimplemented, Self::Blocked, Self::Inconclusive, Self::Error];

    /// As the cases, reports and expectation files write it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.to_string() == text)
    }

    /// Whether the case could be judged at all.
    pub fn is_reached(self) -> bool {
        matches!(self, Self::Pass | Self::Nonstrict | Self::Fail | Self::Unimplemented)
    }
}

impl Display for Verdict {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.pad(match self {
            Self::Pass => "pass",
            Self::Nonstrict => "nonstrict",
            Self::Fail => "fail",
            Self::Unimplemented => "unimplemented",
            Self::Blocked => "blocked",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
        })
    }
}

/// A verdict and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// What was expected and what came, for people; empty for a plain pass.
    pub reason: String,
    /// It failed, and the machine was too busy to be sure of that.
    pub unsure: bool,
}

impl Finding {
    /// The clause is kept.
    pub fn pass() -> Self {
        Self::new(Verdict::Pass, "")
    }

    /// A failure on a machine that was too busy to be sure of it.
    pub fn unsure(reason: impl Into<String>) -> Self {
        Self { unsure: true, ..Self::new(Verdict::Inconclusive, reason) }
    }

    /// A reply that should have come before the timeout, and came with it or so late that nobody knows.
    pub fn too_close(budget: &Budget) -> Self {
        let (timeout, slowest) = (budget.timeout.as_millis(), budget.slowest.as_millis());
        let why =
            format!("the timeout, {timeout} ms, is too close to the slowest answer, {slowest} ms, to be told from it");
        Self::new(Verdict::Inconclusive, why)
    }

    /// Any verdict.
    pub fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), unsure: false }
    }
}
