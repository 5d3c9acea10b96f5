//! `Core`: what a client decides. No clock, no task, no socket: [`Core::handle`] takes what happened and when, and says what
//! is to be done.
//!
//! A *connection* is what carries a batch: one HTTP request with its response, or one WebSocket. Over HTTP there are two at
//! most: that of the connect, and one for everything else. Each reply is matched by its `id` (BX-FLD-7); steered is the
//! client by advice alone, never by the text of an error.
//!
//! In reading order: `phase` (the state diagram of the connection), `choice` (which transport), `send`, `receive`, `recover` (what
//! follows a failure, an advice, the end), `subscriptions`, `outbox` and `request`.

mod advice;
mod backoff;
mod choice;
mod config;
mod outbox;
mod phase;
mod receive;
mod recover;
mod request;
mod send;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bayeux_protocol::{ChannelName, ChannelPattern, ConnectionType, Json, Message};

use crate::{
    error::{ApplicationFault, Doing, Error, NetworkFault, Refusal, StopReason},
    extension::{Ack, Extension},
    state::State,
};
pub use config::{Config, Transports};

use advice::Current;
use backoff::Backoff;
use choice::Choice;
use outbox::Outbox;
use phase::Phase;
use request::{Kind, Pending};
use subscriptions::Subscriptions;

/// A moment: the time since one that the driver chose.
pub type Time = Duration;

/// Names what carries a batch: an HTTP request with its response, or a WebSocket. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Names a subscription of the application; the driver chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// Names a request of the application; the driver chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The application wants to be connected.
    Open,
    /// The application wants to be disconnected.
    Close,
    /// The application subscribes.
    Subscribe {
        /// Its name for that.
        subscription: SubscriptionId,
        /// To what.
        pattern: ChannelPattern,
    },
    /// The application gives a subscription up.
    Unsubscribe {
        /// Which.
        subscription: SubscriptionId,
        /// Finished when the server has answered, if anybody wants to know.
        request: Option<RequestId>,
    },
    /// The application publishes; several messages stay together.
    Publish(Vec<Publish>),
    /// The application calls a service.
    Call(Publish),
    /// A WebSocket has opened.
    Opened(ConnectionId),
    /// A whole response, or a whole message of a WebSocket.
    Received(ConnectionId, Vec<Message>),
    /// A request failed, or a WebSocket could not be opened or has ended.
    Lost(ConnectionId, NetworkFault),
    /// Time has passed.
    Time,
}

/// Something to send to a channel.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Finished with the reply.
    pub request: RequestId,
    /// Where to.
    pub channel: ChannelName,
    /// What.
    pub data: Json,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send a batch by HTTP POST. The whole response is [`Input::Received`], anything else [`Input::Lost`].
    Post {
        /// Its name.
        connection: ConnectionId,
        /// Another server than that of the URL.
        host: Option<Arc<str>>,
        /// The batch.
        batch: Vec<Message>,
    },
    /// Open a WebSocket.
    OpenSocket {
        /// Its name.
        connection: ConnectionId,
        /// Another server than that of the URL.
        host: Option<Arc<str>>,
    },
    /// Send a batch over a WebSocket.
    Send {
        /// Which.
        connection: ConnectionId,
        /// The batch.
        batch: Vec<Message>,
    },
    /// Nothing is expected of this connection any more: abort the request, close the WebSocket.
    Abandon(ConnectionId),
    /// Hand a message to a subscription.
    Deliver {
        /// Whose.
        subscription: SubscriptionId,
        /// The message.
        delivery: Delivery,
    },
    /// The server has confirmed a subscription.
    Subscribed(SubscriptionId),
    /// A subscription has come to nothing before it was confirmed.
    NotSubscribed(SubscriptionId, Error),
    /// Something happened to a subscription that had been confirmed.
    Interrupted(SubscriptionId, Interruption),
    /// A request is finished; with the data of its reply, where that has some.
    Finish(RequestId, Result<Option<Json>, Error>),
    /// The state of the connection is another.
    State(State),
}

/// A message that came for a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The channel that it was published to (BX-DL-4).
    pub channel: ChannelName,
    /// What was published.
    pub data: Json,
    /// What extensions of the server added.
    pub ext: Option<Json>,
}

/// Why messages may be missing from a subscription.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interruption {
    /// There was a new session: what was published between the two did not arrive (BX-CLI-4). It goes on.
    #[error("the server has lost the session; messages may be missing")]
    NewSession,
    /// The subscriber was too slow, and so many of the oldest messages were dropped. It goes on.
    #[error("{0} messages were dropped, since they were not read in time")]
    Dropped(u64),
    /// The subscriber was too slow. This is the end.
    #[error("the subscription ended, since messages were not read in time")]
    Overflowed,
    /// The server refused to renew the subscription. This is the end.
    #[error("{0}")]
    Refused(Refusal),
    /// The client has stopped. This is the end.
    #[error("{0}")]
    Stopped(StopReason),
}

impl Interruption {
    /// Whether nothing comes after it.
    pub const fn is_end(&self) -> bool {
        match self {
            Self::NewSession | Self::Dropped(_) => false,
            Self::Overflowed | Self::Refused(_) | Self::Stopped(_) => true,
        }
    }
}

/// The session that the server has made.
#[derive(Debug)]
struct Session {
    client_id: Box<str>,
    /// Whether a connect was answered yet, on a connection that was not lost since: else the next one asks for an answer at
    /// once, which shows that all is well (BX-ADV-7).
    is_confirmed: bool,
}

/// The connection core.
#[derive(Debug)]
pub struct Core {
    config: Config,
    phase: Phase,
    session: Option<Session>,
    /// How many have ended: a reply in an older one says nothing of this one.
    sessions: u64,
    advice: Current,
    backoff: Backoff,
    choice: Choice,
    /// The server that is spoken to, where it is not that of the URL, and how many of `hosts` were tried.
    host: Option<Arc<str>>,
    tried_hosts: usize,
    pending: BTreeMap<u64, Pending>,
    posts: BTreeSet<ConnectionId>,
    /// The HTTP request that carries everything but connects, and the pause after one that failed.
    lane: Option<ConnectionId>,
    lane_backoff: Backoff,
    lane_pause: Time,
    /// Whether the last attempt to reach the server did.
    is_reachable: bool,
    outbox: Outbox,
    subscriptions: Subscriptions,
    ack: Option<Ack>,
    /// With `ack`, deliveries of a WebSocket whose connect reply has not come yet.
    unacknowledged: Vec<Message>,
    extensions: Vec<Box<dyn Extension>>,
    state: Option<State>,
    last_number: u64,
    actions: Vec<Action>,
}

impl Core {
    /// A core that does nothing until [`Input::Open`].
    pub fn new(config: Config, extensions: Vec<Box<dyn Extension>>) -> Self {
        let backoff = |salt| Backoff::new(config.first_pause, config.longest_pause, config.seed.wrapping_add(salt));
        Self {
            phase: Phase::Unconnected,
            session: None,
            sessions: 0,
            advice: Current::default(),
            backoff: backoff(0),
            choice: Choice::new(config.transports, config.seed.wrapping_add(2)),
            host: None,
            tried_hosts: 0,
            pending: BTreeMap::new(),
            posts: BTreeSet::new(),
            lane: None,
            lane_backoff: backoff(1),
            lane_pause: Time::ZERO,
            is_reachable: false,
            outbox: Outbox::new(config.queue_messages, config.queue_bytes),
            subscriptions: Subscriptions::default(),
            ack: config.ack.then(Ack::default),
            unacknowledged: Vec::new(),
            extensions,
            state: None,
            last_number: 0,
            actions: Vec::new(),
            config,
        }
    }

    /// Takes what happened at `now`, and says what is to be done.
    pub fn handle(&mut self, input: Input, now: Time) -> Vec<Action> {
        match input {
            Input::Open => self.open(now),
            Input::Close => self.close(now),
            Input::Subscribe { subscription, pattern } => self.subscribe(subscription, pattern),
            Input::Unsubscribe { subscription, request } => self.unsubscribe(subscription, request),
            Input::Publish(messages) => {
                for Publish { request, channel, data } in messages {
                    self.request(Kind::Publish { request, channel, data, was_refused: false });
                }
            }
            Input::Call(Publish { request, channel, data }) => self.request(Kind::Call { request, channel, data }),
            Input::Opened(connection) => self.opened(connection, now),
            Input::Received(connection, messages) => self.received(connection, messages, now),
            Input::Lost(connection, fault) => self.lost(connection, &fault, now),
            Input::Time => {}
        }
        self.advance(now);
        std::mem::take(&mut self.actions)
    }

    /// When [`Input::Time`] is due, if nothing else happens before.
    pub fn deadline(&self) -> Option<Time> {
        let pending = self.next_deadlines().map(|(_, pending)| pending.deadline);
        let lane = (self.lane_pause > Time::ZERO && self.has_work()).then_some(self.lane_pause);
        let choice = self.choice.deadline(self.may_move_up());
        pending.chain(self.phase.deadline()).chain(lane).chain(choice).min()
    }

    /// How the connection is.
    pub const fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// What has become due by `now`, until nothing is.
    fn advance(&mut self, now: Time) {
        self.expire(now);
        if self.phase.deadline().is_some_and(|until| until <= now) {
            match self.phase {
                Phase::Waiting { .. } => self.connect(now),
                Phase::Rehandshaking { .. } => self.handshake(now),
                Phase::Disconnecting { .. } => self.stop(StopReason::Disconnected),
                Phase::Unconnected
                | Phase::Opening
                | Phase::Handshaking { .. }
                | Phase::Connecting { .. }
                | Phase::Stopped(_) => {}
            }
        }
        if let Some((socket, fault)) = self.choice.overdue(now) {
            self.actions.push(Action::Abandon(socket));
            self.socket_lost(socket, &fault, now);
        }
        if self.may_move_up() && self.choice.is_due(now) {
            self.open_socket(now);
        }
        self.flush(now);
    }

    /// The transport of the next connect.
    fn transport(&self) -> ConnectionType {
        if self.choice.socket().is_some() { ConnectionType::WebSocket } else { ConnectionType::LongPolling }
    }

    /// Whether a WebSocket may be opened beside a session that works.
    const fn may_move_up(&self) -> bool {
        let is_busy = match self.phase {
            Phase::Connecting { .. } | Phase::Waiting { .. } => true,
            Phase::Unconnected
            | Phase::Opening
            | Phase::Handshaking { .. }
            | Phase::Rehandshaking { .. }
            | Phase::Disconnecting { .. }
            | Phase::Stopped(_) => false,
        };
        is_busy && self.is_reachable
    }

    fn tell(&mut self, state: State) {
        if self.state.as_ref() != Some(&state) {
            self.state = Some(state.clone());
            self.actions.push(Action::State(state));
        }
    }

    /// The next number, for ids of messages and connections alike.
    const fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Takes a request of the application, or refuses it.
    fn request(&mut self, kind: Kind) {
        let fault = match &self.phase {
            Phase::Disconnecting { .. } => Some(ApplicationFault::Stopped(StopReason::Disconnected)),
            Phase::Stopped(reason) if self.session.is_none() => Some(ApplicationFault::Stopped(reason.clone())),
            _ => None,
        };
        let refused = match fault {
            Some(fault) => Err((kind, fault)),
            None => self.outbox.push(kind).map_err(|kind| (kind, ApplicationFault::QueueFull)),
        };
        if let Err((kind, fault)) = refused {
            let doing = kind.doing();
            self.finish(&kind, Err(Error::Application { doing, fault }));
        }
    }

    /// Tells the application what became of a request, if it waits for that.
    fn finish(&mut self, kind: &Kind, outcome: Result<Option<Json>, Error>) {
        if let Some(request) = kind.request() {
            self.actions.push(Action::Finish(request, outcome));
        }
    }

    fn subscribe(&mut self, subscription: SubscriptionId, pattern: ChannelPattern) {
        let stopped = match &self.phase {
            Phase::Disconnecting { .. } => Some(StopReason::Disconnected),
            Phase::Stopped(reason) if self.session.is_none() => Some(reason.clone()),
            _ => None,
        };
        if let Some(reason) = stopped {
            let doing = Doing::Subscribing(pattern.as_str().into());
            let error = Error::Application { doing, fault: ApplicationFault::Stopped(reason) };
            return self.actions.push(Action::NotSubscribed(subscription, error));
        }
        let generation = self.number();
        match self.subscriptions.add(subscription, &pattern, generation, self.session.is_some()) {
            subscriptions::Added::Confirmed => self.actions.push(Action::Subscribed(subscription)),
            subscriptions::Added::Queued => self.outbox.push_free(Kind::Subscribe { pattern, generation }),
            subscriptions::Added::Waiting => {}
        }
    }

    fn unsubscribe(&mut self, subscription: SubscriptionId, request: Option<RequestId>) {
        let pattern = self.subscriptions.remove(subscription);
        match pattern {
            Some(pattern) if self.session.is_some() => self.outbox.push_free(Kind::Unsubscribe { pattern, request }),
            // There is nothing that the server would have to be told.
            _ => {
                if let Some(request) = request {
                    self.actions.push(Action::Finish(request, Ok(None)));
                }
            }
        }
    }
}
