//! `Inbox`: the publishes that wait for fan-out in one shard, numbered, first in first out, bounded in bytes.
//!
//! A publish reserves room in every interested inbox before it pushes to the first, so it is delivered to all or refused.

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError,
        atomic::Ordering::{Acquire, Release},
    },
    task::Waker,
};

use crate::{
    Delivery,
    pumper::Mark,
    sync::{AtomicBool, Mutex, MutexGuard},
    wake::WakeList,
};

/// The place of an entry in a shard's stream of deliveries. Starts at 1, never repeats, stays below 2^53 (at a million a
/// second for 285 years); also the position of the entry in every outbox it reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(pub(crate) u64);

impl Position {
    /// Above every position.
    pub(crate) const END: Self = Self(1 << 53);
}

pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    /// Whether it is over its mark: looked at before every read of a connection, so without the lock.
    over: AtomicBool,
    limit: usize,
    pause: usize,
}

/// A publish that waits.
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) delivery: Arc<Delivery>,
    /// Bytes of the node's memory that are [reserved](crate::memory::Memory::reserve) for its places in outboxes.
    pub(crate) places: usize,
}

struct Queue {
    entries: VecDeque<Entry>,
    next: Position,
    /// Bytes queued and reserved.
    bytes: usize,
    /// Connections of publishers that wait until the inbox has drained to its mark; one each.
    paused: Vec<Waker>,
}

/// Room taken in an inbox; to be used by a push or given back.
#[must_use]
pub(crate) struct Reservation(usize);

impl Inbox {
    pub(crate) fn new(limit: usize, pause: usize) -> Self {
        let queue = Queue { entries: VecDeque::new(), next: Position(1), bytes: 0, paused: Vec::new() };
        Self { queue: Mutex::new(queue), over: AtomicBool::new(false), limit, pause }
    }

    /// Takes room for `size` bytes; `None` when the inbox is full.
    pub(crate) fn reserve(&self, size: usize) -> Option<Reservation> {
        let mut queue = self.lock();
        if queue.bytes.saturating_add(size) > self.limit {
            return None;
        }
        queue.bytes += size;
        self.over.store(queue.bytes > self.pause, Release);
        Some(Reservation(size))
    }

    /// Publishers that were paused meanwhile go on, as after a [pop](Inbox::pop).
    pub(crate) fn give_back(&self, reservation: Reservation, wakes: &mut WakeList) {
        let mut queue = self.lock();
        queue.bytes -= reservation.0;
        self.over.store(queue.bytes > self.pause, Release);
        if queue.bytes <= self.pause {
            for waker in std::mem::take(&mut queue.paused) {
                wakes.push(Some(waker));
            }
        }
    }

    pub(crate) fn push(&self, _room: Reservation, delivery: Arc<Delivery>, places: usize) {
        let mut queue = self.lock();
        let position = queue.next;
        queue.next = Position(position.0 + 1);
        queue.entries.push_back(Entry { position, delivery, places });
    }

    /// The number the next entry will get: what a subscription born now remembers as its beginning.
    pub(crate) fn next_position(&self) -> Position {
        self.lock().next
    }

    /// Everything older than what comes next.
    pub(crate) fn mark(&self) -> Mark {
        let queue = self.lock();
        Mark { end: queue.next, waits: !queue.entries.is_empty() }
    }

    /// Numbers further entries above `last`: a session has come here with its own.
    pub(crate) fn number_after(&self, last: Position) {
        let mut queue = self.lock();
        queue.next = queue.next.max(Position(last.0 + 1));
    }

    /// Whether an entry older than `end` waits.
    pub(crate) fn has_before(&self, end: Position) -> bool {
        self.lock().entries.front().is_some_and(|entry| entry.position < end)
    }

    /// The newest entry that waits.
    pub(crate) fn newest(&self) -> Option<Position> {
        self.lock().entries.back().map(|entry| entry.position)
    }

    /// Takes the oldest entry, if it is older than `end`. Publishers that were paused go on once the inbox is at its mark again.
    pub(crate) fn pop_before(&self, end: Position, wakes: &mut WakeList) -> Option<Entry> {
        let mut queue = self.lock();
        let entry = queue.entries.pop_front_if(|entry| entry.position < end)?;
        queue.bytes -= entry.delivery.weight();
        self.over.store(queue.bytes > self.pause, Release);
        if queue.bytes <= self.pause && !queue.paused.is_empty() {
            for waker in std::mem::take(&mut queue.paused) {
                wakes.push(Some(waker));
            }
        }
        if queue.entries.is_empty() && queue.entries.capacity() > 1024 {
            queue.entries = VecDeque::new();
        }
        Some(entry)
    }

    /// What waits, and the bytes reserved for its places in outboxes.
    pub(crate) fn waiting(&self) -> (Vec<Arc<Delivery>>, usize) {
        let queue = self.lock();
        let places = queue.entries.iter().map(|entry| entry.places).sum();
        (queue.entries.iter().map(|entry| entry.delivery.clone()).collect(), places)
    }

    /// Bytes queued and reserved.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Whether publishers are to pause; if so `waker` is fired when they may go on.
    pub(crate) fn pause(&self, waker: &Waker) -> bool {
        if !self.over.load(Acquire) {
            return false;
        }
        let mut queue = self.lock();
        if queue.bytes <= self.pause {
            return false;
        }
        if !queue.paused.iter().any(|other| other.will_wake(waker)) {
            queue.paused.push(waker.clone());
        }
        true
    }

    /// Drops what a lost shard can no longer deliver; numbers go on.
    pub(crate) fn clear(&self, wakes: &mut WakeList) -> VecDeque<Entry> {
        let mut queue = self.lock();
        let lost = std::mem::take(&mut queue.entries);
        let bytes: usize = lost.iter().map(|entry| entry.delivery.weight()).sum();
        queue.bytes -= bytes;
        self.over.store(queue.bytes > self.pause, Release);
        for waker in std::mem::take(&mut queue.paused) {
            wakes.push(Some(waker));
        }
        lost
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
