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
use bayeux_engine::Carrier;
use bytes::Bytes;
use futures_core::Stream;

use super::respond;
use crate::{
    Bayeux,
    http::{Head, Response, gate::Site},
    websocket::{Socket, accept},
};

/// Answers an upgrade: 101, or why not.
pub(super) fn upgrade(bayeux: &Bayeux, request: &HttpRequest, head: &Head<'_>, payload: Payload) -> HttpResponse {
    if bayeux.site(head) == Site::Foreign {
        return respond(bayeux.refuse_site(head));
    }
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let asked = accept::Upgrade {
        get: request.method() == actix_web::http::Method::GET,
        upgrade: text("Upgrade"),
        connection: text("Connection"),
        version: text("Sec-WebSocket-Version"),
        key: text("Sec-WebSocket-Key"),
    };
    let accepted = match asked.accept() {
        Ok(accepted) => accepted,
        Err(refusal) => {
            let response = Response::text(refusal.status(), format!("No WebSocket: {refusal}."));
            return respond(response.with("Sec-WebSocket-Version", "13"));
        }
    };
    let known = bayeux.cookies().read(head.cookies.iter().copied());
    let fresh = if known.is_none() { bayeux.new_browser() } else { None };
    let may_adopt = known.is_none().then(|| bayeux.now());
    let browser = known.or_else(|| fresh.as_ref().map(|(id, _)| *id));
    let origin = bayeux.origin(head.peer, Carrier::Socket { ticket: None, may_adopt }, browser);
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    response.upgrade("websocket").insert_header((header::SEC_WEBSOCKET_ACCEPT, accepted));
    if let Some(fresh) = fresh {
        response.append_header((header::SET_COOKIE, bayeux.cookie(head, fresh)));
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
