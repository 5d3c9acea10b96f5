//! `Stream`: a response that goes on: the reply first, then batches, each whole, a beat while it is silent, and a reply at the end.

use std::time::Duration;

use bayeux_engine::{Config, Time};

use super::{Extension, Held, Model, PATIENCE, Place, Verdict, delivery::WEIGHT};
use crate::{
    connection::ConnectionKey,
    incoming::{self, Incoming},
    message::Way,
};

pub(super) struct Stream {
    way: Way,
    /// The reply that comes first has come.
    opened: bool,
    /// Something was last written, or it was opened.
    said: Time,
    /// Bytes written, and at least of events.
    bytes: usize,
    least_bytes: usize,
    /// With `ack`, how much was sent here.
    pub(super) sent: usize,
}

impl Stream {
    pub(super) const fn new(now: Time, way: Way) -> Self {
        Self { way, opened: false, said: now, bytes: 0, least_bytes: 0, sent: 0 }
    }

    /// Whether it is opened in time, and beats.
    pub(super) fn check(&self, now: Time, write_ended: Time, config: &Config) -> Verdict {
        let silence = if self.opened { config.stream_heartbeat } else { Duration::ZERO };
        let late = now > self.said.max(write_ended) + silence + PATIENCE;
        if late { Err(format!("a stream is silent since {}", self.said.as_millis())) } else { Ok(()) }
    }

    /// Whether it has carried all that it may.
    fn rolls_over(&self, bytes: usize, config: &Config) -> bool {
        self.way != Way::EventSource && bytes >= config.max_stream_bytes
    }

    /// A frame is written that is not the last.
    fn goes_on(&mut self, place: &Place<'_>, messages: &[Incoming], acks: bool, config: &Config) -> Verdict {
        self.said = place.now;
        if !std::mem::replace(&mut self.opened, true) {
            let alone = matches!(messages, [Incoming::Reply(reply)] if reply.connect && reply.successful);
            return if alone { Ok(()) } else { Err(format!("a stream begins with {messages:?}")) };
        }
        if self.rolls_over(self.least_bytes, config) {
            return Err("a stream goes on though it has carried all that it may".into());
        }
        self.bytes += place.length;
        let events = if acks { &messages[..messages.len() - 1] } else { messages };
        if !acks {
            self.least_bytes += place.length - 1;
        }
        let whole = !events.is_empty() && events.iter().all(|message| matches!(message, Incoming::Event(_)));
        let replied = matches!(messages.last(), Some(Incoming::Reply(reply)) if reply.connect);
        if whole && replied == acks { Ok(()) } else { Err(format!("a stream goes on with {messages:?}")) }
    }
}

impl Model {
    /// A frame of a stream: what is in it, and in which order.
    pub(super) fn stream_writes(&mut self, place: &Place<'_>, messages: &[Incoming]) -> Verdict {
        let config = &self.config;
        let Some(asked) = self.asked.values_mut().find(|asked| asked.connection == place.connection) else {
            return Err(format!("stream {} goes on behind its last reply", place.connection));
        };
        let session = asked.session.as_ref().and_then(|id| self.sessions.get_mut(id));
        let (Some(session), Some(Held { due, stream: Some(stream), .. })) = (session, &mut asked.held) else {
            return Err(format!("connection {} is a stream that was never opened", place.connection));
        };
        session.seen = place.now;
        let number = incoming::replies(messages).last().and_then(|reply| reply.ack);
        let id_is_right = match session.extension {
            Extension::Nothing => place.event_id.is_none(),
            Extension::Ack(_) => place.event_id == number,
            // Its client knows.
            Extension::Gap(_) => true,
        };
        if !id_is_right {
            return Err(format!("the id of a batch is {:?}, and its number {number:?}", place.event_id));
        }
        if place.last {
            let (end, events) = messages.split_last().ok_or("a stream ends with nothing")?;
            let whole = events.iter().all(|message| matches!(message, Incoming::Event(_)));
            let replied = matches!(end, Incoming::Reply(reply) if reply.connect);
            return if whole && replied { Ok(()) } else { Err(format!("a stream ends with {messages:?}")) };
        }
        if session.receiver != Some(place.connection) {
            return Err(format!("stream {} goes on, and another connection receives", place.connection));
        }
        if !stream.opened && (*due <= place.now || asked.room.is_full()) {
            return Err(format!("stream {} goes on, and was to be one reply", place.connection));
        }
        session.alive_until = (*due).min(place.now + config.stream_heartbeat) + config.max_interval;
        stream.goes_on(place, messages, matches!(session.extension, Extension::Ack(_)), config)
    }

    /// A stream says that it is alive.
    pub(crate) fn beat(&mut self, now: Time, connection: ConnectionKey) -> Verdict {
        let asked = self.asked.values_mut().find(|asked| asked.connection == connection);
        let held = asked.and_then(|asked| Some((asked.session.as_ref()?, asked.held.as_mut()?)));
        let Some((session, Held { due, stream: Some(stream), .. })) = held else {
            return Err(format!("connection {connection} beats, and is no stream"));
        };
        if !stream.opened || now < stream.said + self.config.stream_heartbeat {
            return Err(format!("stream {connection} beats, and said something at {}", stream.said.as_millis()));
        }
        stream.said = now;
        if let Some(session) = self.sessions.get_mut(session) {
            session.seen = now;
            session.alive_until = (*due).min(now + self.config.stream_heartbeat) + self.config.max_interval;
        }
        Ok(())
    }

    /// Whether a stream may end by itself: it has carried all that it may, or too much is not acknowledged.
    pub(super) fn may_end(&self, stream: &Stream, place: &Place<'_>) -> bool {
        let session = place.session.and_then(|id| self.sessions.get(id));
        let half_full = session.is_some_and(|session| {
            let (waiting, config) = (session.due.len() * 2, &self.config);
            matches!(session.extension, Extension::Ack(_))
                && (waiting >= config.max_queue.max(2) || waiting * WEIGHT >= config.max_queue_bytes)
        });
        half_full || stream.rolls_over(stream.bytes + place.length, &self.config)
    }
}
