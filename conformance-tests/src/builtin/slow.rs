//! Peers that read slowly, write slowly or are gone without a word, and what becomes of the others meanwhile.

use super::subscribe::{failed, open, run};
use super::{code, hardened};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Peer, Transport};
use crate::run::alive;
use crate::scene::Scene;
use crate::verdict::Level::{Must, Should};
use crate::verdict::{Finding, Verdict};
use crate::wire::http::{Body, Request, read_response};
use crate::wire::stream::Stream;
use crate::wire::websocket::{Frame, opcode};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The cases about slow peers.
pub(super) fn cases() -> Vec<Case> {
    const HTTP: &[Transport] = &[Transport::LongPolling];
    const SOCKET: &[Transport] = &[Transport::WebSocket];
    let expiring = |case: Case| Case { needs: vec!["expiry".to_owned()], ..case };
    vec![
        hardened(code(
            "ENV-007",
            Must,
            &["BX-HRD-5", "BX-LP-1"],
            HTTP,
            trickle,
            "a body that comes byte by byte is read, and others are served meanwhile",
        )),
        hardened(code(
            "SC-012",
            Must,
            &["BX-HRD-5"],
            HTTP,
            unfinished,
            "a hundred requests that are never finished keep nobody else from being served",
        )),
        hardened(code(
            "SE-010",
            Must,
            &["BX-HRD-5", "BX-LM-2"],
            SOCKET,
            unread,
            "a subscriber that does not read keeps nobody else from getting events",
        )),
        hardened(code(
            "WS-022",
            Must,
            &["BX-HRD-5", "BX-HRD-6"],
            SOCKET,
            flood,
            "ten thousand small frames of one client keep nobody else from being served",
        )),
        expiring(code(
            "SE-012",
            Should,
            &["BX-DC-5", "BX-CN-8"],
            HTTP,
            vanished,
            "two hundred sessions whose clients vanish without a word all end",
        )),
    ]
}

/// A pause between two bytes, long enough that a server sees them apart.
const PAUSE: Duration = Duration::from_millis(10);

fn trickle(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let peer = Peer::new(&scene, "a", transport);
        let handshake = object([
            ("channel", "/meta/handshake".into()),
            ("version", "1.0".into()),
            ("supportedConnectionTypes", scene.connection_types(transport)),
        ]);
        let body = Json::Array(peer.complete(&[handshake])).to_string();
        let bytes = post(&scene, &peer, body.clone());
        let head = bytes.len() - body.len();
        let mut stream = connect(&scene).await?;
        let slow = async {
            stream.write(&bytes[..head]).await?;
            for byte in &bytes[head..] {
                stream.write(&[*byte]).await?;
                sleep(PAUSE).await;
            }
            read_response(&mut stream, "POST").await
        };
        let (response, others) = tokio::join!(slow, alive(&scene));
        Ok(match (response, others) {
            (_, Err(why)) => failed(format!("meanwhile others were not served: {why}")),
            (Ok(response), _) if response.status == 200 => Finding::pass(),
            (Ok(response), _) if response.status == 408 => {
                Finding::new(Verdict::Nonstrict, "a body that took some two seconds was given up")
            }
            (Ok(response), _) => failed(format!("the slow one was answered with {}", response.status)),
            (Err(error), _) => Finding::new(Verdict::Nonstrict, format!("the slow one: {error}")),
        })
    })
}

/// Fifty heads and fifty bodies of which the last byte does not come.
fn unfinished(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let peer = Peer::new(&scene, "a", transport);
        let bytes = post(&scene, &peer, "[]".into());
        let head = bytes.len() - 4;
        let mut open = Vec::new();
        for number in 0..100 {
            let mut stream = connect(&scene).await?;
            let end = if number % 2 == 0 { head } else { bytes.len() - 1 };
            stream.write(&bytes[..end]).await.map_err(|error| error.to_string())?;
            open.push(stream);
        }
        let found = alive(&scene).await;
        drop(open);
        Ok(found.map_or_else(|why| failed(format!("meanwhile: {why}")), |()| Finding::pass()))
    })
}

/// Eight megabytes for a WebSocket from which nobody reads. Each event waits for the one before to be with the healthy subscriber.
fn unread(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let slow = Peer::new(&scene, "slow", transport);
        let (mut stream, _) = slow.upgrade(1, slow.headers()).await.map_err(|error| error.to_string())?;
        let channel = format!("{}/x", scene.base);
        slow.handshake(None).await?;
        let subscribe = object([("channel", "/meta/subscribe".into()), ("subscription", channel.as_str().into())]);
        // Its session moves to the socket that is not read.
        let text = Json::Array(slow.complete(&[slow.connect_message(), subscribe])).to_string();
        stream.write(&Frame::text(text).encode()).await.map_err(|error| error.to_string())?;
        let [healthy, publisher] =
            [open(&scene, "healthy", transport).await?, open(&scene, "publisher", transport).await?];
        healthy.subscribe(&channel).await?;
        for number in 0..128_u64 {
            let data = object([("n", number.into()), ("text", "x".repeat(60_000).into())]);
            publisher.publish(&channel, data).await?;
            let there = |peer: &Peer| {
                peer.has_event(|event| event.get("data").and_then(|data| data.get("n")) == Some(&number.into()))
            };
            if !healthy.until(healthy.delivery_deadline(), there).await {
                return Ok(failed(format!("a subscriber that reads did not get event {number} of 128")));
            }
            healthy.take_events();
        }
        Ok(alive(&scene).await.map_or_else(failed, |()| Finding::pass()))
    })
}

fn flood(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let peer = Peer::new(&scene, "a", transport);
        peer.handshake(None).await?;
        let frames: Vec<u8> = (0..100)
            .flat_map(|number| match number % 2 {
                0 => Frame { opcode: opcode::PING, ..Frame::text("x") }.encode(),
                _ => Frame::text(r#"[{"channel":"/meta/disconnect","clientId":"nobody"}]"#).encode(),
            })
            .collect();
        let (mut stream, _) = peer.upgrade(1, peer.headers()).await.map_err(|error| error.to_string())?;
        let sending = async {
            for _ in 0..100 {
                // A server may have had enough, or wait until its answers are read.
                if !matches!(timeout(PAUSE, stream.write(&frames)).await, Ok(Ok(()))) {
                    return;
                }
            }
        };
        let ((), others) = tokio::join!(sending, alive(&scene));
        let afterwards = alive(&scene).await;
        Ok(others.and(afterwards).map_or_else(failed, |()| Finding::pass()))
    })
}

/// Half of them vanish while a connect is held, half without ever having connected.
fn vanished(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let expiry = scene.target.budget.expiry.ok_or("the session expiry is not known")?;
        let mut peers = Vec::new();
        for number in 0..200 {
            let peer = Peer::new(&scene, &format!("peer{number}"), transport);
            peer.handshake(None).await?;
            if number % 2 == 0 {
                peer.send(&[peer.connect_message()]);
            }
            peers.push(peer);
        }
        // When this is answered, what was sent before is under way.
        alive(&scene).await?;
        for peer in &peers {
            peer.drop_connections();
        }
        Peer::elapse(expiry.mul_f64(1.2) + scene.target.budget.timeout + Duration::from_secs(2)).await;
        let mut left = 0;
        for peer in &peers {
            let mut connect = peer.connect_message();
            connect.set("advice", object([("timeout", 0.into())]));
            left += usize::from(peer.request(connect).await.success().is_ok());
        }
        Ok(match (left, alive(&scene).await) {
            (_, Err(why)) => failed(format!("afterwards: {why}")),
            (0, Ok(())) => Finding::pass(),
            (left, Ok(())) => failed(format!("{left} of 200 sessions are still known")),
        })
    })
}

fn post(scene: &Scene, peer: &Peer, body: String) -> Vec<u8> {
    let mut headers = peer.headers();
    headers.push(("Content-Type".into(), "application/json".into()));
    let target = scene.target.path("");
    Request { method: "POST".into(), target, headers, body: Body::Sized(body.into_bytes()) }
        .encode(&scene.target.host())
}

async fn connect(scene: &Scene) -> Result<Stream, String> {
    Stream::connect(&scene.target.address).await.map_err(|error| error.to_string())
}
