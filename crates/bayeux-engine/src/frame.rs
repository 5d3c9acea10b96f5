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

/// How a transport puts a frame on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As a message of a WebSocket.
    Message,
    /// As a server-sent event.
    Event,
    /// As a line.
    Line,
}

/// How many framings there are.
const FRAMINGS: usize = 3;

/// The bytes of a frame that many connections write. They count in the node's memory, and what [`framed`](SharedFrame::framed)
/// gives out does so itself, for as long as any of it is kept. What is copied out of it, as by [`Vec::from`], is the copier's
/// own and not counted.
#[derive(Debug)]
pub struct SharedFrame {
    bytes: Vec<u8>,
    framed: [OnceLock<Bytes>; FRAMINGS],
    /// Counts `bytes`.
    charge: Charge,
}

/// A frame as it is on the wire, which may outlast the one it was made of: a peer that does not read holds it.
struct Framed {
    bytes: Bytes,
    _charge: Charge,
}

/// The events that a shard handed over last, if they were many sessions'.
pub(crate) struct LastBatch {
    /// Weak, so that the events themselves are not kept: their places in memory are, and so tell them from any others.
    events: Vec<Weak<Delivery>>,
    frame: Arc<SharedFrame>,
}

impl SharedFrame {
    /// What so many `messages` in `bytes` take: these, and what tells them from others.
    pub(crate) fn new(bytes: Vec<u8>, messages: usize, memory: &Memory) -> Self {
        let weight = bytes.capacity() + messages * (size_of::<Weak<Delivery>>() + size_of::<Delivery>());
        Self { bytes, framed: Default::default(), charge: memory.charge_frame(weight) }
    }

    /// The frame as a transport puts it on the wire: made by whoever asks first, of the bytes behind the headroom.
    pub fn framed(&self, framing: Framing, make: impl FnOnce(&[u8]) -> Bytes) -> Bytes {
        let framed = self.framed[framing as usize].get_or_init(|| {
            let bytes = make(&self.bytes[crate::HEADROOM..]);
            let charge = self.charge.another(bytes.len() + size_of::<Framed>());
            Bytes::from_owner(Framed { bytes, _charge: charge })
        });
        framed.clone()
    }
}

impl AsRef<[u8]> for Framed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
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
