//! The upgrade, and a socket whose bytes actix reads and writes.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
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
    response.body(SocketBody { socket, payload })
}

/// The body of a 101: polled by actix while its write buffer has room, so a slow reader's events stay in the outbox.
struct SocketBody {
    socket: Socket,
    payload: Payload,
}

impl MessageBody for SocketBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let Self { socket, payload } = self.get_mut();
        let read = |cx: &mut Context<'_>| match Pin::new(&mut *payload).poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(bytes)),
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(None),
        };
        socket.poll_next(cx, read).map(|bytes| bytes.map(Ok))
    }
}
