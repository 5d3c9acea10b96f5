//! Runs many clients side by side, each doing what chance says, and records what they ask for and what comes.

use super::check;
use super::history::{Arrival, Breach, Gap, History, Reply, Request, Tick, What};
use crate::json::{Json, object};
use crate::peer::{Outcome, Peer, Transport};
use crate::scene::Scene;
use fastrand::Rng;
use std::cell::RefCell;
use std::rc::Rc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A client of the run, and what it has asked for so far. Clones are the same client.
#[derive(Clone)]
pub(super) struct Client {
    /// Who it is in the history.
    pub(super) number: usize,
    /// Its connection to the server.
    pub(super) peer: Peer,
    world: Rc<World>,
}

/// What all clients of a run share.
pub(super) struct World {
    /// The case.
    pub(super) scene: Rc<Scene>,
    history: RefCell<History>,
    began: Instant,
}

impl World {
    /// An empty one.
    pub(super) fn new(scene: &Rc<Scene>) -> Rc<Self> {
        Rc::new(Self { scene: scene.clone(), history: RefCell::default(), began: Instant::now() })
    }

    /// A client with a session, that keeps a connect outstanding.
    pub(super) async fn client(self: &Rc<Self>, number: usize, transport: Transport) -> Result<Client, String> {
        let peer = Peer::new(&self.scene, &format!("client{number}"), transport);
        peer.handshake(None).await?;
        peer.keep_alive();
        Ok(Client { number, peer, world: self.clone() })
    }

    /// So many clients, over one transport.
    pub(super) async fn clients(
        self: &Rc<Self>,
        numbers: std::ops::Range<usize>,
        transport: Transport,
    ) -> Result<Vec<Client>, String> {
        let mut clients = Vec::new();
        for number in numbers {
            clients.push(self.client(number, transport).await?);
        }
        Ok(clients)
    }

    /// Waits until each of these clients has all that was published to it, and returns what happened.
    pub(super) async fn finish(&self, clients: &[Client]) -> Result<History, String> {
        for client in clients {
            self.scene.fence(&client.peer).await?;
        }
        let mut history = self.history.take();
        // By now what was published without a reply has had its effect, or never will.
        for request in &mut history.requests {
            if request.reply == Reply::Unanswered {
                request.reply = Reply::Granted(self.now());
            }
        }
        self.collect(clients, &mut history);
        self.await_missing(clients, &history).await;
        self.collect(clients, &mut history);
        Ok(history)
    }

    /// Waits for events that should have come: nobody promises an order between channels or publishers, so that the fence may have
    /// overtaken them.
    async fn await_missing(&self, clients: &[Client], history: &History) {
        let lost = check::deliveries(history).into_iter().filter_map(|breach| match breach {
            Breach::Lost { client, channel, number } => Some((client, channel, number)),
            _ => None,
        });
        let patience = clients.iter().map(|client| client.peer.delivery_deadline()).max();
        let Some(deadline) = patience else { return };
        for (number, channel, data) in lost {
            let Some(client) = clients.iter().find(|client| client.number == number) else { continue };
            let is_it =
                |event: &Json| event.get_str("channel") == Some(&channel) && event.get("data") == Some(&data.into());
            client.peer.fetch_until(deadline, |peer| peer.has_event(is_it)).await;
        }
    }

    /// Adds to a history what came to these clients.
    pub(super) fn collect(&self, clients: &[Client], history: &mut History) {
        let fence = format!("{}/fence/", self.scene.base);
        for client in clients {
            for delivery in client.peer.take_deliveries() {
                let channel = delivery.message.get_str("channel").unwrap_or_default().to_owned();
                let number = delivery.message.get("data").and_then(Json::as_f64).unwrap_or(-1.0) as u64;
                if !channel.starts_with(&fence) {
                    let (at, asked) = (self.tick(delivery.at), delivery.asked.map(|asked| self.tick(asked)));
                    history.arrivals.push(Arrival { client: client.number, channel, number, at, asked });
                }
            }
        }
    }

    fn tick(&self, at: Instant) -> Tick {
        Tick::try_from(at.saturating_duration_since(self.began).as_nanos()).unwrap_or(Tick::MAX)
    }

    fn now(&self) -> Tick {
        self.tick(Instant::now())
    }
}

impl Client {
    /// Asks for something, and waits for the reply.
    pub(super) async fn ask(&self, what: What) -> Reply {
        let message = match &what {
            What::Subscribe(channel) => subscription("/meta/subscribe", channel),
            What::Unsubscribe(channel) => subscription("/meta/unsubscribe", channel),
            What::Publish { channel, number } => {
                object([("channel", channel.as_str().into()), ("data", (*number).into())])
            }
            What::Disconnect => object([("channel", "/meta/disconnect".into())]),
        };
        let is_publish = matches!(what, What::Publish { .. });
        let place = {
            let mut history = self.world.history.borrow_mut();
            let sent = self.world.now();
            history.requests.push(Request { client: self.number, what, sent, reply: Reply::Unknown });
            history.requests.len() - 1
        };
        let unanswered = is_publish && !self.world.scene.target.answers_publishes(self.peer.transport());
        let reply = if unanswered {
            let sent = self.peer.send(&[message]);
            self.peer.accepted(&sent).await.map_or(Reply::Unknown, |()| Reply::Unanswered)
        } else {
            match &self.peer.request(message).await {
                outcome if outcome.success().is_ok() => Reply::Granted(self.world.now()),
                Outcome::Reply { .. } => Reply::Refused,
                _ => Reply::Unknown,
            }
        };
        self.world.history.borrow_mut().requests[place].reply = reply;
        reply
    }

    /// Cuts its connections and comes back. What is published meanwhile may be lost, and so may what comes behind the fence: it is
    /// acknowledged before the cut perhaps, and under way in it.
    pub(super) async fn break_off(&self) -> Result<(), String> {
        let from = self.world.now();
        self.world.scene.fence(&self.peer).await?;
        self.peer.stop_keeping_alive();
        self.peer.drop_connections();
        self.peer.keep_alive();
        // When this is answered, the server knows of the new connection.
        self.peer.subscribe(&format!("{}/back", self.world.scene.base)).await?;
        self.world.scene.fence(&self.peer).await?;
        let to = self.world.now();
        self.world.history.borrow_mut().gaps.push(Gap { client: self.number, from, to });
        Ok(())
    }
}

fn subscription(channel: &str, subscription: &str) -> Json {
    object([("channel", channel.into()), ("subscription", subscription.into())])
}

/// What a random run is made of.
pub(super) struct Program {
    /// Each publishes so often.
    pub(super) publishes: usize,
    /// Each subscriber starts and ends so many subscriptions.
    pub(super) changes: usize,
    /// Each subscriber is cut off so often, in the course of that.
    pub(super) breaks: usize,
}

/// Names to publish to, and what to subscribe to. No two of the subscriptions overlap, so that one copy of each event is right whatever
/// a server makes of overlapping ones.
pub(super) fn channels(base: &str) -> (Vec<String>, Vec<String>) {
    let names = ["x", "y", "one/a", "one/b", "deep/a", "deep/a/b", "aside"];
    let subscriptions = ["x", "y", "one/*", "deep/**"];
    let all = |list: &[&str]| list.iter().map(|name| format!("{base}/{name}")).collect();
    (all(&names), all(&subscriptions))
}

impl Program {
    /// Runs it: every client at the same time as the others.
    pub(super) async fn run(
        &self,
        world: &Rc<World>,
        publishers: &[Client],
        subscribers: &[Client],
        random: &mut Rng,
    ) -> Result<(), String> {
        let mut tasks = JoinSet::new();
        let (names, subscriptions) = channels(&world.scene.base);
        for client in publishers {
            let (client, names, mut random, count) = (client.clone(), names.clone(), random.fork(), self.publishes);
            tasks.spawn_local(async move {
                for sequence in 0..count as u64 {
                    let channel = names[random.usize(..names.len())].clone();
                    client.ask(What::Publish { channel, number: client.number as u64 * 1_000_000 + sequence }).await;
                }
                Ok(())
            });
        }
        for client in subscribers {
            let (client, mut random) = (client.clone(), random.fork());
            let mut left = subscriptions.clone();
            // One of them it keeps from the beginning to the end, so that most events must come.
            let kept = left.swap_remove(random.usize(..left.len()));
            let (changes, breaks) = (self.changes, self.breaks);
            client.ask(What::Subscribe(kept)).await;
            tasks.spawn_local(async move { client.wander(left, changes, breaks, &mut random).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| format!("the suite broke down: {error}"))??;
        }
        Ok(())
    }
}

impl Client {
    async fn wander(
        &self,
        subscriptions: Vec<String>,
        changes: usize,
        breaks: usize,
        random: &mut Rng,
    ) -> Result<(), String> {
        let mut active = vec![false; subscriptions.len()];
        for change in 0..changes {
            if breaks > 0 && change % changes.div_ceil(breaks) == 1 {
                self.break_off().await?;
            }
            let which = random.usize(..subscriptions.len());
            let channel = subscriptions[which].clone();
            let what = if active[which] { What::Unsubscribe(channel) } else { What::Subscribe(channel) };
            active[which] = !active[which];
            self.ask(what).await;
        }
        Ok(())
    }
}
