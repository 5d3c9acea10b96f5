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

use super::respond;
use crate::{
    Bayeux,
    http::Head,
    turn::Turn,
    websocket::{Socket, Upgraded, accept},
    worker::Open,
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
    response.body(SocketBody { socket, payload, events: None, read: None, _open: Open::new() })
}

/// The body of a 101: polled by actix while its write buffer has room, so a slow reader's events stay in the outbox.
struct SocketBody {
    socket: Socket,
    payload: Payload,
    /// Events about to be written, and the turn of the runtime that they wait for, if the pump did not.
    events: Option<(Bytes, Option<Turn>)>,
    /// What the peer sent meanwhile, not handled yet.
    read: Option<Bytes>,
    _open: Open,
}

impl SocketBody {
    /// Looks at the peer between events taken and events written: one that is gone would take them with it (BX-DL-8). The
    /// connection is actix's, so the runtime looks at its sockets once before, unless it did for the pump, and actix reads what it
    /// finds there. `None` if
    /// the socket is to be asked again.
    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Self { socket, payload, events, read, .. } = self;
        if let Some((_, Some(turn))) = events {
            ready!(Pin::new(turn).poll(cx));
        }
        let given = events.take().map(|(bytes, _)| bytes);
        if read.is_none() {
            match poll_payload(payload, cx) {
                Poll::Pending => return Poll::Ready(given),
                Poll::Ready(None) => {
                    socket.gone();
                    return Poll::Ready(None);
                }
                Poll::Ready(bytes) => *read = bytes,
            }
        }
        if !socket.takes_back(cx) {
            return Poll::Ready(given);
        }
        socket.read(cx, |_| read.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(bytes))));
        Poll::Ready(None)
    }
}

impl MessageBody for SocketBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let body = self.get_mut();
        loop {
            if body.events.is_none() {
                let Self { socket, payload, read, .. } = &mut *body;
                let next = socket.poll_next(cx, |cx| match read.take() {
                    Some(bytes) => Poll::Ready(Some(bytes)),
                    None => poll_payload(payload, cx),
                });
                match ready!(next) {
                    Some(bytes) if body.socket.lends() => {
                        let turn = (!body.socket.is_looked_at()).then(Turn::default);
                        body.events = Some((bytes, turn));
                    }
                    other => return Poll::Ready(other.map(Ok)),
                }
            }
            if let Some(bytes) = ready!(body.poll_events(cx)) {
                return Poll::Ready(Some(Ok(bytes)));
            }
        }
    }
}

fn poll_payload(payload: &mut Payload, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
    match ready!(Pin::new(payload).poll_next(cx)) {
        Some(Ok(bytes)) => Poll::Ready(Some(bytes)),
        Some(Err(_)) | None => Poll::Ready(None),
    }
}
