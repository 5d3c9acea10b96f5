//! Requests over HTTP, and what became of a request on any transport.

use super::{Arrived, Exchange, Peer, Sent, SocketEnd, Transport, is_event};
use crate::json::{Json, parse};
use crate::transcript::Direction;
use crate::wire::WireError;
use crate::wire::http::{Body, Request, Response, read_response};
use crate::wire::stream::Stream;
use std::cell::RefCell;
use std::time::Duration;
use tokio::time::Instant;

/// An answer over HTTP, with what could be read of its body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status, head and body.
    pub response: Response,
    /// The messages in the body, or why there are none.
    pub messages: Result<Vec<Json>, String>,
}

/// What became of one request.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A reply came.
    Reply {
        /// The reply.
        message: Json,
        /// How long after the request.
        after: Duration,
        /// The status of the response that it came with; none over WebSocket.
        status: Option<u16>,
    },
    /// The HTTP response has no reply to it: a status that is no success, or a body without it.
    Http {
        /// The status.
        status: u16,
        /// The body's beginning.
        body: String,
    },
    /// The connection ended before.
    Closed {
        /// The code of a WebSocket's close frame.
        code: Option<u16>,
        /// What ended it.
        why: String,
    },
    /// No connection could be made.
    Unreachable(String),
    /// Nothing came in time.
    Silence(Duration),
}

impl Outcome {
    /// A successful reply; otherwise what came, in words.
    pub fn success(&self) -> Result<Json, String> {
        match self {
            Self::Reply { message, .. } if message.get("successful").and_then(Json::as_bool) == Some(true) => {
                Ok(message.clone())
            }
            other => Err(other.to_string()),
        }
    }
}

/// How a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// So that a client can tell it from a server in trouble.
    Clear,
    /// By a status of the 500s, or a connection that ended: these say too little.
    Vague,
}

impl Refusal {
    /// What a status is.
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            400..=499 => Some(Self::Clear),
            500..=599 => Some(Self::Vague),
            _ => None,
        }
    }

    /// What the end of a connection is: codes of a server that just goes, or is in trouble, say no more than none.
    pub fn of_close(code: Option<u16>) -> Self {
        if matches!(code, Some(1002..=1010 | 3000..=4999)) { Self::Clear } else { Self::Vague }
    }
}

impl Outcome {
    /// Whether and how the request was refused.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Reply { message, .. } => {
                (message.get("successful").and_then(Json::as_bool) == Some(false)).then_some(Refusal::Clear)
            }
            Self::Http { status, .. } => Refusal::of_status(*status),
            Self::Closed { code, .. } => Some(Refusal::of_close(*code)),
            Self::Unreachable(_) | Self::Silence(_) => None,
        }
    }

    /// Whether it is what becomes of a publish that a server which answers none has taken: over HTTP a response all the same.
    pub fn is_unanswered_publish(&self, transport: Transport) -> bool {
        match self {
            Self::Http { status, .. } => (200..=299).contains(status),
            Self::Silence(_) => transport == Transport::WebSocket,
            _ => false,
        }
    }

    /// Whether there is a response without any message in it.
    pub fn is_empty(&self) -> bool {
        let none = |body: &str| messages_of(body.as_bytes()).is_ok_and(|messages| messages.is_empty());
        matches!(self, Self::Http { body, .. } if body.trim().is_empty() || none(body))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reply { message, .. } => write!(out, "the reply was {message}"),
            Self::Http { status, body } => write!(out, "HTTP {status} without a reply to it, body {body:?}"),
            Self::Closed { code: Some(code), .. } => write!(out, "the WebSocket was closed with {code}"),
            Self::Closed { why, .. } | Self::Unreachable(why) => write!(out, "no reply: {why}"),
            Self::Silence(time) => write!(out, "no answer within {:.1} s", time.as_secs_f64()),
        }
    }
}

impl Peer {
    /// The head fields that every request of this peer carries.
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = self.inner.scene.target.headers.clone();
        if let Some(cookies) = self.inner.state.borrow().jar.borrow().header() {
            headers.push(("Cookie".into(), cookies));
        }
        headers
    }

    /// Posts a body, and returns the exchange's number at once.
    pub(super) fn post(&self, body: String) -> usize {
        self.start(self.posting(body))
    }

    /// The request that posts a body.
    pub(super) fn posting(&self, body: String) -> Request {
        let mut headers = self.headers();
        headers.push(("Content-Type".into(), "application/json".into()));
        let target = self.inner.scene.target.path("");
        Request { method: "POST".into(), target, headers, body: Body::Sized(body.into_bytes()) }
    }

    /// Sends messages in a query, and returns the exchange's number at once.
    pub(super) fn get_script(&self, messages: &str) -> usize {
        self.start(self.getting(messages, "&jsonp=cb"))
    }

    /// The request that has messages in its query, and this behind them.
    pub fn getting(&self, messages: &str, more: &str) -> Request {
        let message: String = url::form_urlencoded::byte_serialize(messages.as_bytes()).collect();
        let path = self.inner.scene.target.path("");
        let joint = if path.contains('?') { '&' } else { '?' };
        let target = format!("{path}{joint}message={message}{more}");
        Request { method: "GET".into(), target, headers: self.headers(), body: Body::None }
    }

    /// Starts an exchange of its own, on a connection that is free or new.
    pub fn start(&self, request: Request) -> usize {
        let peer = self.clone();
        self.begin(move |number| async move { peer.exchange(number, request).await })
    }

    /// Gives an exchange its number and a task; what that returns is its answer.
    pub(super) fn begin<F>(&self, talk: impl FnOnce(usize) -> F) -> usize
    where
        F: Future<Output = Result<Answer, WireError>> + 'static,
    {
        let number = {
            let mut state = self.inner.state.borrow_mut();
            state.exchanges.push(Exchange { sent: Instant::now(), stream: None, answer: None, task: None });
            state.exchanges.len() - 1
        };
        let peer = self.clone();
        let talk = talk(number);
        let task = self.inner.scene.spawn(async move {
            let answer = talk.await;
            peer.inner.state.borrow_mut().exchanges[number].answer = Some(answer);
            peer.inner.changed.notify_waiters();
        });
        self.inner.state.borrow_mut().exchanges[number].task = Some(task);
        number
    }

    /// Waits for the answer to an exchange; none by the deadline is none.
    pub async fn answer(&self, number: usize, deadline: Instant) -> Option<Result<Answer, WireError>> {
        self.until(deadline, |peer| peer.inner.state.borrow().exchanges[number].answer.is_some()).await;
        self.inner.state.borrow().exchanges[number].answer.clone()
    }

    async fn exchange(&self, number: usize, request: Request) -> Result<Answer, WireError> {
        let (connection, mut stream) = self.connection().await?;
        let written = self.write_request(connection, &mut stream, &request).await;
        // A server may refuse a request before it has read all of it; what it says can still be there.
        let result = read_response(&mut stream, &request.method).await.map_err(|error| written.err().unwrap_or(error));
        let response = result.inspect_err(|error| self.note_end(connection, error))?;
        Ok(self.take_response(number, connection, stream, response))
    }

    pub(super) async fn write_request(
        &self,
        connection: usize,
        stream: &mut Stream,
        request: &Request,
    ) -> Result<(), WireError> {
        let bytes = request.encode(&self.inner.scene.target.host());
        self.inner.scene.transcript.add(&self.inner.name, connection, Direction::Sent, &bytes);
        stream.write(&bytes).await
    }

    pub(super) fn note_end(&self, connection: usize, error: &WireError) {
        self.inner.scene.transcript.note(&self.inner.name, format!("connection {connection}: {error}"));
    }

    pub(super) fn take_response(&self, number: usize, connection: usize, stream: Stream, response: Response) -> Answer {
        self.inner.scene.record_response(&self.inner.name, connection, &response);
        let messages = messages_of(&response.body);
        {
            let mut state = self.inner.state.borrow_mut();
            state.jar.borrow_mut().take_over(&response.headers);
            if response.reusable {
                state.idle.push((connection, stream));
            }
        }
        self.inner.scene.witness.response(self, &response);
        if let Ok(messages) = &messages {
            self.arrive(Some(number), messages.clone());
        }
        Answer { response, messages }
    }

    /// A free connection that is still open, or a new one.
    pub(super) async fn connection(&self) -> Result<(usize, Stream), WireError> {
        loop {
            let free = self.inner.state.borrow_mut().idle.pop();
            let Some((number, mut stream)) = free else { break };
            // A server may have ended it while it was idle; then there is something to read: the end.
            if stream.buffer.is_empty() && stream.is_idle().await {
                return Ok((number, stream));
            }
        }
        let number = self.next_connection();
        let stream = Stream::connect(&self.inner.scene.target.address).await;
        if let Err(error) = &stream {
            self.inner.scene.transcript.note(&self.inner.name, format!("connection {number}: {error}"));
        }
        Ok((number, stream?))
    }

    pub(super) fn next_connection(&self) -> usize {
        let mut state = self.inner.state.borrow_mut();
        state.connections += 1;
        state.connections
    }

    /// Drops every connection without a word; exchanges in flight end without an answer.
    pub fn drop_connections(&self) {
        let mut state = self.inner.state.borrow_mut();
        state.idle.clear();
        state.socket = None;
        for exchange in state.exchanges.iter_mut().filter(|exchange| exchange.answer.is_none()) {
            if let Some(task) = exchange.task.take() {
                task.abort();
            }
            exchange.answer = Some(Err(WireError::Closed { partial: false }));
        }
        drop(state);
        self.inner.changed.notify_waiters();
    }

    /// What became of the request at this place of a batch, by the deadline.
    pub async fn outcome(&self, sent: &Sent, index: usize, deadline: Instant) -> Outcome {
        // A reply without id is taken by the look that finds it, so that it is not found for another request: one look decides.
        let found = RefCell::new(None);
        let decided = |peer: &Self| {
            let mut found = found.borrow_mut();
            *found = found.take().or_else(|| peer.look(sent, index));
            found.is_some()
        };
        self.until(deadline, decided).await;
        found.into_inner().unwrap_or_else(|| Outcome::Silence(sent.at.elapsed()))
    }

    /// What is known of a request by now. A reply that is found counts as taken.
    fn look(&self, sent: &Sent, index: usize) -> Option<Outcome> {
        let mut state = self.inner.state.borrow_mut();
        let (channel, id) = &sent.requests[index];
        let answered = sent.exchange.and_then(|number| state.exchanges[number].answer.clone());
        let status = answered.as_ref().and_then(|answer| Some(answer.as_ref().ok()?.response.status));
        let candidates = &mut state.messages[sent.mark..];
        if let Some(found) = find_reply(candidates, sent.exchange, channel, id.as_ref()) {
            let after = found.at.saturating_duration_since(sent.at);
            return Some(Outcome::Reply { message: found.message.clone(), after, status });
        }
        match answered {
            Some(Ok(answer)) => {
                Some(Outcome::Http { status: answer.response.status, body: excerpt(&answer.response.body) })
            }
            Some(Err(error @ WireError::Connect(_))) => Some(Outcome::Unreachable(error.to_string())),
            Some(Err(error)) => Some(Outcome::Closed { code: None, why: error.to_string() }),
            None => sent.socket.and_then(|socket| state.socket_ends[socket].clone()).map(Outcome::from),
        }
    }
}

impl From<SocketEnd> for Outcome {
    fn from(end: SocketEnd) -> Self {
        match end {
            SocketEnd::Close(code) => Self::Closed { code, why: "the WebSocket was closed".into() },
            SocketEnd::Broken(why) => Self::Closed { code: None, why },
            SocketEnd::Unreachable(why) => Self::Unreachable(why),
        }
    }
}

/// The reply of this channel and id; where a server leaves ids out, the first one of this channel without an id. The same reply is
/// found again for the same request only.
fn find_reply<'a>(
    arrived: &'a mut [Arrived],
    exchange: Option<usize>,
    channel: &str,
    id: Option<&Json>,
) -> Option<&'a Arrived> {
    let fits = |item: &Arrived, same_id: bool| {
        !is_event(&item.message)
            && item.exchange == exchange
            && item.message.get_str("channel") == Some(channel)
            && if same_id {
                item.message.get("id").zip(id).is_some_and(|(a, b)| a.same(b))
            } else {
                item.message.get("id").is_none()
            }
    };
    let at = arrived
        .iter()
        .position(|item| fits(item, true))
        .or_else(|| arrived.iter().position(|item| !item.claimed && fits(item, false)))?;
    arrived[at].claimed = true;
    Some(&arrived[at])
}

/// The messages of a body: a JSON array of them, or a script that calls a function with one.
pub fn messages_of(body: &[u8]) -> Result<Vec<Json>, String> {
    let text = script_argument(body).unwrap_or(body);
    match parse(text) {
        Ok(parsed) => match parsed.value {
            Json::Array(messages) => Ok(messages),
            single @ Json::Object(_) => Ok(vec![single]),
            other => Err(format!("the body is JSON, but {}", other.type_name())),
        },
        Err(error) => Err(format!("the body is {error}")),
    }
}

fn script_argument(body: &[u8]) -> Option<&[u8]> {
    let text = body.strip_prefix(b"/**/").unwrap_or(body);
    let open = text.iter().position(|byte| *byte == b'(')?;
    if !text[..open].iter().all(|byte| byte.is_ascii_alphanumeric() || b"_$.".contains(byte)) || open == 0 {
        return None;
    }
    let close = text.iter().rposition(|byte| *byte == b')')?;
    text.get(open + 1..close)
}

fn excerpt(body: &[u8]) -> String {
    let mut text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    if text.len() < body.len() {
        text.push('…');
    }
    text
}
