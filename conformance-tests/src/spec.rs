//! What the clauses say, for reports: the index of the specification is part of the program.

use crate::json::{Json, parse};

const CLAUSES: &str = include_str!("../../protocol-spec/clauses.json");

/// The requirement of a clause, in the specification's words.
pub fn requirement(id: &str) -> Option<String> {
    let index = parse(CLAUSES.as_bytes()).ok()?.value;
    let list = index.get("clauses").and_then(Json::as_array).or_else(|| index.as_array())?;
    let clause = list.iter().find(|clause| clause.get_str("id") == Some(id))?;
    clause.get_str("text").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_has_a_text() {
        assert!(requirement("BX-HS-8").is_some_and(|text| text.contains("MUST")));
        assert_eq!(requirement("not a clause"), None);
    }
}
