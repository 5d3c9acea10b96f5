//! HOT PATH: from the inbox to the outboxes. Budget per subscriber: one list entry, one session, one link; no hashing, no
//! allocation but the outbox's growth, no log.

use std::{collections::VecDeque, sync::Arc};

use super::{Env, Shard};
use crate::{
    Delivery,
    inbox::{Entry, Position},
    leavers::Leaver,
    link::{Ending, Link},
    memory::ENTRY_BYTES,
    outbox::Overflow,
    session::{Receiving, Session, SessionKey},
    stats::{count, count_many},
    store::Store,
    subscription::Subscribers,
};

/// Where a fan-out that its budget cut goes on. It is finished before the next entry of the inbox is looked at.
pub(crate) struct Cursor {
    position: Position,
    delivery: Arc<Delivery>,
    /// Which of the delivery's match keys, and which place in that pattern's list: first all lists of subscribers, then all of leavers.
    step: usize,
    place: usize,
    /// What is left of the bytes reserved for its places in outboxes.
    places: usize,
}

impl Cursor {
    pub(super) const fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    pub(super) const fn position(&self) -> Position {
        self.position
    }

    pub(super) const fn places(&self) -> usize {
        self.places
    }
}

impl Shard {
    /// Delivers what is older than `end` to at most `budget` subscribers. Returns whether something of it is left.
    pub(crate) fn fan_out(&mut self, env: &mut Env<'_>, end: Position, mut budget: usize) -> bool {
        loop {
            let cursor = match self.cursor.take() {
                Some(cursor) => cursor,
                None => match env.router.inbox(env.shard).pop_before(end, env.wakes) {
                    Some(Entry { position, delivery, places }) => {
                        self.places += places;
                        Cursor { position, delivery, step: 0, place: 0, places }
                    }
                    None => return false,
                },
            };
            self.deliver(env, cursor, &mut budget);
            // A delivery that nobody wants any more is work too.
            budget = budget.saturating_sub(1);
            if budget == 0 {
                return self.cursor.is_some() || env.router.inbox(env.shard).has_before(end);
            }
        }
    }

    /// Delivers all entries older than `end`.
    pub(crate) fn fan_out_before(&mut self, env: &mut Env<'_>, end: Position) {
        while self.cursor.is_some() || env.router.inbox(env.shard).has_before(end) {
            self.fan_out(env, end, 1);
        }
    }

    fn deliver(&mut self, env: &mut Env<'_>, mut cursor: Cursor, budget: &mut usize) {
        let mut overflowed: Vec<SessionKey> = Vec::new();
        let mut delivered = 0;
        let delivery = cursor.delivery.clone();
        let keys = delivery.keys();
        for key in keys.iter().skip(cursor.step) {
            let Self { index, sessions, links, .. } = self;
            let places = index.get(key).map_or(&[][..], Subscribers::places);
            let some = places[cursor.place..].iter().take(*budget);
            *budget -= some.len();
            cursor.place += some.len();
            for subscriber in some.flatten().filter(|subscriber| subscriber.since <= cursor.position) {
                match hand_over(env, sessions, links, subscriber.session, &cursor) {
                    Ok(true) => delivered += 1,
                    Ok(false) => {}
                    Err(Overflow) => overflowed.push(subscriber.session),
                }
            }
            if cursor.place < places.len() {
                break;
            }
            cursor.step += 1;
            cursor.place = 0;
        }
        if cursor.step >= keys.len() && !self.leavers.is_empty() {
            delivered += self.deliver_to_leavers(env, &mut cursor, budget, &mut overflowed);
        }
        self.memory += delivered * ENTRY_BYTES;
        cursor.places = cursor.places.saturating_sub(delivered * ENTRY_BYTES);
        count_many(&env.counters.deliveries, delivered);
        let steps = if self.leavers.is_empty() { keys.len() } else { 2 * keys.len() };
        if cursor.step < steps {
            self.cursor = Some(cursor);
        } else {
            self.memory -= self.leavers.pass(cursor.position);
        }
        self.end_overflowed(env, overflowed);
        if self.cursor.is_none() {
            for pattern in std::mem::take(&mut self.untidy) {
                self.tidy(&pattern);
            }
        }
    }

    /// To those whose subscriptions have ended since it was published. After the others: who leaves while the fan-out is under way has
    /// had it or is found here.
    #[cold]
    fn deliver_to_leavers(
        &mut self,
        env: &mut Env<'_>,
        cursor: &mut Cursor,
        budget: &mut usize,
        overflowed: &mut Vec<SessionKey>,
    ) -> usize {
        let mut delivered = 0;
        let delivery = cursor.delivery.clone();
        let keys = delivery.keys();
        for key in keys.iter().skip(cursor.step - keys.len()) {
            let Self { leavers, sessions, links, .. } = self;
            let list = leavers.get(key);
            let length = list.map_or(0, VecDeque::len);
            let some = list.into_iter().flat_map(|list| list.iter().skip(cursor.place)).take(*budget);
            let (until, first) = (length.min(cursor.place + *budget), cursor.place);
            for Leaver { subscriber, last } in some {
                if (subscriber.since..=*last).contains(&cursor.position) {
                    match hand_over(env, sessions, links, subscriber.session, cursor) {
                        Ok(true) => delivered += 1,
                        Ok(false) => {}
                        Err(Overflow) => overflowed.push(subscriber.session),
                    }
                }
            }
            *budget -= until - first;
            cursor.place = until;
            if cursor.place < length {
                break;
            }
            cursor.step += 1;
            cursor.place = 0;
        }
        delivered
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
    cursor: &Cursor,
) -> Result<bool, Overflow> {
    let Some(session) = sessions.get_mut(key) else {
        return Ok(false);
    };
    if session.last_delivery == cursor.position || cursor.delivery.publisher() == Some(&session.id) {
        return Ok(false);
    }
    session.last_delivery = cursor.position;
    let config = env.config;
    session.outbox.push(cursor.position, &cursor.delivery, config.max_queue, config.max_queue_bytes)?;
    if let Receiving::Here(link) = session.receiving
        && let Some(link) = links.get_mut(link)
    {
        env.wakes.push(link.waker.take());
    }
    Ok(true)
}
