//! `Router`: the way of a publish to the inboxes of the shards that want it, and whom to wake there.

use std::{
    sync::{Arc, PoisonError},
    task::Waker,
};

use crate::{
    Delivery,
    hash::Keyed,
    inbox::{Inbox, Reservation},
    interest::{Interest, ShardSet, Target},
    memory::{ENTRY_BYTES, Memory},
    stats::Counters,
    sync::Mutex,
    wake::WakeList,
};

pub(crate) struct Router {
    pub(crate) interest: Interest,
    lanes: Box<[Lane]>,
}

/// A shard's side of the router.
struct Lane {
    inbox: Inbox,
    /// The pumper that sleeps, if it does.
    pumper: Mutex<Option<Waker>>,
}

/// An interested inbox, or the node, has no room: the publish goes nowhere.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl Router {
    pub(crate) fn new(shards: usize, hash: Keyed, limit: usize, pause: usize) -> Self {
        let lane = |_| Lane { inbox: Inbox::new(limit, pause), pumper: Mutex::new(None) };
        Self { interest: Interest::new(hash), lanes: (0..shards).map(lane).collect() }
    }

    /// Pushes to every interested shard, or to none, with room in the node's memory for every place that it will take.
    pub(crate) fn route(
        &self,
        delivery: &Arc<Delivery>,
        memory: &Memory,
        counters: &Counters,
        wakes: &mut WakeList,
    ) -> Result<ShardSet, NoRoom> {
        let targets = self.interest.targets(delivery.keys());
        let places = targets.iter().map(Target::places).sum();
        memory.admit(delivery, places, counters)?;
        let mut taken: Vec<(Target, Reservation)> = Vec::with_capacity(targets.len());
        for target in &targets {
            let Some(room) = self.inbox(target.shard).reserve(delivery.weight()) else {
                for (target, room) in taken {
                    self.inbox(target.shard).give_back(room, wakes);
                }
                memory.release(places);
                return Err(NoRoom);
            };
            taken.push((*target, room));
        }
        for (target, room) in taken {
            self.inbox(target.shard).push(room, delivery.clone(), target.places());
            wakes.push(self.take_pumper(target.shard));
        }
        Ok(ShardSet::of(&targets))
    }

    pub(crate) fn inbox(&self, shard: usize) -> &Inbox {
        &self.lanes[shard].inbox
    }

    /// The waker of the shard's pumper, if it sleeps.
    pub(crate) fn take_pumper(&self, shard: usize) -> Option<Waker> {
        self.lanes[shard].pumper.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lets the shard's pumper sleep; returns a waker it replaces, to be dropped after unlock.
    pub(crate) fn park_pumper(&self, shard: usize, waker: &Waker) -> Option<Waker> {
        self.lanes[shard].pumper.lock().unwrap_or_else(PoisonError::into_inner).replace(waker.clone())
    }

    /// Whether one of these inboxes is over its mark; if so `waker` is fired when that one has drained.
    pub(crate) fn pause(&self, shards: ShardSet, waker: &Waker) -> bool {
        shards.iter().filter_map(|shard| self.lanes.get(shard)).any(|lane| lane.inbox.pause(waker))
    }
}

impl Target {
    /// Bytes of the places in outboxes there.
    const fn places(&self) -> usize {
        self.subscribers * ENTRY_BYTES
    }
}

#[cfg(all(test, loom))]
mod tests;
