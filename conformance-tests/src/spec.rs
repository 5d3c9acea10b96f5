//! What the clauses say, for reports: the index of the specification is part of the program.

use crate::json::{Json, parse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const CLAUSES: &str = include_str!("../../protocol-spec/clauses.json");

/// A clause, for readers of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// The requirement, in the specification's words.
    pub text: String,
    /// Its level: `MUST`, `SHOULD` or `MAY`, and others like them.
    pub level: String,
    /// `published`, if the published text of Bayeux says so, or `added`, if this project does.
    pub origin: String,
}

/// The clause of this id.
pub fn clause(id: &str) -> Option<Clause> {
    static INDEX: LazyLock<BTreeMap<String, Clause>> = LazyLock::new(|| read().unwrap_or_default());
    INDEX.get(id).cloned()
}

fn read() -> Option<BTreeMap<String, Clause>> {
    let index = parse(CLAUSES.as_bytes()).ok()?.value;
    let list = index.get("clauses").and_then(Json::as_array).or_else(|| index.as_array())?;
    let clause = |clause: &Json| {
        let text = |name: &str| clause.get_str(name).map(str::to_owned);
        Some((text("id")?, Clause { text: text("text")?, level: text("level")?, origin: text("origin")? }))
    };
    list.iter().map(clause).collect()
}

/// From where the requirement of a case comes: from clauses of the published text, from ones that this project added, or from both.
pub fn origin(clauses: &mut dyn Iterator<Item = Clause>) -> &'static str {
    let origins: BTreeSet<String> = clauses.map(|clause| clause.origin).collect();
    match (origins.contains("published"), origins.len()) {
        (true, 1) => "published",
        (true, _) => "published, added",
        (false, 0) => "",
        (false, _) => "added",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_has_a_text_and_an_origin() {
        let found = clause("BX-HS-8").expect("it is there");
        assert!(found.text.contains("MUST") && found.origin == "published");
        assert_eq!(clause("not a clause"), None);
    }

    #[test]
    fn what_was_added_is_told_from_what_was_published() {
        let of = |ids: &[&str]| origin(&mut ids.iter().filter_map(|id| clause(id)));
        assert_eq!(of(&["BX-HS-8", "BX-PB-5"]), "published");
        assert_eq!(of(&["BX-PB-7"]), "added");
        assert_eq!(of(&["BX-PB-7", "BX-PB-5"]), "published, added");
    }
}
