//! RFC 6455 framing, the server's side, without extensions (BX-WS-6).
//!
//! A frame is judged by its header, before a byte of its payload is kept: what is too large, unmasked or not allowed costs 14
//! bytes at most. An idle decoder holds no buffer.

use bytes::{Buf, Bytes};

/// Frames that one message may be cut into. Empty ones count, so a flood of them ends here.
const MAX_FRAGMENTS: u16 = 1024;
const MAX_CONTROL_BYTES: u64 = 125;
/// Two bytes, up to eight of length, four of mask.
const MAX_HEADER: usize = 14;

/// Takes messages out of a stream of bytes, however it is cut.
#[derive(Debug)]
pub struct Decoder {
    max_message_bytes: usize,
    header: [u8; MAX_HEADER],
    header_length: u8,
    fragments: u16,
    frame: Option<Frame>,
    /// A message begun and not ended: the next data frame must continue it.
    begun: bool,
    message: Vec<u8>,
    control: Vec<u8>,
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message. Whether it is UTF-8 is for the message codec to see, which looks at every byte anyway.
    Text(Vec<u8>),
    /// To be answered with a pong of the same payload.
    Ping(Vec<u8>),
    /// An answer to a ping.
    Pong,
    /// The client closes, with this code if it gave one that may be echoed.
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
            Self::TooLarge(_) => 1009,
            Self::TooManyFragments => 1008,
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

/// A frame whose payload is being read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: Kind,
    last: bool,
    mask: [u8; 4],
    /// Payload bytes still to come, and the mask's place for the next.
    left: usize,
    at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Ping,
    Pong,
    Close,
}

impl Decoder {
    /// A decoder that refuses messages over `max_message_bytes`, whether in one frame or in several.
    pub const fn new(max_message_bytes: usize) -> Self {
        Self {
            max_message_bytes,
            header: [0; MAX_HEADER],
            header_length: 0,
            fragments: 0,
            frame: None,
            begun: false,
            message: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Takes the next message out of `input`; `None` when all of it is used up.
    ///
    /// # Errors
    /// What the client did wrong. The connection is to be closed with [`Refused::code`].
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Incoming>, Refused> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.read_header(input)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let length = frame.left.min(input.len());
            let buffer = if frame.kind == Kind::Data {
                &mut self.message
            } else {
                &mut self.control
            };
            let start = buffer.len();
            buffer.extend_from_slice(&input[..length]);
            unmask(&mut buffer[start..], frame.mask, frame.at);
            input.advance(length);
            frame.left -= length;
            frame.at += length;
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(incoming) = self.complete(frame)? {
                return Ok(Some(incoming));
            }
        }
    }

    fn complete(&mut self, frame: Frame) -> Result<Option<Incoming>, Refused> {
        Ok(match frame.kind {
            Kind::Data if frame.last => {
                self.begun = false;
                self.fragments = 0;
                Some(Incoming::Text(std::mem::take(&mut self.message)))
            }
            Kind::Data => None,
            Kind::Ping => Some(Incoming::Ping(std::mem::take(&mut self.control))),
            Kind::Pong => {
                self.control = Vec::new();
                Some(Incoming::Pong)
            }
            Kind::Close => Some(Incoming::Close(close_code(&std::mem::take(
                &mut self.control,
            ))?)),
        })
    }

    /// Reads as much of a header as there is; each byte is judged as soon as it can be.
    fn read_header(&mut self, input: &mut Bytes) -> Result<Option<Frame>, Refused> {
        loop {
            let have = usize::from(self.header_length);
            if have >= 2 {
                let need = header_length(self.header[1]);
                if have == 2 {
                    self.judge_start()?;
                }
                if have == need {
                    self.header_length = 0;
                    return self.judge().map(Some);
                }
            }
            if input.is_empty() {
                return Ok(None);
            }
            self.header[have] = input.get_u8();
            self.header_length += 1;
        }
    }

    /// What the first two bytes tell.
    fn judge_start(&self) -> Result<(), Refused> {
        let [first, second, ..] = self.header;
        if first & 0x70 != 0 {
            return Err(Refused::ReservedBit);
        }
        if second & 0x80 == 0 {
            return Err(Refused::Unmasked);
        }
        match first & 0x0f {
            0 if !self.begun => Err(Refused::BadFragment),
            0 => Ok(()),
            1 if self.begun => Err(Refused::BadFragment),
            1 => Ok(()),
            2 => Err(Refused::Binary),
            8..=10 if first & 0x80 == 0 || second & 0x7f > 125 => Err(Refused::BadControl),
            8..=10 => Ok(()),
            _ => Err(Refused::UnknownOpcode),
        }
    }

    fn judge(&mut self) -> Result<Frame, Refused> {
        let [first, second, ..] = self.header;
        let header = &self.header[..header_length(second)];
        let (extended, mask) = header[2..].split_at(header.len() - 6);
        let length = match extended {
            [] => u64::from(second & 0x7f),
            extended => extended
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let shortest = match extended.len() {
            0 => true,
            2 => length > MAX_CONTROL_BYTES,
            _ => length > u64::from(u16::MAX) && length >> 63 == 0,
        };
        if !shortest {
            return Err(Refused::BadLength);
        }
        let kind = match first & 0x0f {
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => Kind::Data,
        };
        if kind == Kind::Data {
            self.begun = true;
            self.fragments += 1;
            if self.fragments > MAX_FRAGMENTS {
                return Err(Refused::TooManyFragments);
            }
            if length > (self.max_message_bytes - self.message.len()) as u64 {
                return Err(Refused::TooLarge(self.max_message_bytes));
            }
        }
        let left =
            usize::try_from(length).map_err(|_| Refused::TooLarge(self.max_message_bytes))?;
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        Ok(Frame {
            kind,
            last: first & 0x80 != 0,
            mask,
            left,
            at: 0,
        })
    }
}

/// Appends a text frame.
pub fn encode_text(payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(payload.len() + 10);
    match payload.len() {
        length @ 0..=125 => out.extend_from_slice(&[0x81, length as u8]),
        length @ 126..=0xffff => {
            out.extend_from_slice(&[0x81, 126]);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.extend_from_slice(&[0x81, 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends the answer to a ping; `payload` is cut at 125 bytes.
pub fn encode_pong(payload: &[u8], out: &mut Vec<u8>) {
    encode_control(0x8a, payload, out);
}

/// Appends a close frame; `reason` is cut to 123 bytes.
pub fn encode_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(123)]);
    encode_control(0x88, &payload, out);
}

fn encode_control(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(MAX_CONTROL_BYTES as usize)];
    out.extend_from_slice(&[first, payload.len() as u8]);
    out.extend_from_slice(payload);
}

const fn header_length(second: u8) -> usize {
    match second & 0x7f {
        126 => 8,
        127 => MAX_HEADER,
        _ => 6,
    }
}

/// The code of a close frame's payload, if it has one (RFC 6455, 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Refused> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            let text = std::str::from_utf8(reason).is_ok();
            if allowed && text {
                Ok(Some(code))
            } else {
                Err(Refused::BadClose)
            }
        }
        [_] => Err(Refused::BadClose),
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
    for (byte, mask) in chunks
        .into_remainder()
        .iter_mut()
        .zip(turned.iter().cycle())
    {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
