//! What follows when something fails, when the server wants a new session, and when all is over.

use bayeux_protocol::{ConnectionType, Reconnect};

use crate::{
    error::{ApplicationFault, Error, NetworkFault, Refusal, StopReason},
    state::{State, Trouble},
};

use super::{
    Action, ConnectionId, Core, Interruption, Time,
    advice::Interval,
    phase::Phase,
    request::{Kind, Pending},
};

impl Core {
    /// Gives up what was not answered in time (BX-CLI-2).
    ///
    /// Requests have their deadlines in the order of their ids, but for the one handshake or connect.
    pub(super) fn expire(&mut self, now: Time) {
        loop {
            let late = self.next_deadlines().find(|(_, pending)| pending.deadline <= now);
            let Some((id, connection, carries_session)) = late
                .map(|(id, pending)| (id, pending.connection, matches!(pending.kind, Kind::Handshake | Kind::Connect)))
            else {
                return;
            };
            match connection {
                Some(connection) if carries_session || self.posts.contains(&connection) => {
                    self.actions.push(Action::Abandon(connection));
                    self.lost(connection, &NetworkFault::Timeout, now);
                    self.pending.remove(&id);
                }
                _ => {
                    if let Some(pending) = self.pending.remove(&id) {
                        self.unanswered(pending, &NetworkFault::Timeout);
                    }
                }
            }
        }
    }

    /// Those of which one has the earliest deadline.
    pub(super) fn next_deadlines(&self) -> impl Iterator<Item = (u64, &Pending)> {
        let carried = self.phase.carrier().and_then(|id| self.pending.get(&id).map(|pending| (id, pending)));
        let first = self.pending.iter().find(|(_, pending)| !matches!(pending.kind, Kind::Connect | Kind::Handshake));
        carried.into_iter().chain(first.map(|(id, pending)| (*id, pending)))
    }

    /// A request failed, or a WebSocket is gone.
    pub(super) fn lost(&mut self, connection: ConnectionId, fault: &NetworkFault, now: Time) {
        if let Some(was_open) = self.streaming.ended(connection) {
            self.unanswered_on(connection, fault, now);
            if !was_open {
                self.streaming.failed(fault);
            }
        } else if self.posts.remove(&connection) {
            self.unanswered_on(connection, fault, now);
        } else {
            self.socket_lost(connection, fault, now);
        }
    }

    /// The session goes on over another connection (BX-WS-7).
    pub(super) fn socket_lost(&mut self, socket: ConnectionId, fault: &NetworkFault, now: Time) {
        if !self.choice.lost(socket, fault, now) {
            return;
        }
        self.unacknowledged.clear();
        if let Some(session) = &mut self.session {
            session.is_confirmed = false;
        }
        self.unanswered_on(socket, fault, now);
        if matches!(self.phase, Phase::Opening) {
            self.send_handshake(now);
        }
    }

    /// A response has ended: what it did not answer failed (BX-CLI-1).
    pub(super) fn response_ended(&mut self, connection: ConnectionId, now: Time) {
        if self.pending.values().any(|pending| pending.connection == Some(connection)) {
            self.unanswered_on(connection, &NetworkFault::NoReply, now);
        } else if self.lane == Some(connection) {
            self.lane = None;
            self.lane_backoff.succeeded();
        }
    }

    /// Nothing more comes on this connection.
    fn unanswered_on(&mut self, connection: ConnectionId, fault: &NetworkFault, now: Time) {
        if self.lane == Some(connection) {
            self.lane = None;
            self.lane_pause = now + self.lane_backoff.failed();
        }
        let on = |pending: &Pending| pending.connection == Some(connection);
        let ids: Vec<u64> = self.pending.iter().filter(|(_, pending)| on(pending)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(pending) = self.pending.remove(&id) else { continue };
            match pending.kind {
                Kind::Handshake => self.handshake_failed(Trouble::Network(fault.clone()), now),
                Kind::Connect => self.connect_failed(Trouble::Network(fault.clone()), now),
                _ => self.unanswered(pending, fault),
            }
        }
    }

    /// A request beside the connect had no answer. A subscription is asked for again; whether a publish had an effect is not
    /// known, so the application decides (BX-WS-7).
    fn unanswered(&mut self, pending: Pending, fault: &NetworkFault) {
        match pending.kind {
            Kind::Subscribe { .. } if pending.session != self.sessions => {}
            Kind::Subscribe { pattern, generation } => self.subscriptions.unanswered(&pattern, generation),
            Kind::Disconnect => self.stop(StopReason::Disconnected),
            kind => {
                let doing = kind.doing();
                self.finish(&kind, Err(Error::Network { doing, fault: fault.clone() }));
            }
        }
    }

    /// The connect had no answer, or was refused with the advice to try again: the session may live (BX-ADV-3, BX-ADV-9).
    pub(super) fn connect_failed(&mut self, why: Trouble, now: Time) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        self.is_reachable = false;
        if let Some(session) = &mut self.session {
            session.is_confirmed = false;
        }
        if matches!(why, Trouble::Network(_)) {
            self.choice.polling_fails();
            self.streaming.polling_fails();
        }
        let after = match self.advice.interval(&self.transport(now)) {
            Interval::Never => return self.stop(StopReason::NegativeInterval),
            Interval::Wait(interval) => interval.max(self.backoff.failed()),
        };
        self.phase = Phase::Waiting { until: now + after };
        self.tell(State::Retrying { after, why });
    }

    /// The handshake had no answer.
    fn handshake_failed(&mut self, why: Trouble, now: Time) {
        if !matches!(self.phase, Phase::Handshaking { .. }) {
            return;
        }
        self.choice.polling_fails();
        self.streaming.polling_fails();
        let pause = self.backoff.failed();
        self.rehandshake(pause, why, now);
    }

    /// The handshake was refused: the advice says what next (BX-HS-11, BX-HS-12).
    pub(super) fn handshake_refused(
        &mut self,
        refusal: Refusal,
        had_advice: bool,
        transport: &ConnectionType,
        now: Time,
    ) {
        match (self.advice.reconnect(transport), self.advice.interval(transport)) {
            (Reconnect::None | Reconnect::Other(_), _) => self.stop(StopReason::Advised(Some(refusal))),
            (_, Interval::Never) => self.stop(StopReason::NegativeInterval),
            (Reconnect::Handshake | Reconnect::Retry, Interval::Wait(interval)) => {
                let backoff = self.backoff.failed();
                let is_advised = had_advice && !interval.is_zero();
                let pause = if is_advised { interval } else { interval.max(backoff) };
                self.rehandshake(pause, Trouble::Refused(refusal), now);
            }
        }
    }

    /// The server does not know the session (BX-ADV-4). The first new handshake is made after the interval alone; if no connect
    /// succeeds after that, the pauses grow.
    pub(super) fn session_refused(&mut self, now: Time) {
        if !self.phase.has_session() || matches!(self.phase, Phase::Disconnecting { .. } | Phase::Stopped(_)) {
            return;
        }
        let interval = match self.advice.interval(&self.transport(now)) {
            Interval::Never => return self.stop(StopReason::NegativeInterval),
            Interval::Wait(interval) => interval,
        };
        let is_first = self.backoff.failures() == 0;
        let backoff = self.backoff.failed();
        let pause = if is_first { interval } else { interval.max(backoff) };
        let gone = Refusal { code: None, args: Vec::new(), text: "the session is gone".into() };
        self.forget_session();
        self.rehandshake(pause, Trouble::Refused(gone), now);
    }

    /// Begins the pause before a handshake.
    fn rehandshake(&mut self, after: Time, why: Trouble, now: Time) {
        self.is_reachable = false;
        self.next_host();
        self.phase = Phase::Rehandshaking { until: now + after };
        if !after.is_zero() {
            self.tell(State::Retrying { after, why });
        }
    }

    /// The servers of the advice, in their order, then that of the URL again (BX-ADV-11).
    fn next_host(&mut self) {
        let hosts = self.advice.hosts();
        if hosts.is_empty() || !self.config.follow_hosts {
            return;
        }
        let host = hosts.get(self.tried_hosts).map(|host| (&**host).into());
        self.tried_hosts = if host.is_some() { self.tried_hosts + 1 } else { 0 };
        if host != self.host {
            self.host = host;
            if let Some(socket) = self.choice.close() {
                self.actions.push(Action::Abandon(socket));
                self.unanswered_on(socket, &NetworkFault::SocketClosed(None), Time::ZERO);
            }
        }
    }

    /// Session and subscriptions are gone with each other (BX-CLI-4); what the application wants stays.
    pub(super) fn forget_session(&mut self) {
        self.session = None;
        self.sessions += 1;
        self.unacknowledged.clear();
        self.subscriptions.forget_session();
        for kind in self.outbox.forget_session() {
            self.finish(&kind, Ok(None));
        }
        let carrier = self.pending.iter().find(|(_, pending)| matches!(pending.kind, Kind::Connect));
        if let Some((id, connection)) = carrier.map(|(id, pending)| (*id, pending.connection)) {
            self.pending.remove(&id);
            let ends = |connection: &ConnectionId| {
                self.posts.remove(connection) || self.streaming.ended(*connection).is_some()
            };
            if let Some(connection) = connection.filter(ends) {
                self.actions.push(Action::Abandon(connection));
            }
        }
    }

    /// Tells the application that what waits will not be sent.
    pub(super) fn refuse_queued(&mut self, reason: &StopReason) {
        for kind in self.outbox.drain() {
            let doing = kind.doing();
            let fault = ApplicationFault::Stopped(reason.clone());
            self.finish(&kind, Err(Error::Application { doing, fault }));
        }
    }

    /// Nothing more happens of its own accord (BX-ADV-5, BX-ADV-6, BX-ADV-8).
    pub(super) fn stop(&mut self, reason: StopReason) {
        if reason != StopReason::NegativeInterval {
            self.end_all(&reason);
        }
        self.phase = Phase::Stopped(reason.clone());
        self.tell(State::Stopped(reason));
    }

    fn end_all(&mut self, reason: &StopReason) {
        self.session = None;
        self.lane = None;
        self.lane_pause = Time::ZERO;
        self.is_reachable = false;
        self.unacknowledged.clear();
        let others = self.choice.close().into_iter().chain(self.streaming.take());
        let connections = std::mem::take(&mut self.posts).into_iter().chain(others);
        self.actions.extend(connections.map(Action::Abandon));
        for pending in std::mem::take(&mut self.pending).into_values() {
            let doing = pending.kind.doing();
            let fault = ApplicationFault::Stopped(reason.clone());
            self.finish(&pending.kind, Err(Error::Application { doing, fault }));
        }
        self.refuse_queued(reason);
        for (pattern, subscription, was_confirmed) in self.subscriptions.clear() {
            self.actions.push(if was_confirmed {
                Action::Interrupted(subscription, Interruption::Stopped(reason.clone()))
            } else {
                let doing = crate::error::Doing::Subscribing(pattern.as_str().into());
                let fault = ApplicationFault::Stopped(reason.clone());
                Action::NotSubscribed(subscription, Error::Application { doing, fault })
            });
        }
    }
}
