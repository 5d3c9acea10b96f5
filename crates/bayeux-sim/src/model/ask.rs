//! What is asked of the engine, and held: whose it is, what it says besides, and until when it may stay open.

use std::time::Duration;

use bayeux_engine::{Carrier, Origin, Time};

use super::{Asked, Claim, Extension, Held, HeldPlace, Life, Model, Session, Verdict, browsers::Room, streams::Stream};
use crate::{
    connection::ConnectionKey,
    message::{Kind, Request, Way},
};

impl Model {
    /// A batch is about to be handled.
    pub(crate) fn ask(
        &mut self,
        now: Time,
        connection: ConnectionKey,
        origin: &Origin,
        session: Option<&str>,
        batch: &[Request],
    ) {
        let mut origin = origin.clone();
        let alone = batch.len() == 1;
        if let (true, Carrier::Socket { may_adopt, .. }) = (self.adopters.contains(&connection), &mut origin.carrier) {
            *may_adopt = None;
        }
        for request in batch {
            let could_adopt = may_adopt(&origin);
            // One that is over is unknown to everybody alike.
            let known = session.and_then(|id| self.sessions.get_mut(id)).filter(|known| known.life == Life::Live);
            let claim = match (&request.kind, known) {
                (Kind::Handshake(_), _) | (_, None) => Claim::Owner,
                (_, Some(known)) => known.binding.claim(now, known.node, &mut origin, &self.config, &mut self.used),
            };
            let adopts = could_adopt && !may_adopt(&origin);
            if adopts {
                self.adopters.insert(connection);
            }
            let mut asked = Asked::new(connection, &origin, request.kind.clone(), session, claim, adopts, alone);
            asked.room = self.room(now, &origin, session);
            if let Some(known) = session.and_then(|id| self.sessions.get_mut(id)) {
                if claim == Claim::Owner {
                    known.seen = now;
                }
                known.heed(&mut asked, &origin);
            }
            self.asked.insert(request.id, asked);
        }
    }

    /// A connect of the batch just handled was not answered: it is held, or its response is a stream.
    pub(crate) fn hold(&mut self, now: Time, connection: ConnectionKey, batch: &[Request], streams: bool) -> Verdict {
        for request in batch {
            self.hold_one(now, connection, request.id, streams)?;
        }
        Ok(())
    }

    fn hold_one(&mut self, now: Time, connection: ConnectionKey, id: u64, streams: bool) -> Verdict {
        let leaving = |node: usize| self.leaving.contains_key(&node);
        let Some(asked) = self.asked.get_mut(&id) else {
            return Ok(());
        };
        let Kind::Connect(connect) = asked.kind else {
            return Err(format!("request {id} was not answered at once"));
        };
        let Some(session) = asked.session.as_ref().and_then(|id| self.sessions.get_mut(id)) else {
            return Err(format!("connect {id} was held for an unknown session"));
        };
        if asked.claim == Claim::Foreign || session.life != Life::Live {
            let (claim, life) = (asked.claim, session.life);
            return Err(format!("connect {id} of a session was held: {claim:?}, {life:?}"));
        }
        if asked.beside || streams != asked.streams {
            return Err(format!("connect {id} takes a session over as if it were another: stream {streams}"));
        }
        session.acknowledge(asked.acknowledged, true);
        let first = !std::mem::replace(&mut session.connected, true);
        let at_once = (first && !asked.streams) || leaving(session.node);
        let wish = connect.timeout.map(|wish| Duration::from_millis(wish).min(self.config.timeout));
        let due = match wish {
            _ if at_once => now,
            Some(wish) => now + wish,
            None if asked.streams => now + Duration::MAX,
            None => now + self.config.timeout,
        };
        let waits = session.writing.as_ref().is_some_and(|writing| writing.connection != connection);
        let mut place = None;
        if due > now && !asked.is_socket {
            // A stream may yet be one reply, which says so; so may what waits for an older write.
            if asked.room.is_full() && !waits && !streams {
                return Err(format!("connect {id} is held though its browser holds as many as it may"));
            }
            let is_sure = asked.room.is_there() || !(waits || streams);
            let browser = asked.room.browser.filter(|_| !asked.room.is_full());
            place = browser.map(|browser| HeldPlace { of: (session.node, browser), is_sure });
        }
        let stream = streams.then(|| Stream::new(now, connect.way));
        let beat = if streams { now + self.config.stream_heartbeat } else { due };
        session.alive_until = due.min(beat) + self.config.max_interval;
        session.receives(now, connection);
        asked.held = Some(Held { due, place, stream });
        let session = asked.session.clone();
        self.give_way(session.as_deref(), connection);
        Ok(())
    }

    /// A newer connection receives: the places of the older ones are free.
    pub(super) fn give_way(&mut self, session: Option<&str>, newer: ConnectionKey) {
        let older = |asked: &&mut Asked| asked.session.as_deref() == session && asked.connection != newer;
        for held in self.asked.values_mut().filter(older).filter_map(|asked| asked.held.as_mut()) {
            held.place = None;
        }
    }

    /// A connection has no link to the session any more: what it was asked there is not answered, and not due.
    pub(crate) fn release(&mut self, now: Time, connection: ConnectionKey, session: Option<&str>) {
        self.asked.retain(|_, asked| asked.connection != connection || asked.session.as_deref() != session);
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) {
            session.seen = now;
            session.write_ends(now, connection, &self.config);
            if let Extension::Gap(gap) = &mut session.extension {
                gap.forget(connection);
            }
            if session.receiver == Some(connection) {
                session.receiver = None;
                // Behind a write that was stuck it may have expired already.
                if now < session.alive_until {
                    session.alive_until = now + self.config.max_interval;
                }
            }
        }
    }

    /// A session was exported and adopted: nobody receives for it.
    pub(crate) fn transfer(&mut self, now: Time, session: &str, to: usize) {
        self.give_way(Some(session), ConnectionKey::MAX);
        if let Some(session) = self.sessions.get_mut(session) {
            if session.node != to {
                session.node = to;
                session.binding.leave_home();
            }
            session.receiver = None;
            session.alive_until = session.alive_until.min(now + self.config.max_interval);
        }
    }

    /// A connection is gone: what it was asked is not answered any more.
    pub(crate) fn forget(&mut self, connection: ConnectionKey) {
        self.asked.retain(|_, asked| asked.connection != connection);
    }

    /// The response of a request over HTTP is complete.
    pub(crate) fn finished(&self, connection: ConnectionKey) -> Verdict {
        match self.asked.iter().find(|(_, asked)| asked.connection == connection) {
            Some((id, _)) => Err(format!("the response is complete, but request {id} was not answered")),
            None => Ok(()),
        }
    }
}

impl Asked {
    fn new(
        connection: ConnectionKey,
        origin: &Origin,
        kind: Kind,
        session: Option<&str>,
        claim: Claim,
        adopts: bool,
        alone: bool,
    ) -> Self {
        let is_get = matches!(origin.carrier, Carrier::Stream { .. });
        let is_socket = matches!(origin.carrier, Carrier::Socket { .. });
        let way = if let Kind::Connect(connect) = kind { connect.way } else { Way::Poll };
        Self {
            connection,
            kind,
            session: session.map(str::to_owned),
            claim,
            adopts,
            alone,
            is_socket,
            beside: way.is_get() && !is_get,
            streams: is_get || (way == Way::XhrStreaming && alone && !is_socket),
            acknowledged: None,
            room: Room::default(),
            held: None,
        }
    }
}

impl Session {
    /// What a connect says of deliveries.
    fn heed(&mut self, asked: &mut Asked, origin: &Origin) {
        let Kind::Connect(connect) = asked.kind else { return };
        if asked.claim == Claim::Foreign || self.life != Life::Live {
            return;
        }
        let last_event = if let Carrier::Stream { last_event } = origin.carrier { last_event } else { None };
        match &mut self.extension {
            Extension::Nothing => {}
            Extension::Ack(_) => {
                asked.acknowledged = connect.ack.max(last_event);
                self.acknowledge(asked.acknowledged, asked.claim == Claim::Owner);
            }
            Extension::Gap(gap) => {
                if let Some(received) = last_event.or(connect.gap).filter(|_| !asked.beside) {
                    gap.ask(asked.connection, received);
                }
            }
        }
    }

    /// A number is named by a connect that may use the session for certain, or perhaps.
    pub(super) fn acknowledge(&mut self, number: Option<u64>, sure: bool) {
        if let (Extension::Ack(acks), Some(number)) = (&mut self.extension, number) {
            let freed = acks.acknowledged(number, sure);
            self.due.drain(..freed);
        }
    }
}

const fn may_adopt(origin: &Origin) -> bool {
    matches!(origin.carrier, Carrier::Socket { may_adopt: Some(_), .. })
}
