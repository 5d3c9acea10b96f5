//! `Wire`: how a transport writes what the engine says. One file for each; none of them knows who writes its bytes.

use std::{borrow::Cow, time::Duration};

use bayeux_engine::{Frame, Framing, HEADROOM};
use bytes::Bytes;

use super::chunk::Chunk;

/// Headers of a response besides length and connection.
pub(crate) type Headers = Vec<(&'static str, Cow<'static, str>)>;

/// What a transport puts around a batch, as a rule.
const ROOM: usize = 64;

/// What a batch says besides its messages, to those who open a stream anew by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventFields {
    /// The number that the client may name to go on behind this batch.
    pub(crate) id: Option<u64>,
    /// When it is to come again, from now on.
    pub(crate) retry: Option<Duration>,
}

/// The form of a transport's responses.
pub(crate) trait Wire: Send + Sync {
    /// The headers of the response. Asked for once, before all else.
    fn headers(&mut self) -> Headers;

    /// Appends what comes before the first batch.
    fn open(&self, _out: &mut Vec<u8>) {}

    /// Appends a batch, whole (BX-ST-2): a JSON array of messages, and what goes with it.
    fn batch(&self, array: &[u8], fields: EventFields, out: &mut Vec<u8>);

    /// What a stream may say at any time between batches, and nobody hears (BX-ST-3).
    fn beat(&self) -> &'static [u8] {
        b"\n"
    }

    /// Under which name the bytes of a batch without number are shared, if they are the same on each connection.
    fn shares(&self) -> Option<Framing> {
        None
    }
}

/// A whole body: one batch.
pub(crate) fn whole(wire: &dyn Wire, array: &[u8], fields: EventFields) -> Bytes {
    let mut out = Vec::with_capacity(array.len() + ROOM);
    wire.open(&mut out);
    wire.batch(array, fields, &mut out);
    out.into()
}

/// The next piece of a stream: `first` has what opens it in front.
pub(crate) fn piece(wire: &dyn Wire, first: bool, frame: &Frame, fields: EventFields) -> Chunk {
    let make = |array: &[u8]| {
        Chunk::of(array.len() + ROOM, |out| {
            if first {
                wire.open(out);
            }
            wire.batch(array, fields, out);
        })
    };
    match (frame, wire.shares()) {
        (Frame::Shared(frame), Some(framing)) if !first && fields == EventFields::default() => {
            Chunk::shared(frame.framed(framing, |array| make(array).framed()))
        }
        _ => make(&frame[HEADROOM..]),
    }
}

/// A heartbeat.
pub(crate) fn beat(wire: &dyn Wire) -> Chunk {
    Chunk::of(0, |out| out.extend_from_slice(wire.beat()))
}

/// The headers of a stream: whoever stands between is to pass it on piece by piece, as it is (BX-ST-15).
pub(crate) fn stream_headers(content_type: &'static str) -> Headers {
    vec![
        ("Content-Type", content_type.into()),
        ("Cache-Control", "no-store, no-transform".into()),
        ("X-Content-Type-Options", "nosniff".into()),
        ("X-Accel-Buffering", "no".into()),
    ]
}
