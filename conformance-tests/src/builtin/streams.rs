//! What needs more than one look at streams: connects beside them, refusals in either form, and how long they become.

use super::subscribe::{failed, open, run};
use super::{code, hardened};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Outcome, Peer, STREAM_CONNECT, Transport, with_accept};
use crate::scene::Scene;
use crate::verdict::Level::{Must, Should};
use crate::verdict::{Finding, Verdict};
use crate::wire::http::{Body, Request};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The cases about streams.
pub(super) fn cases() -> Vec<Case> {
    const ALL: &[Transport] = &Transport::STREAMS;
    const EVENTS: &[Transport] = &[Transport::EventSource];
    const GETS: &[Transport] = &[Transport::EventSource, Transport::Iframe];
    const KEPT: &[Transport] = &[Transport::XhrStreaming, Transport::Iframe];
    let by_connect = |case: Case| Case { needs: vec![STREAM_CONNECT.into()], ..case };
    vec![
        by_connect(code("ST-012", Must, &["BX-ST-12"], ALL, unknown, "a stream for a session that is unknown ends")),
        code(
            "ST-030",
            Must,
            &["BX-ST-12"],
            EVENTS,
            unknown_by_name,
            "an event stream whose URL names no session ends, or is refused",
        ),
        by_connect(code(
            "ST-031",
            Should,
            &["BX-SE-3", "BX-ST-11"],
            ALL,
            told,
            "the last message of a stream for a session that is unknown advises to shake hands",
        )),
        code(
            "ST-014",
            Must,
            &["BX-ST-4"],
            GETS,
            beside,
            "connects that are posted beside a stream are answered at once, and the stream goes on",
        ),
        code(
            "ST-015",
            Should,
            &["BX-ST-6"],
            GETS,
            seldom,
            "a connect that is posted beside a stream is told to come back after about the timeout",
        ),
        by_connect(code(
            "ST-018",
            Should,
            &["BX-ST-14", "BX-ST-11"],
            KEPT,
            long,
            "a stream that has carried some megabytes ends with a reply, and nothing is lost",
        )),
        code(
            "ST-013",
            Should,
            &["BX-ST-3"],
            EVENTS,
            kept_alive,
            "an event stream that was opened by its URL alone is kept alive within 30 seconds",
        ),
        hardened(code(
            "ST-021",
            Must,
            &["BX-SEC-3"],
            EVENTS,
            stolen,
            "an event stream that is opened by a clientId in the URL needs the cookie of the session",
        )),
        hardened(code(
            "ST-027",
            Must,
            &["BX-ST-17"],
            &[Transport::Iframe],
            other_parent,
            "a page of an origin that is not listed is handed no messages",
        )),
        hardened(code("ST-028", Must, &["BX-HRD-8"], GETS, other_site, "a page of another site opens no stream")),
    ]
}

/// A session with a subscription and its stream, and who publishes to it.
struct Streaming {
    peer: Peer,
    publisher: Peer,
    exchange: usize,
    channel: String,
}

impl Streaming {
    /// In the way of the transport, and where that is the only one in Faye's.
    async fn open(scene: &Rc<Scene>, transport: Transport) -> Result<Self, String> {
        let publisher = open(scene, "b", Transport::LongPolling).await?;
        let peer = Peer::new(scene, "a", transport);
        peer.handshake(None).await?;
        let channel = format!("{}/x", scene.base);
        peer.subscribe(&channel).await?;
        let exchange = if transport == Transport::EventSource && !scene.target.can(STREAM_CONNECT) {
            peer.start_stream(peer.named_stream())
        } else {
            let sent = peer.send(&[peer.connect_message()]);
            let outcome = peer.outcome(&sent, 0, Instant::now() + scene.target.budget.answer()).await;
            outcome.success()?;
            Peer::exchange_of(&sent).ok_or("a stream is read over HTTP")?
        };
        Ok(Self { peer, publisher, exchange, channel })
    }

    /// Whether what is published comes on the stream.
    async fn carries(&self, number: u64) -> Result<bool, String> {
        self.publisher.publish(&self.channel, number.into()).await?;
        let wanted = Json::from(number);
        let there = |peer: &Peer| {
            let batches = peer.streamed(self.exchange).map(|seen| seen.batches).unwrap_or_default();
            let messages = batches.iter().filter_map(|batch| batch.messages.as_ref().ok()).flatten();
            messages.into_iter().any(|message| message.get("data") == Some(&wanted))
        };
        Ok(self.peer.until(self.peer.delivery_deadline(), there).await)
    }
}

/// A connect of a type that opens streams, as a POST.
fn posted(peer: &Peer) -> Request {
    let mut connect = peer.connect_message();
    connect.set("connectionType", peer.transport().name().into());
    let body = Json::Array(peer.complete(&[connect])).to_string();
    let mut headers = peer.headers();
    headers.push(("Content-Type".into(), "application/json".into()));
    Request { method: "POST".into(), target: String::new(), headers, body: Body::Sized(body.into_bytes()) }
}

/// The reply to a connect that is posted, and how long it took.
async fn post_connect(scene: &Scene, peer: &Peer) -> Result<Json, String> {
    let request = Request { target: scene.target.path(""), ..posted(peer) };
    let number = peer.start(request);
    let answer = peer.answer(number, Instant::now() + scene.target.budget.answer()).await;
    let answer = answer.ok_or("a connect that was posted beside the stream was not answered")?;
    let messages = answer.map_err(|error| error.to_string())?.messages?;
    let reply = messages.iter().find(|message| message.get_str("channel") == Some("/meta/connect"));
    reply.cloned().ok_or_else(|| format!("no reply to the connect: {}", Json::Array(messages.clone())))
}

fn beside(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let streaming = Streaming::open(&scene, transport).await?;
        for number in 0..3 {
            let started = Instant::now();
            let reply = match post_connect(&scene, &streaming.peer).await {
                Ok(reply) => reply,
                Err(why) => return Ok(failed(why)),
            };
            let half = scene.target.budget.timeout / 2;
            if started.elapsed() > half {
                if !scene.target.budget.tells_apart(half) {
                    return Ok(Finding::too_close(&scene.target.budget));
                }
                return Ok(failed(format!("it was answered after {:.1} s", started.elapsed().as_secs_f64())));
            }
            if reply.get("successful").and_then(Json::as_bool) != Some(true) {
                return Ok(failed(format!("the reply was {reply}")));
            }
            if !streaming.carries(number).await? {
                return Ok(failed(format!("after connect {number} what was published did not come on the stream")));
            }
        }
        Ok(match streaming.peer.ended(streaming.exchange) {
            None => Finding::pass(),
            Some(end) => failed(format!("the stream has ended: {end:?}")),
        })
    })
}

fn seldom(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let streaming = Streaming::open(&scene, transport).await?;
        let reply = post_connect(&scene, &streaming.peer).await?;
        let advice = reply.get("advice").cloned().unwrap_or(Json::Null);
        let said = |name: &str| crate::peer::advised(&advice, transport, name).and_then(Json::as_f64);
        let timeout = scene.target.budget.timeout.as_secs_f64() * 1000.0;
        Ok(match (said("interval"), said("timeout")) {
            (Some(interval), Some(0.0)) if interval >= timeout / 2.0 => Finding::pass(),
            (Some(interval), _) if interval >= timeout / 2.0 => {
                Finding::new(Verdict::Nonstrict, format!("the timeout is not 0: {advice}"))
            }
            _ => failed(format!("the advice was {advice}")),
        })
    })
}

/// Connects are posted beside it, as Faye's clients do, so that the session lives meanwhile.
fn kept_alive(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let peer = Peer::new(&scene, "a", transport);
        peer.handshake(None).await?;
        let exchange = peer.start_stream(peer.named_stream());
        let deadline = Instant::now() + Duration::from_secs(30) + scene.target.budget.answer();
        let is_kept = |peer: &Peer| peer.streamed(exchange).is_some_and(|seen| !seen.beats.is_empty());
        while Instant::now() < deadline {
            post_connect(&scene, &peer).await?;
            let pause = peer.interval().max(Duration::from_secs(1));
            let next = (Instant::now() + pause).min(deadline);
            peer.until(next, |peer| is_kept(peer) || peer.ended(exchange).is_some()).await;
            if is_kept(&peer) {
                return Ok(Finding::pass());
            }
            if let Some(end) = peer.ended(exchange) {
                return Ok(failed(format!("the stream has ended: {end:?}")));
            }
        }
        Ok(failed("nothing kept the stream alive".into()))
    })
}

/// What became of a stream that should be refused: by a status, or by a batch that refuses it and the end.
async fn refused(scene: &Scene, peer: &Peer, exchange: usize) -> Finding {
    let deadline = Instant::now() + scene.target.budget.answer();
    peer.until(deadline, |peer| peer.ended(exchange).is_some()).await;
    let batches = peer.streamed(exchange).map(|seen| seen.batches).unwrap_or_default();
    let messages = batches.iter().filter_map(|batch| batch.messages.as_ref().ok()).flatten();
    let succeeds = |message: &&Json| message.get("successful").and_then(Json::as_bool) != Some(false);
    if let Some(message) = messages.into_iter().find(succeeds) {
        return failed(format!("the stream carried {message}"));
    }
    match peer.ended_with(exchange) {
        None => failed("the stream stays open".into()),
        Some(Ok(answer)) if peer.streamed(exchange).is_some() || (400..500).contains(&answer.response.status) => {
            Finding::pass()
        }
        Some(Ok(answer)) if answer.response.status >= 500 => {
            Finding::new(Verdict::Nonstrict, format!("refused with {}", answer.response.status))
        }
        Some(Ok(answer)) => {
            let all = answer.messages.unwrap_or_default();
            match all.iter().find(succeeds) {
                Some(message) => failed(format!("it was answered by {message}")),
                None => Finding::pass(),
            }
        }
        Some(Err(error)) => Finding::new(Verdict::Nonstrict, error.to_string()),
    }
}

const NOBODY: &str = "0123456789abcdefghijklmnopqrstuvwx";

fn unknown(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let peer = Peer::new(&scene, "a", transport);
        peer.set_client_id(Some(NOBODY.into()));
        let sent = peer.send(&[peer.connect_message()]);
        let exchange = Peer::exchange_of(&sent).ok_or("a stream is read over HTTP")?;
        Ok(refused(&scene, &peer, exchange).await)
    })
}

fn unknown_by_name(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let peer = Peer::new(&scene, "a", transport);
        peer.set_client_id(Some(NOBODY.into()));
        let exchange = peer.start_stream(peer.named_stream());
        Ok(refused(&scene, &peer, exchange).await)
    })
}

fn told(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let peer = Peer::new(&scene, "a", transport);
        peer.set_client_id(Some(NOBODY.into()));
        let outcome = peer.request(peer.connect_message()).await;
        let Outcome::Reply { message, .. } = &outcome else { return Ok(failed(outcome.to_string())) };
        let advice = message.get("advice").and_then(|advice| advice.get_str("reconnect"));
        let refuses = message.get("successful").and_then(Json::as_bool) == Some(false);
        let fits = refuses && advice == Some("handshake");
        Ok(if fits { Finding::pass() } else { failed(outcome.to_string()) })
    })
}

/// Up to four megabytes in events of 30,000 characters. The client opens the next stream when one has ended.
fn long(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let streaming = Streaming::open(&scene, transport).await?;
        for number in 0..140_u64 {
            let data = object([("n", number.into()), ("text", "x".repeat(30_000).into())]);
            streaming.publisher.publish(&streaming.channel, data).await?;
            let there = |peer: &Peer| {
                peer.has_event(|event| event.get("data").and_then(|data| data.get("n")) == Some(&number.into()))
            };
            let ended = |peer: &Peer| peer.ended(streaming.exchange).is_some();
            streaming.peer.until(streaming.peer.delivery_deadline(), |peer| there(peer) || ended(peer)).await;
            if !there(&streaming.peer) && !ended(&streaming.peer) {
                return Ok(failed(format!("event {number} did not come")));
            }
            streaming.peer.until(Instant::now(), ended).await;
            if ended(&streaming.peer) {
                return rolled_over(&streaming, number).await;
            }
        }
        Ok(Finding::new(Verdict::Nonstrict, "it carried four megabytes: no bound can be seen"))
    })
}

/// All up to this event have come on the stream that has ended, or come on the next one.
async fn rolled_over(streaming: &Streaming, last: u64) -> Result<Finding, String> {
    let Streaming { peer, exchange, .. } = streaming;
    if let Some(Err(error)) = peer.ended(*exchange) {
        return Ok(failed(format!("the stream broke off: {error}")));
    }
    let batches = peer.streamed(*exchange).map(|seen| seen.batches).unwrap_or_default();
    let reply = batches.last().and_then(|batch| batch.messages.as_ref().ok()?.last().cloned());
    if reply.as_ref().and_then(|reply| reply.get_str("channel")) != Some("/meta/connect") {
        return Ok(failed("the stream ended without a reply to its connect".into()));
    }
    peer.keep_alive();
    let number = |event: &Json| event.get("data").and_then(|data| data.get("n")).and_then(Json::as_f64);
    let deadline = peer.delivery_deadline();
    peer.until(deadline, |peer| peer.count_events(|event| number(event).is_some()) as u64 > last).await;
    let came: Vec<u64> = peer.take_events().iter().filter_map(number).map(|number| number as u64).collect();
    let wanted: Vec<u64> = (0..=last).collect();
    Ok(if came == wanted {
        Finding::pass()
    } else {
        failed(format!("{} events were published, and {came:?} came", last + 1))
    })
}

fn stolen(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        if !scene.target.can("cookie") {
            return Ok(Finding::new(Verdict::Fail, "the server sets no cookie: the clientId alone is the session"));
        }
        let victim = open(&scene, "a", Transport::LongPolling).await?;
        let thief = Peer::new(&scene, "thief", transport);
        thief.set_client_id(victim.client_id());
        let exchange = thief.start_stream(thief.named_stream());
        let found = refused(&scene, &thief, exchange).await;
        if found.verdict != Verdict::Pass {
            return Ok(found);
        }
        Ok(scene.fence(&victim).await.map_or_else(failed, |()| Finding::pass()))
    })
}

const ATTACKER: &str = "https://attacker.invalid";

fn other_parent(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let peer = Peer::new(&scene, "a", transport);
        peer.handshake(None).await?;
        let origin = "&origin=https%3A%2F%2Fattacker.invalid";
        let text = Json::Array(peer.complete(&[peer.connect_message()])).to_string();
        let exchange = peer.start_stream(peer.getting(&text, origin));
        let came = |peer: &Peer| peer.streamed(exchange).is_some_and(|seen| !seen.batches.is_empty());
        let deadline = Instant::now() + scene.target.budget.answer();
        peer.until(deadline, |peer| came(peer) || peer.ended(exchange).is_some()).await;
        let text = peer.streamed(exchange).map(|seen| String::from_utf8_lossy(&seen.text).into_owned());
        Ok(match text {
            // It may be a page all the same, for others.
            Some(text) if text.contains("attacker.invalid") => failed("the page posts to attacker.invalid".into()),
            Some(_) => Finding::pass(),
            None => refused(&scene, &peer, exchange).await,
        })
    })
}

fn other_site(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let peer = Peer::new(&scene, "a", transport);
        peer.handshake(None).await?;
        let text = Json::Array(peer.complete(&[peer.connect_message()])).to_string();
        let by_connect = peer.getting(&text, "");
        let ways = match transport {
            Transport::EventSource => vec![with_accept(by_connect, "text/event-stream"), peer.named_stream()],
            _ => vec![by_connect],
        };
        for way in ways {
            for (name, value) in [("Origin", ATTACKER), ("Sec-Fetch-Site", "cross-site")] {
                let mut request = way.clone();
                request.headers.push((name.into(), value.into()));
                let exchange = peer.start_stream(request);
                let found = refused(&scene, &peer, exchange).await;
                if found.verdict > Verdict::Nonstrict {
                    return Ok(Finding { reason: format!("{name}: {value}: {}", found.reason), ..found });
                }
            }
        }
        Ok(Finding::pass())
    })
}
