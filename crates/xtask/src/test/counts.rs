//! How many tests ran, read from the closing lines of each runner.

use std::{fmt, ops::Add};

use regex::Regex;

/// Tests by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

/// The form of a runner's closing lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; ...`, one for each program of tests.
    Cargo,
    /// A line for each count, `# pass 3` or `ℹ pass 3`, once.
    Lines,
}

impl Counts {
    /// The sum of what the closing lines say; nothing if there are none.
    pub(super) fn read(form: Form, output: &str) -> Option<Self> {
        let output = regex(r"\x1b\[[0-9;]*m").replace_all(output, "");
        match form {
            Form::Cargo => cargo(&output),
            Form::Lines => lines(&output),
        }
    }

    pub(super) const fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

fn cargo(output: &str) -> Option<Counts> {
    let closing = regex(r"(?m)^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored;");
    let each = closing.captures_iter(output).map(|found| {
        let [passed, failed, skipped] = found.extract().1.map(number);
        Counts { passed, failed, skipped }
    });
    each.reduce(Add::add)
}

fn lines(output: &str) -> Option<Counts> {
    let closing = regex(r"(?m)^(?:#|ℹ) (pass|fail|cancelled|skipped|todo) (\d+)\r?$");
    let mut counts = Counts::default();
    let mut has = (false, false);
    for found in closing.captures_iter(output) {
        let [name, count] = found.extract().1;
        let count = number(count);
        match name {
            "pass" => (counts.passed, has.0) = (count, true),
            "fail" => (counts.failed, has.1) = (counts.failed + count, true),
            // A test that was cut off, by its own deadline or since another failed, did not do what it should.
            "cancelled" => counts.failed += count,
            _ => counts.skipped += count,
        }
    }
    (has == (true, true)).then_some(counts)
}

fn number(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX / 8)
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_prints_a_line_for_each_program() {
        let output = "running 2 tests\ntest a ... ok\n\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            \x1b[0mtest result: \x1b[31mFAILED\x1b[0m. 3 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(Counts::read(Form::Cargo, output), Some(Counts { passed: 5, failed: 1, skipped: 4 }));
    }

    #[test]
    fn node_and_our_python_print_a_line_for_each_count() {
        let node =
            "ℹ tests 40\nℹ suites 2\nℹ pass 34\nℹ fail 1\nℹ cancelled 2\nℹ skipped 3\nℹ todo 0\nℹ duration_ms 16.4\n";
        assert_eq!(Counts::read(Form::Lines, node), Some(Counts { passed: 34, failed: 3, skipped: 3 }));
        let python = "ok - a\n# pass 32\n# fail 0\n# skipped 0\n";
        assert_eq!(Counts::read(Form::Lines, python), Some(Counts { passed: 32, failed: 0, skipped: 0 }));
    }

    #[test]
    fn without_closing_lines_there_is_no_count() {
        assert_eq!(Counts::read(Form::Cargo, "error: could not compile"), None);
        assert_eq!(Counts::read(Form::Cargo, "x test result: ok. 2 passed; 0 failed; 0 ignored;"), None);
        assert_eq!(Counts::read(Form::Lines, "ok 1 - a\n"), None);
        assert_eq!(Counts::read(Form::Lines, "# pass 3\n"), None);
    }

    #[test]
    fn skipped_ones_are_named_if_there_are_any() {
        let counts = Counts { passed: 3, failed: 0, skipped: 0 };
        assert_eq!(counts.to_string(), "3 passed, 0 failed");
        assert_eq!(Counts { skipped: 2, ..counts }.to_string(), "3 passed, 0 failed, 2 skipped");
    }
}
