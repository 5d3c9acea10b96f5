//! The rules for every message of a client, as cases.

use crate::case::{Case, Kind, Profile};
use crate::observer::Rule;
use crate::peer::Transport;
use crate::verdict::Level::{self, Must, Should};

/// The cases of the rules in `stage/watch.rs`.
pub(super) fn cases() -> Vec<Case> {
    [
        (
            "CL-001",
            Must,
            "BX-HS-2",
            Rule::Handshake,
            "every handshake carries a version and a list of connection types",
        ),
        ("CL-002", Should, "BX-HS-3", Rule::HandshakeAlone, "every handshake is alone in its batch"),
        ("CL-003", Should, "BX-OP-3", Rule::LongPollingOffered, "every handshake offers long-polling"),
        ("CL-004", Should, "BX-LP-1", Rule::Post, "requests are POSTs of JSON, or of a form"),
        ("CL-005", Should, "BX-FLD-6", Rule::Ids, "messages on meta channels have an id that no other one has"),
        ("CL-006", Must, "BX-FLD-2", Rule::ClientId, "messages carry the clientId that the client was given"),
        ("CL-007", Must, "BX-CN-9", Rule::OfferedType, "connects name a connection type that the server offered"),
        ("CL-021", Must, "BX-CN-3", Rule::OneConnect, "a session has one connect outstanding at most"),
        ("CL-026", Must, "BX-ADV-4", Rule::OldClientId, "the clientId of a session that is over is not used again"),
        ("CL-050", Must, "BX-SB-1", Rule::Subscribe, "subscribe requests have their fields"),
        ("CL-051", Must, "BX-US-1", Rule::Unsubscribe, "unsubscribe requests have their fields"),
        ("CL-052", Must, "BX-PB-3", Rule::Publish, "publishes have their fields"),
        ("CL-068", Should, "BX-FLD-14", Rule::NoDrafts, "nothing is sent that earlier drafts had"),
        ("CL-097", Must, "BX-ADV-8", Rule::Interval, "no connect comes before the interval of the last advice is over"),
        ("CL-098", Should, "BX-ADV-9", Rule::Busy, "no more than fifty requests come within a second"),
        ("CL-099", Should, "BX-MSG-2", Rule::Array, "every body and frame is a JSON array of messages"),
        ("CL-100", Must, "BX-DC-1", Rule::Disconnect, "disconnect requests have their fields"),
        (
            "CL-101",
            Must,
            "BX-OP-4",
            Rule::NoPipelining,
            "no request follows another that is unanswered on its connection",
        ),
    ]
    .map(|(id, level, clause, rule, title)| case(id, level, clause, rule, title))
    .into()
}

fn case(id: &str, level: Level, clause: &str, rule: Rule, title: &str) -> Case {
    Case {
        id: id.to_owned(),
        title: title.to_owned(),
        why: "Watched in every message of the run, whatever the case that caused it.".to_owned(),
        level,
        clauses: vec![clause.to_owned()],
        profile: Profile::Base,
        transports: vec![Transport::LongPolling],
        provokes: false,
        needs: Vec::new(),
        kind: Kind::Whole(rule),
    }
}
