//! Discovery: over which transports the program reaches a server at all and does what it is told, and what its
//! handshake offers.

use super::play::{Actor, play};
use crate::case::{Act, Answer, Staged};
use crate::json::{Json, object};
use crate::observer::Observer;
use crate::peer::Transport;
use crate::verdict::Verdict;
use std::rc::Rc;
use tokio::time::Instant;

/// Fills in what is known of a client. The error says why no case can be run against it.
pub async fn discover(mut actor: Actor) -> Result<Actor, String> {
    if actor.command.is_none() {
        actor.capabilities.extend([Transport::LongPolling, Transport::WebSocket].map(|one| one.name().to_owned()));
        return Ok(actor);
    }
    let mut reasons = Vec::new();
    for transport in [Transport::LongPolling, Transport::WebSocket] {
        let id = format!("probe-{transport}");
        let started = Instant::now();
        // What is seen here is no part of the run.
        let played = play(&actor, &Rc::new(Observer::default()), transport, &steps(), (&id, &id)).await;
        if let Some(handshake) = played.variables.get("handshake") {
            offers(&mut actor, handshake);
        }
        if played.finding.verdict == Verdict::Pass {
            actor.capabilities.insert(transport.name().to_owned());
            let took = format!("{} ms", started.elapsed().as_millis());
            actor.facts.insert(format!("start, one command and end over {transport}"), took);
        } else {
            let errors = played.transcript.iter().rev().find(|entry| entry.text.starts_with("its standard error"));
            let errors = errors.map(|entry| format!("\n{}", entry.text)).unwrap_or_default();
            reasons.push(format!("{transport}: {}{errors}", played.finding.reason));
        }
    }
    if actor.capabilities.iter().any(|name| Transport::parse(name).is_some()) {
        return Ok(actor);
    }
    Err(reasons.join("\n"))
}

/// A session, and a command that does nothing.
fn steps() -> Vec<Staged> {
    let done = object([("n", 1.into()), ("ok", true.into())]);
    [
        Act::Begin { handshake: Answer::default() },
        Act::Do { command: object([("n", 1.into())]) },
        Act::Told { reports: vec![done], within: None },
    ]
    .map(|act| Staged { act, otherwise: Verdict::Fail, label: String::new() })
    .into()
}

fn offers(actor: &mut Actor, handshake: &Json) {
    if let Some(types) = handshake.get("supportedConnectionTypes") {
        actor.facts.insert("connection types".into(), types.to_string());
    }
    if let Some(ext) = handshake.get("ext") {
        actor.facts.insert("extensions".into(), ext.to_string());
        if ext.get("ack").is_some_and(|ack| *ack != Json::Bool(false)) {
            actor.capabilities.insert("ack".into());
        }
    }
}
