//! Reads the case files, which are part of the program, and puts the cases that are written in Rust beside them.

use super::fields::Fields;
use super::{Case, Kind, Profile, Role, Staged, Step};
use crate::json::{Json, parse};
use crate::peer::Transport;
use crate::verdict::Level;
use std::collections::BTreeSet;

/// The files of cases, in the order of reports.
const FILES: [(&str, &str); 25] = [
    ("envelope.json", include_str!("../../cases/envelope.json")),
    ("malformed.json", include_str!("../../cases/malformed.json")),
    ("handshake.json", include_str!("../../cases/handshake.json")),
    ("connect.json", include_str!("../../cases/connect.json")),
    ("disconnect.json", include_str!("../../cases/disconnect.json")),
    ("subscribe.json", include_str!("../../cases/subscribe.json")),
    ("unsubscribe.json", include_str!("../../cases/unsubscribe.json")),
    ("matching.json", include_str!("../../cases/matching.json")),
    ("publish.json", include_str!("../../cases/publish.json")),
    ("delivery.json", include_str!("../../cases/delivery.json")),
    ("meta.json", include_str!("../../cases/meta.json")),
    ("ids.json", include_str!("../../cases/ids.json")),
    ("batches.json", include_str!("../../cases/batches.json")),
    ("session.json", include_str!("../../cases/session.json")),
    ("advice.json", include_str!("../../cases/advice.json")),
    ("websocket.json", include_str!("../../cases/websocket.json")),
    ("callback-polling.json", include_str!("../../cases/callback-polling.json")),
    ("streaming.json", include_str!("../../cases/streaming.json")),
    ("security.json", include_str!("../../cases/security.json")),
    ("ack.json", include_str!("../../cases/ack.json")),
    ("client/session.json", include_str!("../../cases/client/session.json")),
    ("client/delivery.json", include_str!("../../cases/client/delivery.json")),
    ("client/requests.json", include_str!("../../cases/client/requests.json")),
    ("client/recovery.json", include_str!("../../cases/client/recovery.json")),
    ("client/websocket.json", include_str!("../../cases/client/websocket.json")),
];

/// Ids of cases that are asked no longer, each with the case that asks its question. An id is never given again.
const RETIRED: [(&str, &str); 1] = [("WS-006", "CN-014")];

/// What is wrong with a case file. Those of the suite are read by its tests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct LoadError {
    /// The file.
    pub file: String,
    /// The case and what is wrong with it.
    pub what: String,
}

/// All cases of the suite, in the order of reports.
pub fn all() -> Result<Vec<Case>, LoadError> {
    let mut cases = Vec::new();
    for (file, text) in FILES {
        cases.extend(parse_file(file, text)?);
    }
    cases.extend(crate::builtin::cases());
    check_ids(&cases).map_err(|what| LoadError { file: "cases".into(), what })?;
    Ok(cases)
}

fn check_ids(cases: &[Case]) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    for Case { id, .. } in cases {
        if !ids.insert(id) {
            return Err(format!("{id} is there twice"));
        }
        if RETIRED.iter().any(|(retired, _)| retired == id) {
            return Err(format!("{id} was given to a case that is there no longer: take a new id"));
        }
    }
    Ok(())
}

/// The cases of one file.
pub fn parse_file(file: &str, text: &str) -> Result<Vec<Case>, LoadError> {
    let wrong = |what: String| LoadError { file: file.to_owned(), what };
    let parsed = parse(text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    if let Some(oddity) = parsed.oddities.first() {
        return Err(wrong(format!("{oddity:?}")));
    }
    let items = parsed.value.as_array().ok_or_else(|| wrong("it should be a list of cases".into()))?;
    items
        .iter()
        .map(|item| {
            let id = item.get_str("id").unwrap_or("a case without id").to_owned();
            parse_case(item).map_err(|what| wrong(format!("{id}: {what}")))
        })
        .collect()
}

fn parse_case(value: &Json) -> Result<Case, String> {
    let fields = Fields::new("the case", value)?;
    let level = fields.need_text("level")?;
    let profile = fields.text("profile")?;
    let transports = match fields.get("transports") {
        None => vec![Transport::LongPolling, Transport::WebSocket],
        Some(_) => transports(&fields.texts("transports")?)?,
    };
    let role = match fields.text("role")?.as_deref() {
        None => Role::Server,
        Some("client") => Role::Client,
        Some(other) => return Err(format!("no role is called {other:?}")),
    };
    let steps = fields.list("steps")?;
    let kind = match role {
        Role::Server => Kind::Steps(steps.iter().map(Step::parse).collect::<Result<_, _>>()?),
        Role::Client => Kind::Stage(steps.iter().map(Staged::parse).collect::<Result<_, _>>()?),
    };
    let case = Case {
        id: fields.need_text("id")?,
        title: fields.need_text("title")?,
        why: fields.text("why")?.unwrap_or_default(),
        level: Level::parse(&level).ok_or_else(|| format!("no level is called {level:?}"))?,
        clauses: fields.texts("clauses")?,
        profile: match profile {
            None => Profile::Base,
            Some(name) => Profile::parse(&name).ok_or_else(|| format!("no profile is called {name:?}"))?,
        },
        transports,
        provokes: fields.flag("provokes")?,
        needs: fields.texts("needs")?,
        kind,
    };
    fields.end()?;
    check(&case)?;
    Ok(case)
}

/// By their names; `streams` and `all` are several.
fn transports(names: &[String]) -> Result<Vec<Transport>, String> {
    let mut transports = Vec::new();
    for name in names {
        match name.as_str() {
            "streams" => transports.extend(Transport::STREAMS),
            "all" => transports.extend(Transport::ALL),
            name => transports.push(Transport::parse(name).ok_or_else(|| format!("no transport is called {name:?}"))?),
        }
    }
    Ok(transports)
}

fn check(case: &Case) -> Result<(), String> {
    let judges = match &case.kind {
        Kind::Steps(steps) => steps.iter().any(Step::judges),
        Kind::Stage(steps) => steps.iter().any(Staged::judges),
        Kind::Code(_) | Kind::Whole(_) => true,
    };
    if case.clauses.is_empty() || case.transports.is_empty() {
        return Err("a case is about a clause, over a transport".into());
    }
    if !judges {
        return Err("no step expects anything".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cases_of_the_suite_can_be_read() {
        let cases = all().unwrap_or_else(|error| panic!("{error}"));
        assert!(!cases.is_empty());
    }

    #[test]
    fn every_file_in_the_folder_is_part_of_the_program() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");
        let inside = |folder: &str, prefix: &str| -> Vec<String> {
            let entries = std::fs::read_dir(folder).expect("a folder of cases").map(|entry| entry.expect("an entry"));
            let files = entries.filter(|entry| entry.path().is_file());
            files.map(|entry| format!("{prefix}{}", entry.file_name().to_string_lossy())).collect()
        };
        let mut found = inside(folder, "");
        found.extend(inside(&format!("{folder}/client"), "client/"));
        found.sort();
        let mut known: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        known.sort();
        assert_eq!(found, known);
    }

    #[test]
    fn several_transports_have_a_name() {
        assert_eq!(transports(&["websocket".into(), "streams".into()]).map(|all| all.len()), Ok(4));
        assert_eq!(transports(&["all".into()]).as_deref(), Ok(Transport::ALL.as_slice()));
    }

    #[test]
    fn an_id_is_given_once() {
        let mut cases = all().unwrap_or_else(|error| panic!("{error}"));
        for (_, heir) in RETIRED {
            assert!(cases.iter().any(|case| case.id == heir), "there is no {heir}");
        }
        let first = cases[0].clone();
        cases.push(Case { id: "WS-006".into(), ..first.clone() });
        assert_eq!(
            check_ids(&cases),
            Err("WS-006 was given to a case that is there no longer: take a new id".to_owned())
        );
        cases.pop();
        cases.push(first.clone());
        assert_eq!(check_ids(&cases), Err(format!("{} is there twice", first.id)));
    }

    #[test]
    fn a_mistake_in_a_file_is_named() {
        let case = |rest: &str| format!(r#"[{{"id":"X-1","title":"t","level":"must","clauses":["BX-HS-1"]{rest}}}]"#);
        for (rest, what) in [
            (r#","steps":[]"#, "no step expects anything"),
            (r#","step":[]"#, r#"the case has a member "step" that means nothing there"#),
            (r#","steps":[{"jump":1}]"#, "no step is called \"jump\""),
            (r#","transports":["pigeon"],"steps":[]"#, r#"no transport is called "pigeon""#),
            (r#","steps":[{"stream":"s"}]"#, "a look at a stream has one of head, batch, retry, beat, open, end, text"),
            (r#","steps":[{"stream":"s","end":{"$maybe":1}}]"#, "unknown pattern $maybe"),
            (r#","steps":[{"send":"a","messages":[{}],"expect":[{"$maybe":1}]}]"#, "unknown pattern $maybe"),
            (r#","steps":[{"send":"a","messages":[{}],"expect":[{},{}]}]"#, "2 expectations for 1 messages"),
        ] {
            let error = parse_file("f", &case(rest)).err().map(|error| error.what);
            assert_eq!(error, Some(format!("X-1: {what}")));
        }
    }
}
