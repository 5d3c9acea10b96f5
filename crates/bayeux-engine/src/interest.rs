//! `Interest`: which shards want which pattern, and how many subscribers each has for it. The one concurrent index; a publish
//! reads it, a first or last subscription of a shard writes it.
//!
//! A stale 1 costs a push for nothing; a stale 0 would be a lost message. So a shard sets its bit under its own lock,
//! before the subscribe is answered, and clears it when its last subscription has left the shard's index.

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError, TryLockError,
        atomic::Ordering::{Acquire, Relaxed, Release},
    },
};

use bayeux_protocol::MatchKeys;

use crate::{
    backplane::Edge,
    hash::{Keyed, Map},
    sync::{AtomicBool, AtomicU32, Mutex, RwLock},
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

    pub(crate) fn of(targets: &[Target]) -> Self {
        Self(targets.iter().fold(0, |all, target| all | 1 << target.shard))
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

/// Where a publish goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) shard: usize,
    /// How many subscribers may get it there: who has several patterns that match counts as often.
    pub(crate) subscribers: usize,
}

/// A shard that wants a pattern, and how many subscribers that are: written under the lock of this shard alone.
struct Wanted {
    shard: u32,
    subscribers: AtomicU32,
}

/// What a pattern takes, without its text, for one shard that wants it.
pub(crate) const PATTERN_BYTES: usize = size_of::<(Arc<str>, Vec<Wanted>)>() + size_of::<Wanted>();

struct Table {
    patterns: Map<Arc<str>, Vec<Wanted>>,
    /// Edges of the whole node that the backplane has not been told yet, in the order they happened.
    edges: VecDeque<(Arc<str>, Edge)>,
}

impl Interest {
    pub(crate) fn new(hash: Keyed) -> Self {
        let table = Table { patterns: hash.map(), edges: VecDeque::new() };
        Self { table: RwLock::new(table), untold: AtomicBool::new(false), telling: Mutex::new(()) }
    }

    /// The shards in which some pattern of `keys` has a subscriber, each once.
    pub(crate) fn targets(&self, keys: &MatchKeys) -> Vec<Target> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut targets: Vec<Target> = Vec::new();
        for wanted in keys.iter().filter_map(|key| table.patterns.get(key)).flatten() {
            let (shard, subscribers) = (wanted.shard as usize, wanted.subscribers.load(Relaxed) as usize);
            match targets.iter_mut().find(|target| target.shard == shard) {
                Some(target) => target.subscribers += subscribers,
                None => targets.push(Target { shard, subscribers }),
            }
        }
        targets
    }

    /// The shard's first subscription to `pattern` has come. Returns whether it is the node's first.
    pub(crate) fn add(&self, pattern: &Arc<str>, shard: usize) -> bool {
        let table = &mut *self.table.write().unwrap_or_else(PoisonError::into_inner);
        let wanted = table.patterns.entry(pattern.clone()).or_default();
        let first = wanted.is_empty();
        wanted.push(Wanted { shard: shard as u32, subscribers: AtomicU32::new(1) });
        if first {
            table.edges.push_back((pattern.clone(), Edge::Up));
            self.untold.store(true, Release);
        }
        first
    }

    /// The shard has so many subscriptions to `pattern` now: one more or one fewer, and neither the first nor the last.
    pub(crate) fn set(&self, pattern: &str, shard: usize, subscribers: usize) {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = table.patterns.get(pattern).and_then(|wanted| wanted.iter().find(|it| it.shard as usize == shard));
        if let Some(wanted) = wanted {
            wanted.subscribers.store(u32::try_from(subscribers).unwrap_or(u32::MAX), Relaxed);
        }
    }

    /// The shard's last subscription to `pattern` has gone. Returns whether it was the node's last.
    pub(crate) fn remove(&self, pattern: &Arc<str>, shard: usize) -> bool {
        let table = &mut *self.table.write().unwrap_or_else(PoisonError::into_inner);
        let Some(wanted) = table.patterns.get_mut(pattern) else {
            return false;
        };
        wanted.retain(|wanted| wanted.shard as usize != shard);
        let last = wanted.is_empty();
        if last {
            table.patterns.remove(pattern);
            table.edges.push_back((pattern.clone(), Edge::Down));
            self.untold.store(true, Release);
        }
        last
    }

    /// Clears everything of a shard that lost its state.
    pub(crate) fn clear(&self, shard: usize) {
        let table = &mut *self.table.write().unwrap_or_else(PoisonError::into_inner);
        let edges = &mut table.edges;
        table.patterns.retain(|pattern, wanted| {
            wanted.retain(|wanted| wanted.shard as usize != shard);
            if wanted.is_empty() {
                edges.push_back((pattern.clone(), Edge::Down));
            }
            !wanted.is_empty()
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

    /// How many subscribers the shard has for `pattern`.
    pub(crate) fn subscribers(&self, pattern: &str, shard: usize) -> usize {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = table.patterns.get(pattern).into_iter().flatten().find(|wanted| wanted.shard as usize == shard);
        wanted.map_or(0, |wanted| wanted.subscribers.load(Relaxed) as usize)
    }

    pub(crate) fn patterns(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).patterns.len()
    }
}
