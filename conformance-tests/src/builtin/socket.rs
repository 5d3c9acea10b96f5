//! What needs a clock or frames of its own about WebSocket.

use super::code;
use super::subscribe::{failed, open, run};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Outcome, Peer, Transport, messages_of};
use crate::scene::Scene;
use crate::verdict::Level::{Must, Should};
use crate::verdict::{Finding, Verdict};
use crate::wire::websocket::{Frame, Incoming, Reader, Sender};
use std::rc::Rc;
use tokio::time::{Instant, timeout};

/// The cases about WebSocket.
pub(super) fn cases() -> Vec<Case> {
    const SOCKET: &[Transport] = &[Transport::WebSocket];
    vec![
        code(
            "WS-003",
            Must,
            &["BX-WS-3"],
            SOCKET,
            pushed,
            "an event is sent over a WebSocket as it comes, and not when the held connect is answered",
        ),
        code(
            "WS-024",
            Must,
            &["BX-DL-2"],
            SOCKET,
            silent_before,
            "on a busy server, what comes first over a WebSocket is the reply to its handshake, without an event beside it",
        ),
        code(
            "DC-012",
            Should,
            &["BX-DC-6"],
            SOCKET,
            connect_first,
            "the connect that a disconnect ends is answered before the disconnect",
        ),
        code("WS-009", Should, &["BX-WS-8"], SOCKET, ping, "an empty array is answered by an empty array"),
    ]
}

/// Three events in a row, each published when the one before is there: who waits for the connect's time to be over can't be in
/// time for all of them.
fn pushed(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let [a, b] = [open(&scene, "a", transport).await?, open(&scene, "b", transport).await?];
        let channel = format!("{}/x", scene.base);
        a.subscribe(&channel).await?;
        scene.fence(&a).await?;
        for number in 0..3_u64 {
            let started = Instant::now();
            b.publish(&channel, number.into()).await?;
            let there = |peer: &Peer| {
                peer.has_event(|event| {
                    event.get_str("channel") == Some(&channel) && event.get("data") == Some(&number.into())
                })
            };
            let half = scene.target.budget.timeout / 2;
            if !a.until(started + half, there).await {
                if !scene.target.budget.tells_apart(half) {
                    return Ok(Finding::too_close(&scene.target.budget));
                }
                return Ok(failed(format!("event {number} of 3 did not come within half of a connect's time")));
            }
        }
        Ok(Finding::pass())
    })
}

/// A publisher that does not rest, and sockets that are opened meanwhile, by a browser that has a session with a subscription.
fn silent_before(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let [old, busy] = [open(&scene, "old", transport).await?, open(&scene, "busy", transport).await?];
        let channel = format!("{}/x", scene.base);
        old.subscribe(&channel).await?;
        let publisher = busy.clone();
        let name = channel.clone();
        scene.spawn(async move { while publisher.publish(&name, 1.into()).await.is_ok() {} });
        for number in 0..10 {
            let new = Peer::new(&scene, &format!("new{number}"), transport);
            new.share_jar(old.jar());
            let (mut stream, head) = new.upgrade(1, new.headers()).await.map_err(|error| error.to_string())?;
            if head.status != 101 {
                return Err(format!("the upgrade was answered with {}", head.status));
            }
            let handshake = object([
                ("channel", "/meta/handshake".into()),
                ("version", "1.0".into()),
                ("supportedConnectionTypes", scene.connection_types(transport)),
            ]);
            let text = Json::Array(new.complete(&[handshake])).to_string();
            stream.write(&Frame::text(text).encode()).await.map_err(|error| error.to_string())?;
            let came = timeout(scene.target.budget.answer(), Reader::new(Sender::Server).next(&mut stream)).await;
            let Ok(Ok(Incoming::Text(text))) = came else {
                return Err(format!("the handshake was answered by {came:?}"));
            };
            let messages = messages_of(text.as_bytes())?;
            if messages.iter().any(|message| message.get_str("channel") != Some("/meta/handshake")) {
                return Ok(failed(format!("the first message was {text}")));
            }
        }
        Ok(if busy.all_messages().len() > 10 {
            Finding::pass()
        } else {
            Finding::new(Verdict::Blocked, "nobody published")
        })
    })
}

fn connect_first(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let a = Peer::new(&scene, "a", transport);
        a.handshake(None).await?;
        let mut connect = a.connect_message();
        connect.set("advice", object([("timeout", 0.into())]));
        a.request(connect).await.success()?;
        let held = a.send(&[a.connect_message()]);
        // When this is answered, the connect before it is held.
        a.subscribe(&format!("{}/x", scene.base)).await?;
        let disconnect = a.send(&[object([("channel", "/meta/disconnect".into())])]);
        let deadline = Instant::now() + scene.target.budget.answer();
        a.outcome(&disconnect, 0, deadline).await.success()?;
        if let Outcome::Reply { .. } = a.outcome(&held, 0, deadline).await {
            let messages = a.all_messages();
            let last = |channel: &str| messages.iter().rposition(|message| message.get_str("channel") == Some(channel));
            if last("/meta/connect") < last("/meta/disconnect") {
                return Ok(Finding::pass());
            }
            return Ok(Finding::new(Verdict::Nonstrict, "the disconnect was answered first"));
        }
        Ok(failed("the connect was not answered".into()))
    })
}

fn ping(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let a = Peer::new(&scene, "a", transport);
        let (mut stream, head) = a.upgrade(1, a.headers()).await.map_err(|error| error.to_string())?;
        if head.status != 101 {
            return Err(format!("the upgrade was answered with {}", head.status));
        }
        stream.write(&Frame::text("[]".to_owned()).encode()).await.map_err(|error| error.to_string())?;
        let came = timeout(scene.target.budget.answer(), Reader::new(Sender::Server).next(&mut stream)).await;
        Ok(match came {
            Ok(Ok(Incoming::Text(text))) => match crate::json::parse(text.as_bytes()).map(|parsed| parsed.value) {
                Ok(Json::Array(items)) if items.is_empty() => Finding::pass(),
                _ => failed(format!("it was answered by {text}")),
            },
            Ok(Ok(Incoming::Close(code))) => {
                Finding::new(Verdict::Nonstrict, format!("the WebSocket was closed with {code:?}"))
            }
            Ok(other) => failed(format!("what came was {other:?}")),
            Err(_) => Finding::new(Verdict::Nonstrict, "nothing came"),
        })
    })
}
