//! What is lawful after a shard has panicked or a node shuts down, and what nodes have to tell each other.

use std::collections::BTreeSet;

use bayeux_engine::Time;

use super::{Extension, Life, Model, Verdict};
use crate::connection::ConnectionKey;

impl Model {
    /// Sessions of a node are lost, without a word: from now on they get 402, and nothing else.
    pub(crate) fn lose_sessions(&mut self, node: usize, lost: impl Fn(&str) -> bool) {
        for (id, session) in &mut self.sessions {
            if session.node == node && session.life == Life::Live && lost(id) {
                session.end(Life::Lost);
            }
        }
    }

    /// The link of a connection was lost: a connect that it holds breaks off now.
    pub(crate) fn unlink(&mut self, now: Time, connection: ConnectionKey) {
        self.unlinked.insert(connection);
        let here = self.asked.values_mut().filter(|asked| asked.connection == connection);
        for held in here.filter_map(|asked| asked.held.as_mut()) {
            held.due = held.due.min(now);
            held.place = None;
        }
    }

    /// A connection has a new link.
    pub(crate) fn link(&mut self, connection: ConnectionKey) {
        self.unlinked.remove(&connection);
    }

    /// A node shuts down: whoever holds a connect there is answered now, and so is each later one.
    pub(crate) fn leave(&mut self, now: Time, node: usize) {
        self.leaving.insert(node, now);
        for asked in self.asked.values_mut() {
            let session = asked.session.as_ref().and_then(|id| self.sessions.get(id));
            if let (Some(held), true) = (&mut asked.held, session.is_some_and(|session| session.node == node)) {
                held.due = held.due.min(now);
            }
        }
    }

    /// Another node has begun in the place of one that ended.
    pub(crate) fn begin_anew(&mut self, node: usize) {
        self.leaving.remove(&node);
        self.used.retain(|(on, _)| *on != node);
    }

    /// A socket is closed since its node shuts down: what was published before that was handed over first.
    pub(crate) fn told_to_leave(&self, node: usize, connection: ConnectionKey, session: Option<&str>) -> Verdict {
        let Some(since) = self.leaving.get(&node) else {
            return Err(format!("node {node} does not shut down, but connection {connection} was told so"));
        };
        let Some(session) = session.and_then(|id| self.sessions.get(id)) else {
            return Ok(());
        };
        // With `ack`, what waits for a connect is kept for it.
        let receives = session.receiver == Some(connection) && !matches!(session.extension, Extension::Ack(_));
        match session.due.iter().find(|due| due.since < *since && !due.optional) {
            Some(due) if receives => Err(format!("event {} was not handed over at shutdown", due.number)),
            _ => Ok(()),
        }
    }

    /// The response to a held connect breaks off: only if its link was lost.
    pub(crate) fn broken_off(&self, connection: ConnectionKey) -> Verdict {
        let lost = self.unlinked.contains(&connection);
        if lost { Ok(()) } else { Err(format!("connection {connection} breaks off, but its shard did not panic")) }
    }

    /// An engine tells the other nodes of an event.
    pub(crate) fn told(&mut self, event: Option<u64>) -> Verdict {
        match event {
            Some(event) if self.untold.remove(&event) => Ok(()),
            _ => Err(format!("event {event:?} is told to other nodes, but was not accepted here, or is told already")),
        }
    }

    /// What was accepted was told.
    pub(crate) fn check_told(&self) -> Verdict {
        match self.untold.first() {
            Some(event) => Err(format!("event {event} is not told to other nodes")),
            None => Ok(()),
        }
    }

    /// The other nodes know of whatever a session of this node is subscribed to.
    pub(crate) fn check_wanted(&self, now: Time, node: usize, told: &BTreeSet<String>) -> Verdict {
        let here = self.live().filter(|(_, session)| session.node == node && !session.may_be_gone(now));
        for (id, session) in here {
            if let Some(pattern) = session.subscriptions.iter().find(|pattern| !told.contains(**pattern)) {
                return Err(format!("node {node} has not told that it is interested in {pattern}, as {id} is"));
            }
        }
        Ok(())
    }
}
