//! What is due to whom: each event once, in order, unless its connection was cut with it. One that a subscription had brought stays due when that ends.

use bayeux_engine::{Config, Time};

use super::{Due, Life, Model, Place, Session, Verdict, WRITE_GRACE, Writing};
use crate::connection::ConnectionKey;

/// What the largest event takes of an outbox's bytes, at most.
const WEIGHT: usize = 800;

impl Model {
    /// A node has accepted an event: it is due to whoever is subscribed there now. `publisher` does not get it back.
    pub(crate) fn publish(&mut self, now: Time, node: usize, channel: &str, number: u64, publisher: Option<&str>) {
        for (id, session) in &mut self.sessions {
            if session.node != node || session.life != Life::Live || publisher == Some(id) {
                continue;
            }
            if session.subscriptions.iter().any(|pattern| matches(pattern, channel)) {
                session.due.push_back(Due { number, since: now, optional: false });
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

    /// A frame with these events is about to be written on a connection: they must be what is due, from the first on.
    pub(super) fn lend(&mut self, place: &Place<'_>, events: &[u64]) -> Verdict {
        if events.is_empty() {
            return Ok(());
        }
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
        let mut due = session.due.iter();
        for event in events {
            if session.committed.contains(event) {
                return Err(format!("event {event} comes a second time"));
            }
            if !session.due.iter().any(|due| due.number == *event) {
                return Err(format!("event {event} was not due"));
            }
            match due.find(|due| due.number == *event || !due.optional) {
                Some(due) if due.number == *event => {}
                Some(due) => return Err(format!("event {event} comes before {} or without it", due.number)),
                None => return Err(format!("event {event} comes out of order")),
            }
        }
        session.writing = Some(Writing {
            connection: place.connection,
            counts_since: (!place.is_socket).then_some(place.now),
            gives_up: place.gives_up,
            events: events.to_vec(),
        });
        session.seen = place.now;
        Ok(())
    }

    /// The kernel has taken the last byte of a frame with these events.
    pub(crate) fn commit(&mut self, now: Time, connection: ConnectionKey, id: Option<&str>, events: &[u64]) {
        let Some(session) = id.and_then(|id| self.sessions.get_mut(id)) else {
            return;
        };
        if let Some(last) = events.last() {
            while session.due.iter().any(|due| due.number == *last) {
                session.due.pop_front();
            }
        }
        for event in events {
            session.committed.insert(*event);
            session.travelling.insert(*event, connection);
        }
        session.write_ends(now, connection, &self.config);
        session.seen = now;
    }

    /// An event has reached the client.
    pub(crate) fn receive(&mut self, connection: ConnectionKey, id: Option<&str>, event: u64) -> Verdict {
        let Some(session) = id.and_then(|id| self.sessions.get_mut(id)) else {
            return Err(format!("event {event} arrived for no session"));
        };
        if session.travelling.remove(&event) != Some(connection) {
            return Err(format!("event {event} arrived on connection {connection}, which was not given it"));
        }
        if session.received.insert(event) { Ok(()) } else { Err(format!("event {event} arrived twice")) }
    }

    /// A connection was cut: what the kernel had taken and the client not received is lost, and may be.
    pub(crate) fn lose(&mut self, connection: ConnectionKey) {
        for session in self.sessions.values_mut() {
            session.travelling.retain(|_, on| *on != connection);
        }
    }
}

impl Session {
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
    fn forgive(&mut self, now: Time, config: &Config) {
        let limit = config.write_timeout + WRITE_GRACE;
        if let Some(writing) = self
            .writing
            .take_if(|writing| !writing.gives_up && writing.counts_since.is_some_and(|since| now >= since + limit))
        {
            self.write_ended = now;
            // Its link is over too: what becomes of the connection later does not put off the session's end.
            self.receiver = self.receiver.filter(|receiver| *receiver != writing.connection);
            for due in self.due.iter_mut().filter(|due| writing.events.contains(&due.number)) {
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
