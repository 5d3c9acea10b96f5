//! Expectation files of servers: each line stands under a heading that says from where the clauses of its case are, so that no
//! breach of the published text passes for one of what was added, nor the other way round.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Spec,
    cases::Case,
    clause::{Clause, ClauseId, Level, Origin},
};
use crate::tidy::source::{Finding, Source};

const FOLDER: &str = "conformance-tests/targets/";

/// How the headings begin, and what may stand below them.
const SECTIONS: [Section; 3] = [
    Section { heading: "# Clauses of the published text that bind", origin: Origin::Published, binds: Some(true) },
    Section {
        heading: "# Clauses of the published text that recommend",
        origin: Origin::Published,
        binds: Some(false),
    },
    Section { heading: "# Clauses that protocol-spec added", origin: Origin::Added, binds: None },
];

#[derive(Clone, Copy)]
struct Section {
    heading: &'static str,
    origin: Origin,
    /// Whether its cases are of level must, if that counts.
    binds: Option<bool>,
}

/// Refuses a line about a case of another origin than its section, or of another level.
pub(super) fn check(sources: &[Source], cases: &[Case], spec: &Spec) -> Vec<Finding> {
    let cases: BTreeMap<&str, &Case> = cases.iter().map(|case| (case.id(), case)).collect();
    let is_expectation = |source: &&Source| source.path.starts_with(FOLDER) && source.path.ends_with(".expected");
    let mut findings = Vec::new();
    for source in sources.iter().filter(is_expectation) {
        let mut section = None;
        for (number, line) in source.lines().filter(|(_, line)| !line.is_empty()) {
            if line.starts_with('#') {
                section = SECTIONS.into_iter().find(|section| line.starts_with(section.heading)).or(section);
                continue;
            }
            let id = line.split([' ', '[']).next().unwrap_or_default();
            // What is about no case, or about several, is found by the suite.
            let what = cases.get(id).and_then(|case| wrong(case, section, spec));
            findings.extend(what.map(|what| source.finding(number, format!("{id} {what}"))));
        }
    }
    findings
}

fn wrong(case: &Case, section: Option<Section>, spec: &Spec) -> Option<String> {
    let Some(section) = section else {
        return Some("stands under no heading that says from where its clauses are".to_owned());
    };
    let clauses = case.clauses().filter_map(|text| spec.clauses.get(&ClauseId::parse(text)?));
    let others: BTreeSet<String> = clauses.filter(|clause| clause.origin != section.origin).map(named).collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        return Some(format!("is about {others}, and stands under `{}`", section.heading));
    }
    let binds = case.level() == Level::Must;
    section.binds.filter(|wanted| *wanted != binds).map(|_| {
        let level = case.level().as_str();
        format!("is {level}, and stands under `{}`", section.heading)
    })
}

fn named(clause: &Clause) -> String {
    format!("{}, which is {}", clause.id, clause.origin.as_str())
}
