//! Random operations against a naive model: who must have received what, in which order, what is said to whom, and when a
//! session ends. One connection writes at a time; what happens when two do is for the simulation.

mod naive;

use std::time::Duration;

use bayeux_engine::{Carrier, CloseReason, Config, Take, Ticket};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use self::naive::{Frame, Naive, Told};
use crate::world::{Peer, World, parse, socket_ticket};

const PATTERNS: [&str; 10] =
    ["/a", "/a/b", "/a/*", "/a/**", "/b/*", "/**", "/*", "/service/x", "/meta/connect", "/a/*/b"];
const CHANNELS: [&str; 7] = ["/a", "/a/b", "/a/b/c", "/b/x", "/c", "/service/x", "/meta/x"];
const PEERS: usize = 5;

#[derive(Clone, Debug)]
enum Operation {
    Subscribe(Vec<&'static str>),
    Unsubscribe(Vec<&'static str>),
    Publish(&'static str),
    Connect {
        hold: bool,
    },
    Take,
    /// A write is complete, or broke off.
    Settle {
        whole: bool,
    },
    /// The connection goes away.
    Leave,
    Disconnect,
    Pass(Duration),
}

fn operation() -> impl Strategy<Value = Operation> {
    let patterns = || prop::collection::vec(select(&PATTERNS[..]), 1..4);
    prop_oneof![
        4 => patterns().prop_map(Operation::Subscribe),
        2 => patterns().prop_map(Operation::Unsubscribe),
        8 => select(&CHANNELS[..]).prop_map(Operation::Publish),
        5 => any::<bool>().prop_map(|hold| Operation::Connect { hold }),
        5 => Just(Operation::Take),
        5 => prop::bool::weighted(0.7).prop_map(|whole| Operation::Settle { whole }),
        1 => Just(Operation::Leave),
        1 => Just(Operation::Disconnect),
        2 => (1..12_000_u64).prop_map(|millis| Operation::Pass(Duration::from_millis(millis))),
    ]
}

/// A client: its connection, the poll that it holds, and what events were lent to.
struct Client {
    peer: Peer,
    poll: Option<Ticket>,
    lent: Option<Ticket>,
}

struct Run {
    world: World,
    clients: Vec<Option<Client>>,
    /// Which of them have sockets.
    sockets: Vec<bool>,
    model: Naive,
    number: u64,
}

impl Run {
    fn new(config: Config, shards: usize, sockets: Vec<bool>) -> Self {
        let (model, clients) = (Naive::new(&config), (0..PEERS).map(|_| None).collect());
        Self { world: World::with_shards(config, shards), clients, sockets, model, number: 0 }
    }

    fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn client(&mut self, at: usize) -> &mut Client {
        if self.clients[at].is_none() {
            let socket = self.sockets[at];
            let peer = if socket { self.world.pusher() } else { self.world.poller() };
            self.model.open(at, self.world.now, socket);
            self.clients[at] = Some(Client { peer, poll: None, lent: None });
        }
        self.clients[at].as_mut().expect("just made")
    }

    /// Sends one message. Of a session that is gone the answer is 402, and its client begins anew.
    fn send(&mut self, at: usize, message: Value) -> Option<crate::world::Outcome> {
        let mut peer = self.client(at).peer.clone();
        let outcome = self.world.send(&mut peer, json!([message]));
        self.client(at).peer = peer;
        if self.model.session(at).alive {
            self.model.touch(at, self.world.now);
            return Some(outcome);
        }
        assert_eq!(outcome.replies.last().expect("it is answered")["error"], "402::session_unknown", "{message}");
        assert!(outcome.answer.lent.is_empty() && outcome.answer.held.is_none());
        self.told_of_the_end(at);
        None
    }

    fn apply(&mut self, at: usize, operation: &Operation) {
        self.client(at);
        match operation {
            Operation::Subscribe(patterns) => {
                let message = json!({"channel": "/meta/subscribe", "subscription": patterns});
                if let Some(outcome) = self.send(at, message) {
                    assert_eq!(outcome.replies[0]["successful"], self.model.subscribe(at, patterns), "{patterns:?}");
                }
            }
            Operation::Unsubscribe(patterns) => {
                let message = json!({"channel": "/meta/unsubscribe", "subscription": patterns});
                if let Some(outcome) = self.send(at, message) {
                    assert_eq!(outcome.replies[0]["successful"], self.model.unsubscribe(at, patterns), "{patterns:?}");
                }
            }
            Operation::Publish(channel) => {
                let event = self.number();
                if let Some(outcome) = self.send(at, json!({"channel": channel, "data": event})) {
                    assert_eq!(outcome.replies[0]["successful"], !channel.starts_with("/meta/"), "{channel}");
                    self.model.publish(at, channel, event);
                }
            }
            Operation::Connect { hold } => self.connect(at, *hold),
            Operation::Take => self.take(at),
            Operation::Settle { whole } => self.settle(at, *whole),
            Operation::Leave => self.leave(at),
            Operation::Disconnect => self.disconnect(at),
            Operation::Pass(span) => self.pass(*span),
        }
        let audit = self.world.engine.audit(self.world.now).expect("it fits together");
        assert_eq!(audit.memory, self.world.engine.memory());
        assert_eq!(self.world.engine.sessions(), self.model.alive());
    }

    fn connect(&mut self, at: usize, hold: bool) {
        if self.model.session(at).is_lent() {
            return;
        }
        let id = self.number().to_string();
        let mut message = json!({"channel": "/meta/connect", "connectionType": "long-polling", "id": id});
        if !hold {
            message["advice"] = json!({"timeout": 0});
        }
        let Some(outcome) = self.send(at, message) else {
            return;
        };
        let mut expected = self.model.connect(at, self.world.now, &id, hold);
        let client = self.clients[at].as_mut().expect("it sent");
        if self.sockets[at] {
            let mut replies: Vec<String> = expected.superseded.into_iter().collect();
            replies.extend(expected.frame.into_iter().flat_map(|frame| frame.replies));
            assert_eq!(frame(&outcome.replies, "retry"), Frame { events: Vec::new(), replies });
            return;
        }
        let (older, peer) = (client.poll.take(), client.peer.clone());
        (client.poll, client.lent) = (outcome.answer.held, outcome.answer.lent.first().copied());
        let got = (!outcome.replies.is_empty()).then(|| frame(&outcome.replies, "retry"));
        assert_eq!(got, expected.frame);
        let answered = older.map(|older| self.world.take(&peer, older).expect("it is answered at once"));
        let answered = answered.map(|(messages, lent)| (frame(&messages, "retry"), lent));
        let superseded = expected.superseded.take().map(|id| (Frame { events: Vec::new(), replies: vec![id] }, false));
        assert_eq!(answered, superseded);
    }

    /// The connection asks what it has to write.
    fn take(&mut self, at: usize) {
        let client = self.clients[at].as_ref().expect("it is there");
        let asks = if self.sockets[at] { socket_ticket(&client.peer) } else { client.poll };
        let (Some(asks), peer) = (asks, client.peer.clone()) else {
            return;
        };
        let told = self.model.take(at, self.world.now);
        match (self.world.take_raw(&peer, asks), told) {
            (Take::Pending, Told::Nothing) => {}
            (Take::Frame { frame: bytes, lent, .. }, Told::Frame(expected)) => {
                let client = self.clients[at].as_mut().expect("it is there");
                assert_eq!((frame(&parse(&bytes), "retry"), lent), (expected, self.model.session(at).is_lent()));
                client.lent = lent.then_some(asks);
                client.poll = None;
            }
            (Take::Frame { frame: bytes, lent: false, last: true, .. }, Told::Gone(Some(id))) => {
                let messages = parse(&bytes);
                assert_eq!(messages[0]["error"], "402::session_unknown");
                assert_eq!(frame(&messages, "handshake").replies, [id]);
                self.clients[at] = None;
            }
            (Take::Close(CloseReason::SessionEnded), Told::Gone(None)) => self.clients[at] = None,
            (got, expected) => panic!("{got:?}, not {expected:?}"),
        }
    }

    fn settle(&mut self, at: usize, whole: bool) {
        let client = self.clients[at].as_mut().expect("it is there");
        let Some(lent) = client.lent.take() else { return };
        if whole {
            self.world.engine.confirm(self.world.now, lent);
        } else {
            self.world.engine.cancel(self.world.now, lent);
            forget_ticket(&mut client.peer);
        }
        self.model.settle(at, self.world.now, whole);
    }

    fn leave(&mut self, at: usize) {
        let client = self.clients[at].as_mut().expect("it is there");
        let tickets = [client.poll.take(), client.lent.take(), socket_ticket(&client.peer)];
        forget_ticket(&mut client.peer);
        let mut left = false;
        for ticket in tickets.into_iter().flatten() {
            left = true;
            self.world.engine.cancel(self.world.now, ticket);
        }
        if left {
            self.model.leave(at, self.world.now);
        }
    }

    fn disconnect(&mut self, at: usize) {
        let Some(outcome) = self.send(at, json!({"channel": "/meta/disconnect", "id": "last"})) else {
            return;
        };
        let session = self.model.sessions.remove(&at).expect("it was alive");
        let client = self.clients[at].take().expect("it sent");
        let mut replies: Vec<String> = session.held_id().into_iter().collect();
        if let Some(poll) = client.poll {
            let (messages, _) = self.world.take(&client.peer, poll).expect("it is answered at once");
            assert_eq!(frame(&messages, "none").replies, replies);
            replies.clear();
        }
        replies.push("last".to_owned());
        let ids: Vec<_> = outcome.replies.iter().filter_map(|reply| reply["id"].as_str()).collect();
        assert_eq!(ids, replies);
        if let Some(socket) = socket_ticket(&client.peer) {
            let take = self.world.take_raw(&client.peer, socket);
            let over = matches!(take, Take::Released) || (client.lent.is_some() && matches!(take, Take::Pending));
            assert!(over, "{take:?}");
        }
        for ticket in client.lent.into_iter().chain(socket_ticket(&client.peer)) {
            self.world.engine.cancel(self.world.now, ticket);
        }
    }

    /// No write takes that long here.
    fn pass(&mut self, span: Duration) {
        const STEPS: u32 = 10;
        for at in 0..PEERS {
            if self.clients[at].is_some() {
                self.settle(at, true);
            }
        }
        for _ in 0..STEPS {
            self.world.now = self.world.now + span / STEPS;
            self.world.pump();
            self.model.tick(self.world.now);
        }
    }

    /// Its session is gone and it knows: its connections are told too.
    fn told_of_the_end(&mut self, at: usize) {
        if self.clients[at].as_ref().is_some_and(|client| client.lent.is_none()) {
            self.take(at);
        }
        if let Some(mut client) = self.clients[at].take() {
            let tickets = [client.poll, client.lent, socket_ticket(&client.peer)];
            forget_ticket(&mut client.peer);
            for ticket in tickets.into_iter().flatten() {
                self.world.engine.cancel(self.world.now, ticket);
            }
        }
        self.model.sessions.remove(&at);
    }

    /// Whatever waits is delivered.
    fn finish(&mut self) {
        for at in 0..PEERS {
            self.client(at);
            self.settle(at, true);
            self.connect(at, false);
            self.client(at);
            self.settle(at, true);
            self.take(at);
        }
        for at in 0..PEERS {
            self.client(at);
            self.disconnect(at);
        }
        let audit = self.world.engine.audit(self.world.now).expect("it fits together");
        assert_eq!(audit, Default::default(), "nothing is left");
    }
}

/// Events first, then the replies to connects, each with this advice.
fn frame(messages: &[Value], reconnect: &str) -> Frame {
    let mut frame = Frame::default();
    for message in messages {
        match message["data"].as_u64() {
            Some(event) => {
                assert!(frame.replies.is_empty(), "events come first");
                frame.events.push(event);
            }
            None => {
                assert_eq!(
                    (&message["channel"], &message["advice"]["reconnect"]),
                    (&json!("/meta/connect"), &json!(reconnect))
                );
                frame.replies.push(message["id"].as_str().expect("the id it was asked with").to_owned());
            }
        }
    }
    frame
}

fn forget_ticket(peer: &mut Peer) {
    if let Carrier::Socket { ticket, .. } = &mut peer.origin.carrier {
        *ticket = None;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_client_is_told_what_the_model_says(
        shards in 1..4_usize,
        sockets in prop::collection::vec(any::<bool>(), PEERS),
        broadcast_to_publisher in any::<bool>(),
        max_queue in select(vec![3_usize, 1000]),
        operations in prop::collection::vec((0..PEERS, operation()), 1..120),
    ) {
        let mut config = Config::default();
        (config.broadcast_to_publisher, config.max_queue, config.max_subscriptions) = (broadcast_to_publisher, max_queue, 4);
        let mut run = Run::new(config, shards, sockets);
        for (at, operation) in &operations {
            run.apply(*at, operation);
        }
        run.finish();
    }
}
