//! The published results of the conformance suite are about cases that there are. That some cases are newer is said and no more:
//! results take a while to be made.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

use super::cases::Case;
use crate::tidy::source::{Finding, Source};

const TABLE: &str = "conformance-tests/RESULTS.md";
/// It has all cases, the table only those that somebody does not keep to.
const PAGE: &str = "conformance-tests/RESULTS.html";

static ROW: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^\| ([A-Z]+-\d+) \|").expect("it is well formed"));
static DATA: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""case":"([A-Z]+-\d+)""#).expect("it is well formed"));

/// Refuses results about cases that there are not, and notes the cases that are not in them.
pub(super) fn check(sources: &[Source], cases: &[Case]) -> (Vec<Finding>, Vec<String>) {
    let known: BTreeSet<&str> = cases.iter().map(Case::id).collect();
    let (mut findings, mut notes) = (Vec::new(), Vec::new());
    for (path, pattern) in [(TABLE, &*ROW), (PAGE, &*DATA)] {
        let Some(source) = sources.iter().find(|source| source.path == path) else { continue };
        let ids: BTreeSet<&str> =
            pattern.captures_iter(&source.text).filter_map(|found| Some(found.get(1)?.as_str())).collect();
        let gone: Vec<_> = ids.difference(&known).copied().collect();
        if !gone.is_empty() {
            let what = format!("has results of cases that there are not: {}; `cargo xtask matrix`", gone.join(", "));
            findings.push(source.finding(None, what));
        }
        let new: Vec<_> = known.difference(&ids).copied().collect();
        if path == PAGE && !new.is_empty() {
            let new = new.join(", ");
            notes.push(format!("{path} is older than these cases, `cargo xtask matrix` makes it anew: {new}"));
        }
    }
    (findings, notes)
}
