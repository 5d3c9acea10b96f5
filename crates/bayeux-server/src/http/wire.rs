//! `Wire`: how a transport writes what the engine says. One file for each; none of them knows who writes its bytes.

use std::borrow::Cow;

use bayeux_engine::{Frame, Framing, HEADROOM};
use bytes::Bytes;

use super::chunk::Chunk;

/// Headers of a response besides length and connection.
pub(crate) type Headers = Vec<(&'static str, Cow<'static, str>)>;

/// What a transport puts around a batch, as a rule.
const ROOM: usize = 64;

/// The form of a transport's responses.
pub(crate) trait Wire: Send + Sync {
    /// The headers of the response. Asked for once, before all else.
    fn headers(&mut self) -> Headers;

    /// Appends what comes before the first batch.
    fn open(&self, _out: &mut Vec<u8>) {}

    /// Appends a batch, whole (BX-ST-2): a JSON array of messages, and the number that a stream's client may name to go on behind it.
    fn batch(&self, array: &[u8], event_id: Option<u64>, out: &mut Vec<u8>);

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
pub(crate) fn whole(wire: &dyn Wire, array: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(array.len() + ROOM);
    wire.open(&mut out);
    wire.batch(array, None, &mut out);
    out.into()
}

/// The next piece of a stream: `first` has what opens it in front.
pub(crate) fn piece(wire: &dyn Wire, first: bool, frame: &Frame, event_id: Option<u64>) -> Chunk {
    let make = |array: &[u8]| {
        Chunk::of(array.len() + ROOM, |out| {
            if first {
                wire.open(out);
            }
            wire.batch(array, event_id, out);
        })
    };
    match (frame, wire.shares(), event_id) {
        (Frame::Shared(frame), Some(framing), None) if !first => {
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
