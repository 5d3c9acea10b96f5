//! The mounted front: Bayeux as a service of anyone's actix-web `App`, at any path, with any number of workers.
//!
//! Bodies and sockets are written as actix polls them, so its bounds apply: 8 + 8 KiB a connection, no deadline for a slow
//! body or a second head, and a half-closed connection is noticed only with `HttpServer::h1_allow_half_closed(false)`.
//! Without `HttpServer::tcp_nodelay(true)` an event may wait 40 ms for the peer's acknowledgement of the one before.

mod request;
mod socket;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    dev::{AppService, HttpServiceFactory, Payload},
    http::StatusCode,
    web,
};
use bytes::Bytes;

use crate::{
    Bayeux,
    http::Response,
    reply::{Cut, ReplyBody},
    stats::count,
    turn::Turn,
    worker,
};

/// What of the path is behind the endpoint's own, as the pattern names it.
const SUFFIX: &str = "suffix";

/// Serves a path and everything below it; see [`Bayeux::service`].
pub struct BayeuxService {
    bayeux: Bayeux,
    path: String,
}

impl Bayeux {
    /// This server as a service for `App::service`, at `path` and at every suffix of it (CometD's clients append
    /// `/handshake`, `/connect`, `/disconnect` or `/`: BX-EXT-1).
    pub fn service(&self, path: &str) -> BayeuxService {
        BayeuxService { bayeux: self.clone(), path: format!("/{}", path.trim_matches('/')) }
    }
}

impl HttpServiceFactory for BayeuxService {
    fn register(self, config: &mut AppService) {
        worker::start_pump(&self.bayeux);
        let base = if self.path == "/" { "" } else { &self.path };
        let paths = [if base.is_empty() { "/".to_owned() } else { base.to_owned() }, format!("{base}/{{{SUFFIX}:.*}}")];
        let bayeux = self.bayeux;
        let handler = move |request: HttpRequest, payload: web::Payload| {
            let bayeux = bayeux.clone();
            async move { answer(&bayeux, &request, payload.into_inner()).await }
        };
        web::resource(paths).route(web::route().to(handler)).register(config);
    }
}

async fn answer(bayeux: &Bayeux, request: &HttpRequest, mut payload: Payload) -> HttpResponse {
    let head = request::head(bayeux, request);
    if request::is_upgrade(request) {
        return socket::upgrade(bayeux, request, &head, payload);
    }
    if let Some(response) = bayeux.preface(&head, || request::url(request, &head)) {
        return respond(response);
    }
    let response = match request::read_body(request, &mut payload, bayeux.max_body()).await {
        Ok(body) => bayeux.serve(&head, &body),
        Err(request::BodyError::TooLarge) => bayeux.too_large(&head),
        Err(request::BodyError::Broken) => {
            count(&bayeux.counters().bodies_malformed);
            Response::text(400, "The body did not arrive whole.")
        }
    };
    respond(response)
}

fn respond(response: Response) -> HttpResponse {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    for (name, value) in response.headers {
        if name == "Connection" {
            // actix decides what stands there.
            builder.force_close();
        } else {
            builder.append_header((name, &*value));
        }
    }
    builder.body(Body { reply: response.body, events: None })
}

struct Body {
    reply: ReplyBody,
    /// Events about to be written, and what they wait for: a peer that is gone would take them with it (BX-DL-8).
    events: Option<Box<(Bytes, Look)>>,
}

/// The connection is actix's, and so is the look at it.
enum Look {
    /// The runtime is to look at its connections.
    Turn(Turn),
    /// actix reads what was found there before it asks for more of the body, and gives the connection up after that: so it is to ask
    /// once more.
    Read,
}

impl Body {
    fn poll_look(look: &mut Look, cx: &mut Context<'_>) -> Poll<()> {
        let Look::Turn(turn) = look else {
            return Poll::Ready(());
        };
        ready!(Pin::new(turn).poll(cx));
        *look = Look::Read;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl MessageBody for Body {
    type Error = Cut;

    fn size(&self) -> BodySize {
        match self.reply.length() {
            Some(0) => BodySize::Sized(0),
            Some(length) => BodySize::Sized(length as u64),
            None => BodySize::Stream,
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        let Self { reply, events } = self.get_mut();
        if events.is_none() {
            match ready!(reply.poll_next(cx)) {
                Some(Ok(bytes)) if reply.needs_look() => {
                    *events = Some(Box::new((bytes, Look::Turn(Turn::default()))));
                }
                next => return Poll::Ready(next),
            }
        }
        if let Some(waiting) = events {
            ready!(Self::poll_look(&mut waiting.1, cx));
        }
        Poll::Ready(events.take().map(|waiting| Ok(waiting.0)))
    }
}
