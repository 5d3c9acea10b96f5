//! A blocking client: HTTP/1.1 and WebSocket, byte by byte. Every read has a deadline, so a test ends.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(10);

/// A keep-alive connection, and the session on it.
pub(crate) struct Http {
    stream: BufReader<Stream>,
    pub(crate) cookie: Option<String>,
    pub(crate) id: String,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn messages(&self) -> Vec<Value> {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no messages: {self:?}"))
    }
}

impl Http {
    pub(crate) fn open(server: &Server) -> Self {
        Self::over(TcpStream::connect(server.address).expect("the server listens"))
    }

    /// From another address of this machine.
    pub(crate) fn open_from(server: &Server, source: Ipv4Addr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("all of 127.0.0.0/8 is this machine");
        socket.connect(&server.address.into()).expect("the server listens");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream: BufReader::new(Stream::Plain(stream)), cookie: None, id: String::new() }
    }

    /// The same connection, from here on by TLS.
    pub(crate) fn by_tls(self, connection: ClientConnection) -> Self {
        let Stream::Plain(stream) = self.stream.into_inner() else { panic!("by TLS twice") };
        Self { stream: BufReader::new(Stream::Tls(Box::new(StreamOwned::new(connection, stream)))), ..self }
    }

    /// Says that nothing more will be sent, as far as TLS is concerned.
    pub(crate) fn close_notify(&mut self) {
        let Stream::Tls(stream) = self.stream.get_mut() else { panic!("no TLS") };
        stream.conn.send_close_notify();
        stream.flush().expect("the server reads");
    }

    /// Another connection of the same session.
    pub(crate) fn again(&self, server: &Server) -> Self {
        Self::open(server).of(self)
    }

    /// This connection, for the session of that one.
    pub(crate) fn of(self, session: &Self) -> Self {
        Self { cookie: session.cookie.clone(), id: session.id.clone(), ..self }
    }

    /// Another connection of the same session, to the same server.
    pub(crate) fn another(&self) -> Self {
        let server = self.stream().peer_addr().expect("it is connected");
        let stream = TcpStream::connect(server).expect("the server listens");
        Self::over(stream).of(self)
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let written = match self.stream.get_mut() {
            Stream::Plain(stream) => stream.write_all(bytes.as_ref()),
            Stream::Tls(stream) => stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()),
        };
        written.expect("the server reads");
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        match self.stream.get_ref() {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: app.example\r\nContent-Length: {}\r\n", body.len());
        if let Some(cookie) = &self.cookie {
            head.push_str(&format!("Cookie: {cookie}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.write([head.as_bytes(), b"\r\n", body].concat());
    }

    pub(crate) fn answer(&mut self) -> Response {
        self.answer_to("POST")
    }

    /// The next answer. That to a HEAD tells the length of a body that does not come.
    pub(crate) fn answer_to(&mut self, method: &str) -> Response {
        let mut response = self.answer_head();
        if response.status >= 200 && response.status != 204 && method != "HEAD" {
            response.body = self.body(&response);
        }
        response
    }

    /// The head of the next answer.
    pub(crate) fn answer_head(&mut self) -> Response {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a status line");
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("no status: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let response = Response { status, headers, body: Vec::new() };
        if let Some(cookie) = response.header("set-cookie").and_then(|cookie| cookie.split(';').next()) {
            self.cookie = Some(cookie.to_owned());
        }
        response
    }

    /// Everything up to the end, which the server makes.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an end, not a reset");
        String::from_utf8_lossy(&rest).into_owned()
    }

    pub(crate) fn body(&mut self, response: &Response) -> Vec<u8> {
        if let Some(length) = response.header("content-length") {
            let mut body = vec![0; length.parse().expect("a length")];
            self.stream.read_exact(&mut body).expect("the whole body");
            return body;
        }
        assert_eq!(response.header("transfer-encoding"), Some("chunked"));
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk() {
            body.extend_from_slice(&chunk);
        }
        body
    }

    /// The next chunk of a body; `None` is its end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a chunk");
        let length = usize::from_str_radix(line.trim_end(), 16).expect("a chunk's length");
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).expect("the whole chunk");
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.ask(method, path, headers, body);
        self.answer_to(method)
    }

    /// Posts messages; each gets the session's clientId.
    pub(crate) fn post(&mut self, batch: Value) -> Vec<Value> {
        self.ask_batch(batch);
        self.answer().messages()
    }

    pub(crate) fn ask_batch(&mut self, batch: Value) {
        let batch = with_id(batch, &self.id);
        self.ask("POST", "/bayeux", &[("Content-Type", "application/json")], batch.to_string().as_bytes());
    }

    pub(crate) fn handshake(&mut self) -> &mut Self {
        let reply = self.post(handshake()).remove(0);
        self.id = reply["clientId"].as_str().expect("a session").to_owned();
        self
    }

    pub(crate) fn session(server: &Server) -> Self {
        Self::open(server).with_session()
    }

    /// Handshake and first connect.
    pub(crate) fn with_session(mut self) -> Self {
        self.handshake();
        self.post(connect("first"));
        self
    }

    pub(crate) fn subscribe(&mut self, channel: &str) {
        let reply = self.post(json!([{"channel": "/meta/subscribe", "subscription": channel}])).remove(0);
        assert_eq!(reply["successful"], true);
    }
}

/// A WebSocket, and the session on it.
pub(crate) struct Ws {
    pub(crate) http: Http,
    pub(crate) response: Response,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    Text(Vec<Value>),
    Pong(Vec<u8>),
    Close(u16),
    End,
}

impl Ws {
    pub(crate) fn open(server: &Server) -> Self {
        Self::upgrade(Http::open(server))
    }

    pub(crate) fn upgrade(mut http: Http) -> Self {
        let response = http.request("GET", "/bayeux", &UPGRADE, b"");
        assert_eq!(response.status, 101, "{response:?}");
        Self { http, response }
    }

    pub(crate) fn session(server: &Server) -> Self {
        Self::open(server).with_session()
    }

    /// Handshake and first connect.
    pub(crate) fn with_session(mut self) -> Self {
        let reply = self.call(handshake()).remove(0);
        self.http.id = reply["clientId"].as_str().expect("a session").to_owned();
        self.call(connect("first"));
        self
    }

    pub(crate) fn send(&mut self, batch: Value) {
        let batch = with_id(batch, &self.http.id);
        self.frame(0x81, batch.to_string().as_bytes());
    }

    /// Sends a batch and returns the next frame's messages.
    pub(crate) fn call(&mut self, batch: Value) -> Vec<Value> {
        self.send(batch);
        self.messages()
    }

    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) {
        self.http.write(Self::masked(first, payload));
    }

    /// The bytes of a frame that begins with `first`.
    pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    pub(crate) fn messages(&mut self) -> Vec<Value> {
        match self.read() {
            Frame::Text(messages) => messages,
            other => panic!("no messages: {other:?}"),
        }
    }

    pub(crate) fn read(&mut self) -> Frame {
        let mut head = [0; 2];
        if self.http.stream.read_exact(&mut head).is_err() {
            return Frame::End;
        }
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.http.stream.read_exact(&mut length).expect("a length");
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.http.stream.read_exact(&mut length).expect("a length");
                u64::from_be_bytes(length) as usize
            }
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.http.stream.read_exact(&mut payload).expect("the whole frame");
        match head[0] {
            0x81 => Frame::Text(serde_json::from_slice(&payload).expect("messages")),
            0x8a => Frame::Pong(payload),
            0x88 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
            other => panic!("an unexpected frame: {other:#x}"),
        }
    }
}

/// Sockets that close right after `last`, each before an event is published: the event goes to the session's next connection.
pub(crate) fn closed_sockets_take_nothing(open: impl Fn() -> Http, last: impl Fn(&mut Ws)) {
    let mut publisher = open().with_session();
    for n in 0..300 {
        let mut gone = Ws::upgrade(open()).with_session();
        gone.call(json!([{"channel": "/meta/subscribe", "subscription": "/a"}]));
        let mut session = open().of(&gone.http);
        last(&mut gone);
        drop(gone);
        publisher.post(json!([{"channel": "/a", "data": n}]));
        let messages = session.post(connect("next"));
        assert_eq!((channels(&messages), &messages[0]["data"]), (vec!["/a", "/meta/connect"], &json!(n)));
        session.post(json!([{"channel": "/meta/disconnect"}]));
    }
}

pub(crate) const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

pub(crate) fn handshake() -> Value {
    json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling", "websocket"], "id": "h"}])
}

pub(crate) fn connect(id: &str) -> Value {
    json!([{"channel": "/meta/connect", "connectionType": "long-polling", "id": id}])
}

pub(crate) fn channels(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|message| message["channel"].as_str()).collect()
}

pub(crate) fn with_id(mut batch: Value, id: &str) -> Value {
    for message in batch.as_array_mut().into_iter().flatten() {
        if let Some(message) = message.as_object_mut()
            && !id.is_empty()
        {
            message.entry("clientId").or_insert(json!(id));
        }
    }
    batch
}
