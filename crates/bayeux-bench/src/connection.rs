//! A connection under load: reads and writes without blocking, hands over each body, and keeps its session alive.

use std::io::{self, Read, Write};

use memchr::memmem;
use mio::{Interest, Poll, Token, net::TcpStream};

use crate::{
    args::{Transport, Url},
    frames, http,
    session::Session,
    stream,
    stream::Part,
};

/// What is read at most in one go.
pub(crate) const READ_BYTES: usize = 64 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    transport: Transport,
    /// What is sent after a connect reply.
    connect: Vec<u8>,
    /// The beginning of what is not complete yet.
    input: Vec<u8>,
    /// What the socket had no room for.
    output: Vec<u8>,
    /// The head of a stream has been read.
    in_body: bool,
    /// What a connect that acknowledges is made of: server, cookie and client id.
    acks: Option<Box<(Url, String, String)>>,
}

impl Connection {
    /// Takes over a session whose connect is held, and has `poll` tell of its bytes.
    pub(crate) fn new(session: Session, poll: &Poll, token: Token) -> io::Result<Self> {
        session.stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(session.stream);
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let Session { transport, connect, input, cookie, client_id, acks, .. } = session;
        let acks = acks.map(|server| Box::new((server, cookie, client_id)));
        Ok(Self { stream, transport, connect, input, output: Vec::new(), in_body: transport.streams(), acks })
    }

    /// Reads what there is and calls `each` with every complete body. Returns how many bytes came.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut [u8],
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<u64> {
        let mut total = 0;
        loop {
            let length = match self.stream.read(scratch) {
                Ok(0) => return Err(io::Error::other("a connection was closed by the other side")),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(total),
                Err(error) => return Err(error),
            };
            total += length as u64;
            if self.input.is_empty() {
                let used = self.take(&scratch[..length], &mut each)?;
                self.input.extend_from_slice(&scratch[used..length]);
            } else {
                let mut input = std::mem::take(&mut self.input);
                input.extend_from_slice(&scratch[..length]);
                let used = self.take(&input, &mut each)?;
                input.drain(..used);
                self.input = input;
            }
            // A short read has emptied the socket: whatever comes later is another event.
            if length < scratch.len() {
                return Ok(total);
            }
        }
    }

    /// Hands over what is complete in `bytes`; returns how much that was.
    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let taken = match self.transport {
                Transport::LongPolling | Transport::CallbackPolling => self.take_response(rest, each)?,
                Transport::Eventsource | Transport::XhrStreaming | Transport::Iframe => self.take_part(rest, each)?,
                Transport::Websocket => self.take_frame(rest, each)?,
            };
            match taken {
                Some(length) => used += length,
                None => return Ok(used),
            }
        }
    }

    fn take_response(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Option<usize>> {
        let Some(message) = http::next(bytes)? else {
            return Ok(None);
        };
        if !message.head.starts_with(b"HTTP/1.1 200") {
            return Err(said("a poll was answered", bytes));
        }
        self.connect_after(&message.body)?;
        each(&message.body)?;
        Ok(Some(message.end))
    }

    fn take_part(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Option<usize>> {
        match stream::next(bytes, self.in_body)? {
            None => Ok(None),
            Some(Part::Head { end }) => {
                self.in_body = true;
                Ok(Some(end))
            }
            Some(Part::Chunk { body, end }) => {
                each(&bytes[body])?;
                Ok(Some(end))
            }
            Some(Part::End { end }) => {
                self.in_body = false;
                write(&mut self.stream, &mut self.output, &self.connect)?;
                Ok(Some(end))
            }
        }
    }

    fn take_frame(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Option<usize>> {
        let Some(frame) = frames::next(bytes)? else {
            return Ok(None);
        };
        let payload = &bytes[frame.payload];
        match frame.kind {
            frames::Kind::Text => {
                self.connect_after(payload)?;
                each(payload)?;
            }
            frames::Kind::Ping => {
                let mut pong = Vec::new();
                frames::client(frames::Kind::Pong, payload, &mut pong);
                self.send(&pong)?;
            }
            frames::Kind::Pong => {}
            frames::Kind::Close => return Err(said("a WebSocket was closed by the other side", payload)),
        }
        Ok(Some(frame.end))
    }

    /// Connects again if `body` has a connect reply.
    fn connect_after(&mut self, body: &[u8]) -> io::Result<()> {
        if memmem::find(body, b"\"/meta/connect\"").is_none() {
            return Ok(());
        }
        if memmem::find(body, b"\"successful\":false").is_some() {
            return Err(said("a connect was refused", body));
        }
        if let Some((server, cookie, client_id)) = self.acks.as_deref() {
            let number = acknowledged(body).ok_or_else(|| said("a connect reply without a number", body))?;
            self.connect = Session::acknowledging(self.transport, server, cookie, client_id, number);
        }
        write(&mut self.stream, &mut self.output, &self.connect)
    }

    /// Writes as much as the socket has room for; the rest goes out by [`Self::flush`].
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        write(&mut self.stream, &mut self.output, bytes)
    }

    /// Writes what has been waiting for room. To be called when the socket is writable.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.output);
        write(&mut self.stream, &mut self.output, &waiting)
    }
}

/// The number in `ext.ack` of a connect reply.
fn acknowledged(body: &[u8]) -> Option<u64> {
    const ACK: &[u8] = b"\"ext\":{\"ack\":";
    let digits = &body[memmem::rfind(body, ACK)? + ACK.len()..];
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&digits[..length]).ok()?.parse().ok()
}

/// An error that quotes the beginning of what the server said.
pub(crate) fn said(what: &str, bytes: &[u8]) -> io::Error {
    io::Error::other(format!("{what}: {}", bytes[..bytes.len().min(300)].escape_ascii()))
}

/// Writes what there is room for, and appends the rest to `waiting`.
fn write(stream: &mut TcpStream, waiting: &mut Vec<u8>, mut bytes: &[u8]) -> io::Result<()> {
    while waiting.is_empty() && !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    waiting.extend_from_slice(bytes);
    Ok(())
}
