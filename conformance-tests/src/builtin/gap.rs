//! The gap extension: a client learns how many deliveries it did not get. One that got less is played by one that says so.

use super::model::chance;
use super::subscribe::{failed, open, run};
use super::{code, hardened};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Peer, STREAM_CONNECT, Transport, with_accept};
use crate::scene::Scene;
use crate::verdict::Finding;
use crate::verdict::Level::{Must, Should};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The cases of the extension.
pub(super) fn cases() -> Vec<Case> {
    const ALL: &[Transport] = &Transport::ALL;
    const HELD: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    let gap = |case: Case| Case { needs: vec!["gap".into()], ..case };
    let stream = |case: Case| Case { needs: vec!["gap".into(), STREAM_CONNECT.into()], ..case };
    vec![
        gap(code(
            "GP-003",
            Must,
            &["BX-GAP-2"],
            ALL,
            claimed,
            "who got less than was handed over is told how much is missing",
        )),
        gap(code(
            "GP-004",
            Must,
            &["BX-GAP-2", "BX-EXT-2"],
            HELD,
            cut,
            "after a connection was cut, what came and what is missing are all that was published",
        )),
        gap(hardened(code(
            "GP-005",
            Must,
            &["BX-GAP-2"],
            ALL,
            nonsense,
            "a number that makes no sense is answered by no gap, and loses nothing",
        ))),
        gap(code("GP-006", Should, &["BX-GAP-3"], HELD, at_once, "a connect that is told of a gap is not held")),
        stream(code(
            "GP-007",
            Must,
            &["BX-ST-5", "BX-GAP-2"],
            &[Transport::EventSource],
            last_event,
            "the id of an event is the count of deliveries, and Last-Event-ID tells how many came",
        )),
    ]
}

/// A session that counts, subscribed to one channel, and a publisher.
struct Counting {
    peer: Peer,
    publisher: Peer,
    channel: String,
}

impl Counting {
    async fn new(scene: &Rc<Scene>, transport: Transport) -> Result<Self, String> {
        let publisher = open(scene, "b", Transport::LongPolling).await?;
        let peer = Peer::new(scene, "a", transport);
        peer.handshake(Some(&object([("ext", object([("gap", true.into())]))]))).await?;
        let channel = format!("{}/x", scene.base);
        peer.subscribe(&channel).await?;
        Ok(Self { peer, publisher, channel })
    }

    async fn publish(&self, count: u64) -> Result<(), String> {
        for number in 0..count {
            self.publisher.publish(&self.channel, number.into()).await?;
        }
        Ok(())
    }

    /// Connects until so many events have come; over a WebSocket they come by themselves.
    async fn fetch(&self, count: usize) -> bool {
        self.peer.poll_until(self.peer.delivery_deadline(), |peer| peer.count_events(|_| true) >= count).await
    }

    /// What a connect with this number is told to be missing, and how long its reply took.
    async fn missing(&self, received: &Json, now: bool) -> Result<(Option<f64>, Duration), String> {
        let mut connect = self.peer.connect_message();
        connect.set("ext", object([("gap", received.clone())]));
        if now {
            connect.set("advice", object([("timeout", 0.into())]));
        }
        let started = Instant::now();
        let reply = self.peer.request(connect).await.success()?;
        Ok((missing_of(&reply), started.elapsed()))
    }
}

fn missing_of(reply: &Json) -> Option<f64> {
    reply.get("ext").and_then(|ext| ext.get("gap")).and_then(|gap| gap.get("missing")).and_then(Json::as_f64)
}

fn claimed(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let counting = Counting::new(&scene, transport).await?;
        counting.missing(&0.into(), true).await?;
        counting.publish(5).await?;
        if !counting.fetch(5).await {
            return Err("the events did not come".into());
        }
        counting.peer.drop_connections();
        for (received, wanted) in [(5, 0.0), (3, 2.0)] {
            let (missing, _) = counting.missing(&Json::from(received), true).await?;
            if missing != Some(wanted) {
                return Ok(failed(format!(
                    "of 5 events that were handed over {received} came, and missing is {missing:?}"
                )));
            }
        }
        Ok(Finding::pass())
    })
}

/// A hundred events; the connection is cut ten times meanwhile.
fn cut(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        const COUNT: u64 = 100;
        let mut random = chance(&scene);
        let counting = Counting::new(&scene, transport).await?;
        counting.missing(&0.into(), true).await?;
        let mut told = 0.0;
        for _ in 0..10 {
            counting.peer.keep_alive();
            let at = random.usize(..10);
            for number in 0..COUNT / 10 {
                counting.publisher.publish(&counting.channel, number.into()).await?;
                if number as usize == at {
                    counting.peer.stop_keeping_alive();
                    counting.peer.drop_connections();
                }
            }
            let received = counting.peer.count_events(|_| true) as f64 + told;
            let (missing, _) = counting.missing(&Json::from(received as u64), true).await?;
            told += missing.ok_or("a connect with ext.gap was answered without")?;
        }
        let all = |peer: &Peer| peer.count_events(|_| true) as f64 + told >= COUNT as f64;
        counting.peer.poll_until(counting.peer.delivery_deadline(), all).await;
        let came = counting.peer.count_events(|_| true) as f64;
        Ok(if came + told == COUNT as f64 {
            Finding::pass()
        } else {
            let seed = scene.seed;
            failed(format!(
                "{COUNT} events were published, {came} came and {told} are said to be missing; chance came from --seed {seed}"
            ))
        })
    })
}

fn nonsense(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let counting = Counting::new(&scene, transport).await?;
        counting.missing(&0.into(), true).await?;
        counting.publish(2).await?;
        if !counting.fetch(2).await {
            return Err("the events did not come".into());
        }
        counting.peer.drop_connections();
        let odd = [Json::Number("-1".into()), "x".into(), Json::Null, object([("n", 1.into())])];
        for number in odd {
            let (missing, _) = counting.missing(&number, true).await?;
            if let Some(missing) = missing {
                return Ok(failed(format!("a connect with ext.gap {number} is told that {missing} are missing")));
            }
        }
        // More than there ever were.
        let (missing, _) = counting.missing(&1_000_000.into(), true).await?;
        if missing.is_some_and(|missing| missing != 0.0) {
            return Ok(failed(format!("who claims more than was handed over is told that {missing:?} are missing")));
        }
        counting.publish(1).await?;
        let came = counting.fetch(3).await;
        Ok(if came { Finding::pass() } else { failed("afterwards an event did not come".into()) })
    })
}

fn at_once(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let counting = Counting::new(&scene, transport).await?;
        counting.missing(&0.into(), true).await?;
        counting.publish(2).await?;
        if !counting.fetch(2).await {
            return Err("the events did not come".into());
        }
        counting.peer.drop_connections();
        let (missing, took) = counting.missing(&1.into(), false).await?;
        let half = scene.target.budget.timeout / 2;
        if took > half && !scene.target.budget.tells_apart(half) {
            return Ok(Finding::too_close(&scene.target.budget));
        }
        if took > half || missing != Some(1.0) {
            let took = took.as_secs_f64();
            return Ok(failed(format!("it was answered after {took:.1} s, with missing {missing:?}")));
        }
        Ok(Finding::pass())
    })
}

fn last_event(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let counting = Counting::new(&scene, transport).await?;
        let Counting { peer, .. } = &counting;
        let sent = peer.send(&[peer.connect_message()]);
        let exchange = Peer::exchange_of(&sent).ok_or("a stream is read over HTTP")?;
        peer.outcome(&sent, 0, Instant::now() + scene.target.budget.answer()).await.success()?;
        counting.publish(3).await?;
        peer.until(peer.delivery_deadline(), |peer| peer.count_events(|_| true) >= 3).await;
        let last = peer.streamed(exchange).and_then(|seen| seen.batches.last().and_then(|batch| batch.id.clone()));
        if last.as_deref() != Some("3") {
            return Ok(failed(format!("behind 3 events the id is {last:?}")));
        }
        peer.drop_connections();
        let connect = Json::Array(peer.complete(&[peer.connect_message()])).to_string();
        let mut request = with_accept(peer.getting(&connect, ""), "text/event-stream");
        request.headers.push(("Last-Event-ID".into(), "1".into()));
        let exchange = peer.start_stream(request);
        let first = |peer: &Peer| {
            let batches = peer.streamed(exchange)?.batches;
            batches.first()?.messages.as_ref().ok()?.last().cloned()
        };
        peer.until(Instant::now() + scene.target.budget.answer(), |peer| first(peer).is_some()).await;
        let missing = first(peer).as_ref().and_then(missing_of);
        Ok(if missing == Some(2.0) {
            Finding::pass()
        } else {
            failed(format!("of 3 events 1 came, and missing is {missing:?}"))
        })
    })
}
