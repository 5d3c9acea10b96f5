//! `Engine::export` and `Engine::adopt`: a session as bytes, taken out of one engine and put into another, or the same.
//!
//! With it go its id, binding, subscriptions, and the events that wait, under their numbers: the next engine's numbers go on
//! behind them. Its connections don't: a held connect is answered at once, and the client's next one finds the session where
//! it is then.

mod bytes;

use std::sync::Arc;

use bayeux_protocol::{ChannelName, ChannelPattern};

use self::bytes::{Reader, Writer};
use crate::{
    BrowserId, ClientId, Delivery, Engine, Time,
    deadline::Deadline,
    extension::{Acks, Extension},
    inbox::Position,
    link::Ending,
    memory::{ENTRY_BYTES, SESSION_BYTES, SUBSCRIPTION_BYTES, pattern_bytes},
    router::NoRoom,
    session::{Binding, Receiving, Session},
    shard::{Env, Shard},
    stats::count,
};

/// Of the layout below. Bytes of another version are refused.
const VERSION: u8 = 2;

/// Why a session can't be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// It is not here.
    #[error("there is no such session")]
    Unknown,
    /// Events of it are being written, and may arrive or not. To be tried again: a write has a deadline.
    #[error("events of the session are being written")]
    Writing,
}

/// Why a session can't be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// The bytes are not of an export, or of one of another version.
    #[error("these bytes are no session")]
    Malformed,
    /// It is here already.
    #[error("the session is here already")]
    Present,
    /// It has more subscriptions or events, or this engine more sessions, than its limits allow.
    #[error("the session is over a limit of this engine")]
    OverLimit,
}

impl Engine {
    /// Takes a session out. What was published here before is with it; what is published before it is
    /// [adopted](Engine::adopt) again is not, so whoever moves sessions holds publishes back meanwhile.
    ///
    /// # Errors
    /// It is not here, or its events are being written; then nothing has changed.
    pub fn export(&self, now: Time, id: &ClientId) -> Result<Vec<u8>, ExportError> {
        let shard = usize::from(id.slot()) % self.shards();
        self.with_shard(shard, now, |shard, env| shard.export(env, id, self.boot()))
    }

    /// Puts a session in that was exported from an engine with the same number of shards, here or elsewhere.
    ///
    /// # Errors
    /// The bytes are no session, it is here already, or a limit stands against it; then nothing has changed.
    pub fn adopt(&self, now: Time, exported: &[u8]) -> Result<ClientId, AdoptError> {
        let record = Record::read(exported, self).ok_or(AdoptError::Malformed)?;
        let shard = usize::from(record.id.slot()) % self.shards();
        self.with_shard(shard, now, |shard, env| shard.adopt(env, record, self.boot()))
    }
}

/// A session between two engines. Times are distances, since each node has a clock of its own.
struct Record {
    id: ClientId,
    /// The engine that knew its connections: only there they mean something.
    boot: u64,
    connected: bool,
    binding: Binding,
    extension: Extension,
    age: u64,
    interval: u64,
    /// Until it expires.
    left: u64,
    patterns: Vec<ChannelPattern>,
    events: Vec<(Position, Arc<Delivery>)>,
}

impl Record {
    fn read(exported: &[u8], engine: &Engine) -> Option<Self> {
        let mut from = Reader::new(exported);
        if from.byte()? != VERSION {
            return None;
        }
        let rules = &engine.config().channels;
        let id = ClientId::parse(from.text()?)?;
        let (boot, connected) = (from.number()?, from.flag()?);
        let binding = Binding {
            browser: from.array()?.map(BrowserId),
            adopter: from.array()?.map(BrowserId),
            home: from.optional()?.map(crate::ConnectionId),
            peer: from.text()?.parse().ok()?,
            born: Time::ZERO,
            adoptable: from.flag()?,
            scripted: from.flag()?,
        };
        let extension = read_extension(&mut from)?;
        let (age, interval, left) = (from.number()?, from.number()?, from.number()?);
        let mut patterns = Vec::new();
        for _ in 0..from.number()? {
            patterns.push(ChannelPattern::parse(from.text()?, rules).ok()?);
        }
        let mut events: Vec<(Position, Arc<Delivery>)> = Vec::new();
        for _ in 0..from.number()? {
            let position = Position(from.number()?);
            let channel = ChannelName::parse(from.text()?, rules).ok()?;
            let delivery = Delivery::from_head(&channel, from.bytes()?);
            if events.last().is_some_and(|(last, _)| *last >= position) || position >= Position::END {
                return None;
            }
            events.push((position, Arc::new(delivery)));
        }
        from.is_empty().then_some(Self {
            id,
            boot,
            connected,
            binding,
            extension,
            age,
            interval,
            left,
            patterns,
            events,
        })
    }

    /// What the session will cost here.
    fn memory(&self) -> usize {
        let events: usize = self.events.iter().map(|(_, delivery)| ENTRY_BYTES + delivery.weight()).sum();
        let patterns = self.patterns.iter().map(|pattern| SUBSCRIPTION_BYTES + pattern_bytes(pattern.as_str()));
        SESSION_BYTES + self.extension.bytes() + events + patterns.sum::<usize>()
    }
}

impl Shard {
    fn export(&mut self, env: &mut Env<'_>, id: &ClientId, boot: u64) -> Result<Vec<u8>, ExportError> {
        let key = self.key(id).ok_or(ExportError::Unknown)?;
        // What the inbox has for it belongs to it.
        let end = env.router.inbox(env.shard).next_position();
        self.fan_out_before(env, end);
        let session = self.session(key).ok_or(ExportError::Unknown)?;
        if self.writes(session) {
            return Err(ExportError::Writing);
        }
        let record = write(session, env, boot);
        count(&env.counters.sessions_exported);
        self.close(env, key, Ending::Moved, "exported");
        Ok(record)
    }

    fn adopt(&mut self, env: &mut Env<'_>, record: Record, boot: u64) -> Result<ClientId, AdoptError> {
        if self.key(&record.id).is_some() {
            return Err(AdoptError::Present);
        }
        let config = env.config;
        let many = record.patterns.len() > config.max_subscriptions;
        if many || env.counters.live_sessions() >= config.max_sessions {
            return Err(AdoptError::OverLimit);
        }
        env.memory.room(record.memory(), env.counters).map_err(|NoRoom| AdoptError::OverLimit)?;
        record.events.iter().for_each(|(_, delivery)| env.memory.charge(delivery));
        let millis = std::time::Duration::from_millis;
        let home = record.binding.home.filter(|_| record.boot == boot);
        let born = Time::from_millis(env.now.as_millis().saturating_sub(record.age));
        let binding = Binding { home, born, ..record.binding };
        let expiry = Deadline::Expiry(env.now + millis(record.left));
        let mut session = Session::new(record.id, binding, expiry);
        (session.connected, session.interval) = (record.connected, millis(record.interval));
        session.extension = record.extension;
        for (position, delivery) in &record.events {
            let pushed = session.outbox.push(*position, delivery, config.max_queue, config.max_queue_bytes);
            pushed.map_err(|_| AdoptError::OverLimit)?;
        }
        // Numbers of replies stand for positions of the engine before: what comes now is behind all of them.
        let sent = if let Extension::Ack(acks) = &session.extension { acks.furthest } else { Position::default() };
        let last = record.events.last().map_or(sent, |(last, _)| sent.max(*last));
        if last > Position::default() {
            env.router.inbox(env.shard).number_after(last);
        }
        let key = self.enter(record.id, session, expiry);
        for pattern in &record.patterns {
            self.add_subscription(env, key, pattern);
        }
        count(&env.counters.sessions_adopted);
        Ok(record.id)
    }

    /// Whether a connection of the session has events lent.
    fn writes(&self, session: &Session) -> bool {
        match session.receiving {
            Receiving::Away => false,
            Receiving::Here(link) => self.link_ref(link).is_some_and(|link| link.lent.is_some()),
            Receiving::Draining { .. } => true,
        }
    }
}

fn write(session: &Session, env: &Env<'_>, boot: u64) -> Vec<u8> {
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let expiry = match session.deadline {
        Deadline::Expiry(at) => at,
        Deadline::Hold(_) | Deadline::Write(_) => session.expiry(env.now, env.config).at(),
    };
    let mut out = Writer::new();
    out.byte(VERSION);
    out.text(session.id.as_str());
    out.number(boot);
    out.flag(session.connected);
    let binding = &session.binding;
    out.array(binding.browser.map(|browser| browser.0));
    out.array(binding.adopter.map(|browser| browser.0));
    out.optional(binding.home.map(|home| home.0));
    out.text(&binding.peer.to_string());
    out.flag(binding.adoptable);
    out.flag(binding.scripted);
    write_extension(&session.extension, &mut out);
    out.number(millis(env.now.since(binding.born)));
    out.number(millis(session.interval));
    out.number(millis(expiry.since(env.now)));
    out.number(session.subscriptions.len() as u64);
    for subscription in &session.subscriptions {
        out.text(&subscription.pattern);
    }
    out.number(session.outbox.len() as u64);
    for (position, delivery) in session.outbox.iter() {
        out.number(position.0);
        out.text(delivery.channel());
        out.bytes(delivery.head());
    }
    out.finish()
}

/// What a session without an extension has in its place, and the others.
const NO_EXTENSION: u8 = 0;
const ACK: u8 = 1;
const GAP: u8 = 2;

fn write_extension(extension: &Extension, out: &mut Writer) {
    match extension {
        Extension::None => out.byte(NO_EXTENSION),
        Extension::Ack(acks) => {
            out.byte(ACK);
            out.number(acks.last);
            out.number(acks.sent.len() as u64);
            for (number, through) in &acks.sent {
                out.number(*number);
                out.optional(through.map(|through| through.0));
            }
        }
        Extension::Gap(handed_over) => {
            out.byte(GAP);
            out.number(*handed_over);
        }
    }
}

fn read_extension(from: &mut Reader<'_>) -> Option<Extension> {
    match from.byte()? {
        NO_EXTENSION => Some(Extension::None),
        ACK => {
            let mut acks = Acks { last: from.number()?, ..Acks::default() };
            for _ in 0..from.number()? {
                let number = from.number()?;
                if number > acks.last || acks.sent.back().is_some_and(|(last, _)| *last >= number) {
                    return None;
                }
                let through = from.optional()?.map(Position);
                acks.furthest = acks.furthest.max(through.unwrap_or_default());
                acks.sent.push_back((number, through));
            }
            Some(Extension::Ack(Box::new(acks)))
        }
        GAP => from.number().map(Extension::Gap),
        _ => None,
    }
}
