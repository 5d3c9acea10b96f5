//! How long a file may be: one of 100 to 200 lines is normal, one of 600 is split.

use super::source::{Finding, Source};

const TOO_LONG: usize = 600;
const LONG: usize = 400;

/// Refuses a file that is too long.
pub(super) fn check(source: &Source) -> Option<Finding> {
    let lines = code_lines(source)?;
    (lines > TOO_LONG).then(|| source.finding(None, format!("{lines} lines; more than {TOO_LONG} have to be split")))
}

/// Names a file that wants a second look.
pub(super) fn note(source: &Source) -> Option<Finding> {
    let lines = code_lines(source)?;
    (LONG < lines && lines <= TOO_LONG).then(|| source.finding(None, format!("{lines} lines; could it be split?")))
}

fn code_lines(source: &Source) -> Option<usize> {
    matches!(source.extension()?, "rs" | "js" | "mjs" | "ts" | "py").then(|| source.text.lines().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, lines: usize) -> Source {
        Source::new(path, &"x\n".repeat(lines))
    }

    #[test]
    fn too_long_is_refused_and_long_is_noted() {
        for name in ["a.rs", "b/c.js", "c.mjs", "d.ts", "e.py"] {
            let finding = check(&of(name, 601)).expect("it is too long");
            assert_eq!(finding.to_string(), format!("{name}: 601 lines; more than 600 have to be split"));
            assert_eq!(note(&of(name, 601)), None);
            assert_eq!(check(&of(name, 600)), None);
            assert!(note(&of(name, 600)).is_some() && note(&of(name, 401)).is_some());
            assert_eq!(note(&of(name, 400)), None);
        }
        for name in ["Cargo.lock", "README", "package-lock.json"] {
            assert_eq!(check(&of(name, 5000)), None);
        }
    }
}
