//! A client that does as it is told: it connects, notices that its server leaves, and comes back at its time.

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use memchr::memmem;
use mio::{Interest, Poll, Token, net::TcpStream};
use serde_json::Value;

use crate::{
    args::{Transport, Url},
    connection::said,
    frames, http,
    session::{HANDSHAKE, Session, cookie},
};

/// A connection that was refused is tried again after so long, as stock clients do.
const BACKOFF: Duration = Duration::from_secs(1);

pub(super) struct Client {
    session: Wire,
    pub(super) phase: Phase,
    pub(super) deliveries: u64,
    /// The code of the close frame.
    pub(super) close: Option<u16>,
    /// Its connection to the server that ends is open.
    pub(super) hangs: bool,
    /// What it was told to wait.
    pub(super) interval: Option<Duration>,
    /// When it sent its handshake to the new server.
    pub(super) handshaken: Option<Instant>,
    /// Connections that came to nothing.
    pub(super) failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A connect is held.
    Held,
    /// The reply to its connect said when to come back.
    Told {
        due: Instant,
    },
    /// Its connection ended without that.
    Forsaken,
    Returning(Step),
    /// It has a session again, and a connect was answered.
    Back,
}

/// What it waits for on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Open,
    Upgrade,
    /// The old session, which is tried first: `retry` was the advice.
    Retry,
    Pause {
        due: Instant,
    },
    Handshake,
    Connect,
}

/// A connection, and what it takes to write requests on it.
struct Wire {
    stream: Option<TcpStream>,
    transport: Transport,
    id: String,
    cookie: String,
    connect: Vec<u8>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Client {
    pub(super) fn new(session: Session, poll: &Poll, token: Token) -> io::Result<Self> {
        session.stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(session.stream);
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let Session { transport, client_id, connect, input, cookie, .. } = session;
        let session =
            Wire { stream: Some(stream), transport, id: client_id, cookie, connect, input, output: Vec::new() };
        let (phase, deliveries, failures) = (Phase::Held, 0, 0);
        Ok(Self { session, phase, deliveries, close: None, hangs: true, interval: None, handshaken: None, failures })
    }

    pub(super) fn is_socket(&self) -> bool {
        self.session.transport == Transport::Websocket
    }

    /// Goes on if its time has come.
    pub(super) fn come_back(&mut self, url: &Url, poll: &Poll, token: Token, now: Instant) -> io::Result<()> {
        match self.phase {
            Phase::Told { due } if due <= now => {
                let address = url.address.parse().map_err(|_| io::Error::other("the server has no plain address"))?;
                let mut stream = TcpStream::connect(address)?;
                poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                self.session.stream = Some(stream);
                self.hangs = false;
                self.session.input.clear();
                self.session.output.clear();
                self.phase = Phase::Returning(Step::Open);
                Ok(())
            }
            Phase::Returning(Step::Pause { due }) if due <= now => self.handshake(url),
            // Nobody told it when: as a stock client it tries again after a while.
            Phase::Forsaken => {
                self.phase = Phase::Told { due: now + BACKOFF };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Reads and writes what there is. `leaving`: the server has been asked to end.
    pub(super) fn ready(&mut self, scratch: &mut [u8], url: &Url, leaving: bool) -> io::Result<()> {
        if self.phase == Phase::Returning(Step::Open) && !self.opened(url)? {
            return Ok(());
        }
        let ended = self.session.read(scratch).is_err() || self.session.write(&[]).is_err();
        while let Some(body) = self.next()? {
            self.take(&body, url, leaving)?;
        }
        if ended {
            self.lost();
        }
        Ok(())
    }

    /// Whether the connection is there; if it failed, it will be tried again.
    fn opened(&mut self, url: &Url) -> io::Result<bool> {
        let Some(stream) = &self.session.stream else {
            return Ok(false);
        };
        if !matches!(stream.take_error(), Ok(None)) {
            self.lost();
            return Ok(false);
        }
        match stream.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
            Err(_) => {
                self.lost();
                return Ok(false);
            }
        }
        if self.is_socket() {
            self.phase = Phase::Returning(Step::Upgrade);
            let Url { address, path } = url;
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            self.session.write(request.as_bytes())?;
        } else {
            self.retry()?;
        }
        Ok(true)
    }

    fn retry(&mut self) -> io::Result<()> {
        self.phase = Phase::Returning(Step::Retry);
        let connect = self.session.connect.clone();
        self.session.write(&connect)
    }

    fn handshake(&mut self, url: &Url) -> io::Result<()> {
        self.phase = Phase::Returning(Step::Handshake);
        self.handshaken = Some(Instant::now());
        self.session.send(url, HANDSHAKE)
    }

    fn lost(&mut self) {
        self.session.stream = None;
        self.hangs = false;
        match self.phase {
            Phase::Held => self.phase = Phase::Forsaken,
            Phase::Returning(_) | Phase::Back => {
                self.failures += 1;
                self.phase = Phase::Told { due: Instant::now() + BACKOFF };
            }
            Phase::Told { .. } | Phase::Forsaken => {}
        }
    }

    /// The next body or text that is complete. What is only of the transport is dealt with here.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let upgrading = self.phase == Phase::Returning(Step::Upgrade);
            if upgrading || !self.is_socket() {
                let Some(message) = http::next(&self.session.input)? else {
                    return Ok(None);
                };
                let (head, body, end) = (message.head.to_vec(), message.body.to_vec(), message.end);
                self.session.input.drain(..end);
                if let Some(cookie) = cookie(&head) {
                    self.session.cookie = cookie;
                }
                match (upgrading, head.starts_with(b"HTTP/1.1 101"), head.starts_with(b"HTTP/1.1 200")) {
                    (true, true, _) => self.retry()?,
                    (false, _, true) => return Ok(Some(body)),
                    _ => return Err(said("a client was answered", &head)),
                }
                continue;
            }
            let Some(frame) = frames::next(&self.session.input)? else {
                return Ok(None);
            };
            let payload = self.session.input[frame.payload].to_vec();
            self.session.input.drain(..frame.end);
            match frame.kind {
                frames::Kind::Text => return Ok(Some(payload)),
                frames::Kind::Close => {
                    self.close = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.session.frame(frames::Kind::Close, &payload[..payload.len().min(2)])?;
                }
                frames::Kind::Ping => self.session.frame(frames::Kind::Pong, &payload)?,
                frames::Kind::Pong => {}
            }
        }
    }

    fn take(&mut self, body: &[u8], url: &Url, leaving: bool) -> io::Result<()> {
        self.deliveries += memmem::find_iter(body, b"\"s\":").count() as u64;
        let Some(at) = memmem::find(body, b"\"/meta/") else {
            return Ok(());
        };
        let batch: Vec<Value> =
            serde_json::from_slice(body).map_err(|error| said(&format!("no batch ({error})"), &body[at..]))?;
        for reply in &batch {
            match reply["channel"].as_str() {
                Some("/meta/connect") => self.connected(reply, url, leaving)?,
                Some("/meta/handshake") => self.handshook(reply, url)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn connected(&mut self, reply: &Value, url: &Url, leaving: bool) -> io::Result<()> {
        let (good, advice) = (reply["successful"] == true, &reply["advice"]);
        let interval = advice["interval"].as_u64().map(Duration::from_millis);
        match self.phase {
            Phase::Held if leaving && good && advice["reconnect"] == "retry" && interval.is_some() => {
                self.interval = interval;
                self.phase = Phase::Told { due: Instant::now() + interval.unwrap_or_default() };
                Ok(())
            }
            Phase::Held if good => {
                let connect = self.session.connect.clone();
                // A server that leaves may have closed: then its end is seen by the next read.
                self.session.write(&connect).or_else(|error| if leaving { Ok(()) } else { Err(error) })
            }
            // It came back so early that it met the server that ends.
            Phase::Returning(Step::Retry) if good && advice["reconnect"] == "retry" && interval.is_some() => {
                self.phase = Phase::Told { due: Instant::now() + interval.unwrap_or_default() };
                Ok(())
            }
            // The server does not know this session: a new one, after what is advised.
            Phase::Returning(Step::Retry) if !good && advice["reconnect"] == "handshake" => {
                match interval.filter(|interval| !interval.is_zero()) {
                    Some(interval) => {
                        self.phase = Phase::Returning(Step::Pause { due: Instant::now() + interval });
                        Ok(())
                    }
                    None => self.handshake(url),
                }
            }
            Phase::Returning(Step::Connect) if good => {
                self.phase = Phase::Back;
                Ok(())
            }
            phase => Err(io::Error::other(format!("a connect reply when {phase:?}: {reply}"))),
        }
    }

    fn handshook(&mut self, reply: &Value, url: &Url) -> io::Result<()> {
        let id = reply["clientId"].as_str().filter(|_| reply["successful"] == true);
        let Some(id) = id.filter(|_| self.phase == Phase::Returning(Step::Handshake)) else {
            return Err(io::Error::other(format!("a handshake reply when {:?}: {reply}", self.phase)));
        };
        let kind = if self.is_socket() { "websocket" } else { "long-polling" };
        let connect = format!(
            r#"[{{"channel":"/meta/connect","connectionType":"{kind}","clientId":"{id}","id":"c","advice":{{"timeout":0}}}}]"#
        );
        id.clone_into(&mut self.session.id);
        self.phase = Phase::Returning(Step::Connect);
        self.session.send(url, &connect)
    }
}

impl Wire {
    /// Reads all there is; an error is the end of the connection.
    fn read(&mut self, scratch: &mut [u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        loop {
            match stream.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.input.extend_from_slice(&scratch[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes what waits and then `bytes`, as far as there is room; the rest waits.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.extend_from_slice(bytes);
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        while !self.output.is_empty() {
            match stream.write(&self.output) {
                Ok(length) => drop(self.output.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends a frame, if the other side still reads; if not, that is seen by the next read.
    fn frame(&mut self, kind: frames::Kind, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        frames::client(kind, payload, &mut bytes);
        self.write(&bytes).or(Ok(()))
    }

    fn send(&mut self, url: &Url, batch: &str) -> io::Result<()> {
        let bytes = Session::wrapped(self.transport, url, &self.cookie, batch);
        self.write(&bytes)
    }
}
