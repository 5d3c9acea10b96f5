//! `Audit`: what a node holds, counted by walking through all of it, and whether it fits together. For tests and
//! simulations; a server has its counters. And a shard that panics, for the same.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{Env, Shard, fanout::Cursor};
use crate::{
    Delivery, Engine, Time,
    memory::{SUBSCRIPTION_BYTES, pattern_bytes, session_bytes},
    session::Receiving,
};

/// What is there at this moment. After everybody has left and time has passed, all of it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Sessions.
    pub sessions: usize,
    /// Connections that hold a connect, receive as sockets, or still write what was lent to them.
    pub links: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Patterns that some shard is interested in.
    pub interest: usize,
    /// Browsers that hold a connect over HTTP.
    pub browsers: usize,
    /// Bytes of publishes that wait for fan-out.
    pub inbox_bytes: usize,
    /// Messages in outboxes.
    pub outbox_messages: usize,
    /// Bytes of all that counts against `max_memory`, as it was met; [`Engine::memory`] is what is accounted for.
    pub memory: usize,
}

/// The deliveries that were met on the walk, each once: address and weight.
type Met = BTreeMap<*const Delivery, usize>;

/// An invariant that is broken, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Inconsistent(&'static str);

impl Engine {
    /// Walks through all shards.
    ///
    /// # Errors
    /// Sessions, subscriptions, links, deadlines and interest disagree: a bug in this crate.
    pub fn audit(&self, now: Time) -> Result<Audit, Inconsistent> {
        let mut audit = Audit { interest: self.patterns(), browsers: self.browsers.len(), ..Audit::default() };
        let mut met = Met::new();
        for shard in 0..self.shards() {
            audit.inbox_bytes += self.router().inbox(shard).bytes();
            self.with_shard(shard, now, |shard, env| shard.audit(env, &mut audit, &mut met))?;
        }
        audit.memory += met.values().sum::<usize>() + self.memory.frames();
        // Whoever joins nodes may hold deliveries too, so there may be more than were met.
        if audit.memory > self.memory() {
            return Err(Inconsistent("there are deliveries that are not accounted for"));
        }
        Ok(audit)
    }
}

impl Engine {
    /// Does to one shard what a bug would: panics while it is locked. The panic ends here; the next call finds an empty shard.
    pub fn break_shard(&self, shard: usize, now: Time) {
        // Without the panic hook: nobody is to read of a panic that was asked for.
        let panics = || self.with_shard(shard, now, |_, _| std::panic::resume_unwind(Box::new("on purpose")));
        let _: Result<(), _> = catch_unwind(AssertUnwindSafe(panics));
    }
}

impl Shard {
    /// The invariants that one lock makes possible.
    fn audit(&self, env: &Env<'_>, audit: &mut Audit, met: &mut Met) -> Result<(), Inconsistent> {
        let holds = |holds: bool, what| if holds { Ok(()) } else { Err(Inconsistent(what)) };
        let mut subscriptions = 0;
        for (id, key) in &self.ids {
            let session = self.sessions.get(*key).ok_or(Inconsistent("an id is known, but its session is gone"))?;
            holds(session.id == *id, "a session is found under another's id")?;
            let armed = session.armed.is_some_and(|armed| armed <= session.deadline.at());
            holds(armed, "a session has no deadline in the table")?;
            let (messages, bytes) = (session.outbox.len(), session.outbox.bytes());
            let fits = messages <= env.config.max_queue && bytes <= env.config.max_queue_bytes;
            holds(fits, "an outbox is over its limit")?;
            audit.outbox_messages += messages;
            subscriptions += session.subscriptions.len();
            let (first, second) = match session.receiving {
                Receiving::Away => (None, None),
                Receiving::Here(link) => (Some(link), None),
                Receiving::Draining { old, next } => (Some(old), next),
            };
            for link in first.into_iter().chain(second) {
                let mine = self.links.get(link).is_some_and(|link| link.session == *key);
                holds(mine, "the connection that receives has no link")?;
            }
        }
        holds(self.ids.len() == self.sessions.len(), "a session has no id")?;
        holds(self.deadlines.len() == self.sessions.len(), "there are not as many deadlines as sessions")?;
        let mut entries = 0;
        for (pattern, place, subscriber) in self.index.all() {
            let session =
                self.sessions.get(subscriber.session).ok_or(Inconsistent("who is subscribed is not alive"))?;
            let known = session.subscriptions.iter().any(|it| it.pattern == *pattern && it.place == place);
            holds(known, "a session does not know of its entry in the index")?;
            entries += 1;
        }
        holds(entries == subscriptions, "who is alive is not in the index")?;
        let mut patterns = self.index.patterns();
        let covered = patterns.all(|(pattern, live)| env.router.interest.subscribers(pattern, env.shard) == live);
        holds(covered, "the interest does not cover the index")?;
        holds(self.one_writes(), "two connections of a session write events at a time")?;
        audit.sessions += self.sessions.len();
        audit.links += self.links.len();
        audit.subscriptions += subscriptions;
        let waiting = self.meet(env, met);
        let under_way = self.cursor.as_ref().map_or(0, Cursor::places);
        holds(self.places == under_way, "more is reserved for places in outboxes than a fan-out needs")?;
        let patterns: usize = self.index.patterns().map(|(pattern, _)| pattern_bytes(pattern)).sum();
        let sessions: usize = self.sessions.iter().map(|(_, session)| session_bytes(session)).sum();
        let lent: usize = self.links.iter().filter_map(|(_, link)| link.lent).map(|lent| lent.bytes).sum();
        let sessions = sessions + subscriptions * SUBSCRIPTION_BYTES;
        let memory = sessions + patterns + lent + self.leavers.bytes();
        audit.memory += memory + waiting + under_way;
        holds(memory == self.memory, "the memory of a shard is not what is accounted for")
    }

    /// Meets the deliveries here that this engine accounts for. Returns what is reserved for those that wait.
    fn meet(&self, env: &Env<'_>, met: &mut Met) -> usize {
        let outboxes = self.sessions.iter().flat_map(|(_, session)| session.outbox.iter());
        let here = outboxes.map(|(_, delivery)| delivery).chain(self.cursor.iter().map(Cursor::delivery));
        let (waiting, places) = env.router.inbox(env.shard).waiting();
        for delivery in here.chain(&waiting).filter(|delivery| env.memory.counts(delivery)) {
            met.insert(Arc::as_ptr(delivery), delivery.weight());
        }
        places
    }

    /// Of the links of a live session, only the one that receives, or that a newer one waits for, has events lent.
    fn one_writes(&self) -> bool {
        self.links.iter().all(|(key, link)| {
            let writer = match self.sessions.get(link.session).map(|session| session.receiving) {
                Some(Receiving::Here(writer) | Receiving::Draining { old: writer, .. }) => Some(writer),
                Some(Receiving::Away) => None,
                None => return true,
            };
            link.lent.is_none() || writer == Some(key)
        })
    }
}
