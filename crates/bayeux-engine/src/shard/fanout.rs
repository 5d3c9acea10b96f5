//! HOT PATH: from the inbox to the outboxes. Budget per subscriber: one list entry, one session, one link; no hashing, no
//! allocation but the outbox's growth, no log.

use std::sync::Arc;

use super::{Env, Shard};
use crate::{
    Delivery,
    inbox::{Entry, Position},
    link::{Ending, Link},
    memory::ENTRY_BYTES,
    outbox::Overflow,
    session::{Receiving, Session, SessionKey},
    stats::{count, count_many},
    store::Store,
    subscription::{Subscribers, Subscription},
};

/// Where a fan-out that its budget cut goes on. It is finished before the next entry of the inbox is looked at.
pub(crate) struct Cursor {
    position: Position,
    delivery: Arc<Delivery>,
    /// Which of the delivery's match keys, and which place in that pattern's list.
    key: usize,
    place: usize,
    /// What is left of the bytes reserved for its places in outboxes.
    places: usize,
}

impl Cursor {
    pub(super) const fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    pub(super) const fn places(&self) -> usize {
        self.places
    }
}

impl Shard {
    /// Delivers to at most `budget` subscribers. Returns whether something is left.
    pub(crate) fn fan_out(&mut self, env: &mut Env<'_>, mut budget: usize) -> bool {
        loop {
            let cursor = match self.cursor.take() {
                Some(cursor) => cursor,
                None => match env.router.inbox(env.shard).pop(env.wakes) {
                    Some(Entry { position, delivery, places }) => {
                        self.places += places;
                        Cursor { position, delivery, key: 0, place: 0, places }
                    }
                    None => return false,
                },
            };
            self.deliver(env, cursor, &mut budget);
            // A delivery that nobody wants any more is work too.
            budget = budget.saturating_sub(1);
            if budget == 0 {
                return self.cursor.is_some() || !env.router.inbox(env.shard).is_empty();
            }
        }
    }

    /// Delivers all entries older than `end`.
    pub(crate) fn fan_out_before(&mut self, env: &mut Env<'_>, end: Position) {
        while self.cursor.is_some() || env.router.inbox(env.shard).has_before(end) {
            self.fan_out(env, 1);
        }
    }

    /// Hands one session what waits for it, ahead of all others: its subscriptions are about to become fewer, and what was published
    /// before is to reach it by them (BX-US-3). Each delivery is looked at once for a session, however often it does that.
    pub(crate) fn catch_up(&mut self, env: &mut Env<'_>, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        let (inbox, last) = (env.router.inbox(env.shard), session.last_delivery);
        let cut = self.cursor.as_ref().filter(|cursor| cursor.position > last);
        if cut.is_none() && !inbox.has_newer(last) {
            return;
        }
        let mut since = self.hash.map();
        for Subscription { pattern, place, .. } in &session.subscriptions {
            let places = self.index.get(pattern).map_or(&[][..], Subscribers::places);
            if let Some(Some(subscriber)) = places.get(*place) {
                since.insert(&**pattern, subscriber.since);
            }
        }
        let wanted = |position: Position, delivery: &Delivery| {
            delivery.keys().iter().any(|key| since.get(key).is_some_and(|since| *since <= position))
        };
        let cut = cut.filter(|cursor| wanted(cursor.position, &cursor.delivery));
        let mut waiting: Vec<_> = cut.map(|cursor| (cursor.position, cursor.delivery.clone())).into_iter().collect();
        let (end, newer) = inbox.newer(last, wanted);
        waiting.extend(newer);
        self.give(env, key, &waiting);
        if let Some(session) = self.sessions.get_mut(key) {
            session.last_delivery = session.last_delivery.max(end);
        }
    }

    fn give(&mut self, env: &mut Env<'_>, key: SessionKey, waiting: &[(Position, Arc<Delivery>)]) {
        let mut given = 0;
        for (position, delivery) in waiting {
            match hand_over(env, &mut self.sessions, &mut self.links, key, *position, delivery) {
                Ok(delivered) => given += usize::from(delivered),
                Err(Overflow) => {
                    self.end_overflowed(env, vec![key]);
                    break;
                }
            }
        }
        self.memory += given * ENTRY_BYTES;
        count_many(&env.counters.deliveries, given);
    }

    fn deliver(&mut self, env: &mut Env<'_>, mut cursor: Cursor, budget: &mut usize) {
        let mut overflowed: Vec<SessionKey> = Vec::new();
        let mut delivered = 0;
        let delivery = cursor.delivery.clone();
        for key in delivery.keys().iter().skip(cursor.key) {
            let Self { index, sessions, links, .. } = self;
            let places = index.get(key).map_or(&[][..], Subscribers::places);
            let some = places[cursor.place..].iter().take(*budget);
            *budget -= some.len();
            cursor.place += some.len();
            for subscriber in some.flatten().filter(|subscriber| subscriber.since <= cursor.position) {
                match hand_over(env, sessions, links, subscriber.session, cursor.position, &delivery) {
                    Ok(true) => delivered += 1,
                    Ok(false) => {}
                    Err(Overflow) => overflowed.push(subscriber.session),
                }
            }
            if cursor.place < places.len() {
                break;
            }
            cursor.key += 1;
            cursor.place = 0;
        }
        self.memory += delivered * ENTRY_BYTES;
        cursor.places = cursor.places.saturating_sub(delivered * ENTRY_BYTES);
        count_many(&env.counters.deliveries, delivered);
        if cursor.key < delivery.keys().len() {
            self.cursor = Some(cursor);
        }
        self.end_overflowed(env, overflowed);
        if self.cursor.is_none() {
            for pattern in std::mem::take(&mut self.untidy) {
                self.tidy(&pattern);
            }
        }
    }

    #[cold]
    fn end_overflowed(&mut self, env: &mut Env<'_>, sessions: Vec<SessionKey>) {
        for key in sessions {
            count(&env.counters.sessions_overflowed);
            self.close(env, key, Ending::SessionGone, "outbox full");
        }
    }
}

/// Puts the delivery into one outbox, once, and collects the waker of its connection.
#[inline]
fn hand_over(
    env: &mut Env<'_>,
    sessions: &mut Store<Session>,
    links: &mut Store<Link>,
    key: SessionKey,
    position: Position,
    delivery: &Arc<Delivery>,
) -> Result<bool, Overflow> {
    let Some(session) = sessions.get_mut(key) else {
        return Ok(false);
    };
    if session.last_delivery >= position || delivery.publisher() == Some(&session.id) {
        return Ok(false);
    }
    session.last_delivery = position;
    let config = env.config;
    session.outbox.push(position, delivery, config.max_queue, config.max_queue_bytes)?;
    if let Receiving::Here(link) = session.receiving
        && let Some(link) = links.get_mut(link)
    {
        env.wakes.push(link.waker.take());
    }
    Ok(true)
}
