//! `Outbox`: what waits to be sent, in the order in which it was asked for.
//!
//! Its limits are for publishes and calls: one more than they allow is refused, and nothing that was taken is dropped for it.

use std::collections::VecDeque;

use super::request::Kind;

/// A batch has no more messages and, unless it is one message, no more bytes than this. Servers take at least that much.
pub(super) const BATCH_MESSAGES: usize = 100;
const BATCH_BYTES: usize = 32 * 1024;

#[derive(Debug)]
pub(super) struct Outbox {
    queue: VecDeque<Kind>,
    /// So many at its front were sent before, had no effect, and keep their order.
    requeued: usize,
    messages: usize,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

impl Outbox {
    pub(super) const fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { queue: VecDeque::new(), requeued: 0, messages: 0, bytes: 0, max_messages, max_bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes a publish or call, unless it is one too many.
    pub(super) fn push(&mut self, kind: Kind) -> Result<(), Kind> {
        if self.messages >= self.max_messages || self.bytes + kind.len() > self.max_bytes {
            return Err(kind);
        }
        self.push_free(kind);
        Ok(())
    }

    /// Takes what is bounded otherwise: there are as many subscriptions as the application has streams.
    pub(super) fn push_free(&mut self, kind: Kind) {
        self.count(&kind);
        self.queue.push_back(kind);
    }

    /// Puts a request that had no effect back to where it was.
    pub(super) fn requeue(&mut self, kind: Kind) {
        self.count(&kind);
        self.queue.insert(self.requeued, kind);
        self.requeued += 1;
    }

    /// The next batch.
    pub(super) fn pop_batch(&mut self) -> Vec<Kind> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(kind) = self.queue.front() {
            bytes += kind.len() + 100;
            if batch.len() == BATCH_MESSAGES || (!batch.is_empty() && bytes > BATCH_BYTES) {
                break;
            }
            batch.extend(self.pop());
        }
        batch
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Vec<Kind> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Takes out what was about subscriptions of a session that is gone.
    pub(super) fn forget_session(&mut self) -> Vec<Kind> {
        let requeued = self.requeued;
        let all = self.drain();
        let (gone, kept): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|kind| matches!(kind, Kind::Subscribe { .. } | Kind::Unsubscribe { .. }));
        kept.into_iter().for_each(|kind| self.push_free(kind));
        // Only publishes are requeued, so all of them were kept.
        self.requeued = requeued;
        gone
    }

    fn pop(&mut self) -> Option<Kind> {
        let kind = self.queue.pop_front()?;
        self.requeued = self.requeued.saturating_sub(1);
        if is_counted(&kind) {
            self.messages -= 1;
            self.bytes -= kind.len();
        }
        Some(kind)
    }

    fn count(&mut self, kind: &Kind) {
        if is_counted(kind) {
            self.messages += 1;
            self.bytes += kind.len();
        }
    }
}

const fn is_counted(kind: &Kind) -> bool {
    matches!(kind, Kind::Publish { .. } | Kind::Call { .. })
}
