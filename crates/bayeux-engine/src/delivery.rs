//! `Delivery`: a published message on its way. Encoded once, shared by every subscriber.

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
}

/// Counts of references, the place in a queue, and what an allocator adds to three small allocations.
const OVERHEAD: usize = 96;

impl Delivery {
    /// Encodes `data` for `channel`.
    pub fn new(channel: &ChannelName, data: &Json) -> Self {
        Self { head: encode_delivery_head(channel, data), keys: MatchKeys::new(channel), publisher: None }
    }

    /// As it was exported: `head` is what [`Delivery::head`] gave.
    pub(crate) fn from_head(channel: &ChannelName, head: &[u8]) -> Self {
        Self { head: Bytes::copy_from_slice(head), keys: MatchKeys::new(channel), publisher: None }
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

    /// Appends the finished message.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.push(b'}');
    }
}
