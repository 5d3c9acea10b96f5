//! Judges replies: each request gets one, on its connection; 402 only who deserves it, and nobody who is alive.

use bayeux_engine::{Origin, Time};

use super::{Acks, Asked, Binding, Claim, Extension, Gap, Life, Model, Session, Verdict};
use crate::{
    connection::ConnectionKey,
    incoming::{self, Incoming, Reply},
    message::{Kind, Wish},
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
    /// The response is a stream.
    pub(crate) streams: bool,
    /// Nothing comes behind the frame.
    pub(crate) last: bool,
    pub(crate) event_id: Option<u64>,
    /// Bytes of the frame.
    pub(crate) length: usize,
    /// Its front can give up a write.
    pub(crate) gives_up: bool,
}

/// What came in front of a reply.
#[derive(Clone, Copy)]
pub(super) struct Brought {
    pub(super) events: bool,
    /// With `ack`, up to where that is.
    pub(super) through: Option<usize>,
}

impl Model {
    /// A frame is about to be written: its events and replies.
    pub(crate) fn judge(&mut self, place: &Place<'_>, messages: &[Incoming]) -> Verdict {
        let events = incoming::events(messages);
        if place.streams {
            self.stream_writes(place, messages)?;
        }
        let through = self.lend(place, &events)?;
        self.in_company(place, messages)?;
        for reply in incoming::replies(messages) {
            self.reply(place, reply, Brought { events: !events.is_empty(), through })?;
        }
        Ok(())
    }

    /// Events of a session with an extension come with the reply to a connect, behind them, or are pushed to one that is open.
    fn in_company(&self, place: &Place<'_>, messages: &[Incoming]) -> Verdict {
        let Some(last) = messages.iter().rposition(|message| matches!(message, Incoming::Event(_))) else {
            return Ok(());
        };
        let session = place.session.and_then(|id| self.sessions.get(id));
        let wants_reply = match session.map(|session| &session.extension) {
            Some(Extension::Ack(_)) => true,
            Some(Extension::Gap(_)) => !place.is_socket && !place.streams,
            Some(Extension::Nothing) | None => false,
        };
        let replied = matches!(messages.get(last + 1), Some(Incoming::Reply(reply)) if reply.connect);
        if replied || !wants_reply {
            Ok(())
        } else {
            Err(format!("events come without a connect's reply: {messages:?}"))
        }
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

    fn reply(&mut self, place: &Place<'_>, reply: &Reply, brought: Brought) -> Verdict {
        let id = reply.id;
        let Some(mut asked) = self.asked.remove(&id) else {
            return Err(format!("a reply to request {id}, which was not asked or is answered already"));
        };
        if asked.connection != place.connection {
            return Err(format!("the reply to request {id} comes on another connection"));
        }
        if let Kind::Handshake(wish) = asked.kind {
            return self.handshaken(place, reply, wish);
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
        if asked.held.is_none() {
            self.uses(place.now, id, &asked)?;
        }
        if reply.is_crowded() {
            self.crowded(place.now, reply, &asked)?;
        }
        if let Kind::Connect(_) = asked.kind {
            self.said(place, reply, &asked, brought)?;
        }
        match asked.held.take() {
            None => self.effect(place, reply, &asked, brought.events),
            Some(held) if place.last || place.is_socket => self.held_connect(place, reply, &asked, &held, brought),
            Some(held) => self.stream_goes_on(reply, Asked { held: Some(held), ..asked }, brought),
        }
    }

    /// A request was let use its session.
    fn uses(&mut self, now: Time, id: u64, asked: &Asked) -> Verdict {
        let Some(session) = asked.session.as_ref().and_then(|id| self.sessions.get_mut(id)) else {
            return Ok(());
        };
        if asked.claim == Claim::Foreign {
            return Err(format!("request {id} used a session of somebody else"));
        }
        if session.life != Life::Live {
            return Err(format!("request {id} used a session that is over: {:?}", session.life));
        }
        let config = &self.config;
        let idle = config.timeout + config.write_timeout * 2 + config.interval + config.max_interval * 2;
        if now > session.alive_until.max(session.seen) + idle * 2 {
            return Err(format!("request {id} used a session that must have expired"));
        }
        session.alive_until = session.alive_until.max(now + config.max_interval);
        Ok(())
    }

    fn handshaken(&mut self, place: &Place<'_>, reply: &Reply, wish: Wish) -> Verdict {
        if !reply.successful && self.leaving.contains_key(&place.node) {
            return Ok(());
        }
        let (true, Some(id)) = (reply.successful, &reply.client_id) else {
            return Err(format!("a handshake was refused: {:?}", reply.error));
        };
        if reply.handshake != Some(wish) {
            return Err(format!("a handshake that asks for {wish:?} is granted {:?}", reply.handshake));
        }
        let extension = match wish {
            Wish::Nothing => Extension::Nothing,
            Wish::Ack => Extension::Ack(Acks::default()),
            Wish::Gap => Extension::Gap(Gap::default()),
        };
        let session = Session {
            extension,
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

    /// A reply in the midst of a stream: its connect stays open.
    fn stream_goes_on(&mut self, reply: &Reply, mut asked: Asked, brought: Brought) -> Verdict {
        let stream = asked.held.as_mut().and_then(|held| held.stream.as_mut());
        if let (Some(stream), Some(through)) = (stream, brought.through) {
            stream.sent = through;
        }
        let advice = reply.advice.as_ref();
        let usual = advice.is_some_and(|advice| u128::from(advice.interval) == self.config.interval.as_millis());
        self.asked.insert(reply.id, asked);
        if usual && !reply.is_crowded() { Ok(()) } else { Err(format!("a stream goes on behind {reply:?}")) }
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
            Kind::Connect(_) if asked.streams => {
                return Err(format!("connect {} was to open a stream, and is answered {reply:?}", reply.id));
            }
            Kind::Connect(_) if asked.beside => {
                let advice = reply.advice.as_ref().map(|advice| (u128::from(advice.interval), advice.timeout));
                if advice != Some((self.config.timeout.as_millis(), 0)) {
                    return Err(format!("a connect beside a stream is advised {advice:?}"));
                }
                if let Some(session) = self.sessions.get_mut(id) {
                    let until = place.now + self.config.timeout + self.config.max_interval;
                    (session.connected, session.alive_until) = (true, session.alive_until.max(until));
                }
            }
            Kind::Connect(_) => {
                self.give_way(Some(id), place.connection);
                if let Some(session) = self.sessions.get_mut(id) {
                    session.connected = true;
                    session.alive_until = place.now + self.config.max_interval;
                    session.receives(place.now, place.connection);
                    if !place.is_socket && !with_events {
                        session.receiver = None;
                    }
                }
            }
            Kind::Handshake(_) => {}
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
