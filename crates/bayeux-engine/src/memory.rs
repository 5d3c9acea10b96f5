//! `Memory`: what the sessions of a node cost, in bytes, against the one budget of `max_memory`. What would add to it is
//! refused at the budget; what was accepted is delivered.
//!
//! The hot path counts in plain numbers: a shard keeps a sum of its own, which is published once for each time it is locked.
//! Only a delivery itself is counted by an atomic, once when it is made and once when the last reference to it is dropped.
//! Calls that look at the same moment may all pass, and the places that an accepted message takes in outboxes are counted as it is
//! delivered, so the sum goes over the budget by what they add: 32 bytes for each message and subscriber under way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::{
    Delivery,
    client_id::ClientId,
    inbox::Position,
    link::Link,
    router::NoRoom,
    session::{Session, SessionKey},
    stats::{Counters, count},
    subscription::{Subscriber, Subscribers, Subscription},
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
/// A subscription: the session's side and the index's.
pub(crate) const SUBSCRIPTION_BYTES: usize = SLACK * (size_of::<Subscription>() + size_of::<Option<Subscriber>>());

/// A pattern that somebody of a shard subscribes to, in the index and in the interest.
pub(crate) const fn pattern_bytes(pattern: &str) -> usize {
    pattern.len() + SLACK * (size_of::<(Arc<str>, Subscribers)>() + size_of::<(Arc<str>, u64)>()) + ALLOCATIONS
}

pub(crate) struct Memory {
    limit: usize,
    deliveries: Arc<AtomicUsize>,
    shards: Box<[Published]>,
}

/// A shard's sum, written under its lock; on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Published(AtomicUsize);

impl Memory {
    /// A budget of `limit` bytes; 0 is none.
    pub(crate) fn new(limit: usize, shards: usize) -> Self {
        let limit = if limit == 0 { usize::MAX } else { limit };
        Self { limit, deliveries: Arc::default(), shards: (0..shards).map(|_| Published::default()).collect() }
    }

    /// Bytes in use, as of the last time each shard was unlocked.
    pub(crate) fn used(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.load(Relaxed)).sum::<usize>() + self.deliveries.load(Relaxed)
    }

    /// Whether so much more may be taken; counts if not.
    pub(crate) fn room(&self, bytes: usize, counters: &Counters) -> Result<(), NoRoom> {
        if self.used().saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        count(&counters.memory_refused);
        Err(NoRoom)
    }

    /// Takes a delivery in, and counts it until it is dropped.
    pub(crate) fn admit(&self, delivery: &Delivery, counters: &Counters) -> Result<(), NoRoom> {
        self.room(delivery.weight(), counters)?;
        self.charge(delivery);
        Ok(())
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
