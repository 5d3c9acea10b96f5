//! Judges replies: each request gets one, on its connection; 402 only who deserves it, and nobody who is alive.

use std::time::Duration;

use bayeux_engine::{Origin, Time};

use super::{Asked, Binding, Claim, Life, Model, Session, Verdict, WRITE_GRACE};
use crate::{
    connection::ConnectionKey,
    message::{Incoming, Kind, Reply},
};

/// Where a reply came.
pub(crate) struct Place<'a> {
    pub(crate) now: Time,
    pub(crate) node: usize,
    pub(crate) connection: ConnectionKey,
    pub(crate) origin: &'a Origin,
    /// The session of the frame's events.
    pub(crate) session: Option<&'a str>,
    /// The connection is a socket.
    pub(crate) is_socket: bool,
    /// Its front can give up a write.
    pub(crate) gives_up: bool,
}

impl Model {
    /// A frame is about to be written: its events and replies.
    pub(crate) fn judge(&mut self, place: &Place<'_>, messages: &[Incoming]) -> Verdict {
        let events: Vec<u64> = messages
            .iter()
            .filter_map(|message| match message {
                Incoming::Event(number) => Some(*number),
                Incoming::Reply(_) => None,
            })
            .collect();
        self.lend(place, &events)?;
        for message in messages {
            if let Incoming::Reply(reply) = message {
                self.reply(place, reply, !events.is_empty())?;
            }
        }
        Ok(())
    }

    /// The engine has closed a socket since its session ended.
    pub(crate) fn session_closed(&mut self, now: Time, connection: ConnectionKey, session: Option<&str>) -> Verdict {
        if self.unlinked.contains(&connection) {
            return Ok(());
        }
        match session.and_then(|id| self.sessions.get_mut(id)) {
            Some(session) => session.gone(now),
            None => Err("a socket without a session was closed for its session's end".into()),
        }
    }

    fn reply(&mut self, place: &Place<'_>, reply: &Reply, with_events: bool) -> Verdict {
        let id = reply.id;
        let Some(asked) = self.asked.remove(&id) else {
            return Err(format!("a reply to request {id}, which was not asked or is answered already"));
        };
        if asked.connection != place.connection {
            return Err(format!("the reply to request {id} comes on another connection"));
        }
        if asked.kind == Kind::Handshake {
            return self.handshaken(place, reply);
        }
        let Some(session) = asked.session.as_ref().and_then(|id| self.sessions.get_mut(id)) else {
            return if reply.is_unknown_session() { Ok(()) } else { Err(format!("request {id} of nobody succeeded")) };
        };
        if reply.is_unknown_session() {
            if asked.adopts {
                self.adopters.remove(&asked.connection);
            }
            return if asked.claim != Claim::Owner { Ok(()) } else { session.gone(place.now) };
        }
        if let Some(due) = asked.due {
            return self.held_connect(place, reply, &asked, due, with_events);
        }
        if asked.claim == Claim::Foreign {
            return Err(format!("request {id} used a session of somebody else"));
        }
        if session.life != Life::Live {
            return Err(format!("request {id} used a session that is over: {:?}", session.life));
        }
        let config = &self.config;
        let idle = config.timeout + config.write_timeout * 2 + config.interval + config.max_interval * 2;
        if place.now > session.alive_until.max(session.seen) + idle * 2 {
            return Err(format!("request {id} used a session that must have expired"));
        }
        session.alive_until = session.alive_until.max(place.now + config.max_interval);
        self.effect(place, reply, &asked, with_events)
    }

    fn handshaken(&mut self, place: &Place<'_>, reply: &Reply) -> Verdict {
        if !reply.successful && self.leaving.contains_key(&place.node) {
            return Ok(());
        }
        let (true, Some(id)) = (reply.successful, &reply.client_id) else {
            return Err(format!("a handshake was refused: {:?}", reply.error));
        };
        let session = Session {
            node: place.node,
            binding: Binding::new(place.origin, place.now),
            life: Life::Live,
            subscriptions: Default::default(),
            due: Default::default(),
            travelling: Default::default(),
            received: Default::default(),
            committed: Default::default(),
            receiver: place.is_socket.then_some(place.connection),
            writing: None,
            write_ended: Time::ZERO,
            connected: false,
            alive_until: place.now + self.config.max_interval,
            seen: place.now,
            may_overflow: false,
        };
        match self.sessions.insert(id.clone(), session) {
            None => Ok(()),
            Some(_) => Err("a session got the id of another".into()),
        }
    }

    /// The reply to a connect that was held.
    fn held_connect(
        &mut self,
        place: &Place<'_>,
        reply: &Reply,
        asked: &Asked,
        due: Time,
        with_events: bool,
    ) -> Verdict {
        // On the connection of the disconnect itself, the held connect is answered just before it.
        let leaves = self.asked.values().any(|other| {
            other.kind == Kind::Disconnect && other.connection == place.connection && other.session == asked.session
        });
        let Some(session) = asked.session.as_ref().and_then(|id| self.sessions.get_mut(id)) else {
            return Ok(());
        };
        let (id, advice) = (reply.id, reply.advice.as_ref());
        let reconnect = advice.map_or("", |advice| advice.reconnect.as_str());
        match (reconnect, session.life) {
            ("none", Life::Disconnected) => return Ok(()),
            ("none", _) if leaves => return Ok(()),
            ("none", _) => return Err(format!("connect {id} says that the session has disconnected")),
            _ => {}
        }
        let superseded = session.receiver != Some(place.connection)
            || advice.is_some_and(|advice| u128::from(advice.interval) != self.config.interval.as_millis());
        if place.now < due && !with_events && !superseded {
            return Err(format!("connect {id} was answered before its time, without events"));
        }
        if session.receiver == Some(place.connection) {
            let write = if with_events { self.config.write_timeout + WRITE_GRACE } else { Duration::ZERO };
            session.alive_until = place.now + self.config.max_interval;
            if !place.is_socket {
                session.alive_until = session.alive_until + write;
                session.receiver = with_events.then_some(place.connection);
            }
        }
        Ok(())
    }

    /// What an answered request changed.
    fn effect(&mut self, place: &Place<'_>, reply: &Reply, asked: &Asked, with_events: bool) -> Verdict {
        let Some(id) = asked.session.as_deref() else {
            return Ok(());
        };
        let refused = || Err(format!("request {} was refused: {:?}", reply.id, reply.error));
        match &asked.kind {
            Kind::Publish(channel, number, _) => {
                if !reply.successful {
                    return if self.small_inboxes { Ok(()) } else { refused() };
                }
                self.untold.insert(*number);
                let publisher = (!self.config.broadcast_to_publisher).then_some(id);
                self.publish(place.now, place.node, channel, *number, publisher);
            }
            _ if !reply.successful => return refused(),
            Kind::Subscribe(patterns) => self.subscribe(id, patterns),
            Kind::Unsubscribe(pattern) => self.unsubscribe(id, pattern),
            Kind::Disconnect => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.end(Life::Disconnected);
                }
            }
            Kind::Connect(_) => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.connected = true;
                    session.alive_until = place.now + self.config.max_interval;
                    session.receives(place.now, place.connection);
                    if !place.is_socket && !with_events {
                        session.receiver = None;
                    }
                }
            }
            Kind::Handshake => {}
        }
        Ok(())
    }
}

impl Session {
    /// The engine says that this session is gone.
    fn gone(&mut self, now: Time) -> Verdict {
        if !self.may_be_gone(now) {
            let until = self.alive_until.as_millis();
            return Err(format!("a session is said to be gone that must live until {until}"));
        }
        if self.life == Life::Live {
            self.end(Life::Ended);
        }
        Ok(())
    }
}
