//! `Outbox`: what waits for one session, in order (BX-DL-6), bounded in bytes and messages (BX-LM-2), handed over in two phases.

use std::{collections::VecDeque, sync::Arc};

use crate::{Delivery, inbox::Position};

/// Entries leave only by [`Outbox::commit`]: what is written to a connection that breaks is still here.
#[derive(Default)]
pub(crate) struct Outbox {
    entries: VecDeque<(Position, Arc<Delivery>)>,
    bytes: usize,
}

/// What one write takes: everything up to and including `through`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Messages in front of it, which its connection has already.
    skip: usize,
    pub(crate) through: Position,
    pub(crate) messages: usize,
    /// Their size, each with a comma.
    pub(crate) bytes: usize,
}

/// The outbox is full: the session ends, since skipping a message would lose it silently.
#[derive(Debug)]
pub(crate) struct Overflow;

impl Outbox {
    pub(crate) fn push(
        &mut self,
        position: Position,
        delivery: &Arc<Delivery>,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<(), Overflow> {
        let weight = delivery.weight();
        if self.entries.len() >= max_messages || self.bytes.saturating_add(weight) > max_bytes {
            return Err(Overflow);
        }
        self.bytes += weight;
        self.entries.push_back((position, delivery.clone()));
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Position, Arc<Delivery>)> {
        self.entries.iter()
    }

    /// Whether the first message waits for others too.
    pub(crate) fn is_shared(&self) -> bool {
        self.entries.front().is_some_and(|(_, delivery)| Arc::strong_count(delivery) > 2)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether something waits behind `after`.
    pub(crate) fn has_after(&self, after: Position) -> bool {
        self.entries.back().is_some_and(|(position, _)| *position > after)
    }

    /// What the next write may take of what is behind `after`: at least one message, then as many as fit `max_bytes`. `None` if
    /// nothing waits.
    pub(crate) fn peek(&self, after: Position, max_bytes: usize) -> Option<Batch> {
        let skip = match self.entries.front() {
            Some((first, _)) if *first <= after => self.entries.partition_point(|(position, _)| *position <= after),
            _ => 0,
        };
        let (first, rest) = (self.entries.get(skip)?, self.entries.iter().skip(skip + 1));
        let mut batch = Batch { skip, through: first.0, messages: 1, bytes: first.1.size() + 1 };
        for (position, delivery) in rest {
            let bytes = batch.bytes + delivery.size() + 1;
            if bytes > max_bytes {
                break;
            }
            batch = Batch { skip, through: *position, messages: batch.messages + 1, bytes };
        }
        Some(batch)
    }

    /// How many messages of `batch` are not behind `position`.
    pub(crate) fn through(&self, batch: Batch, position: Position) -> usize {
        let messages = self.entries.iter().skip(batch.skip).take(batch.messages);
        messages.take_while(|(at, _)| *at <= position).count()
    }

    /// Appends the messages of `batch`, each followed by a comma.
    pub(crate) fn write(&self, batch: Batch, out: &mut Vec<u8>) {
        for (_, delivery) in self.entries.iter().skip(batch.skip).take(batch.messages) {
            delivery.write(out);
            out.push(b',');
        }
    }

    /// Everything through this position was handed over. Returns how many messages that were.
    pub(crate) fn commit(&mut self, through: Position) -> usize {
        let before = self.entries.len();
        while let Some((position, delivery)) = self.entries.front() {
            if *position > through {
                break;
            }
            self.bytes -= delivery.weight();
            self.entries.pop_front();
        }
        let committed = before - self.entries.len();
        // An idle session keeps no buffer that a burst left behind.
        if self.entries.is_empty() && self.entries.capacity() > 16 {
            self.entries = VecDeque::new();
        }
        committed
    }
}
