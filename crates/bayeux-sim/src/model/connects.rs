//! Judges the replies to connects: whether one may come now, and what it says of its session's deliveries.

use std::time::Duration;

use bayeux_engine::Time;

use super::{Asked, Extension, Held, Life, Model, Place, Verdict, WRITE_GRACE, reply::Brought};
use crate::{incoming::Reply, message::Kind};

impl Model {
    /// The reply to a connect that was held, or to one whose stream ends with it.
    pub(super) fn held_connect(
        &mut self,
        place: &Place<'_>,
        reply: &Reply,
        asked: &Asked,
        held: &Held,
        brought: Brought,
    ) -> Verdict {
        // On the connection of the disconnect itself, the held connect is answered just before it.
        let leaves = self.asked.values().any(|other| {
            other.kind == Kind::Disconnect && other.connection == place.connection && other.session == asked.session
        });
        let rolls_over = held.stream.as_ref().is_some_and(|stream| self.may_end(stream, place));
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
        let events = brought.events && held.stream.is_none();
        let told = reply.missing.is_some_and(|missing| missing > 0) && held.stream.is_none();
        if place.now < held.due && !(events || superseded || rolls_over || told) {
            return Err(format!("connect {id} was answered before its time, without events"));
        }
        if session.receiver == Some(place.connection) {
            let write = if brought.events { self.config.write_timeout + WRITE_GRACE } else { Duration::ZERO };
            session.alive_until = place.now + self.config.max_interval;
            if !place.is_socket {
                session.alive_until = session.alive_until + write;
                session.receiver = brought.events.then_some(place.connection);
            }
        }
        Ok(())
    }

    /// What the reply to a connect says of deliveries: its number, and what is missing.
    pub(super) fn said(&mut self, place: &Place<'_>, reply: &Reply, asked: &Asked, brought: Brought) -> Verdict {
        let (id, leaving) = (reply.id, self.leaving.contains_key(&place.node));
        let Some(session) = asked.session.as_ref().and_then(|id| self.sessions.get_mut(id)) else {
            return Ok(());
        };
        session.acknowledge(asked.acknowledged, true);
        let is_over = reply.advice.as_ref().is_some_and(|advice| advice.reconnect == "none");
        let moved = asked.held.is_some() && session.receiver != Some(place.connection);
        // Which are answered without a word about deliveries, as if they had not been sent.
        let mute = reply.is_superseded() || is_over || asked.beside;
        if !matches!(session.extension, Extension::Ack(_)) && reply.ack.is_some() {
            return Err(format!("the reply to connect {id} has a number, for which nobody asked"));
        }
        session.forgive(place.now, &self.config);
        let waits = session.writing.as_ref().is_some_and(|writing| writing.connection != place.connection);
        match &mut session.extension {
            Extension::Nothing if reply.missing.is_some() => Err(format!("connect {id} is told what is missing")),
            Extension::Nothing => Ok(()),
            Extension::Ack(_) if reply.missing.is_some() => Err(format!("connect {id} is told what is missing")),
            Extension::Ack(acks) => match reply.ack {
                Some(number) if mute => {
                    Err(format!("the reply to connect {id} has the number {number}, and brings nothing"))
                }
                Some(number) => {
                    let sent =
                        asked.held.as_ref().and_then(|held| held.stream.as_ref()).map_or(0, |stream| stream.sent);
                    acks.number(number, brought.through.unwrap_or(sent))
                }
                None if brought.events => Err(format!("events come with connect {id}, whose reply has no number")),
                None if mute || moved || !asked.alone => Ok(()),
                None => Err(format!("the reply to connect {id} has no number")),
            },
            Extension::Gap(gap) => match reply.missing {
                None if mute && session.receiver != Some(place.connection) => {
                    gap.forget(place.connection);
                    Ok(())
                }
                Some(missing) if mute => Err(format!("connect {id} is told that {missing} are missing, and is over")),
                Some(missing) => session.told(place, missing, asked.alone, &self.config),
                None if mute || moved || leaving || waits || !gap.asks(place.connection) => Ok(()),
                None => Err(format!("connect {id} is not told what is missing")),
            },
        }
    }

    /// A reply says that others of the same browser hold connects.
    pub(super) fn crowded(&self, now: Time, reply: &Reply, asked: &Asked) -> Verdict {
        let Kind::Connect(connect) = asked.kind else {
            return Err(format!("the reply to request {} tells of multiple clients", reply.id));
        };
        if asked.room.is_there() {
            return Err(format!(
                "connect {} is refused at {}: {:?}, {connect:?}",
                reply.id,
                now.as_millis(),
                asked.room
            ));
        }
        let interval = reply.advice.as_ref().map(|advice| u128::from(advice.interval));
        let right = interval == Some(self.config.multi_session_interval.as_millis());
        if right { Ok(()) } else { Err(format!("multiple clients, and the interval {interval:?}")) }
    }
}
