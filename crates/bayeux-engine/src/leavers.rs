//! `Leavers`: subscriptions that ended while something published before waits in the inbox. They get that, and nothing newer
//! (BX-DL-1, BX-US-3).

use std::{collections::VecDeque, sync::Arc};

use crate::{
    hash::{Keyed, Map},
    inbox::Position,
    memory::leaver_bytes,
    subscription::Subscriber,
};

/// Who has left a pattern, and the last delivery that is still owed.
pub(crate) struct Leaver {
    pub(crate) subscriber: Subscriber,
    pub(crate) last: Position,
}

/// Lists grow at the end. They get shorter only as the inbox passes what they wait for, which is never while a fan-out is under way.
pub(crate) struct Leavers {
    patterns: Map<Arc<str>, VecDeque<Leaver>>,
    /// In the order in which the inbox passes them, which is that of each list too.
    order: VecDeque<(Position, Arc<str>)>,
}

impl Leavers {
    pub(crate) fn new(hash: Keyed) -> Self {
        Self { patterns: hash.map(), order: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Adds one, whose `last` is not before that of any other. Returns the bytes it takes.
    pub(crate) fn push(&mut self, pattern: &Arc<str>, leaver: Leaver) -> usize {
        self.order.push_back((leaver.last, pattern.clone()));
        self.patterns.entry(pattern.clone()).or_default().push_back(leaver);
        leaver_bytes(pattern)
    }

    pub(crate) fn get(&self, pattern: &str) -> Option<&VecDeque<Leaver>> {
        self.patterns.get(pattern)
    }

    /// The delivery at `position` has reached everybody: forgets who waited for none after it. Returns the bytes they took.
    pub(crate) fn pass(&mut self, position: Position) -> usize {
        let mut bytes = 0;
        while let Some((_, pattern)) = self.order.pop_front_if(|(last, _)| *last <= position) {
            bytes += leaver_bytes(&pattern);
            if let Some(list) = self.patterns.get_mut(&pattern) {
                list.pop_front();
                if list.is_empty() {
                    self.patterns.remove(&pattern);
                }
            }
        }
        if bytes > 0 && self.order.is_empty() {
            (self.order, self.patterns) = (VecDeque::new(), Map::with_hasher(*self.patterns.hasher()));
        }
        bytes
    }

    /// What they take.
    pub(crate) fn bytes(&self) -> usize {
        self.order.iter().map(|(_, pattern)| leaver_bytes(pattern)).sum()
    }
}
