//! `Pumper`: who delivers from the inboxes and fires the deadlines. One for each worker; shards are shared out among them.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
    task::Waker,
};

use crate::{Engine, Pumped, Time, inbox::Position};

/// Lock holds of one shard before a pumper lets others on its thread run: 16 x 1,024 subscribers take 1 to 2 ms, and what
/// they got in that time goes out in one write each.
const ROUNDS: usize = 16;

/// Tells a pumper from all others of its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PumperId(u64);

/// Up to where a shard was pumped behind a [mark](Pumper::mark), and by whom.
#[derive(Clone, Copy)]
pub(crate) struct Marked {
    pub(crate) by: PumperId,
    pub(crate) mark: Mark,
}

/// The place of a mark in a shard's stream of deliveries.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    /// Not this one, but all that are older.
    pub(crate) end: Position,
    /// Something waited. Where nothing did, nobody was to learn anything.
    pub(crate) waits: bool,
}

/// A registration: as long as it lives, some shards are pumped by its owner alone.
pub struct Pumper {
    engine: Arc<Engine>,
    id: u64,
    /// What the next pump delivers is older than these, one for each shard.
    marks: Box<[Cell<Option<Mark>>]>,
}

impl Pumper {
    /// Registers; the shards are shared out anew.
    pub fn register(engine: Arc<Engine>) -> Self {
        let id = engine.owners.join();
        engine.owners.wake_all();
        let marks = (0..engine.shards()).map(|_| Cell::new(None)).collect();
        Self { engine, id, marks }
    }

    /// Which of the engine's pumpers this is.
    pub const fn id(&self) -> PumperId {
        PumperId(self.id)
    }

    /// The next pump delivers only what was published before this, and has more to do if there is more. What the caller learns
    /// of its connections in between is so never older than what they are given; see [`Take::Frame`](crate::Take::Frame).
    /// Returns whether something waits to be delivered; else there is nothing to learn first.
    pub fn mark(&self) -> bool {
        let mut waits = false;
        for (shard, mark) in self.marks.iter().enumerate() {
            let nothing = Mark { end: Position::default(), waits: false };
            let here = if self.owns(shard) { self.engine.router().inbox(shard).mark() } else { nothing };
            mark.set(Some(here));
            waits |= here.waits;
        }
        waits
    }

    /// Pumps this pumper's shards. With nothing more to do, `waker` is fired when there is, and the caller pumps again at
    /// `next` at the latest.
    pub fn pump(&self, now: Time, waker: &Waker) -> Pumped {
        self.engine.owners.park(self.id, waker);
        let mut all = Pumped { more: false, next: None };
        for (shard, mark) in self.marks.iter().enumerate() {
            let mark = mark.take();
            if !self.owns(shard) {
                continue;
            }
            self.park(shard, waker);
            if !self.owns(shard) {
                // It was given to another one meanwhile, whose waker this one may have replaced.
                self.engine.owners.wake_all();
                continue;
            }
            let marked = mark.map(|mark| Marked { by: self.id(), mark });
            let mut pumped = self.engine.pump_marked(shard, now, marked);
            for _ in 1..ROUNDS {
                if !pumped.more {
                    break;
                }
                pumped = self.engine.pump_marked(shard, now, marked);
            }
            all.more |= pumped.more || !self.engine.router().inbox(shard).is_empty();
            all.next = [all.next, pumped.next].into_iter().flatten().min();
        }
        all
    }

    /// Pumps one shard once, delivering to at most `subscribers`: a simulation decides which shard is next and where its
    /// fan-out is cut. `waker` is fired when this shard has more to do.
    pub fn pump_shard(&self, shard: usize, now: Time, subscribers: usize, waker: &Waker) -> Pumped {
        self.park(shard, waker);
        self.engine.pump_within(shard, now, None, subscribers.max(1))
    }

    fn owns(&self, shard: usize) -> bool {
        self.engine.owners.owns(self.id, shard)
    }

    /// First the waker, then the work: a push in between wakes, and is seen the next time.
    fn park(&self, shard: usize, waker: &Waker) {
        drop(self.engine.router().park_pumper(shard, waker));
    }
}

impl Drop for Pumper {
    fn drop(&mut self) {
        self.engine.owners.part(self.id);
        self.engine.owners.wake_all();
    }
}

/// Which pumper owns which shard.
pub(crate) struct Owners {
    pumpers: Mutex<Pumpers>,
    /// Zero is nobody.
    shards: Box<[AtomicU64]>,
}

struct Pumpers {
    registered: Vec<Registered>,
    next: u64,
}

struct Registered {
    id: u64,
    /// Fired when the shards are shared out anew: a pumper without a shard may get one.
    waker: Option<Waker>,
}

impl Owners {
    pub(crate) fn new(shards: usize) -> Self {
        let pumpers = Mutex::new(Pumpers { registered: Vec::new(), next: 1 });
        Self { pumpers, shards: (0..shards).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn is_owned(&self, shard: usize) -> bool {
        self.shards[shard].load(Acquire) != 0
    }

    fn owns(&self, id: u64, shard: usize) -> bool {
        self.shards[shard].load(Acquire) == id
    }

    fn join(&self) -> u64 {
        let mut pumpers = self.lock();
        let id = pumpers.next;
        pumpers.next += 1;
        pumpers.registered.push(Registered { id, waker: None });
        self.share_out(&pumpers.registered);
        id
    }

    fn part(&self, id: u64) {
        let parted = {
            let mut pumpers = self.lock();
            let at = pumpers.registered.iter().position(|registered| registered.id == id);
            let parted = at.map(|at| pumpers.registered.remove(at));
            self.share_out(&pumpers.registered);
            parted
        };
        drop(parted);
    }

    fn park(&self, id: u64, waker: &Waker) {
        let replaced = {
            let mut pumpers = self.lock();
            let mine = pumpers.registered.iter_mut().find(|registered| registered.id == id);
            mine.filter(|mine| !mine.waker.as_ref().is_some_and(|kept| kept.will_wake(waker)))
                .and_then(|mine| mine.waker.replace(waker.clone()))
        };
        drop(replaced);
    }

    fn wake_all(&self) {
        let wakers: Vec<Waker> = self.lock().registered.iter_mut().filter_map(|it| it.waker.take()).collect();
        for waker in wakers {
            waker.wake();
        }
    }

    fn share_out(&self, pumpers: &[Registered]) {
        for (shard, owner) in self.shards.iter().enumerate() {
            owner.store(pumpers.get(shard % pumpers.len().max(1)).map_or(0, |pumper| pumper.id), Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pumpers> {
        self.pumpers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
