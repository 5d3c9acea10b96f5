//! `Model`: what must be true, told from the calls alone. It knows nothing of shards, outboxes or links; it keeps, for each
//! session, who may use it, what is due to it in which order, and until when it must not end.

mod claim;
mod delivery;
mod fate;
mod reply;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bayeux_engine::{Carrier, Config, Origin, Time};

use claim::{Binding, Claim};
pub(crate) use delivery::matches;
pub(crate) use reply::Place;

use crate::{
    connection::ConnectionKey,
    message::{Kind, Request},
};

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
    /// A held connect is to be answered by then.
    due: Option<Time>,
}

impl Model {
    pub(crate) fn new(config: Config, small_inboxes: bool) -> Self {
        let (sessions, asked, adopters) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let (used, untold, leaving) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let unlinked = BTreeSet::new();
        Self { config, sessions, asked, adopters, used, untold, unlinked, leaving, small_inboxes }
    }

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
        if let (true, Carrier::Socket { may_adopt, .. }) = (self.adopters.contains(&connection), &mut origin.carrier) {
            *may_adopt = None;
        }
        for request in batch {
            let could_adopt = may_adopt(&origin);
            // One that is over is unknown to everybody alike.
            let known = session.and_then(|id| self.sessions.get_mut(id)).filter(|known| known.life == Life::Live);
            let claim = match (&request.kind, known) {
                (Kind::Handshake, _) | (_, None) => Claim::Owner,
                (_, Some(known)) => known.binding.claim(now, known.node, &mut origin, &self.config, &mut self.used),
            };
            if let (true, Some(known)) = (claim == Claim::Owner, session.and_then(|id| self.sessions.get_mut(id))) {
                known.seen = now;
            }
            let (kind, session) = (request.kind.clone(), session.map(str::to_owned));
            let adopts = could_adopt && !may_adopt(&origin);
            if adopts {
                self.adopters.insert(connection);
            }
            self.asked.insert(request.id, Asked { connection, kind, session, claim, adopts, due: None });
        }
    }

    /// A connect of the batch just handled was not answered: it is held.
    pub(crate) fn hold(&mut self, now: Time, connection: ConnectionKey, batch: &[Request]) -> Verdict {
        for request in batch {
            let Some(asked) = self.asked.get_mut(&request.id) else {
                continue;
            };
            let Kind::Connect(wish) = asked.kind else {
                return Err(format!("request {} was not answered at once", request.id));
            };
            let Some(session) = asked.session.as_ref().and_then(|id| self.sessions.get_mut(id)) else {
                return Err(format!("connect {} was held for an unknown session", request.id));
            };
            if asked.claim == Claim::Foreign || session.life != Life::Live {
                let (claim, life) = (asked.claim, session.life);
                return Err(format!("connect {} of a session was held: {claim:?}, {life:?}", request.id));
            }
            let wish = wish.map_or(self.config.timeout, Duration::from_millis).min(self.config.timeout);
            let at_once = !std::mem::replace(&mut session.connected, true);
            let at_once = at_once || self.leaving.contains_key(&session.node);
            let due = if at_once { now } else { now + wish };
            asked.due = Some(due);
            session.receives(now, connection);
            session.alive_until = due + self.config.max_interval;
        }
        Ok(())
    }

    /// A connection has no link to the session any more: what it was asked there is not answered, and not due.
    pub(crate) fn release(&mut self, now: Time, connection: ConnectionKey, session: Option<&str>) {
        self.asked.retain(|_, asked| asked.connection != connection || asked.session.as_deref() != session);
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) {
            session.seen = now;
            session.write_ends(now, connection, &self.config);
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

    /// Sessions that are alive as far as can be told.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&String, &Session)> {
        self.sessions.iter().filter(|(_, session)| session.life == Life::Live)
    }

    /// Whether nothing is late. `idle` tells whether a connection waits for something to write.
    pub(crate) fn check_time(&self, now: Time, idle: impl Fn(ConnectionKey) -> bool) -> Verdict {
        for (id, asked) in &self.asked {
            let session = asked.session.as_ref().and_then(|id| self.sessions.get(id));
            let (Some(due), Some(session)) = (asked.due, session) else {
                continue;
            };
            let late = now > due.max(session.write_ended) + PATIENCE;
            if late && session.writing.is_none() && idle(asked.connection) {
                return Err(format!("connect {id} was due at {} and is not answered", due.as_millis()));
            }
        }
        for (_, session) in self.live() {
            let Some(due) = session.due.iter().find(|due| !due.optional) else {
                continue;
            };
            let late = now > due.since.max(session.write_ended) + DELIVERY_PATIENCE;
            if late && session.writing.is_none() && session.receiver.is_some_and(&idle) {
                return Err(format!("event {} waits since {}", due.number, due.since.as_millis()));
            }
        }
        Ok(())
    }

    /// After everything was given time: nothing is due to this session or on its way, and it has these subscriptions.
    pub(crate) fn check_settled(&self, session: &str, wanted: &BTreeSet<&'static str>) -> Verdict {
        let Some(session) = self.sessions.get(session) else {
            return Err("a client has a session that was never made".into());
        };
        if let Some(due) = session.due.iter().find(|due| !due.optional) {
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

const fn may_adopt(origin: &Origin) -> bool {
    matches!(origin.carrier, Carrier::Socket { may_adopt: Some(_), .. })
}
