//! Sessions that go on over another transport while events come.

use super::ack::data;
use super::code;
use super::model::chance;
use super::subscribe::{failed, open, run};
use crate::case::{Case, Run};
use crate::peer::{Peer, STREAM_CONNECT, Sent, Transport};
use crate::scene::Scene;
use crate::verdict::Level::{Must, Should};
use crate::verdict::{Finding, Verdict};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The cases about moves.
pub(super) fn cases() -> Vec<Case> {
    const ALL: &[Transport] = &Transport::ALL;
    let clauses = &["BX-CN-16"];
    vec![
        code(
            "MV-001",
            Must,
            clauses,
            ALL,
            waiting,
            "what waits when a session moves here comes here, from every other transport",
        ),
        code(
            "MV-002",
            Must,
            clauses,
            ALL,
            under_way,
            "while events come, a session moves here from every other transport: nothing is lost, and nothing comes twice",
        ),
        code(
            "MV-003",
            Should,
            &["BX-CN-16", "BX-DL-6"],
            &[Transport::LongPolling],
            wandering,
            "a session that moves twenty times between all transports gets every event once, in order",
        ),
    ]
}

/// The transports that the server has, but this one. One whose streams are no connects has nothing to move.
fn others(scene: &Scene, than: Transport) -> Vec<Transport> {
    let has = |one: &Transport| scene.target.can(one.name()) && connects(scene, *one);
    Transport::ALL.into_iter().filter(|one| *one != than && has(one)).collect()
}

fn connects(scene: &Scene, transport: Transport) -> bool {
    transport != Transport::EventSource || scene.target.can(STREAM_CONNECT)
}

/// A session that is subscribed, over one transport after the other, and who publishes to it.
struct Mover {
    scene: Rc<Scene>,
    publisher: Peer,
    channel: String,
    /// The transports so far: the last one receives.
    stops: Vec<(Peer, Option<Sent>)>,
}

impl Mover {
    async fn new(scene: &Rc<Scene>, transport: Transport) -> Result<Self, String> {
        let publisher = open(scene, "b", Transport::LongPolling).await?;
        let peer = Peer::new(scene, "a0", transport);
        peer.handshake(None).await?;
        let channel = format!("{}/x", scene.base);
        peer.subscribe(&channel).await?;
        let mut connect = peer.connect_message();
        connect.set("advice", crate::json::object([("timeout", 0.into())]));
        peer.request(connect).await.success()?;
        Ok(Self { scene: scene.clone(), publisher, channel, stops: vec![(peer, None)] })
    }

    fn last(&self) -> &Peer {
        &self.stops[self.stops.len() - 1].0
    }

    /// Connects over the last transport, without waiting for a reply.
    fn connect(&mut self) {
        let count = self.stops.len();
        let (peer, sent) = &mut self.stops[count - 1];
        *sent = Some(peer.send(&[peer.connect_message()]));
    }

    /// Goes on over another transport, as the same browser.
    fn change(&mut self, transport: Transport) {
        let next = Peer::new(&self.scene, &format!("a{}", self.stops.len()), transport);
        next.share_jar(self.last().jar());
        next.set_client_id(self.last().client_id());
        self.stops.push((next, None));
        self.connect();
    }

    /// Reads the connections of all transports but the last to their ends.
    async fn read_old(&self) {
        let deadline = Instant::now() + self.scene.target.budget.answer();
        for (peer, sent) in &self.stops[..self.stops.len() - 1] {
            let Some(sent) = sent else { continue };
            match Peer::exchange_of(sent) {
                Some(exchange) => drop(peer.until(deadline, |peer| peer.ended(exchange).is_some()).await),
                None => drop(peer.outcome(sent, 0, deadline).await),
            }
        }
    }

    /// The numbers that came, transport by transport.
    fn came(&self) -> Vec<u64> {
        self.stops
            .iter()
            .flat_map(|(peer, _)| peer.take_events())
            .filter(|event| event.get_str("channel") == Some(&self.channel))
            .filter_map(|event| data(&event))
            .collect()
    }

    /// Waits until all that was published is there, and compares it.
    async fn judge(&self, count: u64, what: &str) -> Result<Option<Finding>, String> {
        let last = self.last();
        if let Err(why) = self.scene.fence(last).await {
            return Ok(Some(failed(format!("{what}: {why}"))));
        }
        self.read_old().await;
        let so_far: u64 = self.stops.iter().map(|(peer, _)| self.count(peer)).sum::<u64>() - self.count(last);
        last.fetch_until(last.delivery_deadline(), |peer| so_far + self.count(peer) >= count).await;
        let mut came = self.came();
        let wanted: Vec<u64> = (0..count).collect();
        if came == wanted {
            return Ok(None);
        }
        let shown = format!("{what}: of {count} events came {came:?}");
        came.sort_unstable();
        Ok(Some(if came == wanted { Finding::new(Verdict::Nonstrict, shown) } else { failed(shown) }))
    }

    fn count(&self, peer: &Peer) -> u64 {
        peer.count_events(|event| event.get_str("channel") == Some(&self.channel)) as u64
    }
}

fn waiting(scene: Rc<Scene>, to: Transport) -> Run {
    run(async move {
        if !connects(&scene, to) {
            return Ok(Finding::new(Verdict::Unimplemented, "its streams are no connects"));
        }
        for from in others(&scene, to) {
            let mut mover = Mover::new(&scene, from).await?;
            if from != Transport::WebSocket {
                // Nobody receives: what is published waits.
                for number in 0..5_u64 {
                    mover.publisher.publish(&mover.channel, number.into()).await?;
                }
            }
            mover.change(to);
            if from == Transport::WebSocket {
                for number in 0..5_u64 {
                    mover.publisher.publish(&mover.channel, number.into()).await?;
                }
            }
            if let Some(finding) = mover.judge(5, &format!("from {from} to {to}")).await? {
                return Ok(finding);
            }
        }
        Ok(Finding::pass())
    })
}

fn under_way(scene: Rc<Scene>, to: Transport) -> Run {
    run(async move {
        const COUNT: u64 = 30;
        if !connects(&scene, to) {
            return Ok(Finding::new(Verdict::Unimplemented, "its streams are no connects"));
        }
        let mut random = chance(&scene);
        for from in others(&scene, to) {
            let mut mover = Mover::new(&scene, from).await?;
            mover.connect();
            let at = random.u64(..COUNT - 5);
            for number in 0..COUNT {
                let publisher = mover.publisher.clone();
                let publish = async { publisher.publish(&mover.channel.clone(), number.into()).await };
                if number == at {
                    let pause = Duration::from_micros(random.u64(..3000));
                    // Both at a time: the event is on its way to the old connection, to the new one, or to neither.
                    let (published, ()) = tokio::join!(publish, tokio::time::sleep(pause));
                    published?;
                    mover.change(to);
                } else {
                    publish.await?;
                }
            }
            if let Some(finding) = mover.judge(COUNT, &format!("from {from} to {to}")).await? {
                let reason = format!("{}; chance came from --seed {}", finding.reason, scene.seed);
                return Ok(Finding { reason, ..finding });
            }
        }
        Ok(Finding::pass())
    })
}

fn wandering(scene: Rc<Scene>, start: Transport) -> Run {
    run(async move {
        const MOVES: u64 = 20;
        let mut random = chance(&scene);
        let mut mover = Mover::new(&scene, start).await?;
        mover.connect();
        for number in 0..MOVES * 3 {
            mover.publisher.publish(&mover.channel, number.into()).await?;
            if number % 3 == 1 {
                let others = others(&scene, mover.last().transport());
                if others.is_empty() {
                    return Ok(Finding::new(Verdict::Unimplemented, "the server has one transport"));
                }
                mover.change(others[random.usize(..others.len())]);
            }
        }
        let finding = mover.judge(MOVES * 3, "over all transports").await?;
        Ok(finding.map_or_else(Finding::pass, |finding| {
            let reason = format!("{}; chance came from --seed {}", finding.reason, scene.seed);
            Finding { reason, ..finding }
        }))
    })
}
