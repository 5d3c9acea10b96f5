//! WebSocket (RFC 6455) from either side: any frame may be sent, and what comes is checked.

use super::http::{Head, Request, read_head};
use super::stream::Stream;
use super::{MAX_MESSAGE, WireError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The numbers of the frames.
pub mod opcode {
    /// Goes on with a message.
    pub const CONTINUATION: u8 = 0;
    /// Begins a message of text.
    pub const TEXT: u8 = 1;
    /// Begins a message of bytes.
    pub const BINARY: u8 = 2;
    /// Ends the connection.
    pub const CLOSE: u8 = 8;
    /// Wants a pong.
    pub const PING: u8 = 9;
    /// Answers a ping.
    pub const PONG: u8 = 10;
}

/// A frame to send, well-formed or not.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The last frame of its message.
    pub fin: bool,
    /// The three reserved bits.
    pub reserved: u8,
    /// One of [`opcode`], or another one.
    pub opcode: u8,
    /// Clients must mask.
    pub masked: bool,
    /// The length that the header declares, if it is to be another one than the payload's.
    pub declared: Option<u64>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A whole message of text.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, reserved: 0, opcode: opcode::TEXT, masked: true, declared: None, payload: text.into() }
    }

    /// A close frame of this code.
    pub fn close(code: u16) -> Self {
        Self { opcode: opcode::CLOSE, ..Self::text(code.to_be_bytes()) }
    }

    /// The bytes of this frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.fin) << 7 | self.reserved << 4 | self.opcode];
        let mask_bit = u8::from(self.masked) << 7;
        let length = self.declared.unwrap_or(self.payload.len() as u64);
        match length {
            0..126 => bytes.push(mask_bit | length as u8),
            126..0x1_0000 => {
                bytes.push(mask_bit | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        if self.masked {
            let mask = [0x5a, 0x0f, 0x91, 0x3c];
            bytes.extend_from_slice(&mask);
            bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend_from_slice(&self.payload);
        }
        bytes
    }
}

/// What came: a whole message, or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A message of text.
    Text(String),
    /// A message of bytes.
    Binary(Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// The end, with its code if it gave one.
    Close(Option<u16>),
}

/// Who sends the frames that are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sender {
    /// A server, which does not mask.
    #[default]
    Server,
    /// A client, which must.
    Client,
}

/// A message that is being put together.
#[derive(Debug, Default)]
pub struct Reader {
    from: Sender,
    kind: u8,
    message: Vec<u8>,
}

/// Opens a WebSocket on a fresh connection. The head of the answer is returned as it is; with any status but 101 no WebSocket
/// was opened, and the body is still to be read.
pub async fn open(stream: &mut Stream, mut request: Request, host: &str) -> Result<Head, WireError> {
    let mut nonce = [0; 16];
    fastrand::fill(&mut nonce);
    let key = STANDARD.encode(nonce);
    for (name, value) in [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", &key),
    ] {
        if !request.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)) {
            request.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    stream.write(&request.encode(host)).await?;
    let head = read_head(stream).await?;
    if head.status == 101 {
        check_accept(&head, &key)?;
    }
    Ok(head)
}

/// The value of `Sec-WebSocket-Accept` that answers a key.
pub fn accept_key(key: &str) -> String {
    STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
}

fn check_accept(head: &Head, key: &str) -> Result<(), WireError> {
    let wanted = accept_key(key);
    let found = head.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-accept"));
    match found {
        Some((_, value)) if *value == wanted => Ok(()),
        Some((_, value)) => Err(WireError::malformed(format!("Sec-WebSocket-Accept is {value:?}, not {wanted:?}"))),
        None => Err(WireError::malformed("101 without Sec-WebSocket-Accept")),
    }
}

impl Reader {
    /// Nothing read yet.
    pub fn new(from: Sender) -> Self {
        Self { from, ..Self::default() }
    }

    /// Reads up to the next whole message or control frame. Cancel-safe: a part stays in the stream's buffer.
    pub async fn next(&mut self, stream: &mut Stream) -> Result<Incoming, WireError> {
        loop {
            let (first, payload) = next_frame(stream, self.from).await?;
            let (fin, kind) = (first & 0x80 != 0, first & 0x0f);
            if first & 0x70 != 0 {
                return Err(WireError::malformed("a reserved bit is set"));
            }
            if kind >= 8 && (!fin || payload.len() > 125) {
                return Err(WireError::malformed("a control frame that is cut or longer than 125 bytes"));
            }
            match kind {
                opcode::CLOSE => return close(&payload),
                opcode::PING => return Ok(Incoming::Ping(payload)),
                opcode::PONG => return Ok(Incoming::Pong(payload)),
                opcode::TEXT | opcode::BINARY if self.kind == 0 => self.kind = kind,
                opcode::CONTINUATION if self.kind != 0 => {}
                _ => return Err(WireError::malformed(format!("a frame of opcode {kind} where it may not stand"))),
            }
            self.message.extend_from_slice(&payload);
            if self.message.len() > MAX_MESSAGE {
                return Err(WireError::TooLarge);
            }
            if fin {
                let message = std::mem::take(&mut self.message);
                return match std::mem::take(&mut self.kind) {
                    opcode::TEXT => String::from_utf8(message)
                        .map(Incoming::Text)
                        .map_err(|_| WireError::malformed("a message of text that is not UTF-8")),
                    _ => Ok(Incoming::Binary(message)),
                };
            }
        }
    }
}

fn close(payload: &[u8]) -> Result<Incoming, WireError> {
    match payload {
        [] => Ok(Incoming::Close(None)),
        [_] => Err(WireError::malformed("a close frame of one byte")),
        [high, low, reason @ ..] if std::str::from_utf8(reason).is_ok() => {
            Ok(Incoming::Close(Some(u16::from_be_bytes([*high, *low]))))
        }
        _ => Err(WireError::malformed("a close frame whose reason is not UTF-8")),
    }
}

/// The first byte and the payload of the next frame.
async fn next_frame(stream: &mut Stream, from: Sender) -> Result<(u8, Vec<u8>), WireError> {
    loop {
        if let Some((header, length)) = measure(&stream.buffer, from)? {
            if length > MAX_MESSAGE {
                return Err(WireError::TooLarge);
            }
            if stream.buffer.len() >= header + length {
                let first = stream.buffer[0];
                let frame: Vec<u8> = stream.buffer.drain(..header + length).collect();
                let (head, payload) = frame.split_at(header);
                return Ok((first, if from == Sender::Client { unmask(head, payload) } else { payload.to_vec() }));
            }
        }
        let partial = !stream.buffer.is_empty();
        stream.fill(partial).await?;
    }
}

fn unmask(head: &[u8], payload: &[u8]) -> Vec<u8> {
    let mask = &head[head.len() - 4..];
    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

/// The lengths of header, mask included, and payload, once the header is there.
fn measure(buffer: &[u8], from: Sender) -> Result<Option<(usize, usize)>, WireError> {
    let Some(second) = buffer.get(1) else { return Ok(None) };
    let mask = match (from, second & 0x80 != 0) {
        (Sender::Server, true) => return Err(WireError::malformed("a masked frame from a server")),
        (Sender::Client, false) => return Err(WireError::malformed("a frame from a client that is not masked")),
        (Sender::Server, false) => 0,
        (Sender::Client, true) => 4,
    };
    let (header, length) = match second & 0x7f {
        126 => (4, buffer.get(2..4).map(|bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))),
        127 => (10, buffer.get(2..10).map(|bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))),
        short => (2, Some(u64::from(short))),
    };
    Ok(length.map(|length| (header + mask, usize::try_from(length).unwrap_or(usize::MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_in_their_three_forms() {
        assert_eq!(measure(&[0x81], Sender::Server).expect("fine"), None);
        assert_eq!(measure(&[0x81, 5], Sender::Server).expect("fine"), Some((2, 5)));
        assert_eq!(measure(&[0x81, 126, 1], Sender::Server).expect("fine"), None);
        assert_eq!(measure(&[0x81, 126, 1, 0], Sender::Server).expect("fine"), Some((4, 256)));
        assert_eq!(measure(&[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0], Sender::Server).expect("fine"), Some((10, 65_536)));
        assert!(measure(&[0x81, 0x85], Sender::Server).is_err(), "servers don't mask");
        assert_eq!(measure(&[0x81, 0x85], Sender::Client).expect("fine"), Some((6, 5)));
        assert!(measure(&[0x81, 5], Sender::Client).is_err(), "clients do");
    }

    #[test]
    fn a_frame_is_masked_and_may_lie_about_its_length() {
        let frame = Frame::text("hi").encode();
        assert_eq!(&frame[..2], &[0x81, 0x82]);
        assert_eq!(unmask(&frame[..6], &frame[6..]), b"hi");
        let lying = Frame { declared: Some(1 << 30), masked: false, ..Frame::text("") }.encode();
        assert_eq!(lying, [0x81, 127, 0, 0, 0, 0, 0x40, 0, 0, 0]);
    }
}
