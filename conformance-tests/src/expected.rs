//! Expectation files: which findings are known, each with its reason. What is not listed must pass, and what is listed and passes is
//! reported too, so that a file can't outlive its reasons. Of several lines about one instance the most specific counts: its id with
//! the transport, then its case's id, then a pattern.
//!
//! ```text
//! # case or pattern        verdict       reason
//! BT-005*                  fail|pass     what time decides may have several verdicts
//! HS-006*                  fail          accepts a handshake without a common connection type, issue 1234
//! ```

use crate::run::{Instance, Outcome, like};
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

/// How closely a line names an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Pattern,
    Case,
    Instance,
}

impl Entry {
    fn rank(&self, instance: &Instance) -> Option<Rank> {
        let id = instance.id();
        if self.pattern == id {
            Some(Rank::Instance)
        } else if self.pattern == instance.case.id {
            Some(Rank::Case)
        } else {
            like(&self.pattern, &id).then_some(Rank::Pattern)
        }
    }
}

/// A finding that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surprise {
    /// `HS-006[websocket]`.
    pub id: String,
    /// What was expected.
    pub expected: Verdict,
    /// What came.
    pub found: Verdict,
}

impl std::fmt::Display for Surprise {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: expected {}, found {}", self.id, self.expected, self.found)
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
            if pattern.chars().all(|letter| letter == '*') {
                return Err(format!(
                    "line {line_number}: {pattern} is about everything; name a case, or how its id begins"
                ));
            }
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

    /// Refuses a file with a line about none of all the instances that there are, or of which two lines that are equally specific are
    /// about the same one.
    pub fn check<'a>(&self, instances: impl IntoIterator<Item = &'a Instance>) -> Result<(), String> {
        let mut unused: Vec<&Entry> = self.entries.iter().collect();
        for instance in instances {
            unused.retain(|entry| entry.rank(instance).is_none());
            if let [one, other, ..] = self.about(instance).as_slice() {
                let (id, one, other) = (instance.id(), &self.entries[*one], &self.entries[*other]);
                let (first, second) = (&one.pattern, &other.pattern);
                return Err(format!(
                    "line {}: {second} and {first} of line {} are both about {id}",
                    other.line, one.line
                ));
            }
        }
        match unused.first() {
            None => Ok(()),
            Some(entry) => Err(format!("line {}: {} matches no case", entry.line, entry.pattern)),
        }
    }

    /// The lines about an instance that are the most specific: one, none, or such as [`Expected::check`] refuses.
    fn about(&self, instance: &Instance) -> Vec<usize> {
        let ranks = self.entries.iter().map(|entry| entry.rank(instance)).collect::<Vec<_>>();
        let best = ranks.iter().flatten().max();
        (0..ranks.len()).filter(|at| best.is_some() && ranks[*at].as_ref() == best).collect()
    }

    /// What is not as expected. What is not listed should pass, be tolerated, or be unimplemented.
    pub fn surprises(&self, outcomes: &[Outcome]) -> Vec<Surprise> {
        let mut surprises = Vec::new();
        for outcome in outcomes {
            let id = outcome.instance.id();
            let found = outcome.finding.verdict;
            match self.about(&outcome.instance).first().copied() {
                Some(at) => {
                    let verdicts = &self.entries[at].verdicts;
                    // A failure on a machine that was too busy to be sure of it is the failure that was expected.
                    let unsure = outcome.finding.unsure && verdicts.contains(&Verdict::Fail);
                    if !verdicts.contains(&found) && !unsure {
                        surprises.push(Surprise { id, expected: verdicts[0], found });
                    }
                }
                None if matches!(found, Verdict::Pass | Verdict::Nonstrict | Verdict::Unimplemented) => {}
                None => surprises.push(Surprise { id, expected: Verdict::Pass, found }),
            }
        }
        surprises
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::all;
    use crate::peer::Transport;
    use crate::verdict::Finding;
    use std::{rc::Rc, time::Duration};

    #[test]
    fn a_line_is_a_case_a_verdict_and_a_reason() {
        assert!(Expected::parse("# nothing\n\nHS-006 fail because it does").is_ok());
        for (text, what) in [
            ("HS-006", "line 1: a line is a case, a verdict and a reason"),
            ("HS-006 broken because", "line 1: no verdict is called \"broken\""),
            ("\nHS-006 fail", "line 2: HS-006 has no reason"),
            ("HS-006 fail a\nHS-006 pass b", "line 2: HS-006 is there twice"),
            ("\n* fail a", "line 2: * is about everything; name a case, or how its id begins"),
        ] {
            assert_eq!(Expected::parse(text).err().as_deref(), Some(what));
        }
    }

    /// An instance of the case of this name over long-polling, as of a run.
    fn instance(id: &str) -> Instance {
        let case = all().expect("cases").into_iter().find(|case| case.id == id).expect("there is such a case");
        Instance { case: Rc::new(case), transport: Transport::LongPolling }
    }

    fn surprises(text: &str, id: &str, verdict: Verdict) -> Vec<String> {
        surprises_of(text, id, Finding::new(verdict, "why"))
    }

    fn surprises_of(text: &str, id: &str, finding: Finding) -> Vec<String> {
        let outcome = Outcome { instance: instance(id), finding, transcript: Vec::new(), took: Duration::ZERO };
        let surprises = Expected::parse(text).expect("a file").surprises(&[outcome]);
        surprises.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_most_specific_line_counts_and_two_that_are_equally_specific_are_refused() {
        use Verdict::{Fail, Nonstrict, Pass};
        let lines = "HS-* fail a\nHS-006 nonstrict b\nHS-006[long-polling] pass c";
        assert!(surprises(lines, "HS-006", Pass).is_empty());
        assert!(surprises("HS-* fail a\nHS-006 nonstrict b", "HS-006", Nonstrict).is_empty());
        assert!(surprises("HS-006 nonstrict b\nHS-* fail a", "HS-006", Nonstrict).is_empty());
        assert!(surprises("HS-* fail a", "HS-006", Fail).is_empty());
        let check = |text| Expected::parse(text).expect("a file").check([&instance("HS-006")]);
        assert_eq!(check(lines), Ok(()));
        assert_eq!(
            check("HS-0* fail a\nHS-* fail b"),
            Err("line 2: HS-* and HS-0* of line 1 are both about HS-006[long-polling]".into())
        );
        assert_eq!(check("HS-006 pass a\nHS-6 fail b"), Err("line 2: HS-6 matches no case".into()));
        assert_eq!(check("HS-006[pigeon] fail b"), Err("line 1: HS-006[pigeon] matches no case".into()));
    }

    #[test]
    fn what_is_not_as_expected_is_a_surprise() {
        use Verdict::{Fail, Inconclusive, Nonstrict, Pass};
        assert!(surprises("HS-006 fail a\nHS-007 fail left out", "HS-006", Fail).is_empty());
        assert!(surprises("HS-006[long-polling] fail|pass a", "HS-006", Pass).is_empty());
        assert!(surprises("", "HS-006", Nonstrict).is_empty());
        assert_eq!(surprises("", "HS-006", Fail), ["HS-006[long-polling]: expected pass, found fail"]);
        assert_eq!(surprises("HS-006 fail a", "HS-006", Pass), ["HS-006[long-polling]: expected fail, found pass"]);
        // A busy machine: the failure that was expected can't be told from it, a pass can.
        assert!(surprises_of("HS-006 fail a", "HS-006", Finding::unsure("why")).is_empty());
        for (found, verdict) in
            [(Finding::unsure("why"), "nonstrict"), (Finding::new(Inconclusive, "too close"), "fail")]
        {
            assert_eq!(
                surprises_of(&format!("HS-006 {verdict} a"), "HS-006", found),
                [format!("HS-006[long-polling]: expected {verdict}, found inconclusive")]
            );
        }
    }
}
