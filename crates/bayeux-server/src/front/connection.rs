//! One connection: its requests, one after the other, until it ends, becomes a WebSocket, or turns out to be the application's.

mod stream;

use std::{
    future::poll_fn,
    net::IpAddr,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};

use super::{
    chunked::{BadBody, Chunked},
    deadline::Deadline,
    endpoint::{Endpoint, Judged},
    io::{Stream, Waiting, poll_fill, poll_write_all, write_some},
    linger::{LINGER, linger},
    output::{self, After, Length},
    request::{BadHead, Framing, find_head, with_head},
};
use crate::{
    http::{Method, Response, wire::Headers},
    reply::{Cut, ReplyBody},
    stats::count,
    websocket::{Socket, Upgraded},
};

/// What a connection came to.
pub(super) enum Outcome<T> {
    Over,
    Socket(T, Box<Socket>),
    /// Not ours: the connection, and what was read of it.
    Foreign(T, Bytes),
}

/// Why no request could be read.
enum End {
    /// The peer is gone, or was silent for too long.
    Silent,
    /// It is told why.
    Told(u16, String),
}

/// What comes next of a body.
enum Next<B> {
    Bytes(B),
    /// It is over.
    End,
    /// The connection is, and the body is not to be finished.
    Gone,
}

struct Connection<'e, T> {
    endpoint: &'e Endpoint,
    io: T,
    peer: IpAddr,
    /// Read and not used yet.
    input: BytesMut,
    deadline: Deadline,
    /// A write was not taken: nothing more can be said.
    broken: bool,
}

/// Serves the requests of a connection, as long as they are for the endpoint. What is rare is boxed, so that a connection that
/// waits is small.
pub(super) async fn serve<T: Stream>(endpoint: &Endpoint, io: T, peer: IpAddr) -> Outcome<T> {
    let (input, deadline) = (BytesMut::new(), Deadline::default());
    let mut connection = Connection { endpoint, io, peer, input, deadline, broken: false };
    let mut first = true;
    loop {
        let length = match connection.head(first).await {
            Ok(length) => length,
            Err(End::Silent) => return Outcome::Over,
            Err(End::Told(status, text)) => return Box::pin(connection.refuse(status, text)).await,
        };
        let (head, rest) = connection.input.split_at(length);
        let judged = with_head(head, |head| endpoint.judge(head, rest, peer));
        let answer = match judged.and_then(|judged| judged) {
            Err(bad) => return Box::pin(connection.malformed(bad)).await,
            Ok(Judged::Foreign) => return Outcome::Foreign(connection.io, connection.input.freeze()),
            Ok(Judged::Upgrade(upgraded)) => return Box::pin(connection.upgrade(length, *upgraded)).await,
            Ok(Judged::Answer { response, after, body }) => {
                connection.input.advance(length + body);
                Some((response, after))
            }
            Ok(Judged::Read { framing, after, expects_continue }) => {
                connection.serve(length, framing, after, expects_continue).await
            }
        };
        if first {
            connection.io.bound_send_buffer(endpoint.options.send_buffer);
        }
        let stays = match answer {
            None => false,
            // Boxed: few connections have a stream, and what it took is given back when it ends.
            Some((response, after)) if response.body.is_stream() => Box::pin(connection.stream(response, after)).await,
            Some((response, after)) => connection.respond(response, after).await,
        };
        if !stays {
            connection.end(LINGER).await;
            return Outcome::Over;
        }
        first = false;
    }
}

/// Answers a connection for which there is no place. In a `hurry` its peer is given no time to read that: its file is needed
/// for the next one.
pub(super) async fn refuse<T: Stream>(endpoint: &Endpoint, io: T, peer: IpAddr, hurry: bool) {
    let (input, deadline) = (BytesMut::new(), Deadline::default());
    let mut connection = Connection { endpoint, io, peer, input, deadline, broken: false };
    let text = "This server has as many connections as it may. Come back in a while.".to_owned();
    connection.respond(Response::text(503, text), After::Close).await;
    connection.end(if hurry { Duration::ZERO } else { LINGER }).await;
}

impl<T: Stream> Connection<'_, T> {
    /// Waits for a whole head; returns its length. A new connection has the head's time from its start, a kept one from the
    /// first byte of the head.
    async fn head(&mut self, first: bool) -> Result<usize, End> {
        let options = &self.endpoint.options;
        let mut begun = first || !self.input.is_empty();
        self.deadline.set(if begun { options.head_timeout } else { options.keep_alive });
        let mut seen = 0;
        poll_fn(|cx| {
            loop {
                if let Some(length) = find_head(&mut self.input, &mut seen) {
                    self.deadline.clear();
                    return Poll::Ready(Ok(length));
                }
                if seen >= options.max_head_bytes {
                    count(&self.endpoint.bayeux.counters().heads_malformed);
                    let text = format!("The head of the request is larger than {} bytes.", options.max_head_bytes);
                    return Poll::Ready(Err(End::Told(431, text)));
                }
                if seen == 0 {
                    // An idle connection keeps no buffer.
                    self.input = BytesMut::new();
                } else if !begun {
                    begun = true;
                    self.deadline.set(options.head_timeout);
                }
                match poll_fill(&mut self.io, cx, &mut self.input, options.max_head_bytes - seen) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(End::Silent)),
                    Poll::Ready(Ok(_)) => continue,
                }
                // Asked only where the read waits: a peer that sends without a pause reaches the limit of a head first.
                if self.deadline.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                count(&self.endpoint.bayeux.counters().heads_timed_out);
                let late = || End::Told(408, "The head of the request did not come in time.".to_owned());
                return Poll::Ready(Err(if seen == 0 { End::Silent } else { late() }));
            }
        })
        .await
    }

    /// Reads the body of a request and serves it. What is to be answered, unless the peer is gone.
    async fn serve(
        &mut self,
        length: usize,
        framing: Framing,
        after: After,
        expects_continue: bool,
    ) -> Option<(Response, After)> {
        let head = self.input.split_to(length);
        let body = match self.body(framing, expects_continue).await {
            Ok(body) => body,
            Err(End::Silent) => return None,
            Err(End::Told(413, _)) => {
                let refusal =
                    with_head(&head, |head| self.endpoint.bayeux.too_large(&self.endpoint.head(head, "", self.peer)));
                return refusal.ok().map(|response| (response, After::Close));
            }
            Err(End::Told(status, text)) => return Some((Response::text(status, text), After::Close)),
        };
        let served =
            with_head(&head, |head| self.endpoint.bayeux.serve(&self.endpoint.head(head, "", self.peer), &body));
        served.ok().map(|response| (response, after))
    }

    async fn body(&mut self, framing: Framing, expects_continue: bool) -> Result<BytesMut, End> {
        match framing {
            Framing::None => Ok(BytesMut::new()),
            Framing::Sized(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                self.fill_body(expects_continue, |input| Ok((input.len() >= length).then_some(()))).await?;
                Ok(self.input.split_to(length))
            }
            Framing::Chunked => {
                let (mut chunked, mut body) = (Chunked::new(self.endpoint.bayeux.max_body()), Vec::new());
                self.fill_body(expects_continue, |input| Ok(chunked.decode(input, &mut body)?.then_some(()))).await?;
                Ok(BytesMut::from(&body[..]))
            }
        }
    }

    /// Reads on until `done` says that the body is whole.
    async fn fill_body(
        &mut self,
        expects_continue: bool,
        mut done: impl FnMut(&mut BytesMut) -> Result<Option<()>, BadBody>,
    ) -> Result<(), End> {
        let mut encourage = if expects_continue && self.input.is_empty() {
            Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n")
        } else {
            Bytes::new()
        };
        let max_body = self.endpoint.bayeux.max_body();
        poll_fn(|cx| {
            loop {
                match done(&mut self.input) {
                    Ok(Some(())) => {
                        self.deadline.clear();
                        return Poll::Ready(Ok(()));
                    }
                    Ok(None) => {}
                    Err(BadBody::TooLarge) => return Poll::Ready(Err(End::Told(413, String::new()))),
                    Err(BadBody::Malformed) => {
                        count(&self.endpoint.bayeux.counters().bodies_malformed);
                        let text = "The chunks of the body are malformed.".to_owned();
                        return Poll::Ready(Err(End::Told(400, text)));
                    }
                }
                if !self.deadline.is_set() {
                    self.deadline.set(self.endpoint.options.body_timeout);
                }
                if self.deadline.poll(cx).is_ready() {
                    count(&self.endpoint.bayeux.counters().bodies_timed_out);
                    let text = "The body of the request did not come in time.".to_owned();
                    return Poll::Ready(Err(End::Told(408, text)));
                }
                if !encourage.is_empty()
                    && let Poll::Ready(Err(_)) = poll_write_all(&mut self.io, cx, &mut encourage, &mut Bytes::new())
                {
                    return Poll::Ready(Err(End::Silent));
                }
                match poll_fill(&mut self.io, cx, &mut self.input, max_body) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(End::Silent)),
                    Poll::Ready(Ok(_)) => {}
                }
            }
        })
        .await
    }

    /// Writes a response, once its body is there. Returns whether the connection stays.
    async fn respond(&mut self, response: Response, after: After) -> bool {
        let Response { status, headers, mut body, head_only } = response;
        let closes = headers.iter().any(|(name, _)| *name == "Connection");
        let mut bytes = match self.next_bytes(&mut body, |body, cx| body.poll_next(cx)).await {
            Next::Bytes(bytes) => bytes,
            Next::End => Bytes::new(),
            Next::Gone => return false,
        };
        // A connection that stayed would hold up the end of the server, and be cut by it.
        let after = if closes || self.endpoint.bayeux.is_leaving() { after.closing() } else { after };
        let length = Length::Bytes(bytes.len());
        if head_only {
            bytes.clear();
        }
        let start = poll_fn(|cx| Poll::Ready(self.start(cx, status, &headers, length, &mut bytes, after)));
        let Some(mut left) = start.await else {
            return false;
        };
        drop(headers);
        if !self.write(&mut left, &mut bytes).await {
            return false;
        }
        // The kernel has taken the last byte: polled again, the body knows.
        poll_fn(|cx| body.poll_next(cx)).await;
        after.stays()
    }

    /// Begins to write the head of a response and the first bytes of its body; returns what of these is left to be written. No future
    /// of its own: a connection that waits has room for each that it may come to.
    fn start(
        &mut self,
        cx: &mut Context<'_>,
        status: u16,
        headers: &Headers,
        length: Length,
        bytes: &mut Bytes,
        after: After,
    ) -> Option<Bytes> {
        let write = |start: &[u8]| write_some(&mut self.io, cx, start);
        let left = output::with_start(status, headers, length, bytes, after, write).ok();
        self.broken = left.is_none();
        left
    }

    /// What is to be written of a body next, which may take its time. A peer that goes meanwhile takes nothing with it: the body is
    /// dropped.
    async fn next_bytes<B>(
        &mut self,
        body: &mut ReplyBody,
        mut poll: impl FnMut(&mut ReplyBody, &mut Context<'_>) -> Poll<Option<Result<B, Cut>>>,
    ) -> Next<B> {
        let mut lent = None;
        poll_fn(|cx| {
            if lent.is_none() {
                match poll(body, cx) {
                    Poll::Ready(None) => return Poll::Ready(Next::End),
                    Poll::Ready(Some(Ok(bytes))) if body.lends() => lent = Some(bytes),
                    Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Next::Bytes(bytes)),
                    Poll::Ready(Some(Err(Cut))) => return Poll::Ready(Next::Gone),
                    Poll::Pending => {}
                }
            }
            // A peer that closed earlier than they came has no claim to events: they go back as the body is dropped (BX-DL-8).
            if self.poll_peer(cx).is_ready() {
                return Poll::Ready(Next::Gone);
            }
            if lent.is_none() {
                return Poll::Pending;
            }
            match self.io.waiting(body.is_looked_at()) {
                Waiting::End => Poll::Ready(Next::Gone),
                // The runtime is about to learn of them.
                Waiting::Bytes if self.room() > 0 => Poll::Pending,
                Waiting::Bytes | Waiting::Nothing => Poll::Ready(lent.take().map_or(Next::End, Next::Bytes)),
            }
        })
        .await
    }

    /// Reads what the peer sends ahead, up to a limit; ready when it is gone.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        loop {
            let room = self.room();
            if room == 0 {
                return Poll::Pending;
            }
            match poll_fill(&mut self.io, cx, &mut self.input, room) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
            }
        }
    }

    /// How many bytes may be read ahead.
    fn room(&self) -> usize {
        self.endpoint.options.max_head_bytes.saturating_sub(self.input.len())
    }

    /// Writes all of it in the time a write may take.
    async fn write(&mut self, head: &mut Bytes, bytes: &mut Bytes) -> bool {
        let bayeux = &self.endpoint.bayeux;
        let written = poll_fn(|cx| {
            if let Poll::Ready(result) = poll_write_all(&mut self.io, cx, head, bytes) {
                return Poll::Ready(result.is_ok());
            }
            if !self.deadline.is_set() {
                self.deadline.set(bayeux.options().engine.write_timeout);
            }
            self.deadline.poll(cx).map(|()| {
                count(&bayeux.counters().writes_timed_out);
                self.io.reset();
                false
            })
        })
        .await;
        self.deadline.clear();
        self.broken = !written;
        written
    }

    async fn upgrade(mut self, length: usize, upgraded: Upgraded) -> Outcome<T> {
        self.input.advance(length);
        self.io.bound_send_buffer(self.endpoint.options.send_buffer);
        if !self.write(&mut output::switching(&upgraded), &mut Bytes::new()).await {
            return Outcome::Over;
        }
        let socket = Socket::new(self.endpoint.bayeux.clone(), upgraded.origin, self.input.freeze());
        Outcome::Socket(self.io, Box::new(socket))
    }

    async fn malformed(self, bad: BadHead) -> Outcome<T> {
        count(&self.endpoint.bayeux.counters().heads_malformed);
        let text = format!("The request is no good HTTP: {bad}.");
        self.refuse(bad.status(), text).await
    }

    /// Says why, and ends the connection.
    async fn refuse(mut self, status: u16, text: String) -> Outcome<T> {
        // The head may be malformed, but who asks for a head alone reads no body.
        let method = if self.input.starts_with(b"HEAD ") { Method::Head } else { Method::Other };
        self.respond(Response::text(status, text).without_body(method), After::Close).await;
        self.end(LINGER).await;
        Outcome::Over
    }

    async fn end(&mut self, patience: Duration) {
        if !self.broken {
            linger(&mut self.io, patience).await;
        }
    }
}

impl From<BadBody> for End {
    fn from(bad: BadBody) -> Self {
        match bad {
            BadBody::Malformed => Self::Told(400, String::new()),
            BadBody::TooLarge => Self::Told(413, String::new()),
        }
    }
}
