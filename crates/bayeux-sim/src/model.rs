//! `Model`: what must be true, told from the calls alone. It knows nothing of shards, outboxes or links; it keeps, for each
//! session, who may use it, what is due to it in which order, and until when it must not end.

mod acks;
mod ask;
mod browsers;
mod claim;
mod connects;
mod delivery;
mod fate;
mod gap;
mod reply;
mod streams;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bayeux_engine::{BrowserId, Config, Time};

use acks::Acks;
use browsers::Room;
use claim::{Binding, Claim};
pub(crate) use delivery::matches;
use gap::Gap;
pub(crate) use reply::Place;
use streams::Stream;

use crate::{connection::ConnectionKey, message::Kind};

/// What the engine did wrong, in words.
pub(crate) type Verdict = Result<(), String>;

/// How late something may be that nothing stands against.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long an event may wait while a connection of its session is idle: fan-outs are cut, and pumps come late.
const DELIVERY_PATIENCE: Duration = Duration::from_secs(5);
/// What the engine gives a write above the front's own deadline.
const WRITE_GRACE: Duration = Duration::from_secs(1);

pub(crate) struct Model {
    config: Config,
    sessions: BTreeMap<String, Session>,
    /// What was asked and not answered yet, by the request's id.
    asked: BTreeMap<u64, Asked>,
    /// Sockets that have used up their one adoption.
    adopters: BTreeSet<ConnectionKey>,
    /// Browsers that have, each on the node of the session: nodes don't know of each other's.
    used: BTreeSet<(usize, [u8; 16])>,
    /// Events that a node has accepted and not told the others yet.
    untold: BTreeSet<u64>,
    /// Connections whose link was lost with a shard: they are closed, whatever their session was told or wherever it is now.
    unlinked: BTreeSet<ConnectionKey>,
    /// Nodes that shut down, and since when.
    leaving: BTreeMap<usize, Time>,
    /// Whether inboxes are so small that a publish may be refused.
    small_inboxes: bool,
}

pub(crate) struct Session {
    node: usize,
    binding: Binding,
    life: Life,
    subscriptions: BTreeSet<&'static str>,
    /// What is not handed over yet, in order.
    due: VecDeque<Due>,
    /// Handed over to the kernel and on the way to the client, with the connection.
    travelling: BTreeMap<u64, ConnectionKey>,
    received: BTreeSet<u64>,
    /// Every event that was handed over once.
    committed: BTreeSet<u64>,
    receiver: Option<ConnectionKey>,
    writing: Option<Writing>,
    write_ended: Time,
    connected: bool,
    /// It must not expire before.
    alive_until: Time,
    /// Something last happened.
    seen: Time,
    may_overflow: bool,
    extension: Extension,
}

/// What a session promises besides.
enum Extension {
    Nothing,
    Ack(Acks),
    Gap(Gap),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Live,
    Disconnected,
    Ended,
    /// Its shard or its node is not there any more.
    Lost,
}

/// Events lent to a connection.
struct Writing {
    connection: ConnectionKey,
    /// Since when the engine counts: over HTTP from the beginning, on a socket from when a newer connection waits for it.
    counts_since: Option<Time>,
    gives_up: bool,
    events: Vec<u64>,
}

/// An event that is due to a session.
struct Due {
    number: u64,
    since: Time,
    optional: bool,
}

struct Asked {
    connection: ConnectionKey,
    kind: Kind,
    session: Option<String>,
    claim: Claim,
    /// The socket takes its session over, unless that is gone.
    adopts: bool,
    /// Nothing else is in its batch.
    alone: bool,
    is_socket: bool,
    /// A connect that takes nothing over, since the session's stream is another request.
    beside: bool,
    /// A connect whose response is a stream, if it is not answered at once.
    streams: bool,
    /// The number that its client says it has read.
    acknowledged: Option<u64>,
    /// What its browser's other connects leave.
    room: Room,
    held: Option<Held>,
}

/// A connect that was not answered at once.
struct Held {
    /// It is to be answered by then.
    due: Time,
    place: Option<HeldPlace>,
    stream: Option<Stream>,
}

/// A place among the connects of one browser on one node.
#[derive(Clone, Copy)]
struct HeldPlace {
    of: (usize, BrowserId),
    /// It may have none, and wait all the same, for an older write.
    is_sure: bool,
}

impl Model {
    pub(crate) fn new(config: Config, small_inboxes: bool) -> Self {
        let (sessions, asked, adopters) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let (used, untold, leaving) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let unlinked = BTreeSet::new();
        Self { config, sessions, asked, adopters, used, untold, unlinked, leaving, small_inboxes }
    }

    /// Sessions that are alive as far as can be told.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&String, &Session)> {
        self.sessions.iter().filter(|(_, session)| session.life == Life::Live)
    }

    /// Whether nothing is late. `idle` tells whether a connection waits for something to write.
    pub(crate) fn check_time(&self, now: Time, idle: impl Fn(ConnectionKey) -> bool) -> Verdict {
        self.check_browsers(now)?;
        for (id, asked) in &self.asked {
            let session = asked.session.as_ref().and_then(|id| self.sessions.get(id));
            let (Some(held), Some(session)) = (&asked.held, session) else {
                continue;
            };
            if session.writing.is_some() || !idle(asked.connection) {
                continue;
            }
            if now > held.due.max(session.write_ended) + PATIENCE {
                return Err(format!("connect {id} was due at {} and is not answered", held.due.as_millis()));
            }
            if let Some(stream) = held.stream.as_ref().filter(|_| session.life == Life::Live) {
                stream.check(now, session.write_ended, &self.config)?;
            }
        }
        for (id, session) in self.live() {
            let Some(due) = self.waits(id, session) else {
                continue;
            };
            let late = now > due.since.max(session.write_ended) + DELIVERY_PATIENCE;
            if late && session.writing.is_none() && session.receiver.is_some_and(&idle) {
                return Err(format!("event {} waits since {}", due.number, due.since.as_millis()));
            }
        }
        Ok(())
    }

    /// What waits for the connection that receives, though nothing stands against it.
    fn waits<'a>(&'a self, id: &str, session: &'a Session) -> Option<&'a Due> {
        let Extension::Ack(acks) = &session.extension else {
            return session.due.iter().find(|due| !due.optional);
        };
        // With the reply to a connect alone, and on a stream no second time.
        let connect = self.asked.values().find(|asked| {
            asked.held.is_some() && Some(asked.connection) == session.receiver && asked.session.as_deref() == Some(id)
        });
        let stream = connect?.held.as_ref().and_then(|held| held.stream.as_ref());
        session.due.get(acks.sent(stream))
    }

    /// No more sessions are on a node than may live: a client that is gone leaves none, and none whose connection takes nothing.
    pub(crate) fn check_sessions(&self, now: Time, node: usize, there: usize) -> Verdict {
        let config = &self.config;
        // It connected; its hold, or its stream's last beat, passed; a write was in its way; then it was given its time.
        let hold = config.timeout.max(config.stream_heartbeat) + config.write_timeout + WRITE_GRACE;
        let most = hold + config.interval.max(config.timeout) + config.max_interval + PATIENCE * 2;
        let may_live = |session: &&Session| session.node == node && now <= session.seen.max(session.alive_until) + most;
        let living = self.live().filter(|(_, session)| may_live(session)).count();
        if there <= living { Ok(()) } else { Err(format!("{there} sessions are on node {node}, {living} may live")) }
    }

    /// After everything was given time: nothing is due to this session or on its way, its client counts so many deliveries, and it
    /// has these subscriptions.
    pub(crate) fn check_settled(&self, session: &str, wanted: &BTreeSet<&'static str>, count: u64) -> Verdict {
        let Some(session) = self.sessions.get(session) else {
            return Err("a client has a session that was never made".into());
        };
        match &session.extension {
            Extension::Ack(acks) => acks.check_settled()?,
            Extension::Gap(gap) => gap.check_settled(count, session.perhaps())?,
            Extension::Nothing => {}
        }
        let acks = matches!(session.extension, Extension::Ack(_));
        if let Some(due) = session.due.iter().find(|due| !due.optional && !acks) {
            return Err(format!("event {} was never delivered", due.number));
        }
        if let Some((number, connection)) = session.travelling.iter().next() {
            return Err(format!("event {number} never arrived on connection {connection}, which was not cut"));
        }
        let has: BTreeSet<_> = session.subscriptions.iter().copied().collect();
        if has == *wanted { Ok(()) } else { Err(format!("subscribed to {has:?}, wanted {wanted:?}")) }
    }
}

impl Session {
    /// Whether the session may be gone: it had its time, or its outbox may have been full.
    fn may_be_gone(&self, now: Time) -> bool {
        self.life != Life::Live || self.may_overflow || now >= self.alive_until
    }

    /// A newer connection receives. If an older one still writes, it is waited for.
    fn receives(&mut self, now: Time, connection: ConnectionKey) {
        self.receiver = Some(connection);
        if let Some(writing) = self.writing.as_mut().filter(|writing| writing.connection != connection) {
            writing.counts_since.get_or_insert(now);
        }
    }

    fn end(&mut self, life: Life) {
        self.life = life;
        self.subscriptions.clear();
        self.due.clear();
        self.receiver = None;
    }
}
