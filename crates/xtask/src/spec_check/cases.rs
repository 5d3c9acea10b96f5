//! Cases of the conformance suite: each is about clauses that there are and asks for no more than they do, and each active
//! clause has one, or says why there can be none.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    Spec,
    clause::{ClauseId, Level},
};
use crate::tidy::source::{Finding, Source};

/// Cases that are data.
pub(super) const FOLDER: &str = "conformance-tests/cases";
/// The crate that lists the others with them.
pub(super) const CRATE: &str = "conformance-tests/Cargo.toml";
const LISTED: &str = "bayeux-conformance list --json";

/// A case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    id: String,
    level: Level,
    clauses: Vec<String>,
    /// Where it is.
    path: String,
}

#[derive(Debug, Deserialize)]
struct Written {
    id: String,
    level: String,
    clauses: Vec<String>,
    #[serde(rename = "title")]
    _title: String,
}

/// Whether there are cases to check.
pub(super) fn are_there(sources: &[Source]) -> bool {
    sources.iter().any(is_case_file)
}

/// The cases of all files, and those besides that `listed` names.
pub(super) fn read(sources: &[Source], listed: Option<&str>) -> (Vec<Case>, Vec<Finding>) {
    let (mut cases, mut findings) = (Vec::new(), Vec::new());
    for source in sources.iter().filter(|source| is_case_file(source)) {
        append(&source.path, &source.text, &mut cases, &mut findings);
    }
    let mut seen = BTreeSet::new();
    for case in &cases {
        if !seen.insert(case.id.clone()) {
            findings.push(case.finding("is there twice; ids are given once"));
        }
    }
    if let Some(text) = listed {
        let mut all = Vec::new();
        append(LISTED, text, &mut all, &mut findings);
        cases.extend(all.into_iter().filter(|case| !seen.contains(&case.id)));
    }
    (cases, findings)
}

/// Refuses a case about a clause that there is not, and one that asks for more than its clauses.
pub(super) fn check(cases: &[Case], spec: &Spec) -> Vec<Finding> {
    let mut findings = Vec::new();
    for case in cases {
        let ids = case.clauses.iter().map(|text| (text, ClauseId::parse(text)));
        let mut strictest = None;
        for (text, id) in ids {
            match id.and_then(|id| spec.clauses.get(&id)) {
                Some(clause) if clause.is_retired() => findings.push(case.finding(&format!("{text} is retired"))),
                Some(clause) => strictest = strictest.max(Some(clause.level)),
                None => findings.push(case.finding(&format!("there is no clause {text}"))),
            }
        }
        match strictest {
            None if case.clauses.is_empty() => findings.push(case.finding("is about no clause")),
            Some(level) if case.level > level => {
                let (case_level, level, clauses) = (case.level.as_str(), level.as_str(), case.clauses.join(", "));
                findings.push(case.finding(&format!("is {case_level}, stricter than {clauses}, which is {level}")));
            }
            _ => {}
        }
    }
    findings
}

/// Refuses an active clause that has no case and does not say why there can be none, and one that says so and has a case.
pub(super) fn check_coverage(cases: &[Case], spec: &Spec) -> Vec<Finding> {
    let covered: BTreeSet<ClauseId> =
        cases.iter().flat_map(|case| &case.clauses).filter_map(|text| ClauseId::parse(text)).collect();
    let mut findings = Vec::new();
    for clause in spec.clauses.values().filter(|clause| clause.is_active()) {
        let what = match (covered.contains(&clause.id), &clause.no_case) {
            (true, None) | (false, Some(_)) => continue,
            (false, None) => "has no case; write one, or let it say why there can be none: `no case: why`",
            (true, Some(_)) => "has a case, and says that there can be none: take `no case` out",
        };
        let what = format!("{} {what}", clause.id);
        findings.push(Finding { path: clause.file.clone(), line: Some(clause.line), what });
    }
    findings
}

/// Whether it is a file of cases.
pub(super) fn is_case_file(source: &Source) -> bool {
    source.path.strip_prefix(FOLDER).is_some_and(|rest| rest.starts_with('/') && rest.ends_with(".json"))
}

fn append(path: &str, text: &str, cases: &mut Vec<Case>, findings: &mut Vec<Finding>) {
    let finding = |what: String| Finding { path: path.to_owned(), line: None, what };
    let written: Vec<Written> = match serde_json::from_str(text) {
        Ok(written) => written,
        Err(error) => {
            return findings.push(finding(format!("is no array of cases with id, level, clauses and title: {error}")));
        }
    };
    for Written { id, level, clauses, .. } in written {
        match Level::parse(&level) {
            Some(level) => cases.push(Case { id, level, clauses, path: path.to_owned() }),
            None => findings.push(finding(format!("{id}: `{level}` is no level; `must`, `should` or `may`"))),
        }
    }
}

impl Case {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn level(&self) -> Level {
        self.level
    }

    pub(super) fn clauses(&self) -> impl Iterator<Item = &str> {
        self.clauses.iter().map(String::as_str)
    }

    fn finding(&self, what: &str) -> Finding {
        Finding { path: self.path.clone(), line: None, what: format!("{} {what}", self.id) }
    }
}
