//! Test vectors: files of one form, whose vectors have ids of their own and say which clauses they are about.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Spec, clause::ClauseId};
use crate::tidy::source::{Finding, Source};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: String,
    #[serde(rename = "about")]
    _about: String,
    vectors: Vec<Vector>,
}

#[derive(Debug, Deserialize)]
struct Vector {
    id: String,
    clauses: Vec<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Refuses what has not the form, ids that come twice, and clauses that there are not.
pub(super) fn check(sources: &[Source], spec: &Spec) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources.iter().filter(|source| is_vectors(source)) {
        let file: File = match serde_json::from_str(&source.text) {
            Ok(file) => file,
            Err(error) => {
                findings.push(source.finding(error.line(), format!("is no file of vectors: {error}")));
                continue;
            }
        };
        let mut refuse = |what: String| findings.push(source.finding(None, what));
        if !source.path.ends_with(&format!("/{}.json", file.kind)) {
            refuse(format!("has the kind `{}`, which is not its name", file.kind));
        }
        for Vector { id, clauses, rest } in file.vectors {
            if rest.is_empty() {
                refuse(format!("{id} says nothing"));
            }
            if clauses.is_empty() {
                refuse(format!("{id} is about no clause"));
            }
            for clause in clauses {
                match ClauseId::parse(&clause).and_then(|id| spec.clauses.get(&id)) {
                    Some(known) if known.is_retired() => refuse(format!("{id}: {clause} is retired")),
                    Some(_) => {}
                    None => refuse(format!("{id}: there is no clause {clause}")),
                }
            }
            if !seen.insert(id.clone()) {
                refuse(format!("{id} is there twice"));
            }
        }
    }
    findings
}

pub(super) fn is_vectors(source: &Source) -> bool {
    source.path.strip_prefix("protocol-spec/vectors/").is_some_and(|name| name.ends_with(".json"))
}
