//! Where clauses are mentioned: only those that there are, and each active one in the code that keeps it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;

use super::{Spec, clause::ClauseId};
use crate::tidy::source::{Finding, Source};

static MENTION: LazyLock<Regex> = LazyLock::new(|| regex(r"\bBX-[A-Z]{2,3}-(?:[1-9][0-9]*|\*)"));
static TEST: LazyLock<Regex> = LazyLock::new(|| regex(r"\bfn bx_([a-z]{2,3})_([1-9][0-9]*)_"));

/// Crates that keep no clause, but measure, try out or check those that do.
const NOT_CODE: [&str; 5] = ["bayeux-bench", "bayeux-conformance", "bayeux-fuzz", "bayeux-sim", "xtask"];

/// Where ids that there are not have to stand: tests of these checks.
const EXEMPT: [&str; 3] =
    ["crates/xtask/src/tidy/citations.rs", "crates/xtask/src/spec_check/", "protocol-spec/ids.lock"];

/// Refuses the mention of a clause that there is not, or is no more.
pub(super) fn check_known(sources: &[Source], spec: &Spec) -> Vec<Finding> {
    let areas: BTreeSet<&str> = spec.clauses.keys().map(ClauseId::area).collect();
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !EXEMPT.iter().any(|path| source.path.starts_with(path))) {
        for (number, line) in source.lines() {
            for mention in mentions(line) {
                let what = match ClauseId::parse(&mention) {
                    Some(id) => match spec.clauses.get(&id) {
                        Some(clause) if clause.is_retired() && !is_its_own(source, clause.line, number) => {
                            format!("{id} is retired")
                        }
                        Some(_) => continue,
                        None => format!("there is no clause {id}"),
                    },
                    None if mention.split('-').nth(1).is_some_and(|area| areas.contains(area)) => continue,
                    None => format!("there are no clauses {mention}"),
                };
                findings.push(source.finding(number, what));
            }
        }
    }
    findings
}

/// Refuses an active clause that no code cites.
pub(super) fn check_cited(sources: &[Source], spec: &Spec) -> Vec<Finding> {
    let cited = cited(sources);
    let missing = spec.clauses.values().filter(|clause| clause.is_active() && !cited.contains_key(&clause.id));
    let finding = |clause: &super::Clause| Finding {
        path: clause.file.clone(),
        line: Some(clause.line),
        what: format!("{} is cited nowhere in the code; cite it where it is kept, or call it planned", clause.id),
    };
    missing.map(finding).collect()
}

/// How often each clause is cited in code that is no test.
fn cited(sources: &[Source]) -> BTreeMap<ClauseId, usize> {
    let mut cited = BTreeMap::new();
    for source in sources.iter().filter(|source| is_code(&source.path)) {
        let code = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for id in code.lines().flat_map(mentions).filter_map(|mention| ClauseId::parse(&mention)) {
            *cited.entry(id).or_insert(0) += 1;
        }
    }
    cited
}

/// `crates/*/src` and `js-client/src`, without tests.
fn is_code(path: &str) -> bool {
    let inside = match path.strip_prefix("crates/").and_then(|rest| rest.split_once('/')) {
        Some((name, rest)) => !NOT_CODE.contains(&name) && rest.starts_with("src/"),
        None => path.starts_with("js-client/src/"),
    };
    let test = path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains(".test.");
    inside && !test
}

/// The mentions in a line: ids, groups, and the names of tests.
fn mentions(line: &str) -> Vec<String> {
    if !line.contains("BX-") && !line.contains("fn bx_") {
        return Vec::new();
    }
    let mut found: Vec<String> = MENTION.find_iter(line).map(|found| found.as_str().to_owned()).collect();
    let of_tests = TEST.captures_iter(line).map(|found| found.extract::<2>().1);
    found.extend(of_tests.map(|[area, number]| format!("BX-{}-{number}", area.to_uppercase())));
    found
}

/// The heading of the clause itself.
fn is_its_own(source: &Source, line: usize, number: usize) -> bool {
    source.path.starts_with("protocol-spec/") && (line == number || source.path.ends_with("clauses.json"))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_groups_and_tests_are_mentions() {
        assert_eq!(mentions("(BX-HS-8, BX-CN-*) fn bx_dl_7_one_copy() {"), ["BX-HS-8", "BX-CN-*", "BX-DL-7"]);
        assert!(mentions("`BX-…` XBX-HS-8 fn box_hs_7_x").is_empty());
    }

    #[test]
    fn code_is_what_keeps_clauses() {
        for path in ["crates/bayeux-engine/src/meta/connect.rs", "js-client/src/client.ts"] {
            assert!(is_code(path), "{path}");
        }
        for path in [
            "crates/bayeux-engine/tests/it/main.rs",
            "crates/bayeux-engine/src/router/tests.rs",
            "crates/bayeux-bench/src/main.rs",
            "js-client/src/client.test.ts",
            "js-client/test/x.ts",
            "protocol-spec/README.md",
        ] {
            assert!(!is_code(path), "{path}");
        }
        let source = Source::new("crates/a/src/b.rs", "// BX-HS-8\n#[cfg(test)]\nmod tests {\n// BX-HS-9\n}");
        assert_eq!(cited(&[source]).keys().map(ToString::to_string).collect::<Vec<_>>(), ["BX-HS-8"]);
    }
}
