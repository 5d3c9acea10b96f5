//! Whatever happens, in whatever order, some things are always true.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::{prelude::*, sample::Index};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Open,
    Close,
    Subscribe(u8),
    Unsubscribe(u8),
    Publish,
    Pass(u64),
    Opened(Index),
    Lost(Index),
    /// Answers some message of some connection.
    Reply(Index, usize),
    /// A stream says nothing, or ends.
    Heard(Index),
    Ended(Index),
    /// A response or frame without the reply.
    Noise(Index, usize),
}

const REPLIES: [&str; 9] = [
    r#""successful":true,"clientId":"c1","advice":{"reconnect":"retry","interval":0,"timeout":20000}"#,
    r#""successful":true,"clientId":"c2""#,
    r#""successful":true,"clientId":"c3","advice":{"reconnect":"retry","interval":700}"#,
    r#""successful":false,"error":"402::gone","advice":{"reconnect":"handshake","interval":0}"#,
    r#""successful":false,"advice":{"reconnect":"handshake","interval":300,"hosts":["x.example"]}"#,
    r#""successful":false,"error":"500::broken""#,
    r#""successful":false,"advice":{"reconnect":"retry","interval":2000}"#,
    r#""successful":true,"clientId":"c4","supportedConnectionTypes":["long-polling"]"#,
    r#""successful":true,"clientId":"c5","advice":{"interval":-1}"#,
];

const NOISE: [&str; 4] = [
    "[]",
    r#"[{"channel":"/a","data":1}]"#,
    r#"[{"channel":"/meta/connect","successful":true,"advice":{"reconnect":"none"}}]"#,
    r#"[{"channel":"/a","successful":false,"id":"1"}]"#,
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Open),
        1 => Just(Step::Close),
        4 => (0..4_u8).prop_map(Step::Subscribe),
        2 => (0..4_u8).prop_map(Step::Unsubscribe),
        6 => Just(Step::Publish),
        8 => (0..40_000_u64).prop_map(Step::Pass),
        6 => any::<Index>().prop_map(Step::Opened),
        4 => any::<Index>().prop_map(Step::Lost),
        // Success is more likely than anything else, so that something comes about.
        20 => (any::<Index>(), 0..3_usize).prop_map(|(at, reply)| Step::Reply(at, reply)),
        8 => (any::<Index>(), 0..REPLIES.len()).prop_map(|(at, reply)| Step::Reply(at, reply)),
        2 => any::<Index>().prop_map(Step::Heard),
        3 => any::<Index>().prop_map(Step::Ended),
        3 => (any::<Index>(), 0..NOISE.len()).prop_map(|(at, noise)| Step::Noise(at, noise)),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What a server and an application know, to judge by.
#[derive(Default)]
struct Model {
    requests: BTreeMap<ConnectionId, Vec<Message>>,
    sockets: BTreeSet<ConnectionId>,
    streams: BTreeSet<ConnectionId>,
    /// Handshakes and connects that are not answered.
    carriers: HashSet<(ConnectionId, Option<MessageId>)>,
    not_before: Duration,
    finished: BTreeSet<RequestId>,
    published: u64,
    subscribed: BTreeSet<u64>,
}

fn is(message: &Message, channel: &str) -> bool {
    message.channel.as_deref() == Some(channel)
}

impl Model {
    /// Looks at what the client did.
    fn judge(&mut self, world: &mut World) {
        for action in world.wire.drain(..) {
            match action {
                Action::Post { connection, batch, .. } => {
                    self.sent(connection, &batch, world.now);
                    self.requests.insert(connection, batch);
                }
                Action::Stream { connection, batch, .. } => {
                    assert!(self.streams.insert(connection) && self.streams.len() == 1, "one stream at a time");
                    self.sent(connection, &batch, world.now);
                    self.requests.insert(connection, batch);
                }
                Action::Send { connection, batch } => {
                    assert!(self.sockets.contains(&connection), "it is open");
                    self.sent(connection, &batch, world.now);
                    self.requests.entry(connection).or_default().extend(batch);
                }
                Action::OpenSocket { connection, .. } => drop(self.requests.insert(connection, Vec::new())),
                Action::Abandon(connection) => self.gone(connection),
                other => panic!("{other:?} is nothing for the wire"),
            }
        }
        for action in world.told.drain(..) {
            if let Action::Finish(request, _) = action {
                assert!(self.finished.insert(request), "{request:?} is finished once");
            }
        }
        assert!(self.carriers.len() <= 1, "one handshake or connect at a time: {:?}", self.carriers);
        let is_idle = matches!(world.core.state(), None | Some(State::Stopped(_)));
        assert!(is_idle || world.core.deadline().is_some(), "it always knows what comes next");
    }

    fn sent(&mut self, connection: ConnectionId, batch: &[Message], now: Duration) {
        assert!(!batch.is_empty());
        for message in batch {
            let id = message.id.clone();
            if is(message, "/meta/handshake") {
                assert_eq!((batch.len(), &message.client_id), (1, &None));
                // A new session has an interval of its own.
                self.not_before = Duration::ZERO;
                // And what a socket still owes to the session before is nothing that this one waits for.
                self.carriers.retain(|(carrier, _)| !self.sockets.contains(carrier));
            } else {
                assert!(message.client_id.is_some());
            }
            if is(message, "/meta/connect") {
                assert!(now >= self.not_before, "the interval is respected");
            }
            if is(message, "/meta/connect") || is(message, "/meta/handshake") {
                self.carriers.insert((connection, id));
            }
        }
    }

    fn gone(&mut self, connection: ConnectionId) {
        self.requests.remove(&connection);
        self.sockets.remove(&connection);
        self.streams.remove(&connection);
        self.carriers.retain(|(carrier, _)| *carrier != connection);
    }

    fn pick(&self, index: Index) -> Option<ConnectionId> {
        let all: Vec<_> = self.requests.keys().copied().collect();
        (!all.is_empty()).then(|| *index.get(&all))
    }

    fn step(&mut self, step: &Step, world: &mut World) {
        match step {
            Step::Open => world.input(Input::Open),
            Step::Close => world.input(Input::Close),
            Step::Subscribe(id) => {
                if self.subscribed.insert(u64::from(*id)) {
                    world.subscribe(u64::from(*id), ["/a", "/b", "/a/*", "/**"][usize::from(*id)]);
                }
            }
            Step::Unsubscribe(id) => {
                self.subscribed.remove(&u64::from(*id));
                world.input(Input::Unsubscribe { subscription: SubscriptionId(u64::from(*id)), request: None });
            }
            Step::Publish => {
                self.published += 1;
                world.input(Input::Publish(vec![publish(self.published, "/a")]));
            }
            Step::Pass(by) => {
                // In small steps: what is due is judged when it happens.
                let end = world.now + ms(*by);
                while let Some(due) = world.core.deadline().filter(|due| *due <= end) {
                    world.now = world.now.max(due);
                    world.input(Input::Time);
                    self.judge(world);
                }
                world.now = end;
            }
            Step::Opened(at) => {
                if let Some(connection) =
                    self.pick(*at).filter(|at| self.requests[at].is_empty() && !self.sockets.contains(at))
                {
                    self.sockets.insert(connection);
                    world.input(Input::Opened(connection));
                }
            }
            Step::Lost(at) => {
                if let Some(connection) = self.pick(*at) {
                    self.gone(connection);
                    world.lose(connection);
                }
            }
            Step::Heard(at) => {
                if let Some(connection) = self.pick(*at).filter(|at| self.streams.contains(at)) {
                    world.input(Input::Heard(connection));
                }
            }
            Step::Ended(at) => {
                if let Some(connection) = self.pick(*at).filter(|at| self.streams.contains(at)) {
                    self.gone(connection);
                    world.input(Input::Ended(connection));
                }
            }
            Step::Noise(at, noise) => {
                let is_opening = |at: &ConnectionId| self.requests[at].is_empty() && !self.sockets.contains(at);
                if let Some(connection) = self.pick(*at).filter(|at| !is_opening(at)) {
                    self.answered(connection, None);
                    world.receive(connection, NOISE[*noise]);
                }
            }
            Step::Reply(at, reply) => self.reply(*at, REPLIES[*reply], world),
        }
    }

    /// Answers the first message of a connection, or all of a request.
    fn reply(&mut self, at: Index, fields: &str, world: &mut World) {
        let Some(connection) = self.pick(at) else { return };
        let (is_socket, is_stream) = (self.sockets.contains(&connection), self.streams.contains(&connection));
        let messages = self.requests.get_mut(&connection).expect("it was picked");
        let count = if is_socket { messages.len().min(1) } else { messages.len() };
        let answered: Vec<_> = if is_stream { messages.clone() } else { messages.drain(..count).collect() };
        if answered.is_empty() {
            return;
        }
        let is_carrier = |message: &Message| is(message, "/meta/connect") || is(message, "/meta/handshake");
        // The interval of a stream begins at its end, and other replies advise too until then.
        if !is_stream && answered.iter().any(is_carrier) {
            let interval = [("700", 700), ("2000", 2000)]
                .iter()
                .find(|(text, _)| fields.contains(&format!("\"interval\":{text}")));
            self.not_before = world.now + ms(interval.map_or(0, |(_, interval)| *interval));
        }
        for message in &answered {
            self.answered(connection, Some(message));
        }
        let replies: Vec<_> = answered.into_iter().map(|message| text(&Sent { connection, message }, fields)).collect();
        world.receive(connection, &format!("[{}]", replies.join(",")));
    }

    /// A message was answered; a request without sockets is over with its response.
    fn answered(&mut self, connection: ConnectionId, message: Option<&Message>) {
        if let Some(message) = message.filter(|_| !self.streams.contains(&connection)) {
            self.carriers.remove(&(connection, message.id.clone()));
        }
        if !self.sockets.contains(&connection) && !self.streams.contains(&connection) {
            self.gone(connection);
        }
    }
}

fn run(steps: &[Step], config: Config) {
    let mut world = World::new(config);
    let mut model = Model::default();
    for step in steps {
        model.step(step, &mut world);
        model.judge(&mut world);
    }
    // In the end everything comes to an end, and nobody is left waiting.
    world.input(Input::Close);
    model.judge(&mut world);
    for _ in 0..1000 {
        let Some(due) = world.core.deadline() else { break };
        world.now = world.now.max(due);
        world.input(Input::Time);
        model.judge(&mut world);
    }
    assert_eq!(world.core.deadline(), None);
    assert_eq!(model.finished.len() as u64, model.published, "each request is finished");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn bx_cn_3_any_sequence_of_inputs_keeps_the_invariants(steps in steps(), seed in 0..4_u64, ack in any::<bool>()) {
        for transports in [
            Transports::MoveUp,
            Transports::WebSocketFirst,
            Transports::LongPolling,
            Transports::XhrStreaming,
        ] {
            run(&steps, Config { transports, ack, seed, ..Config::default() });
        }
    }
}
