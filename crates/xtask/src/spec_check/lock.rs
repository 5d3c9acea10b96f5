//! ids.lock: every id that was ever given, each with the hash of the text with which its cases were last read.
//!
//! So no id vanishes or comes back for something else, and a text that changed is noticed until somebody has read what
//! depends on it again and says so.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::{
    Spec,
    clause::{Clause, ClauseId},
};
use crate::tidy::source::{Finding, Source};

pub(super) const PATH: &str = "protocol-spec/ids.lock";
const RETIRED: &str = "retired";
const HEAD: &str =
    "# Every id that was ever given, and the hash of the text with which its cases were last read. Written by
# `cargo xtask spec-check --stamp ID`, after reading them.
";

/// Each id, its line, and its hash or `retired`.
type Lock = BTreeMap<ClauseId, (usize, String)>;

/// Compares the clauses with the lock.
pub(super) fn check(sources: &[Source], spec: &Spec) -> Vec<Finding> {
    let Some(source) = sources.iter().find(|source| source.path == PATH) else {
        return vec![Finding { path: PATH.to_owned(), line: None, what: "is not there".to_owned() }];
    };
    let (lock, mut findings) = read(source);
    for clause in spec.clauses.values() {
        findings.extend(compare(clause, lock.get(&clause.id).map(|(_, stamp)| stamp.as_str())));
    }
    for (id, (line, _)) in lock.iter().filter(|(id, _)| !spec.clauses.contains_key(id)) {
        let what = format!("{id} is in no chapter any more; a clause that no longer holds stays, as `retired: why`");
        findings.push(source.finding(*line, what));
    }
    findings
}

/// The lock with `ids` as they are now.
pub(super) fn stamp(sources: &[Source], spec: &Spec, ids: &BTreeSet<ClauseId>) -> Result<String> {
    let empty = Source { path: PATH.to_owned(), text: String::new() };
    let (mut lock, findings) = read(sources.iter().find(|source| source.path == PATH).unwrap_or(&empty));
    if let Some(finding) = findings.first() {
        bail!("{finding}");
    }
    for clause in ids.iter().filter_map(|id| spec.clauses.get(id)) {
        let old = lock.insert(clause.id.clone(), (0, stamp_of(clause)));
        if old.is_some_and(|(_, old)| old == RETIRED) && !clause.is_retired() {
            bail!("{} was retired, and an id is given once: take a new one", clause.id);
        }
    }
    let lines: String = lock.iter().map(|(id, (_, stamp))| format!("{id} {stamp}\n")).collect();
    Ok(format!("{HEAD}{lines}"))
}

fn compare(clause: &Clause, stamp: Option<&str>) -> Option<Finding> {
    let id = &clause.id;
    let what = match stamp {
        None => format!("{id} is new; when it is as it is to be, enter it by `cargo xtask spec-check --stamp {id}`"),
        Some(RETIRED) if !clause.is_retired() => format!("{id} was retired, and an id is given once: take a new one"),
        Some(stamp) if stamp == stamp_of(clause) => return None,
        Some(_) if clause.is_retired() => {
            format!("{id} is retired now; say so in ids.lock by `cargo xtask spec-check --stamp {id}`")
        }
        Some(_) => format!(
            "the text of {id} has changed; read its cases again, then say so by `cargo xtask spec-check --stamp {id}`"
        ),
    };
    Some(Finding { path: clause.file.clone(), line: Some(clause.line), what })
}

fn stamp_of(clause: &Clause) -> String {
    if clause.is_retired() { RETIRED.to_owned() } else { clause.hash() }
}

fn read(source: &Source) -> (Lock, Vec<Finding>) {
    let (mut lock, mut findings) = (Lock::new(), Vec::new());
    for (number, line) in source.lines().filter(|(_, line)| !line.starts_with('#')) {
        let entry = line.split_once(' ').and_then(|(id, stamp)| Some((ClauseId::parse(id)?, stamp)));
        match entry {
            Some((id, stamp)) => {
                if lock.insert(id, (number, stamp.to_owned())).is_some() {
                    findings.push(source.finding(number, "is here twice"));
                }
            }
            None => findings.push(source.finding(number, "has not the form `BX-HS-8 <hash>`")),
        }
    }
    (lock, findings)
}
