//! `Core`: what a client decides. No clock, no task, no socket: [`Core::handle`] takes what happened and when, and says what
//! is to be done.
//!
//! A *connection* is what carries a batch: one HTTP request with its response, or one WebSocket. Over HTTP there are two at
//! most: that of the connect, and one for everything else. Each reply is matched by its `id` (BX-FLD-7); steered is the
//! client by advice alone, never by the text of an error.
//!
//! In reading order: `io` (what goes in and out), `phase` (the state diagram of the connection), `choice` and `streaming` (which transport), `send`, `receive`, `recover` (what
//! follows a failure, an advice, the end), `subscriptions`, `gap` (what was lost on the way), `outbox` and `request`.

mod advice;
mod backoff;
mod choice;
mod config;
mod gap;
mod io;
mod outbox;
mod phase;
mod receive;
mod recover;
mod request;
mod send;
mod stream;
mod streaming;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bayeux_protocol::{ChannelPattern, ConnectionType, Json, Message};

use crate::{
    error::{ApplicationFault, Doing, Error, StopReason},
    extension::{Ack, Extension},
    state::State,
};
pub use config::{Config, Transports};
pub use io::{Action, ConnectionId, Delivery, Input, Interruption, Publish, RequestId, SubscriptionId, Time};

use advice::Current;
use backoff::Backoff;
use choice::Choice;
use gap::Gap;
use outbox::Outbox;
use phase::Phase;
use request::{Kind, Pending};
use streaming::Streaming;
use subscriptions::Subscriptions;

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
    streaming: Streaming,
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
    gap: Gap,
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
            streaming: Streaming::new(config.transports),
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
            gap: Gap::default(),
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
                for Publish { request, channel, data, ext } in messages {
                    self.request(Kind::Publish { request, channel, data, ext, was_refused: false });
                }
            }
            Input::Call(Publish { request, channel, data, .. }) => self.request(Kind::Call { request, channel, data }),
            Input::Opened(connection) => self.opened(connection, now),
            Input::Received(connection, messages) => self.received(connection, messages, now),
            Input::Heard(connection) => self.heard(connection, now),
            Input::Ended(connection) => self.stream_ended(connection, now),
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
    fn transport(&self, now: Time) -> ConnectionType {
        if self.choice.socket().is_some() {
            return ConnectionType::WebSocket;
        }
        self.streaming.next(now).cloned().unwrap_or(ConnectionType::LongPolling)
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
