//! `Memory`: what the sessions of a node cost, in bytes, against the one budget of `max_memory`. What would add to it is
//! refused at the budget; what was accepted is delivered.
//!
//! The hot path counts in plain numbers: a shard keeps a sum of its own, which is published once for each time it is locked.
//! Only what shards share is counted by atomics: a delivery and a frame once when they are made and once when the last reference
//! is dropped; and the places that a delivery may take in outboxes, which are reserved before it is accepted and given back once
//! for each time that a shard was locked to take some. Calls that look at the same moment may all pass with what they bring
//! themselves, and a frame is written although the budget is used up, but then a short one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::{
    Delivery,
    client_id::ClientId,
    inbox::Position,
    interest::PATTERN_BYTES,
    leavers::Leaver,
    link::Link,
    router::NoRoom,
    session::{Session, SessionKey},
    stats::{Counters, count},
    subscription::{Subscriber, Subscribers, Subscription},
    sync::AtomicUsize as Modelled,
};

/// Tables and queues grow by doubling, so up to half of one may be empty.
const SLACK: usize = 2;
/// What an allocator adds to the small allocations of a session, or of a pattern.
const ALLOCATIONS: usize = 128;

/// A session: itself, its id in the table, its deadline, and its connection's link.
pub(crate) const SESSION_BYTES: usize =
    SLACK * (size_of::<Session>() + size_of::<(ClientId, SessionKey)>() + size_of::<Link>()) + ALLOCATIONS;
/// A place in an outbox; the message in it counts for itself.
pub(crate) const ENTRY_BYTES: usize = SLACK * size_of::<(Position, Arc<Delivery>)>();
/// A number that is remembered until it is acknowledged.
pub(crate) const NUMBER_BYTES: usize = SLACK * size_of::<(u64, Option<Position>)>();
/// A frame is made of so much in any case.
const SHORT_FRAME: usize = 4 * 1024;
/// A subscription: the session's side and the index's.
pub(crate) const SUBSCRIPTION_BYTES: usize = SLACK * (size_of::<Subscription>() + size_of::<Option<Subscriber>>());

/// A pattern that somebody of a shard subscribes to, in the index and in the interest.
pub(crate) const fn pattern_bytes(pattern: &str) -> usize {
    pattern.len() + SLACK * (size_of::<(Arc<str>, Subscribers)>() + PATTERN_BYTES) + ALLOCATIONS
}

/// A session and what is its alone: but for its subscriptions, and what it was lent.
pub(crate) fn session_bytes(session: &Session) -> usize {
    SESSION_BYTES + session.outbox.len() * ENTRY_BYTES + session.extension.bytes()
}

/// Of a subscription that has ended and is owed something.
pub(crate) fn leaver_bytes(pattern: &str) -> usize {
    SLACK * (size_of::<Leaver>() + size_of::<(Position, Arc<str>)>()) + pattern_bytes(pattern)
}

pub(crate) struct Memory {
    limit: usize,
    deliveries: Arc<AtomicUsize>,
    frames: Arc<AtomicUsize>,
    /// For places in outboxes that deliveries under way may take.
    places: Reserved,
    shards: Box<[Published]>,
}

/// What counts in a gauge until it is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    gauge: Arc<AtomicUsize>,
    bytes: usize,
}

#[derive(Default)]
#[repr(align(128))]
struct Reserved(Modelled);

/// A shard's sum, written under its lock; on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Published(AtomicUsize);

impl Memory {
    /// A budget of `limit` bytes; 0 is none.
    pub(crate) fn new(limit: usize, shards: usize) -> Self {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let shards = (0..shards).map(|_| Published::default()).collect();
        Self { limit, deliveries: Arc::default(), frames: Arc::default(), places: Reserved::default(), shards }
    }

    /// Bytes in use, as of the last time each shard was unlocked.
    pub(crate) fn used(&self) -> usize {
        let shards: usize = self.shards.iter().map(|shard| shard.0.load(Relaxed)).sum();
        shards + self.deliveries.load(Relaxed) + self.frames.load(Relaxed) + self.reserved()
    }

    /// Bytes of it that are reserved for places in outboxes.
    pub(crate) fn reserved(&self) -> usize {
        self.places.0.load(Relaxed)
    }

    /// Bytes of it in frames that connections share.
    pub(crate) fn frames(&self) -> usize {
        self.frames.load(Relaxed)
    }

    /// What a frame may take of `bytes`, which would be its size: as much as there is room for, and in any case a little.
    pub(crate) fn frame_room(&self, bytes: usize) -> usize {
        if bytes <= SHORT_FRAME { bytes } else { bytes.min(self.limit.saturating_sub(self.used())).max(SHORT_FRAME) }
    }

    /// Whether so much more may be taken; counts if not.
    pub(crate) fn room(&self, bytes: usize, counters: &Counters) -> Result<(), NoRoom> {
        if self.used().saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        count(&counters.memory_refused);
        Err(NoRoom)
    }

    /// Takes a delivery in, and counts it until it is dropped, together with so many bytes for its places in outboxes, which are
    /// to be [released](Memory::release).
    pub(crate) fn admit(&self, delivery: &Delivery, places: usize, counters: &Counters) -> Result<(), NoRoom> {
        // Reserved first: of those that come at the same moment each sees the others.
        self.places.0.fetch_add(places, Relaxed);
        if let Err(full) = self.room(delivery.weight(), counters) {
            self.release(places);
            return Err(full);
        }
        self.charge(delivery);
        Ok(())
    }

    /// Gives back what was reserved for places in outboxes.
    pub(crate) fn release(&self, places: usize) {
        if places > 0 {
            self.places.0.fetch_sub(places, Relaxed);
        }
    }

    /// Counts a frame that connections share, until what is returned is dropped.
    pub(crate) fn charge_frame(&self, bytes: usize) -> Charge {
        Charge::new(&self.frames, bytes)
    }

    /// Tells what a shard uses now.
    pub(crate) fn publish(&self, shard: usize, bytes: usize) {
        let published = &self.shards[shard].0;
        // Most calls change nothing; then the line stays where it is read.
        if published.load(Relaxed) != bytes {
            published.store(bytes, Relaxed);
        }
    }

    /// Counts a delivery until it is dropped. One that another engine of this process counts is left to that.
    pub(crate) fn charge(&self, delivery: &Delivery) {
        delivery.charge(&self.deliveries);
    }

    /// Whether it is this engine that counts the delivery.
    pub(crate) fn counts(&self, delivery: &Delivery) -> bool {
        delivery.charged_to(&self.deliveries)
    }
}

impl Charge {
    fn new(gauge: &Arc<AtomicUsize>, bytes: usize) -> Self {
        gauge.fetch_add(bytes, Relaxed);
        Self { gauge: gauge.clone(), bytes }
    }

    /// So many bytes more in the same gauge, until they are dropped themselves.
    pub(crate) fn another(&self, bytes: usize) -> Self {
        Self::new(&self.gauge, bytes)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.gauge.fetch_sub(self.bytes, Relaxed);
    }
}
