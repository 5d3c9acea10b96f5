//! `SubscriptionIndex`: pattern -> subscribers of one shard. Lives and changes with the sessions, under one lock.

use std::sync::Arc;

use crate::{
    hash::{Keyed, Map},
    inbox::Position,
    session::SessionKey,
};

/// A session's side of a subscription: the pattern, and its place in the pattern's list.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) pattern: Arc<str>,
    pub(crate) place: usize,
    pub(crate) wildcard: bool,
}

/// The index's side: who, and since when. A delivery older than `since` was published before the subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber {
    pub(crate) session: SessionKey,
    pub(crate) since: Position,
}

/// The subscribers of one pattern. While a fan-out is cut by its budget, lists grow at the end and removals leave holes,
/// so its place stays right; holes are closed when no fan-out is under way.
#[derive(Default)]
pub(crate) struct Subscribers {
    places: Vec<Option<Subscriber>>,
    live: usize,
}

impl Subscribers {
    pub(crate) fn places(&self) -> &[Option<Subscriber>] {
        &self.places
    }
}

pub(crate) struct SubscriptionIndex {
    patterns: Map<Arc<str>, Subscribers>,
}

/// What a change of the index did to the pattern as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The pattern got its first subscriber here.
    First,
    /// The pattern lost its last subscriber here.
    Last,
    /// There are others: so many are left.
    Others(usize),
}

impl SubscriptionIndex {
    pub(crate) fn new(hash: Keyed) -> Self {
        Self { patterns: hash.map() }
    }

    pub(crate) fn get(&self, pattern: &str) -> Option<&Subscribers> {
        self.patterns.get(pattern)
    }

    /// Adds a subscriber at the end; returns the pattern as stored, the place, and what it did.
    pub(crate) fn add(&mut self, pattern: &str, subscriber: Subscriber) -> (Arc<str>, usize, Change) {
        let stored = match self.patterns.get_key_value(pattern) {
            Some((stored, _)) => stored.clone(),
            None => Arc::from(pattern),
        };
        let list = self.patterns.entry(stored.clone()).or_default();
        list.places.push(Some(subscriber));
        list.live += 1;
        let change = if list.live == 1 { Change::First } else { Change::Others(list.live) };
        (stored, list.places.len() - 1, change)
    }

    /// Leaves a hole at `place`.
    pub(crate) fn remove(&mut self, pattern: &str, place: usize) -> Change {
        let Some(list) = self.patterns.get_mut(pattern) else {
            return Change::Others(0);
        };
        if let Some(slot) = list.places.get_mut(place)
            && slot.take().is_some()
        {
            list.live -= 1;
        }
        if list.live == 0 { Change::Last } else { Change::Others(list.live) }
    }

    /// Closes the holes of `pattern` if they are most of it. Only while no fan-out is under way. Calls `moved` with each
    /// subscriber that has a new place.
    pub(crate) fn tidy(&mut self, pattern: &str, mut moved: impl FnMut(SessionKey, usize)) {
        let Some(list) = self.patterns.get_mut(pattern) else {
            return;
        };
        if list.live == 0 {
            self.patterns.remove(pattern);
            return;
        }
        if list.places.len() < 2 * list.live {
            return;
        }
        list.places.retain(Option::is_some);
        for (place, subscriber) in list.places.iter().enumerate() {
            if let Some(subscriber) = subscriber {
                moved(subscriber.session, place);
            }
        }
        list.places.shrink_to(2 * list.live);
    }

    /// Patterns with a live subscriber, and how many they have.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (&str, usize)> {
        self.patterns.iter().filter(|(_, list)| list.live > 0).map(|(pattern, list)| (&**pattern, list.live))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Arc<str>, usize, Subscriber)> {
        self.patterns.iter().flat_map(|(pattern, list)| {
            let places = list.places.iter().enumerate();
            places.filter_map(move |(place, slot)| slot.map(|subscriber| (pattern, place, subscriber)))
        })
    }
}
