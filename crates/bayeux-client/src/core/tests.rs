//! The core in virtual time: no test waits, and each second passes when it is told to.

mod advice;
mod property;
mod requests;
mod session;
mod streams;
mod subscriptions;
mod transport;

use std::{collections::VecDeque, time::Duration};

use bayeux_protocol::{
    ChannelName, ChannelPattern, ChannelRules, ConnectionType, DecodeLimits, Json, Message, MessageId, decode_batch,
};

use super::{Action, Config, ConnectionId, Core, Input, Publish, RequestId, SubscriptionId, Transports};
use crate::{
    error::{Error, NetworkFault},
    extension::Extension,
    state::State,
};

/// A core, the time, and what it wanted to be done.
struct World {
    core: Core,
    now: Duration,
    wire: VecDeque<Action>,
    told: Vec<Action>,
}

/// A message that the client sent.
struct Sent {
    connection: ConnectionId,
    message: Message,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn polling() -> Config {
    Config { transports: Transports::LongPolling, ..Config::default() }
}

fn publish(request: u64, channel: &str) -> Publish {
    Publish {
        request: RequestId(request),
        channel: ChannelName::parse(channel, &ChannelRules::default()).expect("it is a channel"),
        data: Json::parse(request.to_string().as_bytes(), 1).expect("it is JSON"),
        ext: None,
    }
}

impl World {
    fn new(config: Config) -> Self {
        Self::with(config, Vec::new())
    }

    fn with(config: Config, extensions: Vec<Box<dyn Extension>>) -> Self {
        let core = Core::new(config, extensions);
        Self { core, now: Duration::from_secs(1000), wire: VecDeque::new(), told: Vec::new() }
    }

    /// With a session and its first connect under way, by long-polling.
    fn shaken(config: Config) -> (Self, Sent) {
        let mut world = Self::new(config);
        world.input(Input::Open);
        let handshake = world.sent("/meta/handshake");
        world.reply(&handshake, r#""clientId":"c1","successful":true,"version":"1.0","supportedConnectionTypes":["websocket","long-polling"],"advice":{"reconnect":"retry","interval":0,"timeout":20000}"#);
        let connect = world.sent("/meta/connect");
        (world, connect)
    }

    /// With a session whose first connect was answered; the second is under way.
    fn connected(config: Config) -> (Self, Sent) {
        let (mut world, connect) = Self::shaken(config);
        world.reply(&connect, r#""successful":true"#);
        let connect = world.sent("/meta/connect");
        (world, connect)
    }

    fn input(&mut self, input: Input) {
        for action in self.core.handle(input, self.now) {
            let is_wire = matches!(
                action,
                Action::Post { .. }
                    | Action::Stream { .. }
                    | Action::Send { .. }
                    | Action::OpenSocket { .. }
                    | Action::Abandon(_)
            );
            if is_wire { self.wire.push_back(action) } else { self.told.push(action) }
        }
    }

    /// Time passes, in steps at which something is due.
    fn pass(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(due) = self.core.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.input(Input::Time);
        }
        self.now = end;
    }

    /// The messages of the next batch.
    fn batch(&mut self) -> Vec<Sent> {
        match self.wire.pop_front() {
            Some(Action::Post { connection, batch, .. } | Action::Send { connection, batch }) => {
                batch.into_iter().map(|message| Sent { connection, message }).collect()
            }
            other => panic!("a batch should have been sent, not {other:?}"),
        }
    }

    /// The one message of the next batch, on this channel.
    fn sent(&mut self, channel: &str) -> Sent {
        let mut batch = self.batch();
        assert_eq!(batch.len(), 1, "{channel} should have been sent alone");
        let sent = batch.remove(0);
        assert_eq!(sent.message.channel.as_deref(), Some(channel));
        sent
    }

    /// The connect that opens a stream, of this type.
    fn stream(&mut self, wanted: &ConnectionType) -> Sent {
        match self.wire.pop_front() {
            Some(Action::Stream { connection, mut batch, kind, .. }) => {
                assert_eq!((batch.len(), &kind, batch[0].connection_type.as_ref()), (1, wanted, Some(wanted)));
                Sent { connection, message: batch.remove(0) }
            }
            other => panic!("a stream should have been opened, not {other:?}"),
        }
    }

    /// The WebSocket that is to be opened next.
    fn opening(&mut self) -> ConnectionId {
        match self.wire.pop_front() {
            Some(Action::OpenSocket { connection, .. }) => connection,
            other => panic!("a WebSocket should have been opened, not {other:?}"),
        }
    }

    fn abandoned(&mut self) -> ConnectionId {
        match self.wire.pop_front() {
            Some(Action::Abandon(connection)) => connection,
            other => panic!("a connection should have been given up, not {other:?}"),
        }
    }

    /// Nothing was sent since it was last looked.
    fn is_quiet(&self) -> bool {
        self.wire.is_empty()
    }

    /// Answers a message, with these fields beside its channel and id.
    fn reply(&mut self, to: &Sent, fields: &str) {
        self.receive(to.connection, &format!("[{}]", text(to, fields)));
    }

    fn receive(&mut self, connection: ConnectionId, batch: &str) {
        let messages = decode_batch(batch.as_bytes(), &DecodeLimits::default()).expect("it is a batch");
        self.input(Input::Received(connection, messages));
    }

    fn lose(&mut self, connection: ConnectionId) {
        self.input(Input::Lost(connection, NetworkFault::Connection("reset".into())));
    }

    fn subscribe(&mut self, subscription: u64, pattern: &str) {
        let pattern = ChannelPattern::parse(pattern, &ChannelRules::default()).expect("it is a pattern");
        self.input(Input::Subscribe { subscription: SubscriptionId(subscription), pattern });
    }

    fn state(&self) -> &State {
        self.core.state().expect("it was opened")
    }

    /// What became of a request.
    fn outcome(&self, request: u64) -> Option<&Result<Option<Json>, Error>> {
        let mut outcomes = self.told.iter().filter_map(|action| match action {
            Action::Finish(id, outcome) if *id == RequestId(request) => Some(outcome),
            _ => None,
        });
        let outcome = outcomes.next();
        assert!(outcomes.next().is_none(), "a request is finished once");
        outcome
    }

    /// The data of what was delivered, with the subscription.
    fn delivered(&self) -> Vec<(u64, String)> {
        let deliveries = self.told.iter().filter_map(|action| match action {
            Action::Deliver { subscription, delivery } => Some((subscription.0, delivery.data.as_str().to_owned())),
            _ => None,
        });
        deliveries.collect()
    }
}

/// A reply as text.
fn text(to: &Sent, fields: &str) -> String {
    let Some(MessageId::Text(id)) = &to.message.id else { panic!("each message has an id") };
    let channel = to.message.channel.as_deref().unwrap_or_default();
    format!(r#"{{"channel":"{channel}","id":"{id}",{fields}}}"#)
}
