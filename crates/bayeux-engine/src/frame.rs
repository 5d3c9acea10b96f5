//! `Frame`: what a connection is to write. Many that get the same events get the same bytes.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock, Weak},
};

use bytes::Bytes;

use crate::{
    Delivery,
    memory::{Charge, Memory},
    outbox::Outbox,
};

/// One JSON array, behind [`HEADROOM`](crate::HEADROOM) free bytes.
#[derive(Clone, Debug)]
pub enum Frame {
    /// For this connection alone.
    Own(Vec<u8>),
    /// The same for others.
    Shared(Arc<SharedFrame>),
}

/// The bytes of a frame that many connections write.
#[derive(Debug)]
pub struct SharedFrame {
    bytes: Vec<u8>,
    framed: OnceLock<Bytes>,
    /// Counts it in the node's memory.
    _charge: Charge,
}

/// The events that a shard handed over last, if they were many sessions'.
pub(crate) struct LastBatch {
    /// Weak, so that the events themselves are not kept: their places in memory are, and so tell them from any others.
    events: Vec<Weak<Delivery>>,
    frame: Arc<SharedFrame>,
}

impl SharedFrame {
    /// What so many `messages` in `bytes` take: twice their bytes, since a transport may frame them anew, and what tells them from
    /// others.
    pub(crate) fn new(bytes: Vec<u8>, messages: usize, memory: &Memory) -> Self {
        let weight = 2 * bytes.capacity() + messages * (size_of::<Weak<Delivery>>() + size_of::<Delivery>());
        Self { bytes, framed: OnceLock::new(), _charge: memory.charge_frame(weight) }
    }

    /// The frame as a transport puts it on the wire: made by whoever asks first, of the bytes behind the headroom.
    pub fn framed(&self, make: impl FnOnce(&[u8]) -> Bytes) -> Bytes {
        self.framed.get_or_init(|| make(&self.bytes[crate::HEADROOM..])).clone()
    }
}

impl LastBatch {
    /// The first `messages` of `outbox`, as `frame`.
    pub(crate) fn new(outbox: &Outbox, messages: usize, frame: Arc<SharedFrame>) -> Self {
        let events = outbox.iter().take(messages).map(|(_, delivery)| Arc::downgrade(delivery)).collect();
        Self { events, frame }
    }

    /// The frame, if the first `messages` of `outbox` are the same events.
    pub(crate) fn frame_of(&self, outbox: &Outbox, messages: usize) -> Option<Arc<SharedFrame>> {
        let first = outbox.iter().take(messages).map(|(_, delivery)| Arc::as_ptr(delivery));
        first.eq(self.events.iter().map(Weak::as_ptr)).then(|| self.frame.clone())
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(frame) => &frame.bytes,
        }
    }
}

impl From<Frame> for Vec<u8> {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Own(bytes) => bytes,
            Frame::Shared(frame) => frame.bytes.clone(),
        }
    }
}
