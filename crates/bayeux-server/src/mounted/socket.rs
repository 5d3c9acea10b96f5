//! The upgrade, and a socket whose bytes actix reads and writes.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    dev::Payload,
    http::{StatusCode, header},
};
use bytes::Bytes;
use futures_core::Stream;
use tokio::task::yield_now;

use super::respond;
use crate::{
    Bayeux,
    http::Head,
    websocket::{Socket, Upgraded, accept},
};

/// Answers an upgrade: 101, or why not.
pub(super) fn upgrade(bayeux: &Bayeux, request: &HttpRequest, head: &Head<'_>, payload: Payload) -> HttpResponse {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let asked = accept::Upgrade {
        get: request.method() == actix_web::http::Method::GET,
        body: request.headers().contains_key(header::TRANSFER_ENCODING)
            || request.headers().get_all(header::CONTENT_LENGTH).any(|length| length != "0"),
        upgrade: text("Upgrade"),
        connection: text("Connection"),
        version: text("Sec-WebSocket-Version"),
        key: text("Sec-WebSocket-Key"),
    };
    let Upgraded { accept, cookie, origin } = match bayeux.upgrade(head, &asked) {
        Ok(upgraded) => upgraded,
        Err(refusal) => return respond(*refusal),
    };
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    response.upgrade("websocket").insert_header((header::SEC_WEBSOCKET_ACCEPT, accept));
    if let Some(cookie) = cookie {
        response.append_header((header::SET_COOKIE, cookie));
    }
    let socket = Socket::new(bayeux.clone(), origin, Bytes::new());
    response.body(SocketBody { socket, payload, events: None, read: None })
}

/// One turn of the runtime.
type Turn = Pin<Box<dyn Future<Output = ()>>>;

/// The body of a 101: polled by actix while its write buffer has room, so a slow reader's events stay in the outbox.
struct SocketBody {
    socket: Socket,
    payload: Payload,
    /// Events about to be written, and the turn of the runtime that they wait for.
    events: Option<(Bytes, Turn)>,
    /// What the peer sent meanwhile.
    read: Option<Bytes>,
}

impl SocketBody {
    /// Gives the events out, or `None` if the peer is gone: written for it, they would be lost (BX-DL-8). The socket itself is
    /// actix's, so the runtime looks at its sockets once before, and actix reads what it finds there.
    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some((_, turn)) = &mut self.events {
            ready!(turn.as_mut().poll(cx));
        }
        if self.read.is_none() {
            match poll_payload(&mut self.payload, cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(bytes) => self.read = bytes,
                Poll::Pending => {}
            }
        }
        Poll::Ready(self.events.take().map(|(bytes, _)| bytes))
    }
}

impl MessageBody for SocketBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let body = self.get_mut();
        if body.events.is_none() {
            let Self { socket, payload, read, .. } = &mut *body;
            let next = socket.poll_next(cx, |cx| match read.take() {
                Some(bytes) => Poll::Ready(Some(bytes)),
                None => poll_payload(payload, cx),
            });
            match ready!(next) {
                Some(bytes) if body.socket.lends() => body.events = Some((bytes, Box::pin(yield_now()))),
                other => return Poll::Ready(other.map(Ok)),
            }
        }
        body.poll_events(cx).map(|bytes| bytes.map(Ok))
    }
}

fn poll_payload(payload: &mut Payload, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
    match ready!(Pin::new(payload).poll_next(cx)) {
        Some(Ok(bytes)) => Poll::Ready(Some(bytes)),
        Some(Err(_)) | None => Poll::Ready(None),
    }
}
