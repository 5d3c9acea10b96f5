//! Input that chance made: messages with wrong fields, and bytes that were valid JSON once. Whatever it is, it is answered, what is
//! not answered has no effect, and the server goes on to serve. Chance comes from the seed of the run, which is named where something
//! is found.

mod garble;

use super::model::chance;
use super::subscribe::{failed, open, run};
use super::{code, hardened};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Outcome, PUBLISH_ACK, Peer, SocketEnd, Transport};
use crate::run::alive;
use crate::scene::Scene;
use crate::verdict::Level::Must;
use crate::verdict::{Finding, Verdict};
use crate::wire::WireError;
use crate::wire::http::{Body, Request};
use crate::wire::websocket::Frame;
use fastrand::Rng;
use garble::Garbler;
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::time::Instant;

/// The cases about malformed input that chance makes.
pub(super) fn cases() -> Vec<Case> {
    const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    // What an answer says is compared with what a publish did.
    let answered = |case: Case| hardened(Case { needs: vec![PUBLISH_ACK.to_owned()], ..case });
    vec![
        answered(code(
            "BAD-015",
            Must,
            &["BX-HRD-3"],
            BOTH,
            two_channels,
            "a message with two channels has one meaning, or none",
        )),
        answered(code(
            "BAD-036",
            Must,
            &["BX-HRD-1", "BX-HRD-2", "BX-OP-6"],
            BOTH,
            fields,
            "messages whose fields chance made are answered or refused, and the server goes on to serve",
        )),
        answered(code(
            "BAD-037",
            Must,
            &["BX-HRD-1", "BX-HRD-2", "BX-OP-6"],
            BOTH,
            bytes,
            "texts whose bytes chance changed are answered or refused, and the server goes on to serve",
        )),
    ]
}

/// How many texts a case sends, each to a server that was seen to serve after so many.
const TEXTS: usize = 400;
const BETWEEN: usize = 50;

fn fields(scene: Rc<Scene>, transport: Transport) -> Run {
    run(attack(scene, transport, |garbler, random| garbler.messages(random)))
}

fn bytes(scene: Rc<Scene>, transport: Transport) -> Run {
    run(attack(scene, transport, |garbler, random| garbler.bytes(random)))
}

/// Sends what `make` makes. Each text publishes under a mark of its own, if it publishes; a watcher sees which of them did.
async fn attack(
    scene: Rc<Scene>,
    transport: Transport,
    make: fn(&Garbler<'_>, &mut Rng) -> Vec<u8>,
) -> Result<Finding, String> {
    let mut random = chance(&scene);
    let watcher = open(&scene, "watcher", Transport::LongPolling).await?;
    watcher.subscribe(&format!("{}/at/**", scene.base)).await?;
    let (mut worst, mut refused) = (Finding::pass(), BTreeMap::new());
    for round in 0..TEXTS / BETWEEN {
        for number in round * BETWEEN..(round + 1) * BETWEEN {
            // What a text does to its session must not decide what becomes of the next one.
            let attacker = Peer::new(&scene, &format!("attacker{number}"), transport);
            attacker.handshake(None).await?;
            let client_id = attacker.client_id().unwrap_or_default();
            // What becomes of it when it is damaged is not the mark of another text.
            let mark = format!("{number}-{:08x}", random.u32(..));
            let garbler =
                Garbler { client_id: &client_id, base: &scene.base, transport: transport.name(), mark: &mark };
            let text = make(&garbler, &mut random);
            let (found, taken) = hand_in(&scene, &attacker, text.clone()).await;
            if !taken {
                let came = attacker.all_messages().len();
                refused.insert(mark, (text.clone(), attacker.clone(), came));
            }
            if found.verdict > worst.verdict {
                worst = Finding::new(found.verdict, format!("{}: {}", found.reason, shown(&scene, &text)));
            }
            if taken {
                attacker.drop_connections();
            }
        }
        if let Err(why) = alive(&scene).await {
            return Ok(failed(format!("after {} texts of --seed {}: {why}", (round + 1) * BETWEEN, scene.seed)));
        }
    }
    scene.fence(&watcher).await?;
    for event in watcher.take_events() {
        let mark = event.get_str("channel").and_then(|name| name.split("/at/").nth(1)?.split('/').next());
        let Some((text, attacker, came)) = mark.and_then(|mark| refused.get(mark)) else { continue };
        // Over a WebSocket the replies to a batch may come behind the one to a later request.
        let deadline = Instant::now() + scene.target.budget.held();
        if !attacker.until(deadline, |peer| peer.all_messages().len() > *came).await {
            return Ok(failed(format!("was not answered and had an effect, {event}: {}", shown(&scene, text))));
        }
    }
    Ok(worst)
}

fn shown(scene: &Scene, text: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(text).chars().take(600).collect();
    format!("{text:?}; chance came from --seed {}", scene.seed)
}

/// Sends a text, and says what is to be said of the answer, and whether any of it was taken.
async fn hand_in(scene: &Rc<Scene>, peer: &Peer, text: Vec<u8>) -> (Finding, bool) {
    // A connect among the messages may be held.
    let deadline = Instant::now() + scene.target.budget.held();
    if peer.transport() == Transport::WebSocket {
        return over_socket(peer, text, deadline).await;
    }
    let mut headers = peer.headers();
    headers.push(("Content-Type".into(), "application/json".into()));
    let target = scene.target.path("");
    let exchange = peer.start(Request { method: "POST".into(), target, headers, body: Body::Sized(text) });
    match peer.answer(exchange, deadline).await {
        None => (failed("no answer".into()), false),
        Some(Err(error @ WireError::Connect(_))) => (Finding::new(Verdict::Blocked, error.to_string()), false),
        Some(Err(error)) => (Finding::new(Verdict::Nonstrict, format!("the connection ended: {error}")), false),
        Some(Ok(answer)) => match (answer.response.status, answer.messages) {
            (200, Ok(messages)) if messages.iter().all(|message| message.as_object().is_some()) => {
                (Finding::pass(), !messages.is_empty())
            }
            (200, Ok(_)) => (failed("the answer has an element that is no message".into()), true),
            (200, Err(why)) => (failed(format!("the status was 200, and {why}")), true),
            (400..=499, _) => (Finding::pass(), false),
            (status, _) => (Finding::new(Verdict::Nonstrict, format!("the status was {status}")), false),
        },
    }
}

/// What answers it can't be told from its ids, which chance may have made; so a request of a known id follows, and when that is
/// answered or the connection was closed with a code, this was seen to.
async fn over_socket(peer: &Peer, text: Vec<u8>, deadline: Instant) -> (Finding, bool) {
    let before = peer.all_messages().len();
    peer.send_frames(vec![Frame::text(text)]);
    let probe = peer.send(&[object([("channel", "/meta/disconnect".into()), ("clientId", "nobody".into())])]);
    let outcome = peer.outcome(&probe, 0, deadline).await;
    let taken = peer.all_messages().len() > before + usize::from(matches!(outcome, Outcome::Reply { .. }));
    let found = match (outcome, peer.socket_end()) {
        (Outcome::Reply { .. }, _) | (_, Some(SocketEnd::Close(Some(_)))) => Finding::pass(),
        (_, Some(SocketEnd::Broken(why))) => Finding::new(Verdict::Nonstrict, format!("the connection ended: {why}")),
        (other, _) => failed(format!("a request behind it was not answered: {other}")),
    };
    (found, taken)
}

/// Which of the two counts is up to the server; that it is one of them is not.
fn two_channels(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let watcher = open(&scene, "watcher", transport).await?;
        let names = [format!("{}/at/1", scene.base), format!("{}/at/2", scene.base)];
        for name in &names {
            watcher.subscribe(name).await?;
        }
        for (first, second) in [(&names[0], &names[1]), (&names[1], &names[0])] {
            let attacker = Peer::new(&scene, &format!("attacker{}", &first[first.len() - 1..]), transport);
            attacker.handshake(None).await?;
            let id = Json::from(attacker.client_id().unwrap_or_default());
            let text = format!(r#"[{{"channel":"{first}","channel":"{second}","data":1,"id":"1","clientId":{id}}}]"#);
            let (found, taken) = hand_in(&scene, &attacker, text.into_bytes()).await;
            if found.verdict > Verdict::Nonstrict {
                return Ok(found);
            }
            let replies = attacker.all_messages();
            let named = |name: &String| replies.iter().any(|reply| reply.get_str("channel") == Some(name));
            scene.fence(&watcher).await?;
            let events = watcher.take_events();
            let came: Vec<_> = names.iter().filter(|name| has(&events, name)).collect();
            match came.as_slice() {
                [] => {}
                [name] if taken && named(name) => {}
                [name] => return Ok(failed(format!("it was delivered on {name}, and not answered under this name"))),
                _ => return Ok(failed("it was delivered on both channels".into())),
            }
        }
        Ok(Finding::pass())
    })
}

fn has(events: &[Json], name: &str) -> bool {
    events.iter().any(|event| event.get_str("channel") == Some(name))
}
