//! The header of a client's frame: two bytes, up to eight of length, four of mask (RFC 6455, 5.2).

use bytes::{Buf, Bytes};

use super::Refused;

const MAX_BYTES: usize = 14;
/// What a length of one byte can say, and all that a control frame may hold.
const MAX_SHORT: u64 = 125;

/// As much of a header as has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    bytes: [u8; MAX_BYTES],
    have: u8,
}

/// What a whole header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) mask: [u8; 4],
    /// Bytes of payload; at most 125 in a control frame.
    pub(super) length: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A piece of a text message.
    Data {
        /// It ends the message.
        last: bool,
    },
    Control(Control),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Control {
    Ping,
    Pong,
    Close,
}

impl Header {
    pub(super) const NEW: Self = Self { bytes: [0; MAX_BYTES], have: 0 };

    /// Reads on; `None` when `input` is used up. Two bytes are enough to judge all but the length. `begun`: a message was
    /// begun and not ended.
    pub(super) fn read(&mut self, input: &mut Bytes, begun: bool) -> Result<Option<Frame>, Refused> {
        while !input.is_empty() {
            self.bytes[usize::from(self.have)] = input.get_u8();
            self.have += 1;
            let [first, second, ..] = self.bytes;
            if self.have < 2 {
                continue;
            }
            let kind = judge(first, second, begun)?;
            let extended = match second & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            if usize::from(self.have) == 2 + extended + 4 {
                let (length, mask) = self.bytes[2..].split_at(extended);
                return Ok(Some(Frame {
                    kind,
                    mask: [mask[0], mask[1], mask[2], mask[3]],
                    length: read_length(second & 0x7f, length)?,
                }));
            }
        }
        Ok(None)
    }
}

/// What the first two bytes tell.
const fn judge(first: u8, second: u8, begun: bool) -> Result<Kind, Refused> {
    let last = first & 0x80 != 0;
    if first & 0x70 != 0 {
        return Err(Refused::ReservedBit);
    }
    if second & 0x80 == 0 {
        return Err(Refused::Unmasked);
    }
    let control = match first & 0x0f {
        0 if begun => return Ok(Kind::Data { last }),
        1 if !begun => return Ok(Kind::Data { last }),
        0 | 1 => return Err(Refused::BadFragment),
        2 => return Err(Refused::Binary),
        8 => Control::Close,
        9 => Control::Ping,
        10 => Control::Pong,
        _ => return Err(Refused::UnknownOpcode),
    };
    if !last || (second & 0x7f) as u64 > MAX_SHORT {
        return Err(Refused::BadControl);
    }
    Ok(Kind::Control(control))
}

/// One length has one form, the shortest.
fn read_length(short: u8, extended: &[u8]) -> Result<u64, Refused> {
    let length = extended.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    match extended.len() {
        0 => Ok(short.into()),
        2 if length > MAX_SHORT => Ok(length),
        8 if length > u16::MAX.into() && length >> 63 == 0 => Ok(length),
        _ => Err(Refused::BadLength),
    }
}
