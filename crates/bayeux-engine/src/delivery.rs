//! `Delivery`: a published message on its way. Encoded once, shared by every subscriber.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bayeux_protocol::{ChannelName, Json, MatchKeys, encode_delivery_head};
use bytes::Bytes;

use crate::ClientId;

/// A published message: `{"channel":…,"data":…` as bytes without the closing brace, so that `ext` can be appended per
/// session without encoding again. Nothing else of the publisher's message is kept (BX-HRD-10).
#[derive(Debug)]
pub struct Delivery {
    head: Bytes,
    keys: MatchKeys,
    publisher: Option<ClientId>,
    /// The gauge of the engine that counts it, once it is counted.
    charged: OnceLock<Arc<AtomicUsize>>,
}

/// Counts of references, the place in a queue, and what an allocator adds to three small allocations.
const OVERHEAD: usize = 96;

impl Delivery {
    /// Encodes `data` for `channel`.
    pub fn new(channel: &ChannelName, data: &Json) -> Self {
        Self::with_head(encode_delivery_head(channel, data), channel)
    }

    /// As it was exported: `head` is what [`Delivery::head`] gave.
    pub(crate) fn from_head(channel: &ChannelName, head: &[u8]) -> Self {
        Self::with_head(Bytes::copy_from_slice(head), channel)
    }

    fn with_head(head: Bytes, channel: &ChannelName) -> Self {
        Self { head, keys: MatchKeys::new(channel), publisher: None, charged: OnceLock::new() }
    }

    /// The message as it travels, without the closing brace.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The channel: the first of the keys.
    pub fn channel(&self) -> &str {
        self.keys.iter().next().unwrap_or_default()
    }

    /// Marks the session that must not get its own message back.
    pub(crate) fn not_to(mut self, publisher: ClientId) -> Self {
        self.publisher = Some(publisher);
        self
    }

    pub(crate) const fn publisher(&self) -> Option<&ClientId> {
        self.publisher.as_ref()
    }

    /// The texts of all patterns that match the channel.
    pub(crate) const fn keys(&self) -> &MatchKeys {
        &self.keys
    }

    /// Bytes on the wire.
    pub(crate) fn size(&self) -> usize {
        self.head.len() + 1
    }

    /// What it counts against outboxes and inboxes: the memory that it takes, with the place in the queue.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + OVERHEAD + self.head.len() + self.keys.memory()
    }

    /// Counts it in `gauge` until it is dropped, unless it is counted already.
    pub(crate) fn charge(&self, gauge: &Arc<AtomicUsize>) {
        if self.charged.set(gauge.clone()).is_ok() {
            gauge.fetch_add(self.weight(), Relaxed);
        }
    }

    pub(crate) fn charged_to(&self, gauge: &Arc<AtomicUsize>) -> bool {
        self.charged.get().is_some_and(|charged| Arc::ptr_eq(charged, gauge))
    }

    /// Appends the finished message.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.push(b'}');
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(gauge) = self.charged.get() {
            gauge.fetch_sub(self.weight(), Relaxed);
        }
    }
}
