//! The acknowledge extension: what was not acknowledged comes again, what was never does. A reply that the client never read is
//! played by one whose number it does not send back.

use super::model::chance;
use super::subscribe::{failed, run};
use super::{code, hardened};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Peer, Transport};
use crate::scene::Scene;
use crate::verdict::Level::{Must, Should};
use crate::verdict::{Finding, Verdict};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The cases of the extension.
pub(super) fn cases() -> Vec<Case> {
    const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    const ALL: &[Transport] = &Transport::ALL;
    let ack = |case: Case| Case { needs: vec!["ack".into()], ..case };
    vec![
        ack(code("AK-003", Must, &["BX-ACK-3"], ALL, again, "what was not acknowledged comes again, in its order")),
        ack(code("AK-004", Must, &["BX-ACK-3"], ALL, never, "what was acknowledged never comes again")),
        ack(code("AK-005", Must, &["BX-ACK-4"], ALL, old_first, "what was not acknowledged comes before what is new")),
        ack(code("AK-006", Must, &["BX-ACK-4"], ALL, connects_only, "events come with replies to connects alone")),
        ack(code(
            "AK-007",
            Should,
            &["BX-ACK-6"],
            BOTH,
            owed,
            "a connect is not held while something has to be sent again",
        )),
        ack(hardened(code(
            "AK-008",
            Must,
            &["BX-HRD-1", "BX-ACK-3"],
            ALL,
            nonsense,
            "a number that makes no sense acknowledges nothing",
        ))),
        ack(code(
            "AK-010",
            Should,
            &["BX-ACK-3", "BX-SE-1"],
            ALL,
            left,
            "what was not acknowledged does not come to the next session",
        )),
        ack(code(
            "AK-011",
            Must,
            &["BX-ACK-3"],
            ALL,
            dropped,
            "what was not acknowledged comes again over a new connection",
        )),
        ack(code(
            "AK-012",
            Must,
            &["BX-ACK-3", "BX-ACK-4", "BX-EXT-2"],
            ALL,
            lossy,
            "however many replies are lost, each event is read once, in order",
        )),
        ack(hardened(code(
            "AK-014",
            Must,
            &["BX-ACK-7"],
            ALL,
            ahead,
            "a number above the last one acknowledges nothing that was not sent yet",
        ))),
    ]
}

/// A session that acknowledges, subscribed to one channel, and a publisher.
pub(super) struct Pair {
    pub(super) peer: Peer,
    publisher: Peer,
    pub(super) channel: String,
}

/// What a connect brought.
pub(super) struct Batch {
    pub(super) number: Json,
    pub(super) events: Vec<u64>,
    took: Duration,
}

impl Pair {
    pub(super) async fn new(scene: &Rc<Scene>, transport: Transport) -> Result<Self, String> {
        let publisher = Peer::new(scene, "b", Transport::LongPolling);
        publisher.handshake(None).await?;
        publisher.keep_alive();
        let peer = Peer::new(scene, "a", transport);
        let pair = Self { peer, publisher, channel: format!("{}/x", scene.base) };
        pair.join().await?;
        Ok(pair)
    }

    async fn join(&self) -> Result<(), String> {
        self.peer.handshake(Some(&object([("ext", object([("ack", true.into())]))]))).await?;
        self.peer.subscribe(&self.channel).await
    }

    pub(super) async fn publish(&self, numbers: std::ops::RangeInclusive<u64>) -> Result<(), String> {
        for number in numbers {
            self.publisher.publish(&self.channel, number.into()).await?;
        }
        Ok(())
    }

    pub(super) async fn publish_data(&self, data: Json) -> Result<(), String> {
        self.publisher.publish(&self.channel, data).await
    }

    /// A connect that acknowledges this, and is not held if `now`.
    pub(super) async fn connect(&self, acknowledged: Option<&Json>, now: bool) -> Result<Batch, String> {
        let mut connect = self.peer.connect_message();
        if let Some(number) = acknowledged {
            connect.set("ext", object([("ack", number.clone())]));
        }
        if now {
            connect.set("advice", object([("timeout", 0.into())]));
        }
        self.peer.take_events();
        let started = Instant::now();
        let reply = self.peer.request(connect).await.success()?;
        let took = started.elapsed();
        let number = number_of(&reply);
        let number = number.ok_or_else(|| format!("a connect reply without ext.ack: {reply}"))?;
        Ok(Batch { number, events: self.events(), took })
    }

    pub(super) fn events(&self) -> Vec<u64> {
        self.peer.take_events().iter().filter_map(data).collect()
    }

    /// Connects with the same number until the events end with this one; what is published may be on its way for a moment.
    pub(super) async fn until(&self, acknowledged: &Json, last: u64) -> Result<Batch, String> {
        let deadline = self.peer.delivery_deadline();
        loop {
            let batch = self.connect(Some(acknowledged), true).await?;
            if batch.events.last() == Some(&last) || Instant::now() > deadline {
                return Ok(batch);
            }
        }
    }
}

/// The number in an event.
pub(super) fn data(event: &Json) -> Option<u64> {
    event.get("data").and_then(Json::as_f64).map(|number| number as u64)
}

/// The number that a reply gives to acknowledge.
pub(super) fn number_of(reply: &Json) -> Option<Json> {
    reply.get("ext").and_then(|ext| ext.get("ack")).cloned()
}

pub(super) fn equal(what: &str, found: &[u64], wanted: &[u64]) -> Finding {
    if found == wanted { Finding::pass() } else { failed(format!("{what}: {found:?} came, and not {wanted:?}")) }
}

fn again(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        pair.publish(1..=2).await?;
        pair.until(&first.number, 2).await?;
        let second = pair.connect(Some(&first.number), true).await?;
        Ok(equal("when the number before was sent again", &second.events, &[1, 2]))
    })
}

fn never(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        pair.publish(1..=2).await?;
        let second = pair.until(&first.number, 2).await?;
        pair.publish(3..=3).await?;
        let third = pair.until(&second.number, 3).await?;
        Ok(equal("after the acknowledgement of 1 and 2", &third.events, &[3]))
    })
}

fn old_first(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        pair.publish(1..=1).await?;
        pair.until(&first.number, 1).await?;
        pair.publish(2..=2).await?;
        let batch = pair.until(&first.number, 2).await?;
        Ok(equal("unacknowledged 1 and new 2", &batch.events, &[1, 2]))
    })
}

fn connects_only(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        pair.publish(1..=1).await?;
        pair.peer.publish(&format!("{}/aside", scene.base), 0.into()).await?;
        let early = pair.events();
        if !early.is_empty() {
            return Ok(failed(format!("events came with the reply to a publish: {early:?}")));
        }
        let batch = pair.until(&first.number, 1).await?;
        Ok(equal("with the connect", &batch.events, &[1]))
    })
}

fn owed(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        pair.publish(1..=1).await?;
        pair.until(&first.number, 1).await?;
        let batch = pair.connect(Some(&first.number), false).await?;
        let half = scene.target.budget.timeout / 2;
        if batch.took > half && !scene.target.budget.tells_apart(half) {
            return Ok(Finding::too_close(&scene.target.budget));
        }
        if batch.took > half {
            return Ok(failed(format!("it was held for {:.1} s", batch.took.as_secs_f64())));
        }
        Ok(equal("at once", &batch.events, &[1]))
    })
}

fn nonsense(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        pair.publish(1..=1).await?;
        pair.until(&first.number, 1).await?;
        let odd = [Json::Number("-1".into()), "x".into(), Json::Null, true.into(), object([("n", 1.into())])];
        for number in odd.map(Some).into_iter().chain([None]) {
            // It may be refused, as long as it is answered.
            let _ = pair.connect(number.as_ref(), true).await;
        }
        let batch = pair.until(&first.number, 1).await?;
        Ok(equal("after numbers that make no sense", &batch.events, &[1]))
    })
}

/// What was sent may count as acknowledged by it, as by the last number; what comes later can't.
fn ahead(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        pair.publish(1..=1).await?;
        pair.until(&first.number, 1).await?;
        for far in ["1000000", "9007199254740991", "1000000000000000000000"] {
            // It may be refused, as long as it is answered.
            let _ = pair.connect(Some(&Json::Number(far.into())), true).await;
        }
        pair.publish(2..=2).await?;
        let batch = pair.until(&first.number, 2).await?;
        Ok(match batch.events.as_slice() {
            [2] => Finding::pass(),
            [1, 2] => Finding::new(Verdict::Nonstrict, "a number above the last one is taken for none"),
            other => failed(format!("after numbers that were never sent {other:?} came, and not 2")),
        })
    })
}

fn left(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        pair.publish(1..=2).await?;
        pair.until(&first.number, 2).await?;
        pair.peer.request(object([("channel", "/meta/disconnect".into())])).await.success()?;
        pair.join().await?;
        let next = pair.connect(None, true).await?;
        pair.publish(3..=3).await?;
        let batch = pair.until(&next.number, 3).await?;
        Ok(equal("in the new session", &[next.events, batch.events].concat(), &[3]))
    })
}

fn dropped(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let pair = Pair::new(&scene, transport).await?;
        let first = pair.connect(None, true).await?;
        pair.publish(1..=2).await?;
        pair.until(&first.number, 2).await?;
        pair.peer.drop_connections();
        let batch = pair.connect(Some(&first.number), true).await?;
        Ok(equal("over the new connection", &batch.events, &[1, 2]))
    })
}

/// A hundred events; one reply in three is lost.
fn lossy(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let mut random = chance(&scene);
        let pair = Pair::new(&scene, transport).await?;
        let mut number = pair.connect(None, true).await?.number;
        let mut read = Vec::new();
        for round in 0..25_u64 {
            pair.publish(round * 4 + 1..=round * 4 + 4).await?;
            let batch = pair.connect(Some(&number), true).await?;
            if random.u8(..3) > 0 {
                read.extend(batch.events);
                number = batch.number;
            }
        }
        if read.last() != Some(&100) {
            read.extend(pair.until(&number, 100).await?.events);
        }
        let finding = equal("what was read", &read, &(1..=100).collect::<Vec<_>>());
        let seed = format!("; chance came from --seed {}", scene.seed);
        Ok(if finding.reason.is_empty() { finding } else { Finding { reason: finding.reason + &seed, ..finding } })
    })
}
