//! State machines: data in machines/*.json, and the page with picture and table that is made of each.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::tidy::source::{Finding, Source};

/// A state machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Machine {
    title: String,
    about: String,
    initial: String,
    states: Vec<Named>,
    events: Vec<Named>,
    transitions: Vec<Transition>,
}

/// A state or an event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    about: String,
}

/// What happens when.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transition {
    from: String,
    event: String,
    #[serde(default)]
    guard: Option<String>,
    to: String,
    effects: Vec<String>,
    clauses: Vec<String>,
}

pub(super) fn is_machine(source: &Source) -> bool {
    source.path.strip_prefix("protocol-spec/machines/").is_some_and(|name| name.ends_with(".json"))
}

pub(super) fn read(source: &Source) -> Result<Machine, Finding> {
    serde_json::from_str(&source.text).map_err(|error| source.finding(error.line(), format!("is no machine: {error}")))
}

/// Refuses states and events that are not named, can't be reached or are never used, and choices that are none.
/// Whether the clauses are known is checked with all other mentions.
pub(super) fn check(source: &Source, machine: &Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refuse = |what: String| findings.push(source.finding(None, what));
    let states = names(&machine.states);
    let events = names(&machine.events);
    let mut choices = BTreeSet::new();
    for transition in &machine.transitions {
        let Transition { from, event, guard, to, clauses, .. } = transition;
        for state in [from, to] {
            if !states.contains(state.as_str()) {
                refuse(format!("`{state}` is no state of it"));
            }
        }
        if !events.contains(event.as_str()) {
            refuse(format!("`{event}` is no event of it"));
        }
        if clauses.is_empty() {
            refuse(format!("{from}, {event}: by which clause?"));
        }
        if !choices.insert((from, event, guard)) {
            refuse(format!("{from}, {event}: two transitions with the same guard"));
        }
    }
    let reached = reached(machine);
    for state in states.iter().filter(|state| !reached.contains(*state)) {
        refuse(format!("`{state}` is never reached"));
    }
    let used: BTreeSet<&str> = machine.transitions.iter().map(|transition| transition.event.as_str()).collect();
    for event in events.iter().filter(|event| !used.contains(*event)) {
        refuse(format!("`{event}` never happens"));
    }
    findings
}

/// The page: what it is about, a picture, and three tables.
pub(super) fn page(machine: &Machine) -> String {
    let mut page = format!("# {}\n\n{}\n\n", machine.title, machine.about);
    page += "This page is generated from the data beside it. The picture leaves out what changes no state; the table below has all.\n\n";
    page += "```mermaid\nstateDiagram-v2\n";
    page += &format!("    [*] --> {}\n", machine.initial);
    for (from, to, events) in arrows(machine) {
        page += &format!("    {from} --> {to}: {}\n", events.join("<br>"));
    }
    page += "```\n\n## States\n\n| state | what it is |\n| --- | --- |\n";
    for state in &machine.states {
        page += &format!("| {} | {} |\n", state.name, state.about);
    }
    page += "\n## Events\n\n| event | what it is |\n| --- | --- |\n";
    for event in &machine.events {
        page += &format!("| {} | {} |\n", event.name, event.about);
    }
    page += "\n## Transitions\n\n| in | when | if | then | to | clauses |\n| --- | --- | --- | --- | --- | --- |\n";
    for Transition { from, event, guard, to, effects, clauses } in &machine.transitions {
        let guard = guard.as_deref().unwrap_or_default();
        let (effects, clauses) = (effects.join("; "), clauses.join(", "));
        page += &format!("| {from} | {event} | {guard} | {effects} | {to} | {clauses} |\n");
    }
    page
}

/// An arrow of the picture for each pair of states, with all events that lead along it. Loops would hide the rest.
fn arrows(machine: &Machine) -> Vec<(&str, &str, Vec<&str>)> {
    let mut arrows: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for Transition { from, event, to, .. } in machine.transitions.iter().filter(|arrow| arrow.from != arrow.to) {
        match arrows.iter_mut().find(|(a, b, _)| a == from && b == to) {
            Some((_, _, events)) if events.contains(&event.as_str()) => {}
            Some((_, _, events)) => events.push(event),
            None => arrows.push((from, to, vec![event])),
        }
    }
    arrows
}

fn names(all: &[Named]) -> BTreeSet<&str> {
    all.iter().map(|named| named.name.as_str()).collect()
}

fn reached(machine: &Machine) -> BTreeSet<&str> {
    let mut reached = BTreeSet::from([machine.initial.as_str()]);
    loop {
        let before = reached.len();
        let from_here = machine.transitions.iter().filter(|transition| reached.contains(transition.from.as_str()));
        let next: Vec<&str> = from_here.map(|transition| transition.to.as_str()).collect();
        reached.extend(next);
        if reached.len() == before {
            return reached;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"title": "T", "about": "A.", "initial": "a",
        "states": [{"name": "a", "about": "one"}, {"name": "b", "about": "two"}],
        "events": [{"name": "go", "about": "it goes"}],
        "transitions": [{"from": "a", "event": "go", "to": "b", "effects": ["x"], "clauses": ["BX-HS-8"]}]}"#;

    fn found(text: &str) -> Vec<String> {
        let source = Source::new("protocol-spec/machines/m.json", text);
        match read(&source) {
            Ok(machine) => check(&source, &machine).iter().map(|finding| finding.what.clone()).collect(),
            Err(finding) => vec![finding.what],
        }
    }

    #[test]
    fn a_machine_holds_together() {
        assert_eq!(found(GOOD), Vec::<String>::new());
        for (old, new, finding) in [
            ("\"to\": \"b\"", "\"to\": \"c\"", "`c` is no state of it"),
            ("\"event\": \"go\"", "\"event\": \"stop\"", "`stop` is no event of it"),
            ("[\"BX-HS-8\"]", "[]", "a, go: by which clause?"),
            ("\"to\": \"b\"", "\"to\": \"a\"", "`b` is never reached"),
            (
                "\"about\": \"it goes\"}",
                "\"about\": \"it goes\"}, {\"name\": \"x\", \"about\": \"\"}",
                "`x` never happens",
            ),
        ] {
            assert!(found(&GOOD.replacen(old, new, 1)).contains(&finding.to_owned()), "{finding}");
        }
        assert!(found("{").iter().all(|what| what.starts_with("is no machine: ")));
    }

    #[test]
    fn the_page_has_the_picture_and_the_tables() {
        let page = page(&read(&Source::new("m.json", GOOD)).expect("a machine"));
        assert!(page.contains("    [*] --> a\n    a --> b: go\n```"), "{page}");
        assert!(page.contains("| a | go |  | x | b | BX-HS-8 |\n"), "{page}");
    }
}
