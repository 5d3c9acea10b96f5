//! Words that must not stand in a file: marks of what is unfinished, tests that are left out, and paths of a workplace.

use std::sync::LazyLock;

use regex::Regex;

use super::source::{Finding, Source};

/// Where these words have to stand: here.
const EXEMPT: &str = "crates/xtask/src/tidy/words.rs";

struct Rule {
    /// The files it is for, by extension; all files if there is none.
    extensions: &'static [&'static str],
    pattern: &'static str,
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule { extensions: &["rs"], pattern: r"\b(?:todo|unimplemented)!", why: "is unfinished" },
    Rule { extensions: &["rs", "js", "mjs", "ts", "py", "css", "html"], pattern: r"\bFIXME\b", why: "is unfinished" },
    Rule { extensions: &["rs"], pattern: r"#\[ignore\b", why: "leaves a test out" },
    Rule {
        extensions: &["js", "mjs", "ts"],
        pattern: r"\b(?:it|test|describe|suite)\.(?:skip|only|todo)\b",
        why: "leaves tests out",
    },
    Rule { extensions: &[], pattern: r"\.\./shared\b", why: "is a path outside of this repository" },
    Rule { extensions: &[], pattern: r"/work/", why: "is a path outside of this repository" },
];

static PATTERNS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| RULES.iter().map(|rule| Regex::new(rule.pattern).expect("the pattern is well formed")).collect());

/// Refuses each line with such a word.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.path == EXEMPT {
        return findings;
    }
    for (rule, pattern) in RULES.iter().zip(&*PATTERNS) {
        let applies = rule.extensions.is_empty()
            || source.extension().is_some_and(|extension| rule.extensions.contains(&extension));
        if !applies {
            continue;
        }
        for (number, line) in source.lines() {
            if let Some(found) = pattern.find(line) {
                findings.push(source.finding(number, format!("`{}` {}", found.as_str(), rule.why)));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_unfinished_is_refused() {
        assert_eq!(found("a.rs", "fn f() {\n    todo!()\n}"), ["a.rs:2: `todo!` is unfinished"]);
        assert_eq!(found("a.rs", "unimplemented!(\"later\")"), ["a.rs:1: `unimplemented!` is unfinished"]);
        for path in ["a.rs", "a.mjs", "a.py", "a.css"] {
            assert_eq!(found(path, "x FIXME: y"), [format!("{path}:1: `FIXME` is unfinished")]);
        }
    }

    #[test]
    fn tests_that_are_left_out_are_refused() {
        assert_eq!(found("a.rs", "#[ignore]\n#[ignore = \"slow\"]").len(), 2);
        for line in ["it.skip('x')", "describe.only('x')", "  test.todo('x')"] {
            assert_eq!(found("a.test.mjs", line).len(), 1, "{line}");
        }
    }

    #[test]
    fn paths_of_a_workplace_are_refused_in_every_file() {
        for path in ["README.md", "a.rs", "LICENSE", ".ci/run"] {
            assert_eq!(found(path, concat!("see ../sha", "red/notes")).len(), 1);
            assert_eq!(found(path, concat!("in /wo", "rk/main")).len(), 1);
        }
    }

    #[test]
    fn other_words_are_not() {
        let text = "method!() todo list, #[ignored_too] PREFIXMEN ../sharing, /workers/ it.skipped";
        assert!(found("a.rs", text).is_empty(), "{:?}", found("a.rs", text));
        assert!(found("a.md", "todo!() in prose").is_empty());
        assert!(found(EXEMPT, "todo!()").is_empty());
    }
}
