//! WebSocket frames as a client writes them and as both sides read them.

use std::{io, ops::Range};

/// Frames longer than this are taken for nonsense.
const MOST_BYTES: u64 = 1 << 28;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Close,
    Ping,
    Pong,
}

/// A complete frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// Where its payload is.
    pub(crate) payload: Range<usize>,
    /// Where the next frame begins.
    pub(crate) end: usize,
}

/// A masked frame. The mask is zero: it costs the server the same, and the load nothing.
pub(crate) fn client(kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
    header(kind, 0x80, payload.len(), out);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// A server's text frame.
pub(crate) fn server_text(payload: &[u8], out: &mut Vec<u8>) {
    header(Kind::Text, 0, payload.len(), out);
    out.extend_from_slice(payload);
}

fn header(kind: Kind, mask_bit: u8, length: usize, out: &mut Vec<u8>) {
    out.push(match kind {
        Kind::Text => 0x81,
        Kind::Close => 0x88,
        Kind::Ping => 0x89,
        Kind::Pong => 0x8a,
    });
    match length {
        0..=125 => out.push(mask_bit | length as u8),
        126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// The first frame of `bytes`, if it is complete.
///
/// # Errors
///
/// A kind of frame that no Bayeux server sends: binary, fragmented, compressed, or enormous.
pub(crate) fn next(bytes: &[u8]) -> io::Result<Option<Frame>> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let kind = match first {
        0x81 => Kind::Text,
        0x88 => Kind::Close,
        0x89 => Kind::Ping,
        0x8a => Kind::Pong,
        other => return Err(io::Error::other(format!("a WebSocket frame that begins with {other:#04x}"))),
    };
    let (length, mut begin) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (u64::from_be_bytes(*length), 10),
            None => return Ok(None),
        },
        length => (u64::from(length), 2),
    };
    if length > MOST_BYTES {
        return Err(io::Error::other(format!("a WebSocket frame of {length} bytes")));
    }
    if second & 0x80 != 0 {
        begin += 4;
    }
    let end = begin + length as usize;
    Ok((bytes.len() >= end).then_some(Frame { kind, payload: begin..end, end }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_once_it_is_complete() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let (mut masked, mut plain) = (Vec::new(), Vec::new());
            client(Kind::Text, &payload, &mut masked);
            server_text(&payload, &mut plain);
            for mut bytes in [masked, plain] {
                for cut in (0..bytes.len()).step_by(997).chain(0..bytes.len().min(16)).chain([bytes.len() - 1]) {
                    assert_eq!(next(&bytes[..cut]).expect("a frame"), None, "{length} cut at {cut}");
                }
                bytes.extend_from_slice(b"\x81\x01y");
                let first = next(&bytes).expect("a frame").expect("complete");
                assert_eq!((first.kind, &bytes[first.payload]), (Kind::Text, &payload[..]));
                let second = next(&bytes[first.end..]).expect("a frame").expect("complete");
                assert_eq!((second.payload, second.end), (2..3, 3));
            }
        }
    }

    #[test]
    fn kinds_are_told_apart_and_strange_frames_refused() {
        for kind in [Kind::Text, Kind::Close, Kind::Ping, Kind::Pong] {
            let mut bytes = Vec::new();
            client(kind, b"ab", &mut bytes);
            assert_eq!(next(&bytes).expect("a frame").expect("complete").kind, kind);
        }
        for strange in [&b"\x82\x00"[..], b"\x01\x00", b"\xc1\x00", b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert!(next(strange).is_err(), "{strange:?}");
        }
    }
}
