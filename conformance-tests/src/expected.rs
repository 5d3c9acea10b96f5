//! Expectation files: which findings are known, each with its reason. What is not listed must pass, and what is listed and passes is
//! reported too, so that a file can't outlive its reasons.
//!
//! ```text
//! # case or pattern        verdict       reason
//! BT-005*                  fail|pass     what time decides may have several verdicts
//! HS-006*                  fail          accepts a handshake without a common connection type, issue 1234
//! ```

use crate::run::{Outcome, like};
use crate::verdict::Verdict;

/// The lines of an expectation file.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    line: usize,
    pattern: String,
    /// More than one where time decides.
    verdicts: Vec<Verdict>,
}

/// A finding that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surprise {
    /// This instance should have had this verdict.
    Other {
        /// `HS-006[websocket]`.
        id: String,
        /// What was expected.
        expected: Verdict,
        /// What came.
        found: Verdict,
    },
    /// This line of the file matches nothing that was run.
    Unused {
        /// Counted from 1.
        line: usize,
        /// What it says.
        pattern: String,
    },
}

impl std::fmt::Display for Surprise {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Other { id, expected, found } => write!(out, "{id}: expected {expected}, found {found}"),
            Self::Unused { line, pattern } => write!(out, "line {line}: {pattern} matches no case that was run"),
        }
    }
}

impl Expected {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let (Some(pattern), Some(verdict)) = (words.next(), words.next()) else {
                return Err(format!("line {line_number}: a line is a case, a verdict and a reason"));
            };
            let unknown = |one| format!("line {line_number}: no verdict is called {one:?}");
            let verdicts = verdict.split('|').map(|one| Verdict::parse(one).ok_or_else(|| unknown(one)));
            let verdicts = verdicts.collect::<Result<_, _>>()?;
            if words.next().is_none() {
                return Err(format!("line {line_number}: {pattern} has no reason"));
            }
            if entries.iter().any(|entry| entry.pattern == pattern) {
                return Err(format!("line {line_number}: {pattern} is there twice"));
            }
            entries.push(Entry { line: line_number, pattern: pattern.to_owned(), verdicts });
        }
        Ok(Self { entries })
    }

    /// What is not as expected. What is not listed should pass, be tolerated, or be unimplemented.
    pub fn surprises(&self, outcomes: &[Outcome]) -> Vec<Surprise> {
        let mut surprises = Vec::new();
        let mut used = vec![false; self.entries.len()];
        for outcome in outcomes {
            let id = outcome.instance.id();
            let found = outcome.finding.verdict;
            let entry = self
                .entries
                .iter()
                .position(|entry| like(&entry.pattern, &id) || entry.pattern == outcome.instance.case.id);
            match entry {
                Some(at) => {
                    used[at] = true;
                    let verdicts = &self.entries[at].verdicts;
                    if !verdicts.contains(&found) {
                        surprises.push(Surprise::Other { id, expected: verdicts[0], found });
                    }
                }
                None if matches!(found, Verdict::Pass | Verdict::Nonstrict | Verdict::Unimplemented) => {}
                None => surprises.push(Surprise::Other { id, expected: Verdict::Pass, found }),
            }
        }
        let unused = self.entries.iter().zip(used).filter(|(_, used)| !used);
        surprises
            .extend(unused.map(|(entry, _)| Surprise::Unused { line: entry.line, pattern: entry.pattern.clone() }));
        surprises
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_case_a_verdict_and_a_reason() {
        assert!(Expected::parse("# nothing\n\nHS-006 fail because it does").is_ok());
        for (text, what) in [
            ("HS-006", "line 1: a line is a case, a verdict and a reason"),
            ("HS-006 broken because", "line 1: no verdict is called \"broken\""),
            ("\nHS-006 fail", "line 2: HS-006 has no reason"),
            ("HS-006 fail a\nHS-006 pass b", "line 2: HS-006 is there twice"),
        ] {
            assert_eq!(Expected::parse(text).err().as_deref(), Some(what));
        }
    }
}
