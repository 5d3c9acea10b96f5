//! What is sent, when, and over what.

use std::time::Duration;

use bayeux_protocol::{Advice, ChannelPattern, ConnectionType, Message, MessageId};

use crate::{error::StopReason, extension::Extension, state::State};

use super::{
    Action, ConnectionId, Core, Interruption, Time, Transports,
    phase::Phase,
    request::{Kind, Pending},
};

/// The version of Bayeux that is spoken (BX-VER-1).
const VERSION: &str = "1.0";
/// How long a connect is held while a WebSocket opens that is to take over.
const SHORT_HOLD: Duration = Duration::from_secs(1);
/// Requests that may be on their way over a WebSocket.
const MAX_IN_FLIGHT: usize = 1000;

/// How a batch is sent.
enum Way {
    /// By a request of its own.
    Post,
    /// By a request whose response goes on.
    Stream(ConnectionType),
    /// Over this WebSocket.
    Socket(ConnectionId),
}

impl Way {
    fn of(socket: Option<ConnectionId>) -> Self {
        socket.map_or(Self::Post, Self::Socket)
    }
}

impl Core {
    /// The application wants to be connected.
    pub(super) fn open(&mut self, now: Time) {
        match self.phase {
            Phase::Unconnected | Phase::Stopped(_) => {
                self.forget_session();
                self.advice.forget();
                self.backoff.succeeded();
                self.handshake(now);
            }
            Phase::Opening
            | Phase::Handshaking { .. }
            | Phase::Connecting { .. }
            | Phase::Waiting { .. }
            | Phase::Rehandshaking { .. }
            | Phase::Disconnecting { .. } => {}
        }
    }

    /// Begins a handshake, over a WebSocket if that is wanted.
    pub(super) fn handshake(&mut self, now: Time) {
        self.tell(State::Connecting);
        if self.choice.socket().is_none() && self.choice.opens_first(now) {
            self.open_socket(now);
            self.phase = Phase::Opening;
        } else {
            self.send_handshake(now);
        }
    }

    /// Sends a handshake, alone (BX-HS-2, BX-HS-3, BX-FLD-1).
    pub(super) fn send_handshake(&mut self, now: Time) {
        let types = match self.config.transports {
            Transports::MoveUp | Transports::WebSocketFirst => {
                vec![ConnectionType::WebSocket, ConnectionType::LongPolling]
            }
            Transports::LongPolling => vec![ConnectionType::LongPolling],
            Transports::EventSource | Transports::XhrStreaming => {
                self.streaming.wanted().cloned().into_iter().chain([ConnectionType::LongPolling]).collect()
            }
        };
        let over = self.choice.socket();
        let id = self.transmit(vec![Kind::Handshake], Way::of(over), now + self.config.request_timeout, |message| {
            message.version = Some(VERSION.into());
            message.minimum_version = Some(VERSION.into());
            message.supported_connection_types = Some(types.clone());
        });
        self.phase = Phase::Handshaking { id };
    }

    /// Sends a connect, over a transport that was offered (BX-CN-1, BX-CN-9).
    pub(super) fn connect(&mut self, now: Time) {
        let transport = self.transport(now);
        if matches!(transport, ConnectionType::EventSource | ConnectionType::XhrStreaming) {
            return self.open_stream(transport, now);
        }
        let over = self.choice.socket();
        let is_confirmed = self.session.as_ref().is_some_and(|session| session.is_confirmed);
        let is_trial = over.is_some() && !self.choice.is_proven();
        let full = self.advice.timeout(&transport).unwrap_or(self.config.default_hold);
        let asked = match over {
            _ if !is_confirmed || is_trial => Some(Duration::ZERO),
            None if self.choice.is_opening() => Some(SHORT_HOLD.min(full)),
            _ => None,
        };
        // A server need not heed what a client asks for. A socket that is tried has to.
        let hold = if is_trial { Duration::ZERO } else { full };
        let deadline = now + hold + self.config.network_allowance;
        let id = self.transmit(vec![Kind::Connect], Way::of(over), deadline, |message| {
            message.connection_type = Some(transport.clone());
            let timeout = asked.map(|asked| i64::try_from(asked.as_millis()).unwrap_or(i64::MAX));
            message.advice = timeout.map(|timeout| Box::new(Advice { timeout: Some(timeout), ..Advice::default() }));
        });
        self.phase = Phase::Connecting { id };
    }

    /// Sends a connect whose response is a stream. Its reply comes at once (BX-ST-10), else something on the way keeps it back.
    fn open_stream(&mut self, kind: ConnectionType, now: Time) {
        let deadline = now + self.config.network_allowance;
        let transport = kind.clone();
        let id = self.transmit(vec![Kind::Connect], Way::Stream(kind), deadline, |message| {
            message.connection_type = Some(transport.clone());
        });
        self.phase = Phase::Connecting { id };
    }

    /// Begins to open a WebSocket.
    pub(super) fn open_socket(&mut self, now: Time) {
        let connection = ConnectionId(self.number());
        self.choice.opening(connection, now + self.config.open_timeout);
        self.actions.push(Action::OpenSocket { connection, host: self.host.clone() });
    }

    /// A WebSocket has opened. The session moves there with its next connect.
    pub(super) fn opened(&mut self, connection: ConnectionId, now: Time) {
        if !self.choice.opened(connection) {
            self.actions.push(Action::Abandon(connection));
        } else if matches!(self.phase, Phase::Opening) {
            self.send_handshake(now);
        }
    }

    /// Whether something waits to be sent that may be sent.
    pub(super) fn has_work(&self) -> bool {
        let may_send = match self.phase {
            Phase::Disconnecting { .. } => true,
            _ => self.phase.has_session() && self.is_reachable && self.is_trusted(),
        };
        may_send && self.session.is_some() && (self.subscriptions.has_wanted() || !self.outbox.is_empty())
    }

    /// Whether the session may be used. Behind several that came to nothing its first connect has to succeed before that: what is
    /// delivered to a session that is refused is lost with it.
    fn is_trusted(&self) -> bool {
        self.backoff.failures() <= 1 || self.session.as_ref().is_some_and(|session| session.is_confirmed)
    }

    /// Sends what waits: first the subscriptions of a new session, and nothing else before they were answered (BX-CLI-4).
    ///
    /// Over HTTP one batch is on its way at a time, so that the order is kept; what is asked for meanwhile goes with the next.
    pub(super) fn flush(&mut self, now: Time) {
        let is_leaving = matches!(self.phase, Phase::Disconnecting { .. });
        while self.has_work() && self.lane.is_none() && (is_leaving || self.lane_pause <= now) {
            self.lane_pause = Time::ZERO;
            let over = self.choice.socket();
            if over.is_some() && self.pending.len() >= MAX_IN_FLIGHT {
                return;
            }
            let batch = if is_leaving { Vec::new() } else { self.subscriptions.ask_wanted() };
            let batch = match batch {
                batch if !batch.is_empty() => batch,
                _ if self.subscriptions.is_renewing() && !is_leaving => return,
                _ => self.outbox.pop_batch(),
            };
            if batch.is_empty() {
                return;
            }
            let subscribes = batch.iter().filter_map(|kind| match kind {
                Kind::Subscribe { pattern, generation } => Some((pattern.clone(), *generation)),
                _ => None,
            });
            let subscribes: Vec<_> = subscribes.collect();
            for (pattern, generation) in &subscribes {
                self.subscriptions.asked(pattern, *generation);
            }
            self.transmit(batch, Way::of(over), now + self.config.request_timeout, |_| {});
            for (pattern, generation) in &subscribes {
                self.tell_new_session(pattern, *generation);
            }
        }
    }

    /// Now, since its reply may come behind the first message of the new session. An extension may have asked for what was missed.
    fn tell_new_session(&mut self, pattern: &ChannelPattern, generation: u64) {
        let continues = self.extensions.iter().any(|extension| extension.continues(pattern.as_str()));
        for subscription in self.subscriptions.tell(pattern, generation) {
            if !continues {
                self.actions.push(Action::Interrupted(subscription, Interruption::NewSession));
            }
        }
    }

    /// Sends a batch on its way; returns the `id` of its last message (BX-FLD-6).
    fn transmit(&mut self, kinds: Vec<Kind>, way: Way, deadline: Time, fill: impl Fn(&mut Message)) -> u64 {
        let connection = match way {
            Way::Socket(socket) => socket,
            Way::Post | Way::Stream(_) => ConnectionId(self.number()),
        };
        let is_beside_connect = !matches!(kinds.first(), Some(Kind::Handshake | Kind::Connect));
        let mut batch = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let id = self.number();
            let mut message = kind.message();
            message.id = Some(MessageId::Text(id.to_string().into()));
            // Every message but the handshake has it (BX-FLD-2).
            message.client_id = self.session.as_ref().map(|session| session.client_id.clone());
            fill(&mut message);
            self.extensions.iter_mut().rev().for_each(|extension| extension.outgoing(&mut message));
            if let Some(ack) = &mut self.ack {
                ack.outgoing(&mut message);
            }
            self.gap.outgoing(connection, &mut message);
            batch.push(message);
            let session = self.sessions;
            self.pending.insert(id, Pending { kind, connection: Some(connection), deadline, session });
        }
        let host = self.host.clone();
        self.actions.push(match way {
            Way::Socket(_) => Action::Send { connection, batch },
            Way::Stream(kind) => {
                self.streaming.opening(connection);
                Action::Stream { connection, host, kind, batch }
            }
            Way::Post => {
                self.posts.insert(connection);
                if is_beside_connect {
                    self.lane = Some(connection);
                }
                Action::Post { connection, host, batch }
            }
        });
        self.last_number
    }

    /// The application wants to be disconnected (BX-DC-1, BX-DC-4).
    pub(super) fn close(&mut self, now: Time) {
        if self.session.is_none() {
            return self.stop(StopReason::Disconnected);
        }
        if matches!(self.phase, Phase::Disconnecting { .. }) {
            return;
        }
        if !self.is_reachable {
            self.refuse_queued(&StopReason::Disconnected);
        }
        self.outbox.push_free(Kind::Disconnect);
        self.phase = Phase::Disconnecting { until: now + self.config.request_timeout };
    }
}
