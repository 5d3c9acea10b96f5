//! `Interest`: which shards want which pattern. The one concurrent index; a publish reads it, a first or last
//! subscription of a shard writes it.
//!
//! A stale 1 costs a push for nothing; a stale 0 would be a lost message. So a shard sets its bit under its own lock,
//! before the subscribe is answered, and clears it when its last subscription has left the shard's index.

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError, TryLockError,
        atomic::Ordering::{Acquire, Release},
    },
};

use bayeux_protocol::MatchKeys;

use crate::{
    backplane::Edge,
    hash::{Keyed, Map},
    sync::{AtomicBool, Mutex, RwLock},
};

/// Shards one bit each, so at most 64.
pub(crate) const MAX_SHARDS: usize = 64;

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(u64);

impl ShardSet {
    /// Whether no shard is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The shards of either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_SHARDS).filter(move |shard| self.0 & (1 << shard) != 0)
    }
}

pub(crate) struct Interest {
    table: RwLock<Table>,
    /// Whether there are edges to tell: read after each call, so without the lock.
    untold: AtomicBool,
    /// Held by the one that tells.
    telling: Mutex<()>,
}

struct Table {
    shards: Map<Arc<str>, u64>,
    /// Edges of the whole node that the backplane has not been told yet, in the order they happened.
    edges: VecDeque<(Arc<str>, Edge)>,
}

impl Interest {
    pub(crate) fn new(hash: Keyed) -> Self {
        let table = Table { shards: hash.map(), edges: VecDeque::new() };
        Self { table: RwLock::new(table), untold: AtomicBool::new(false), telling: Mutex::new(()) }
    }

    /// The shards in which some pattern of `keys` has a subscriber.
    pub(crate) fn shards(&self, keys: &MatchKeys) -> ShardSet {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        ShardSet(keys.iter().filter_map(|key| table.shards.get(key)).fold(0, |all, bits| all | bits))
    }

    /// The shard's first subscription to `pattern` has come. Returns whether it is the node's first.
    pub(crate) fn add(&self, pattern: &Arc<str>, shard: usize) -> bool {
        let table = &mut *self.table.write().unwrap_or_else(PoisonError::into_inner);
        let bits = table.shards.entry(pattern.clone()).or_default();
        let first = *bits == 0;
        *bits |= 1 << shard;
        if first {
            table.edges.push_back((pattern.clone(), Edge::Up));
            self.untold.store(true, Release);
        }
        first
    }

    /// The shard's last subscription to `pattern` has gone. Returns whether it was the node's last.
    pub(crate) fn remove(&self, pattern: &Arc<str>, shard: usize) -> bool {
        let table = &mut *self.table.write().unwrap_or_else(PoisonError::into_inner);
        let Some(bits) = table.shards.get_mut(pattern) else {
            return false;
        };
        *bits &= !(1 << shard);
        let last = *bits == 0;
        if last {
            table.shards.remove(pattern);
            table.edges.push_back((pattern.clone(), Edge::Down));
            self.untold.store(true, Release);
        }
        last
    }

    /// Clears everything of a shard that lost its state.
    pub(crate) fn clear(&self, shard: usize) {
        let table = &mut *self.table.write().unwrap_or_else(PoisonError::into_inner);
        let edges = &mut table.edges;
        table.shards.retain(|pattern, bits| {
            *bits &= !(1 << shard);
            if *bits == 0 {
                edges.push_back((pattern.clone(), Edge::Down));
            }
            *bits != 0
        });
        self.untold.store(true, Release);
    }

    /// Tells of edges, in order, one thread at a time. Whoever comes meanwhile leaves its edges to the one that tells.
    pub(crate) fn tell(&self, tell: impl Fn(&str, Edge)) {
        while self.untold.load(Acquire) {
            // One that panicked in somebody else's code has left the edges as they are.
            let _gate = match self.telling.try_lock() {
                Ok(gate) => gate,
                Err(TryLockError::Poisoned(gate)) => gate.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            while let Some((pattern, edge)) = self.next_edge() {
                tell(&pattern, edge);
            }
        }
    }

    /// The oldest edge not yet told.
    fn next_edge(&self) -> Option<(Arc<str>, Edge)> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let edge = table.edges.pop_front();
        if edge.is_none() {
            self.untold.store(false, Release);
        }
        edge
    }

    pub(crate) fn has(&self, pattern: &str, shard: usize) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.shards.get(pattern).is_some_and(|bits| bits & (1 << shard) != 0)
    }

    pub(crate) fn patterns(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).shards.len()
    }
}
