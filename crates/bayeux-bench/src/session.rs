//! A session made the plain way, one blocking step after another; afterwards its socket is polled.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use memchr::memmem;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt::set_socket_recv_buffer_size};

use crate::{
    PATIENCE,
    args::{Transport, Url},
    connection::said,
    frames, http, stream,
    stream::Part,
};

/// A connection with a session on it whose connect is held; or one to a floor, which knows no sessions.
pub(crate) struct Session {
    pub(crate) stream: TcpStream,
    pub(crate) transport: Transport,
    pub(crate) client_id: String,
    /// The bytes of a connect. A floor's WebSocket never sends it.
    pub(crate) connect: Vec<u8>,
    /// Read beyond what was asked for.
    pub(crate) input: Vec<u8>,
    /// Sent with each request over HTTP.
    pub(crate) cookie: String,
    /// The server, if each connect is to acknowledge what came.
    pub(crate) acks: Option<Url>,
}

/// Bytes that the system keeps for a reader that stops.
const SMALL_BUFFER: usize = 4096;
pub(crate) const HANDSHAKE: &str = r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket","long-polling","callback-polling","eventsource","xhr-streaming","iframe"],"id":"h"}]"#;

impl Session {
    /// A session with a held connect, subscribed to `channel` if there is one.
    pub(crate) fn open(server: &Url, transport: Transport, channel: Option<&str>) -> io::Result<Self> {
        Self::open_on(connected(server)?, server, transport, channel)
    }

    /// As [`Session::open`], with the extension `ack`.
    pub(crate) fn open_acking(server: &Url, transport: Transport, channel: &str) -> io::Result<Self> {
        let handshake = HANDSHAKE.replace(r#""id":"h""#, r#""id":"h","ext":{"ack":true}"#);
        let mut session = Self::open_with(connected(server)?, server, transport, Some(channel), &handshake)?;
        session.acks = Some(server.clone());
        Ok(session)
    }

    /// The connect that says that everything up to this number came.
    pub(crate) fn acknowledging(
        transport: Transport,
        server: &Url,
        cookie: &str,
        client_id: &str,
        number: u64,
    ) -> Vec<u8> {
        let kind = transport.connection_type();
        let connect = format!(
            r#"[{{"channel":"/meta/connect","connectionType":"{kind}","clientId":"{client_id}","id":"c","ext":{{"ack":{number}}}}}]"#
        );
        Self::wrapped(transport, server, cookie, &connect)
    }

    /// The same for a reader that will stop: the system keeps little of what it does not read.
    pub(crate) fn open_small(server: &Url, transport: Transport, channel: &str) -> io::Result<Self> {
        Self::open_on(connected_small(server)?, server, transport, Some(channel))
    }

    fn open_on(stream: TcpStream, server: &Url, transport: Transport, channel: Option<&str>) -> io::Result<Self> {
        Self::open_with(stream, server, transport, channel, HANDSHAKE)
    }

    fn open_with(
        stream: TcpStream,
        server: &Url,
        transport: Transport,
        channel: Option<&str>,
        handshake: &str,
    ) -> io::Result<Self> {
        let mut session = Self::new(stream, transport)?;
        if transport == Transport::Websocket {
            session.upgrade(server)?;
        }
        let reply = session.call(server, "/meta/handshake", handshake)?;
        session.client_id = client_id(&reply)?;
        let id = session.client_id.clone();
        let kind = transport.connection_type();
        let connect = |advice: &str| {
            format!(r#"[{{"channel":"/meta/connect","connectionType":"{kind}","clientId":"{id}","id":"c"{advice}}}]"#)
        };
        // Some servers answer the first connect at once, others hold it; with this advice all answer.
        if !transport.streams() {
            session.call(server, "/meta/connect", &connect(r#","advice":{"timeout":0}"#))?;
        }
        if let Some(channel) = channel {
            let subscribe =
                format!(r#"[{{"channel":"/meta/subscribe","subscription":"{channel}","clientId":"{id}","id":"s"}}]"#);
            session.call(server, "/meta/subscribe", &subscribe)?;
        }
        if transport.streams() {
            session.connect = match transport {
                Transport::XhrStreaming => session.wrap(server, &connect("")),
                _ => stream::request(transport, server, &session.cookie, &connect("")),
            };
            session.stream.write_all(&session.connect)?;
            session.read_opening()?;
            return Ok(session);
        }
        session.connect = session.wrap(server, &connect(""));
        session.stream.write_all(&session.connect)?;
        Ok(session)
    }

    /// A WebSocket that was upgraded and has no session.
    pub(crate) fn upgraded(server: &Url) -> io::Result<Self> {
        Self::upgraded_on(connected(server)?, server)
    }

    /// The same on a connection that is there.
    pub(crate) fn upgraded_on(stream: TcpStream, server: &Url) -> io::Result<Self> {
        let mut session = Self::new(stream, Transport::Websocket)?;
        session.upgrade(server)?;
        Ok(session)
    }

    fn upgrade(&mut self, server: &Url) -> io::Result<()> {
        let Url { address, path } = server;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes())?;
        let (head, _) = self.read_response()?;
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(said("the upgrade to a WebSocket was refused", &head));
        }
        Ok(())
    }

    /// A long poll at a floor, which holds `poll`.
    pub(crate) fn floor_poll(floor: &Url, poll: &[u8]) -> io::Result<Self> {
        let mut session = Self::new(connected(floor)?, Transport::LongPolling)?;
        let Url { address, path } = floor;
        session.stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
        session.read_response()?;
        session.connect = poll.to_vec();
        session.stream.write_all(poll)?;
        Ok(session)
    }

    fn new(stream: TcpStream, transport: Transport) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (input, connect) = (Vec::new(), Vec::new());
        Ok(Self { stream, transport, client_id: String::new(), connect, input, cookie: String::new(), acks: None })
    }

    /// Sends `batch` and returns the reply on `channel`, which must be successful.
    fn call(&mut self, server: &Url, channel: &str, batch: &str) -> io::Result<Vec<u8>> {
        let bytes = self.wrap(server, batch);
        self.stream.write_all(&bytes)?;
        let reply = match self.transport {
            Transport::Websocket => self.read_text(channel)?,
            _ => {
                let (head, body) = self.read_response()?;
                if let Some(cookie) = cookie(&head) {
                    self.cookie = cookie;
                }
                body
            }
        };
        if memmem::find(&reply, b"\"successful\":true").is_none() {
            return Err(said(&format!("{channel} was refused"), &reply));
        }
        Ok(reply)
    }

    /// `batch` as it is sent.
    fn wrap(&self, server: &Url, batch: &str) -> Vec<u8> {
        Self::wrapped(self.transport, server, &self.cookie, batch)
    }

    /// `batch` as it is sent over `transport`, with `cookie` if there is one.
    pub(crate) fn wrapped(transport: Transport, server: &Url, cookie: &str, batch: &str) -> Vec<u8> {
        match transport {
            Transport::Websocket => {
                let mut frame = Vec::new();
                frames::client(frames::Kind::Text, batch.as_bytes(), &mut frame);
                frame
            }
            Transport::CallbackPolling => stream::request(transport, server, cookie, batch),
            Transport::LongPolling | Transport::Eventsource | Transport::XhrStreaming | Transport::Iframe => {
                let Url { address, path } = server;
                let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
                let length = batch.len();
                format!(
                    "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{cookie}\
                     Content-Length: {length}\r\n\r\n{batch}"
                )
                .into_bytes()
            }
        }
    }

    /// The next text frame that names `channel`.
    pub(crate) fn read_text(&mut self, channel: &str) -> io::Result<Vec<u8>> {
        loop {
            if let Some(frame) = frames::next(&self.input)? {
                let payload = self.input[frame.payload].to_vec();
                self.input.drain(..frame.end);
                match frame.kind {
                    frames::Kind::Text if memmem::find(&payload, channel.as_bytes()).is_some() => return Ok(payload),
                    frames::Kind::Close => return Err(said("a WebSocket was closed by the other side", &payload)),
                    frames::Kind::Text | frames::Kind::Ping | frames::Kind::Pong => {}
                }
            } else {
                self.read_more()?;
            }
        }
    }

    /// The head of a stream and the reply to the connect that opened it.
    fn read_opening(&mut self) -> io::Result<()> {
        let mut in_body = false;
        loop {
            match stream::next(&self.input, in_body)? {
                None => self.read_more()?,
                Some(Part::Head { end }) => {
                    in_body = true;
                    self.input.drain(..end);
                }
                Some(Part::Chunk { body, end }) => {
                    let opened = memmem::find(&self.input[body], b"\"successful\":true").is_some();
                    self.input.drain(..end);
                    if opened {
                        return Ok(());
                    }
                }
                Some(Part::End { .. }) => return Err(io::Error::other("a stream ended at once")),
            }
        }
    }

    /// Head and body of the next response.
    pub(crate) fn read_response(&mut self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        loop {
            if let Some(message) = http::next(&self.input)? {
                let (head, body, end) = (message.head.to_vec(), message.body.to_vec(), message.end);
                self.input.drain(..end);
                return Ok((head, body));
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(io::Error::other("a connection was closed by the other side")),
            Ok(length) => {
                self.input.extend_from_slice(&chunk[..length]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(silent(PATIENCE)),
            Err(error) => Err(error),
        }
    }
}

fn connected(server: &Url) -> io::Result<TcpStream> {
    TcpStream::connect(&server.address)
        .map_err(|error| io::Error::new(error.kind(), format!("can't connect to {}: {error}", server.address)))
}

/// With a receive buffer that is small from the beginning: one that has been announced to the peer stays.
fn connected_small(server: &Url) -> io::Result<TcpStream> {
    let address = server.address.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_recv_buffer_size(&socket, SMALL_BUFFER)?;
    connect(&socket, &address)?;
    Ok(TcpStream::from(socket))
}

fn silent(patience: Duration) -> io::Error {
    io::Error::other(format!("the server did not answer within {} s", patience.as_secs()))
}

fn client_id(reply: &[u8]) -> io::Result<String> {
    let after = |needle: &[u8]| memmem::find(reply, needle).map(|at| at + needle.len());
    let start = after(b"\"clientId\":\"").ok_or_else(|| said("a handshake reply without a clientId", reply))?;
    let id = reply[start..].split(|byte| *byte == b'"').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(id).into_owned())
}

/// The cookie that a response sets, as it is sent back.
pub(crate) fn cookie(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie:"))?;
    Some(line[11..].split(';').next()?.trim().to_owned())
}
