//! Discovery: what the server can do and how fast it is, found before the first case. An option that it does not have makes a case
//! `unimplemented`, never a failure.

use crate::json::{Json, object};
use crate::peer::{PUBLISH_ACK, Peer, STREAM_CONNECT, Transport, advised, messages_of};
use crate::scene::Scene;
use crate::target::Target;
use crate::wire::http::{Body, Request};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// Fills in what is known of a target. The error says why no case can be run against it.
pub async fn discover(mut target: Target) -> Result<Target, String> {
    let scene = Scene::new(Rc::new(target.clone()), None, "discovery".into(), "/conformance/probe".into(), 0);
    let found = probe(&scene, &mut target).await;
    scene.close();
    found.map(|()| target)
}

/// Each question has a session of its own: one that waits without a connect until others are answered may have expired.
async fn probe(scene: &Rc<Scene>, target: &mut Target) -> Result<(), String> {
    let peer = Peer::new(scene, "probe", Transport::LongPolling);
    let started = Instant::now();
    let handshake = peer.handshake(None).await?;
    let first = started.elapsed();
    let advice = first_advice(&peer, &handshake).await?;
    leave(&peer).await;
    times(target, &advice);
    let slowest = slowest_answer(scene, first).await?;
    target.budget.slowest = slowest;
    target.budget.answer = (slowest * 20).max(Duration::from_secs(3));
    target.facts.insert("slowest of 10 answers".into(), format!("{:.1} ms", slowest.as_secs_f64() * 1000.0));
    if !peer.jar().borrow().is_empty() {
        target.capabilities.insert("cookie".into());
        let names: Vec<_> = peer.jar().borrow().names().map(str::to_owned).collect();
        target.facts.insert("cookies".into(), names.join(", "));
    }
    transports(scene, target, &handshake).await;
    extensions(scene, target).await;
    if form(scene).await {
        target.capabilities.insert("form".into());
    }
    publishes(scene, target).await
}

async fn leave(peer: &Peer) {
    // It was asked what there was to ask.
    let _ = peer.request(object([("channel", "/meta/disconnect".into())])).await;
}

async fn slowest_answer(scene: &Rc<Scene>, first: Duration) -> Result<Duration, String> {
    let mut slowest = first;
    for _ in 0..9 {
        let peer = Peer::new(scene, "probe", Transport::LongPolling);
        let started = Instant::now();
        peer.handshake(None).await?;
        slowest = slowest.max(started.elapsed());
        leave(&peer).await;
    }
    Ok(slowest)
}

/// The advice of the handshake and that of the first connect, which is asked not to be held.
async fn first_advice(peer: &Peer, handshake: &Json) -> Result<Vec<Json>, String> {
    let mut connect = peer.connect_message();
    connect.set("advice", object([("timeout", 0.into())]));
    let sent = peer.send(&[connect]);
    // A server that does not heed the wish may hold it as long as servers do.
    let outcome = peer.outcome(&sent, 0, Instant::now() + Duration::from_secs(130)).await;
    let reply = outcome.success().map_err(|what| format!("the first connect: {what}"))?;
    Ok([handshake, &reply].into_iter().filter_map(|reply| reply.get("advice").cloned()).collect())
}

fn times(target: &mut Target, advice: &[Json]) {
    let said = |advice: &Json, name: &str| advised(advice, Transport::LongPolling, name)?.as_f64();
    let last = |name: &str| advice.iter().rev().find_map(|advice| said(advice, name)).filter(|ms| *ms >= 0.0);
    let time = |ms: f64| Duration::from_secs_f64(ms / 1000.0);
    // Who answers a connect that need not be held may say 0 with it.
    let timeouts = || advice.iter().rev().filter_map(|advice| said(advice, "timeout")).filter(|ms| *ms >= 0.0);
    if let Some(ms) = timeouts().find(|ms| *ms > 0.0).or_else(|| timeouts().next()) {
        target.budget.timeout = time(ms);
        target.facts.insert("timeout".into(), format!("{ms} ms"));
    }
    if let Some(ms) = last("interval") {
        target.budget.interval = time(ms);
        target.facts.insert("interval".into(), format!("{ms} ms"));
    }
    if let Some(ms) = last("maxInterval") {
        target.budget.expiry.get_or_insert_with(|| time(ms));
    }
    if let Some(expiry) = target.budget.expiry {
        target.capabilities.insert("expiry".into());
        target.facts.insert("session expiry".into(), format!("{} ms", expiry.as_millis()));
    }
}

/// Over which transports it serves; one that it offers and does not serve is broken. A server may offer only what the client named, so
/// one handshake names all.
async fn transports(scene: &Rc<Scene>, target: &mut Target, first: &Json) {
    let peer = Peer::new(scene, "probe", Transport::LongPolling);
    let names = Json::Array(Transport::ALL.map(|transport| transport.name().into()).to_vec());
    let second = peer.handshake(Some(&object([("supportedConnectionTypes", names)]))).await;
    leave(&peer).await;
    let mut offered: Vec<Json> = Vec::new();
    for reply in second.iter().chain([first]) {
        let types = reply.get("supportedConnectionTypes").and_then(Json::as_array).unwrap_or_default();
        offered.extend(types.iter().filter(|name| !offered.contains(name)).cloned().collect::<Vec<_>>());
    }
    target.facts.insert("connection types".into(), Json::Array(offered.clone()).to_string());
    for transport in [Transport::LongPolling, Transport::WebSocket, Transport::CallbackPolling] {
        let peer = Peer::new(scene, "probe", transport);
        match peer.handshake(None).await {
            Ok(_) => {
                target.capabilities.insert(transport.name().into());
                leave(&peer).await;
            }
            Err(why) if offered.iter().any(|name| name.as_str() == Some(transport.name())) => {
                target.facts.insert(format!("offered and broken: {transport}"), why.clone());
                target.broken.insert(transport, why);
            }
            Err(_) => {}
        }
    }
    let is_offered = |name: &str| offered.iter().any(|other| other.as_str() == Some(name));
    if is_offered(CROSS_ORIGIN) {
        target.capabilities.insert(CROSS_ORIGIN.into());
    }
    for transport in Transport::STREAMS {
        // A server may offer one of those that a client names.
        let peer = Peer::new(scene, "probe", transport);
        let reply = peer.handshake(None).await;
        leave(&peer).await;
        let types = reply.iter().filter_map(|reply| reply.get("supportedConnectionTypes")?.as_array()).flatten();
        if !is_offered(transport.name()) && !types.into_iter().any(|name| name.as_str() == Some(transport.name())) {
            continue;
        }
        match stream(scene, transport).await {
            Ok(by_connect) => {
                target.capabilities.insert(transport.name().into());
                if transport == Transport::EventSource && by_connect {
                    target.capabilities.insert(STREAM_CONNECT.into());
                }
            }
            Err(why) => {
                target.facts.insert(format!("offered and broken: {transport}"), why.clone());
                target.broken.insert(transport, why);
            }
        }
    }
}

/// Faye's other name for long-polling.
const CROSS_ORIGIN: &str = "cross-origin-long-polling";

/// Whether a connect opens such a stream; an event stream may be opened by a URL that names the session, as Faye's clients do.
async fn stream(scene: &Rc<Scene>, transport: Transport) -> Result<bool, String> {
    // Whoever asks does not know yet that it works.
    let mut target = (*scene.target).clone();
    target.capabilities.insert(STREAM_CONNECT.into());
    let scene = Scene::new(Rc::new(target), None, "discovery".into(), scene.base.clone(), 0);
    let peer = Peer::new(&scene, "probe", transport);
    let found = open_stream(&scene, &peer).await;
    scene.close();
    found
}

async fn open_stream(scene: &Rc<Scene>, peer: &Peer) -> Result<bool, String> {
    peer.handshake(None).await?;
    let sent = peer.send(&[peer.connect_message()]);
    let outcome = peer.outcome(&sent, 0, Instant::now() + scene.target.budget.answer()).await;
    // A server that knows no such connects may answer it all the same.
    let is_stream = Peer::exchange_of(&sent).is_some_and(|number| peer.streamed(number).is_some());
    if is_stream && outcome.success().is_ok() {
        leave(peer).await;
        return Ok(true);
    }
    if peer.transport() == Transport::EventSource {
        let number = peer.start_stream(peer.named_stream());
        let deadline = Instant::now() + scene.target.budget.answer();
        peer.until(deadline, |peer| peer.streamed(number).is_some() || peer.ended(number).is_some()).await;
        if peer.streamed(number).is_some() {
            leave(peer).await;
            return Ok(false);
        }
    }
    Err(format!("a connect does not open a stream: {outcome}"))
}

/// Over which transports a publish is answered. Whatever comes is an answer, also one that is wrong: only a server that sends nothing
/// need not be asked what it says, since no reply is owed to a publish that is accepted.
async fn publishes(scene: &Rc<Scene>, target: &mut Target) -> Result<(), String> {
    for transport in Transport::ALL.into_iter().filter(|transport| target.can(transport.name())).collect::<Vec<_>>() {
        let peer = Peer::new(scene, "probe", transport);
        peer.handshake(None).await?;
        let before = peer.all_messages().len();
        let sent = peer.send(&[object([("channel", "/conformance/probe".into()), ("data", 1.into())])]);
        let came = |peer: &Peer| peer.all_messages().len() > before;
        let deadline = Instant::now() + target.budget.answer();
        let answered = match transport {
            Transport::WebSocket => peer.until(deadline, |peer| came(peer) || peer.socket_end().is_some()).await,
            _ => {
                let outcome = peer.outcome(&sent, 0, deadline).await;
                !(outcome.is_unanswered_publish(transport) && outcome.is_empty())
            }
        };
        leave(&peer).await;
        if answered {
            target.capabilities.insert(PUBLISH_ACK.into());
        } else {
            target.facts.insert(format!("publishes over {transport}"), "are not answered".into());
            target.silent.insert(transport);
        }
    }
    Ok(())
}

/// Extensions that the handshake's reply confirms. One that does not exist shows who confirms anything.
async fn extensions(scene: &Rc<Scene>, target: &mut Target) {
    let offers = [
        ("ack", true.into()),
        ("timesync", object([("tc", 1.into()), ("l", 0.into()), ("o", 0.into())])),
        ("x-no-such-extension", true.into()),
    ];
    let peer = Peer::new(scene, "probe", Transport::LongPolling);
    let Ok(reply) = peer.handshake(Some(&object([("ext", object(offers))]))).await else { return };
    let confirmed =
        |name: &str| reply.get("ext").and_then(|ext| ext.get(name)).is_some_and(|value| *value != Json::Bool(false));
    if confirmed("x-no-such-extension") {
        target.facts.insert("extensions".into(), "confirms any, so none is believed".into());
    } else {
        target.capabilities.extend(["ack", "timesync"].into_iter().filter(|name| confirmed(name)).map(str::to_owned));
    }
    leave(&peer).await;
    if target.can("ack") || !confirmed("x-no-such-extension") {
        gap(scene, target).await;
    }
}

/// Where acknowledgements are to be had they are enough, so that this one is asked for alone.
async fn gap(scene: &Rc<Scene>, target: &mut Target) {
    let peer = Peer::new(scene, "probe", Transport::LongPolling);
    let ext = object([("gap", true.into()), ("x-no-such-extension", true.into())]);
    let Ok(reply) = peer.handshake(Some(&object([("ext", ext)]))).await else { return };
    if reply.get("ext").and_then(|ext| ext.get("gap")) == Some(&Json::Bool(true)) {
        target.capabilities.insert("gap".into());
    }
    leave(&peer).await;
}

async fn form(scene: &Rc<Scene>) -> bool {
    let peer = Peer::new(scene, "probe", Transport::LongPolling);
    let mut headers = peer.headers();
    headers.push(("Content-Type".into(), "application/x-www-form-urlencoded".into()));
    let handshake =
        r#"{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"],"id":"f"}"#;
    let message: String = url::form_urlencoded::byte_serialize(handshake.as_bytes()).collect();
    let mut body = vec![format!("message={message}").into_bytes()];
    scene.target.complete_pieces(&mut body);
    let body = Body::Sized(body.concat());
    let number = peer.start(Request { method: "POST".into(), target: scene.target.path(""), headers, body });
    let answer = peer.answer(number, Instant::now() + scene.target.budget.answer()).await;
    let Some(Ok(answer)) = answer else { return false };
    messages_of(&answer.response.body).is_ok_and(|messages| {
        messages.iter().any(|reply| reply.get("successful").and_then(Json::as_bool) == Some(true))
    })
}
