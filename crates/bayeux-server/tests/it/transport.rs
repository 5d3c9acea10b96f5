//! The six transports as a client sees them: how each asks for events, and how it reads them.

use std::{collections::VecDeque, fmt::Write};

use serde_json::{Value, json};

use crate::{
    client::{Http, Response, Ws, with_id},
    server::{Server, wait_until},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    LongPolling,
    CallbackPolling,
    WebSocket,
    EventSource,
    XhrStreaming,
    Iframe,
}

use Transport::{CallbackPolling, EventSource, Iframe, LongPolling, WebSocket, XhrStreaming};

pub(crate) const TRANSPORTS: [Transport; 6] =
    [LongPolling, CallbackPolling, WebSocket, EventSource, XhrStreaming, Iframe];

pub(crate) const STREAMS: [Transport; 3] = [EventSource, XhrStreaming, Iframe];

/// Where events come by themselves.
pub(crate) const PUSHED: [Transport; 4] = [WebSocket, EventSource, XhrStreaming, Iframe];

impl Transport {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            LongPolling => "long-polling",
            CallbackPolling => "callback-polling",
            WebSocket => "websocket",
            EventSource => "eventsource",
            XhrStreaming => "xhr-streaming",
            Iframe => "iframe",
        }
    }

    pub(crate) fn is_stream(self) -> bool {
        STREAMS.contains(&self)
    }

    pub(crate) fn connect(self, id: &str) -> Value {
        json!([{"channel": "/meta/connect", "connectionType": self.name(), "id": id}])
    }
}

/// Asks with messages in the URL, and more behind them.
pub(crate) fn ask_by_get(http: &mut Http, batch: &Value, more: &str, headers: &[(&str, &str)]) {
    let batch = with_id(batch.clone(), &http.id).to_string();
    http.ask("GET", &format!("/bayeux?message={}{more}", encoded(batch.as_bytes())), headers, b"");
}

/// URL-encoded.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(*byte));
        } else {
            write!(out, "%{byte:02X}").expect("a String takes it");
        }
        out
    })
}

/// The messages in a script that calls `cb`.
pub(crate) fn script_messages(response: &Response) -> Vec<Value> {
    let text = String::from_utf8_lossy(&response.body);
    let array = text.strip_prefix("/**/cb(").and_then(|text| text.strip_suffix(");"));
    script_batch(array.unwrap_or_else(|| panic!("no script: {text}")))
}

/// What a script makes of the argument of a call.
fn script_batch(argument: &str) -> Vec<Value> {
    let text = argument.strip_prefix("JSON.parse(").and_then(|argument| argument.strip_suffix(')'));
    let json = text.map(|text| serde_json::from_str::<String>(text).unwrap_or_else(|_| panic!("no string: {text}")));
    assert!(json.is_some() || !argument.contains("__proto__"), "it sets a prototype: {argument}");
    let batch = serde_json::from_str(json.as_deref().unwrap_or(argument));
    batch.unwrap_or_else(|error| panic!("no batch: {argument}: {error}"))
}

/// Sends a batch by `callback-polling`, and returns the replies.
pub(crate) fn call_by_script(http: &mut Http, batch: &Value) -> Vec<Value> {
    ask_by_get(http, batch, "&jsonp=cb", &[]);
    script_messages(&http.answer())
}

/// The connection on which a session receives.
pub(crate) struct Receiver {
    transport: Transport,
    connection: Connection,
    /// The head of a response over HTTP, once it has come.
    pub(crate) head: Option<Response>,
    /// Batches that were read already.
    batches: VecDeque<Vec<Value>>,
    /// Read of a stream and not taken apart yet.
    unread: Vec<u8>,
    /// The `id` of the last server-sent event that had one.
    pub(crate) event_id: Option<String>,
    /// Milliseconds after which an event source comes again.
    pub(crate) retry: Option<u32>,
    /// How often something came that means nothing.
    pub(crate) beats: usize,
    over: bool,
}

enum Connection {
    Http(Http),
    Socket(Ws),
}

impl Receiver {
    /// Connects `session` on a connection of its own.
    pub(crate) fn open(server: &Server, session: &Http, transport: Transport, id: &str) -> Self {
        Self::ask(session.again(server), transport, &transport.connect(id), &[])
    }

    /// As `open`, and the server has served the connect.
    pub(crate) fn served(server: &Server, session: &Http, transport: Transport, id: &str) -> Self {
        let served = server.bayeux.stats().requests;
        let mut receiver = Self::open(server, session, transport, id);
        let Connection::Socket(socket) = &mut receiver.connection else {
            wait_until(|| server.bayeux.stats().requests > served);
            return receiver;
        };
        // Frames are handled in order.
        socket.send(json!([]));
        loop {
            let messages = socket.messages();
            if messages.is_empty() {
                return receiver;
            }
            receiver.batches.push_back(messages);
        }
    }

    /// Sends `connect` on this connection of its session.
    pub(crate) fn ask(mut http: Http, transport: Transport, connect: &Value, headers: &[(&str, &str)]) -> Self {
        let connection = match transport {
            LongPolling | XhrStreaming => {
                let body = with_id(connect.clone(), &http.id).to_string();
                http.ask("POST", "/bayeux", headers, body.as_bytes());
                Connection::Http(http)
            }
            CallbackPolling => {
                ask_by_get(&mut http, connect, "&jsonp=cb", headers);
                Connection::Http(http)
            }
            EventSource | Iframe => {
                ask_by_get(&mut http, connect, "", headers);
                Connection::Http(http)
            }
            WebSocket => {
                let mut socket = Ws::upgrade(http);
                socket.send(connect.clone());
                Connection::Socket(socket)
            }
        };
        Self::reading(connection, transport)
    }

    /// What comes on a connection on which a connect was sent.
    pub(crate) fn of(http: Http, transport: Transport) -> Self {
        Self::reading(Connection::Http(http), transport)
    }

    /// What comes on a socket.
    pub(crate) fn of_socket(socket: Ws) -> Self {
        Self::reading(Connection::Socket(socket), WebSocket)
    }

    fn reading(connection: Connection, transport: Transport) -> Self {
        let (head, batches, unread, beats, over) = (None, VecDeque::new(), Vec::new(), 0, false);
        Self { transport, connection, head, batches, unread, event_id: None, retry: None, beats, over }
    }

    pub(crate) const fn http(&self) -> &Http {
        match &self.connection {
            Connection::Http(http) => http,
            Connection::Socket(socket) => &socket.http,
        }
    }

    pub(crate) const fn http_mut(&mut self) -> &mut Http {
        match &mut self.connection {
            Connection::Http(http) => http,
            Connection::Socket(socket) => &mut socket.http,
        }
    }

    /// The connection, once the response was read.
    pub(crate) fn into_http(self) -> Http {
        match self.connection {
            Connection::Http(http) => http,
            Connection::Socket(socket) => socket.http,
        }
    }

    /// Connects once more, the earlier connect being answered: on the same socket, or on another connection.
    pub(crate) fn connect(&mut self, id: &str) {
        let connect = self.transport.connect(id);
        if let Connection::Socket(socket) = &mut self.connection {
            socket.send(connect);
            self.over = false;
        } else {
            *self = Self::ask(self.http().another(), self.transport, &connect, &[]);
        }
    }

    /// The next batch; `None` once the connect was answered for the last time.
    pub(crate) fn next(&mut self) -> Option<Vec<Value>> {
        while self.batches.is_empty() && !self.over {
            self.read();
        }
        let batch = self.batches.pop_front()?;
        if self.transport == WebSocket && is_answered(&batch) {
            self.over = true;
        }
        Some(batch)
    }

    /// The next batch, which is there.
    pub(crate) fn messages(&mut self) -> Vec<Value> {
        self.next().expect("a batch")
    }

    /// All messages until the end.
    pub(crate) fn rest(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.next()).flatten().collect()
    }

    /// Reads a batch, or a piece of a stream, which may have none.
    pub(crate) fn read(&mut self) {
        match &mut self.connection {
            Connection::Socket(socket) => self.batches.push_back(socket.messages()),
            Connection::Http(http) if !self.transport.is_stream() => {
                let response = http.answer();
                let scripted = self.transport == CallbackPolling;
                self.batches.push_back(if scripted { script_messages(&response) } else { response.messages() });
                (self.head, self.over) = (Some(response), true);
            }
            Connection::Http(http) if self.head.is_none() => {
                let head = http.answer_head();
                assert_eq!(head.status, 200, "{head:?}");
                if head.header("content-length").is_some() {
                    // A refusal is all there is.
                    (self.unread, self.over) = (http.body(&head), true);
                }
                self.head = Some(head);
                self.take_apart();
            }
            Connection::Http(http) => {
                match http.chunk() {
                    Some(chunk) => self.unread.extend_from_slice(&chunk),
                    None => self.over = true,
                }
                self.take_apart();
            }
        }
    }

    /// Takes the batches out of what was read.
    fn take_apart(&mut self) {
        let end: &[u8] = if self.transport == EventSource { b"\n\n" } else { b"\n" };
        while let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
            let text = String::from_utf8(self.unread.drain(..at + end.len()).take(at).collect()).expect("UTF-8");
            match self.transport {
                EventSource => self.event(&text),
                Iframe => self.script(&text),
                _ if text.is_empty() => self.beats += 1,
                _ => self.batch(&text),
            }
        }
        assert!(
            !self.over || self.unread.is_empty(),
            "a piece is cut off: {:?}",
            String::from_utf8_lossy(&self.unread)
        );
    }

    fn event(&mut self, text: &str) {
        for line in text.lines() {
            match line.split_once(": ") {
                Some(("data", data)) => self.batch(data),
                Some(("id", id)) => self.event_id = Some(id.to_owned()),
                Some(("retry", millis)) => self.retry = Some(millis.parse().expect("milliseconds")),
                _ => {
                    assert_eq!(line, ":");
                    self.beats += 1;
                }
            }
        }
    }

    fn script(&mut self, text: &str) {
        let Some((nonce, script)) = text.strip_prefix("<script nonce=").and_then(|text| text.split_once('>')) else {
            if text.is_empty() {
                self.beats += 1;
            } else {
                assert!(text.starts_with("<!DOCTYPE html>"), "{text}");
            }
            return;
        };
        let policy = self.head.as_ref().and_then(|head| head.header("content-security-policy"));
        assert!(policy.is_some_and(|policy| policy.contains(&format!("script-src 'nonce-{nonce}';"))), "{policy:?}");
        let batch = script.strip_prefix("d(").and_then(|text| text.strip_suffix(")</script>"));
        self.batches.push_back(script_batch(batch.unwrap_or_else(|| panic!("no script: {text}"))));
    }

    fn batch(&mut self, text: &str) {
        let batch = serde_json::from_str(text);
        self.batches.push_back(batch.unwrap_or_else(|error| panic!("no batch: {text}: {error}")));
    }
}

/// Whether the reply to a connect is among them.
pub(crate) fn is_answered(messages: &[Value]) -> bool {
    messages.iter().any(|message| message["channel"] == "/meta/connect")
}
