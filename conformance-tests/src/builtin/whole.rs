//! The rules for every message of a run, as cases.

use crate::case::{Case, Kind, Profile};
use crate::observer::Rule;
use crate::peer::Transport;
use crate::verdict::Level;

/// The cases of the observer's rules.
pub(super) fn cases() -> Vec<Case> {
    let case = |id: &str, level, clause: &str, profile, rule, title: &str| Case {
        id: id.to_owned(),
        title: title.to_owned(),
        why: "Watched in every message of the run, whatever the case that caused it.".to_owned(),
        level,
        clauses: vec![clause.to_owned()],
        profile,
        transports: vec![Transport::LongPolling],
        provokes: false,
        needs: Vec::new(),
        kind: Kind::Whole(rule),
    };
    use Level::{Must, Should};
    use Profile::{Base, Hardened};
    vec![
        case("ALL-001", Must, "BX-MSG-1", Base, Rule::Channel, "every message of the server has a channel"),
        case(
            "ALL-002",
            Must,
            "BX-FLD-10",
            Base,
            Rule::Successful,
            "every reply on a meta channel says whether it succeeded",
        ),
        case(
            "ALL-003",
            Should,
            "BX-FLD-12",
            Base,
            Rule::ErrorGrammar,
            "every error is a string of code, arguments and text",
        ),
        case("ALL-004", Should, "BX-ADV-1", Base, Rule::Advice, "every advice is an object of known members and types"),
        case(
            "ALL-005",
            Must,
            "BX-FLD-3",
            Base,
            Rule::PublisherHidden,
            "no event discloses the clientId of its publisher",
        ),
        case("ALL-006", Must, "BX-FLD-4", Base, Rule::FailedHandshake, "no failed handshake carries a clientId"),
        case(
            "ALL-007",
            Must,
            "BX-WS-2",
            Base,
            Rule::Readable,
            "every message on a WebSocket is text that holds JSON messages",
        ),
        case("ALL-008", Should, "BX-HRD-9", Hardened, Rule::NotCacheable, "no response with messages may be cached"),
        case(
            "ALL-009",
            Should,
            "BX-LP-3",
            Base,
            Rule::ContentType,
            "responses with messages are application/json in UTF-8",
        ),
        case(
            "ALL-010",
            Must,
            "BX-ST-2",
            Base,
            Rule::StreamBatch,
            "every batch of a stream is an array that is whole on its own",
        ),
    ]
}
