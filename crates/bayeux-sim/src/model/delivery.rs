//! What is due to whom: each event once, in order, unless its connection was cut with it. One that a subscription had brought stays due when that ends.

use bayeux_engine::{Config, Time};

use super::{Due, Extension, Life, Model, Place, Session, Verdict, WRITE_GRACE, Writing, streams::Stream};
use crate::connection::ConnectionKey;

/// What the largest event takes of an outbox's bytes, at most.
pub(super) const WEIGHT: usize = 800;

impl Model {
    /// A node has accepted an event: it is due to whoever is subscribed there now. `publisher` does not get it back.
    pub(crate) fn publish(&mut self, now: Time, node: usize, channel: &str, number: u64, publisher: Option<&str>) {
        for (id, session) in &mut self.sessions {
            if session.node != node || session.life != Life::Live || publisher == Some(id) {
                continue;
            }
            if session.subscriptions.iter().any(|pattern| matches(pattern, channel)) {
                session.due.push_back(Due { number, since: now, optional: false });
                if let Extension::Ack(acks) = &mut session.extension {
                    acks.owe(number);
                }
                let many = session.due.len() > self.config.max_queue;
                session.may_overflow |= many || session.due.len() * WEIGHT > self.config.max_queue_bytes;
            }
        }
    }

    pub(super) fn subscribe(&mut self, session: &str, patterns: &[&'static str]) {
        let Some(session) = self.sessions.get_mut(session) else {
            return;
        };
        for pattern in patterns {
            session.subscriptions.insert(pattern);
        }
    }

    pub(super) fn unsubscribe(&mut self, session: &str, pattern: &str) {
        let Some(session) = self.sessions.get_mut(session) else {
            return;
        };
        // What was published before stays due.
        session.subscriptions.remove(pattern);
    }

    /// A frame with these events is about to be written on a connection: they must be what is due, from the first on. Returns, with
    /// `ack`, how far that is.
    pub(super) fn lend(&mut self, place: &Place<'_>, events: &[u64]) -> Result<Option<usize>, String> {
        if events.is_empty() {
            return Ok(None);
        }
        let asked = self.asked.values().find(|asked| asked.connection == place.connection);
        let held = asked.and_then(|asked| asked.held.as_ref());
        let stream = held.and_then(|held| held.stream.as_ref());
        let Some(session) = place.session.and_then(|id| self.sessions.get_mut(id)) else {
            return Err(format!("events {events:?} for an unknown session"));
        };
        if session.life != Life::Live {
            return Err(format!("events {events:?} for a session that has ended"));
        }
        session.forgive(place.now, &self.config);
        if let Some(older) = session.writing.as_ref().filter(|older| older.connection != place.connection) {
            return Err(format!("events {events:?} while connection {} of the session still writes", older.connection));
        }
        if (place.is_socket || held.is_some()) && session.receiver != Some(place.connection) {
            let receiver = session.receiver;
            return Err(format!("events {events:?} on connection {}, and {receiver:?} receives", place.connection));
        }
        let through = session.lend(place, events, stream, &self.config)?;
        session.writing = Some(Writing {
            connection: place.connection,
            counts_since: (place.last && !place.is_socket).then_some(place.now),
            gives_up: place.gives_up,
            events: events.to_vec(),
        });
        session.seen = place.now;
        Ok(through)
    }

    /// The kernel has taken the last byte of a frame with these events.
    pub(crate) fn commit(&mut self, now: Time, connection: ConnectionKey, id: Option<&str>, events: &[u64]) {
        let Some(session) = id.and_then(|id| self.sessions.get_mut(id)) else {
            return;
        };
        if !matches!(session.extension, Extension::Ack(_)) {
            session.hand_over(connection, events);
        }
        session.write_ends(now, connection, &self.config);
        session.seen = now;
    }

    /// An event has reached the client.
    pub(crate) fn receive(&mut self, connection: ConnectionKey, id: Option<&str>, event: u64) -> Verdict {
        let Some(session) = id.and_then(|id| self.sessions.get_mut(id)) else {
            return Err(format!("event {event} arrived for no session"));
        };
        if let Extension::Ack(_) = session.extension {
            // It may arrive several times; what counts is what the client hands on.
            return Ok(());
        }
        if session.travelling.remove(&event) != Some(connection) {
            return Err(format!("event {event} arrived on connection {connection}, which was not given it"));
        }
        if session.received.insert(event) { Ok(()) } else { Err(format!("event {event} arrived twice")) }
    }

    /// A client that acknowledges hands an event on.
    pub(crate) fn hand_on(&mut self, id: &str, event: u64) -> Verdict {
        match self.sessions.get_mut(id).map(|session| &mut session.extension) {
            Some(Extension::Ack(acks)) => acks.hand_on(event),
            _ => Err(format!("event {event} is handed on for a session that does not acknowledge")),
        }
    }

    /// Events were handed over where the client of this session does not count them.
    pub(crate) fn astray(&mut self, id: Option<&str>) {
        if let Some(Extension::Gap(gap)) = id.and_then(|id| self.sessions.get_mut(id)).map(|it| &mut it.extension) {
            gap.astray();
        }
    }

    /// A connection was cut: what the kernel had taken and the client not received is lost, and may be.
    pub(crate) fn lose(&mut self, connection: ConnectionKey) {
        for session in self.sessions.values_mut() {
            session.travelling.retain(|_, on| *on != connection);
        }
    }
}

impl Session {
    /// Whether these events are what is due, from the first on.
    fn lend(
        &mut self,
        place: &Place<'_>,
        events: &[u64],
        stream: Option<&Stream>,
        config: &Config,
    ) -> Result<Option<usize>, String> {
        if let Extension::Ack(acks) = &mut self.extension {
            let (through, freed) = acks.lend(events, stream, config.max_queue)?;
            let waiting = acks.unacknowledged(through);
            self.due.drain(..freed);
            let goes_on = place.streams && !place.last && waiting * 2 >= config.max_queue.max(2);
            return if goes_on {
                Err(format!("{waiting} are unacknowledged, and the stream goes on"))
            } else {
                Ok(Some(through))
            };
        }
        let mut due = self.due.iter();
        for event in events {
            if self.committed.contains(event) {
                return Err(format!("event {event} comes a second time"));
            }
            if !self.due.iter().any(|due| due.number == *event) {
                return Err(format!("event {event} was not due"));
            }
            match due.find(|due| due.number == *event || !due.optional) {
                Some(due) if due.number == *event => {}
                Some(due) => return Err(format!("event {event} comes before {} or without it", due.number)),
                None => return Err(format!("event {event} comes out of order")),
            }
        }
        Ok(None)
    }

    /// These events are the client's from now on, for all that the server can do.
    fn hand_over(&mut self, connection: ConnectionKey, events: &[u64]) {
        let last = events.last().and_then(|last| self.due.iter().rposition(|due| due.number == *last));
        let handed_over = self.due.drain(..last.map_or(0, |last| last + 1)).count();
        if let Extension::Gap(gap) = &mut self.extension {
            gap.hand_over(connection, handed_over as u64);
        }
        for event in events {
            self.committed.insert(*event);
            self.travelling.insert(*event, connection);
        }
    }

    /// How many events may count as handed over, or not.
    pub(super) fn perhaps(&self) -> u64 {
        self.due.iter().filter(|due| due.optional).count() as u64
    }

    /// A reply tells what is missing.
    pub(super) fn told(&mut self, place: &Place<'_>, missing: u64, alone: bool, config: &Config) -> Verdict {
        self.forgive(place.now, config);
        let perhaps = self.perhaps();
        let Extension::Gap(gap) = &mut self.extension else {
            return Ok(());
        };
        let mut more = gap.told(place.connection, missing, perhaps)?;
        // Now it is known which of them count. In company a connect may be told before an older write has ended.
        self.due.retain(|due| {
            let counts = due.optional && more > 0;
            more -= u64::from(counts);
            !counts
        });
        if alone {
            self.due.iter_mut().for_each(|due| due.optional = false);
        }
        Ok(())
    }

    /// The write of this connection has ended, whole or not.
    pub(super) fn write_ends(&mut self, now: Time, connection: ConnectionKey, config: &Config) {
        self.forgive(now, config);
        if self.writing.as_ref().is_some_and(|writing| writing.connection == connection) {
            self.writing = None;
            self.write_ended = now;
        }
    }

    /// The engine gives up a write that is too old, if its connection can't: its events count as handed over, and may or
    /// may not come again.
    pub(super) fn forgive(&mut self, now: Time, config: &Config) {
        let limit = config.write_timeout + WRITE_GRACE;
        if let Some(writing) = self
            .writing
            .take_if(|writing| !writing.gives_up && writing.counts_since.is_some_and(|since| now >= since + limit))
        {
            self.write_ended = now;
            // Its link is over too: what becomes of the connection later does not put off the session's end.
            self.receiver = self.receiver.filter(|receiver| *receiver != writing.connection);
            let acks = matches!(self.extension, Extension::Ack(_));
            for due in self.due.iter_mut().filter(|due| !acks && writing.events.contains(&due.number)) {
                due.optional = true;
            }
        }
    }
}

/// The obvious matcher.
pub(crate) fn matches(pattern: &str, channel: &str) -> bool {
    let (pattern, channel): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), channel.split('/').collect());
    match pattern.last() {
        Some(&"*") => channel.len() == pattern.len() && channel[..channel.len() - 1] == pattern[..pattern.len() - 1],
        Some(&"**") => channel.len() >= pattern.len() && channel[..pattern.len() - 1] == pattern[..pattern.len() - 1],
        _ => pattern == channel,
    }
}
