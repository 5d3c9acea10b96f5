//! Clauses of the specification are cited in one form, so that a search for one finds every place: `BX-HS-7`, a whole
//! group as `BX-HS-*`, and in the names of tests `bx_hs_7_what_it_says`.

use std::sync::LazyLock;

use regex::Regex;

use super::source::{Finding, Source};

/// Where citations in the wrong form have to stand: here, and where the specification is checked.
const EXEMPT: [&str; 2] = ["crates/xtask/src/tidy/citations.rs", "crates/xtask/src/spec_check"];

static CITATION: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\bBX-[\w*][\w*-]*"));
static CITATION_FORM: LazyLock<Regex> = LazyLock::new(|| regex(r"^BX-[A-Z]{2,3}-(?:[1-9][0-9]{0,2}|\*)$"));
static TEST: LazyLock<Regex> = LazyLock::new(|| regex(r"\bfn (bx_\w*)"));
static TEST_FORM: LazyLock<Regex> = LazyLock::new(|| regex(r"^bx_[a-z]{2,3}_[1-9][0-9]{0,2}_[a-z0-9_]*[a-z0-9]$"));

/// Refuses each citation in another form.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_prose_or_code = matches!(source.extension(), Some("rs" | "md" | "js" | "mjs" | "ts" | "py"));
    if EXEMPT.iter().any(|path| source.path.starts_with(path)) || !is_prose_or_code {
        return findings;
    }
    for (number, line) in source.lines() {
        let citations = CITATION.find_iter(line).map(|found| found.as_str());
        for citation in citations.filter(|citation| !CITATION_FORM.is_match(citation)) {
            findings.push(source.finding(number, format!("`{citation}` has not the form of a clause, BX-HS-7")));
        }
        let tests = TEST.captures_iter(line).map(|found| found.extract::<1>().1[0]);
        for test in tests.filter(|test| !TEST_FORM.is_match(test)) {
            findings.push(source.finding(number, format!("`{test}` has not the form bx_hs_7_what_it_says")));
        }
    }
    findings
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Source::new("a.rs", text)).len()
    }

    #[test]
    fn citations_in_another_form_are_refused() {
        for text in [
            "BX-HS",
            "BX-HS-",
            "BX-HS-07",
            "BX-hs-7",
            "bx-hs-7",
            "BX-HSHS-7",
            "BX-H-7",
            "BX-HS-7a",
            "BX-HS-7-8",
            "BX-7",
        ] {
            assert_eq!(found(&format!("// see {text}.")), 1, "{text}");
        }
        let finding = check(&Source::new("a.md", "\n(BX-HS-0)")).pop().expect("there is one");
        assert_eq!(finding.to_string(), "a.md:2: `BX-HS-0` has not the form of a clause, BX-HS-7");
    }

    #[test]
    fn citations_in_the_form_are_not() {
        for text in ["BX-HS-7", "(BX-SEC-12, BX-CN-4)", "BX-ADV-*", "`BX-…` names clauses", "BX-\u{2026}", "XBX-7"] {
            assert_eq!(found(text), 0, "{text}");
        }
    }

    #[test]
    fn names_of_tests_are_held_to_it_too() {
        for name in ["bx_hs_the_reply", "bx_7_x", "bx_hs_7", "bx_hs_07_x", "bx_hshs_7_x"] {
            assert_eq!(found(&format!("    fn {name}() {{")), 1, "{name}");
        }
        assert_eq!(found("fn bx_hs_7_the_reply_has_advice() {"), 0);
        assert_eq!(found("fn box_7() {"), 0);
    }
}
