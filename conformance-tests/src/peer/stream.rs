//! Responses that go on: a connect whose answer is a stream, read as it comes by a task of its own.

use super::exchange::messages_of;
use super::{Answer, Peer, Sent, Transport};
use crate::json::Json;
use crate::transcript::Direction;
use crate::wire::WireError;
use crate::wire::framing::{Framing, Piece, Unframer};
use crate::wire::http::{Body, Head, Request, Response, read_final_head, read_part, read_rest};
use crate::wire::stream::Stream;
use tokio::time::Instant;

/// What of a stream's text is kept, for cases that look at it.
const KEPT_TEXT: usize = 1 << 20;

/// What has come on a stream.
#[derive(Debug, Clone)]
pub struct Streamed {
    /// The response's head.
    pub head: Head,
    /// The batches, in their order.
    pub batches: Vec<Batch>,
    /// When comments and white space came.
    pub beats: Vec<Instant>,
    /// How long a browser is to wait before it opens the stream anew, in milliseconds.
    pub retry: Option<u64>,
    /// Its beginning, as it came.
    pub text: Vec<u8>,
    /// How many batches a case has looked at.
    pub seen: usize,
}

/// A batch of a stream.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its messages, or why there are none.
    pub messages: Result<Vec<Json>, String>,
    /// The last id that the stream named.
    pub id: Option<String>,
    /// When it came.
    pub at: Instant,
}

impl Peer {
    /// Whether a batch is a connect that is answered by a stream.
    pub(super) fn opens_stream(&self, batch: &[Json]) -> bool {
        let name = self.inner.transport.name();
        let connects = |only: &Json| {
            only.get_str("channel") == Some("/meta/connect") && only.get_str("connectionType") == Some(name)
        };
        self.inner.transport.streams() && matches!(batch, [only] if connects(only))
    }

    /// Sends such a connect. Where the server knows Faye's way alone, it is posted beside an event stream that is open anyway.
    pub(super) fn open_stream(&self, text: String) -> usize {
        let request = match self.inner.transport {
            Transport::EventSource if !self.inner.scene.target.can(STREAM_CONNECT) => {
                self.keep_event_stream();
                return self.post(text);
            }
            Transport::EventSource => with_accept(self.getting(&text, ""), "text/event-stream"),
            Transport::Iframe => with_accept(self.getting(&text, ""), "text/html"),
            _ => self.posting(text),
        };
        self.start_stream(request)
    }

    /// Opens the event stream of this session in Faye's way, unless it is open.
    fn keep_event_stream(&self) {
        let open = |number: usize| self.inner.state.borrow().exchanges[number].answer.is_none();
        let beside = self.inner.state.borrow().beside;
        if !beside.is_some_and(open) {
            let number = self.start_stream(self.named_stream());
            self.inner.state.borrow_mut().beside = Some(number);
        }
    }

    /// The request that opens an event stream in Faye's way: its URL names the session.
    pub fn named_stream(&self) -> Request {
        let target = self.inner.scene.target.path(&format!("/{}", self.client_id().unwrap_or_default()));
        let request = Request { method: "GET".into(), target, headers: self.headers(), body: Body::None };
        with_accept(request, "text/event-stream")
    }

    /// Starts an exchange whose response may be a stream.
    pub fn start_stream(&self, request: Request) -> usize {
        let peer = self.clone();
        self.begin(move |number| async move { peer.stream(number, request).await })
    }

    async fn stream(&self, number: usize, request: Request) -> Result<Answer, WireError> {
        let (connection, mut stream) = self.connection().await?;
        let written = self.write_request(connection, &mut stream, &request).await;
        let read = read_final_head(&mut stream).await.map_err(|error| written.err().unwrap_or(error));
        let (head, first_byte) = read.inspect_err(|error| self.note_end(connection, error))?;
        let framing = head.header("content-type").and_then(Framing::of).filter(|_| head.status == 200);
        let Some(framing) = framing else {
            let response = read_rest(&mut stream, &request.method, head, first_byte).await;
            let response = response.inspect_err(|error| self.note_end(connection, error))?;
            return Ok(self.take_response(number, connection, stream, response));
        };
        self.open(number, connection, &head, first_byte);
        self.read_on(number, connection, stream, &head, framing)
            .await
            .inspect_err(|error| self.note_end(connection, error))?;
        self.inner.scene.transcript.note(&self.inner.name, format!("connection {connection}: the stream ended"));
        let Head { status, headers, .. } = head;
        let last_byte = Instant::now();
        let response = Response { status, headers, body: Vec::new(), first_byte, last_byte, reusable: false };
        Ok(Answer { response, messages: Ok(Vec::new()) })
    }

    fn open(&self, number: usize, connection: usize, head: &Head, first_byte: Instant) {
        let response = Response {
            status: head.status,
            headers: head.headers.clone(),
            body: Vec::new(),
            first_byte,
            last_byte: first_byte,
            reusable: false,
        };
        self.inner.scene.record_response(&self.inner.name, connection, &response);
        let mut state = self.inner.state.borrow_mut();
        state.jar.borrow_mut().take_over(&head.headers);
        state.exchanges[number].stream = Some(Streamed {
            head: head.clone(),
            batches: Vec::new(),
            beats: Vec::new(),
            retry: None,
            text: Vec::new(),
            seen: 0,
        });
        drop(state);
        self.inner.changed.notify_waiters();
    }

    async fn read_on(
        &self,
        number: usize,
        connection: usize,
        mut stream: Stream,
        head: &Head,
        framing: Framing,
    ) -> Result<(), WireError> {
        let mut unframer = Unframer::new(framing);
        let mut left = head.length()?;
        while let Some(part) = read_part(&mut stream, head, &mut left).await? {
            self.inner.scene.transcript.add(&self.inner.name, connection, Direction::Received, &part);
            self.with_stream(number, |streamed| {
                let room = KEPT_TEXT.saturating_sub(streamed.text.len());
                streamed.text.extend_from_slice(&part[..part.len().min(room)]);
            });
            for piece in unframer.push(&part)? {
                self.take_piece(number, piece);
            }
            self.inner.changed.notify_waiters();
        }
        if left.is_some() {
            self.inner.state.borrow_mut().idle.push((connection, stream));
        }
        Ok(())
    }

    fn take_piece(&self, number: usize, piece: Piece) {
        let at = Instant::now();
        match piece {
            Piece::Beat => self.with_stream(number, |streamed| streamed.beats.push(at)),
            Piece::Retry(time) => self.with_stream(number, |streamed| streamed.retry = Some(time)),
            Piece::Batch { text, id } => {
                let messages = messages_of(&text).and_then(|messages| match text.trim_ascii_start().first() {
                    Some(b'[') => Ok(messages),
                    _ => Err("it is JSON, but no array".into()),
                });
                self.inner.scene.witness.streamed(self, &messages);
                let arrived = messages.clone().unwrap_or_default();
                self.with_stream(number, |streamed| streamed.batches.push(Batch { messages, id, at }));
                self.arrive(Some(number), arrived);
            }
        }
    }

    fn with_stream(&self, number: usize, change: impl FnOnce(&mut Streamed)) {
        if let Some(streamed) = &mut self.inner.state.borrow_mut().exchanges[number].stream {
            change(streamed);
        }
    }

    fn is_stream(&self, exchange: usize) -> bool {
        self.inner.state.borrow().exchanges[exchange].stream.is_some()
    }

    /// What has come on the stream of an exchange; none if nothing has, or the answer is no stream.
    pub fn streamed(&self, exchange: usize) -> Option<Streamed> {
        self.inner.state.borrow().exchanges[exchange].stream.clone()
    }

    /// The next batch that a case has not looked at.
    pub fn next_batch(&self, exchange: usize) -> Option<Batch> {
        let mut state = self.inner.state.borrow_mut();
        let streamed = state.exchanges[exchange].stream.as_mut()?;
        let batch = streamed.batches.get(streamed.seen).cloned()?;
        streamed.seen += 1;
        Some(batch)
    }

    /// The exchange in which a batch went out.
    pub fn exchange_of(sent: &Sent) -> Option<usize> {
        sent.exchange
    }

    /// Whether the response to an exchange is awaited, or goes on.
    pub fn is_open(&self, exchange: usize) -> bool {
        self.inner.state.borrow().exchanges[exchange].answer.is_none()
    }

    /// How an exchange ended, if it has.
    pub fn ended(&self, exchange: usize) -> Option<Result<(), WireError>> {
        let state = self.inner.state.borrow();
        state.exchanges[exchange].answer.as_ref().map(|answer| answer.as_ref().map(drop).map_err(Clone::clone))
    }

    /// The answer to an exchange, if it is there.
    pub fn ended_with(&self, exchange: usize) -> Option<Result<Answer, WireError>> {
        self.inner.state.borrow().exchanges[exchange].answer.clone()
    }

    /// Waits until the stream that answers a connect has ended, or the connect loop is stopped; why no further one may be opened, if that is
    /// so.
    pub(super) async fn stream_end(&self, sent: &Sent) -> Option<String> {
        let number = Self::exchange_of(sent).filter(|number| self.is_stream(*number))?;
        loop {
            let changed = self.inner.changed.notified();
            match self.ended(number) {
                Some(Ok(())) => return None,
                Some(Err(error)) => return Some(format!("the stream broke off: {error}")),
                None => changed.await,
            }
        }
    }
}

/// What discovery calls it that a connect in a GET opens an event stream.
pub const STREAM_CONNECT: &str = "stream-connect";

/// The same request, for who reads this kind of content.
pub fn with_accept(mut request: Request, accept: &str) -> Request {
    request.headers.push(("Accept".into(), accept.into()));
    request
}
