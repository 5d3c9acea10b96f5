//! RFC 6455 framing, the server's side, without extensions (BX-WS-6).
//!
//! A frame is judged by its header, before a byte of its payload is kept: what is too large, unmasked or not allowed costs 14
//! bytes at most. An idle decoder holds no buffer.

mod encode;
mod header;

use bytes::{Buf, Bytes};

pub use self::encode::{encode_close, encode_pong, encode_text, encode_text_in_place};
use self::header::{Control, Frame, Header, Kind};

/// Frames that one message may be cut into. Empty ones count, so a flood of them ends here.
pub(crate) const MAX_FRAGMENTS: u16 = 1024;

/// Takes messages out of a stream of bytes, however it is cut.
///
/// It is 64 bytes, and holds nothing on the heap between messages: there is one for every idle socket.
#[derive(Debug)]
pub struct Decoder {
    max_message_bytes: usize,
    /// The frames of the message begun. Unless it is 0, the next data frame must continue it.
    fragments: u16,
    message: Vec<u8>,
    state: State,
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message, which is UTF-8.
    Text(Vec<u8>),
    /// To be answered with a pong of the same payload. How many of them are too many is for the caller to say.
    Ping(Vec<u8>),
    /// An answer to a ping.
    Pong,
    /// The client closes, with this code if it gave one that may be echoed. Nothing after it means anything.
    Close(Option<u16>),
}

/// Why a frame is refused. All of it is the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The mask bit is missing.
    #[error("a frame is not masked")]
    Unmasked,
    /// A reserved bit is set: no extension was agreed on.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// An opcode that means nothing.
    #[error("an unknown opcode")]
    UnknownOpcode,
    /// A ping, pong or close that is fragmented or over 125 bytes.
    #[error("a control frame is fragmented or too long")]
    BadControl,
    /// A length that is not in its shortest form, or over 63 bits.
    #[error("a length is badly encoded")]
    BadLength,
    /// A continuation of nothing, or a new message inside another.
    #[error("a fragment out of place")]
    BadFragment,
    /// A close frame whose code or length may not be.
    #[error("a bad close frame")]
    BadClose,
    /// Text, or the reason of a close frame, is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// Bayeux is text.
    #[error("binary messages are not accepted")]
    Binary,
    /// The message is over the limit.
    #[error("the message is larger than {0} bytes")]
    TooLarge(usize),
    /// The message comes in too many pieces.
    #[error("the message has more than {MAX_FRAGMENTS} fragments")]
    TooManyFragments,
}

impl Refused {
    /// The close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Binary => 1003,
            Self::NotUtf8 => 1007,
            Self::TooManyFragments => 1008,
            Self::TooLarge(_) => 1009,
            Self::Unmasked
            | Self::ReservedBit
            | Self::UnknownOpcode
            | Self::BadControl
            | Self::BadLength
            | Self::BadFragment
            | Self::BadClose => 1002,
        }
    }
}

/// What the next byte belongs to.
#[derive(Debug)]
enum State {
    Header(Header),
    /// A piece of the message.
    Data {
        last: bool,
        mask: [u8; 4],
        /// The mask's place for the next byte.
        at: u8,
        left: usize,
    },
    /// A control frame, apart from the message that it may come in the middle of.
    Control {
        kind: Control,
        mask: [u8; 4],
        done: u8,
        payload: Box<[u8]>,
    },
    /// What follows a refused frame can't be told from its payload.
    Refused(Refused),
}

impl Decoder {
    /// A decoder that refuses messages over `max_message_bytes`, whether in one frame or in several.
    pub const fn new(max_message_bytes: usize) -> Self {
        Self { max_message_bytes, fragments: 0, message: Vec::new(), state: State::Header(Header::NEW) }
    }

    /// Takes the next message out of `input`; `None` when all of it is used up.
    ///
    /// # Errors
    /// What the client did wrong. The connection is to be closed with [`Refused::code`]; every later call says the same.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Incoming>, Refused> {
        let decoded = self.step(input);
        if let Err(refused) = decoded {
            self.message = Vec::new();
            self.state = State::Refused(refused);
        }
        decoded
    }

    /// Bytes of payload that are held.
    #[cfg(feature = "fuzzing")]
    #[doc(hidden)]
    pub fn buffered(&self) -> usize {
        let control = if let State::Control { payload, .. } = &self.state { payload.len() } else { 0 };
        self.message.len() + control
    }

    fn step(&mut self, input: &mut Bytes) -> Result<Option<Incoming>, Refused> {
        loop {
            let complete = match &mut self.state {
                State::Refused(refused) => return Err(*refused),
                State::Header(header) => {
                    let Some(frame) = header.read(input, self.fragments > 0)? else {
                        return Ok(None);
                    };
                    self.begin(frame)?;
                    continue;
                }
                State::Data { mask, at, left, .. } => {
                    let start = self.message.len();
                    let now = input.len().min(*left);
                    self.message.extend_from_slice(&input[..now]);
                    input.advance(now);
                    unmask(&mut self.message[start..], *mask, usize::from(*at));
                    *at = ((usize::from(*at) + now) % 4) as u8;
                    *left -= now;
                    *left == 0
                }
                State::Control { mask, done, payload, .. } => {
                    let rest = &mut payload[usize::from(*done)..];
                    let now = rest.len().min(input.len());
                    input.copy_to_slice(&mut rest[..now]);
                    unmask(&mut rest[..now], *mask, usize::from(*done));
                    *done += now as u8;
                    usize::from(*done) == payload.len()
                }
            };
            if !complete {
                return Ok(None);
            }
            if let Some(incoming) = self.complete()? {
                return Ok(Some(incoming));
            }
        }
    }

    /// Judges a frame by what is here already, and makes ready for its payload.
    fn begin(&mut self, frame: Frame) -> Result<(), Refused> {
        let Frame { kind, mask, length } = frame;
        self.state = match kind {
            Kind::Data { last } => {
                self.fragments += 1;
                if self.fragments > MAX_FRAGMENTS {
                    return Err(Refused::TooManyFragments);
                }
                let room = self.max_message_bytes - self.message.len();
                match usize::try_from(length) {
                    Ok(left) if left <= room => State::Data { last, mask, at: 0, left },
                    _ => return Err(Refused::TooLarge(self.max_message_bytes)),
                }
            }
            Kind::Control(kind) => State::Control {
                kind,
                mask,
                done: 0,
                // At most 125 bytes, as the header was judged.
                payload: vec![0; length as usize].into(),
            },
        };
        Ok(())
    }

    /// All of a frame's payload is here.
    fn complete(&mut self) -> Result<Option<Incoming>, Refused> {
        match std::mem::replace(&mut self.state, State::Header(Header::NEW)) {
            State::Data { last: true, .. } => {
                self.fragments = 0;
                let message = std::mem::take(&mut self.message);
                // A character may be cut by a fragment, so it is the whole that is looked at.
                match std::str::from_utf8(&message) {
                    Ok(_) => Ok(Some(Incoming::Text(message))),
                    Err(_) => Err(Refused::NotUtf8),
                }
            }
            State::Control { kind, payload, .. } => Ok(Some(match kind {
                Control::Ping => Incoming::Ping(payload.into_vec()),
                Control::Pong => Incoming::Pong,
                Control::Close => Incoming::Close(close_code(&payload)?),
            })),
            State::Data { last: false, .. } | State::Header(_) | State::Refused(_) => Ok(None),
        }
    }
}

/// The code of a close frame's payload, if it has one (RFC 6455, 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Refused> {
    match payload {
        [] => Ok(None),
        [_] => Err(Refused::BadClose),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Refused::BadClose);
            }
            match std::str::from_utf8(reason) {
                Ok(_) => Ok(Some(code)),
                Err(_) => Err(Refused::NotUtf8),
            }
        }
    }
}

/// Eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4], at: usize) {
    let turned: [u8; 4] = std::array::from_fn(|n| mask[(at + n) % 4]);
    let [a, b, c, d] = turned;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(turned.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
