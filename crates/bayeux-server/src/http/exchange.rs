//! From a batch to its response: the engine decides, and its answer becomes a body in the form of the transport.

use std::time::Duration;

use bayeux_engine::{Answer, Call, Carrier};
use bayeux_protocol::{ConnectionType, Message};
use bytes::Bytes;

use super::{
    response::messages_headers,
    wire::{EventFields, Wire, whole},
    xhr_streaming::XhrStreaming,
};
use crate::{
    Bayeux,
    http::{Head, Response},
    reply::{self, ReplyBody},
    stats::count,
};

impl Bayeux {
    /// Has a batch served, and answers in the form of `wire`; without one, with the replies alone.
    pub(super) fn exchange(
        &self,
        head: &Head<'_>,
        batch: Vec<Message>,
        carrier: Carrier,
        wire: Option<Box<dyn Wire>>,
    ) -> Response {
        // What a browser adds to a request that another site's page has it make is no proof of anything, and gets none.
        let ambient = carrier == Carrier::Script { cross_site: true };
        let known = if ambient { None } else { self.cookies().read(head.cookies.iter().copied()) };
        let names =
            !ambient && known.is_none() && batch.iter().any(|message| channel(message) == Some("/meta/handshake"));
        let fresh = if names { self.new_browser(None) } else { None };
        let browser = known.or_else(|| fresh.as_ref().map(|(browser, _)| *browser));
        let origin = self.origin(head.peer, carrier, browser);
        let answer = self.engine().handle(self.now(), Call { origin, batch });
        count(&self.counters().requests);
        let cookie = fresh.filter(|_| answer.handshaken).map(|fresh| self.cookie(head, fresh));
        let response = self.response(answer, wire);
        match cookie {
            Some(cookie) => response.with("Set-Cookie", cookie),
            None => response,
        }
    }

    fn response(&self, answer: Answer, wire: Option<Box<dyn Wire>>) -> Response {
        // What is a stream, the engine decides: one by POST is of lines.
        let mut wire = wire.or_else(|| answer.stream.map(|_| Box::new(XhrStreaming) as Box<dyn Wire>));
        let headers = wire.as_mut().map_or_else(messages_headers, |wire| wire.headers());
        Response::new(200, headers, self.body(answer, wire))
    }

    fn body(&self, answer: Answer, wire: Option<Box<dyn Wire>>) -> ReplyBody {
        let Answer { frame, held, stream, lent, not_before, published, .. } = answer;
        let lends = !lent.is_empty();
        let reply = match (stream, held, wire) {
            (Some(ticket), _, wire) => ReplyBody::stream(self, ticket, wire.unwrap_or_else(|| Box::new(XhrStreaming))),
            (None, Some(ticket), wire) => ReplyBody::held(self, ticket, wire),
            (None, None, wire) => ReplyBody::lent(self, self.replies(frame, wire.as_deref()), lent),
        };
        let reply = match not_before {
            Some(time) if time.since(self.now()) > Duration::ZERO => reply.not_before(self, time),
            _ => reply,
        };
        // A reply that carries events is not held back: their time to be taken over runs already.
        if published.is_empty() || lends { reply } else { reply.after(self, published) }
    }

    fn replies(&self, frame: Option<Vec<u8>>, wire: Option<&dyn Wire>) -> Bytes {
        let frame = frame.map_or_else(|| Bytes::from_static(b"[]"), reply::body);
        // An event source that is no stream is refused: it has nothing to come for.
        let fields = EventFields { id: None, retry: Some(self.options().engine.timeout) };
        match wire {
            Some(wire) => whole(wire, &frame, fields),
            None => frame,
        }
    }
}

/// The type of the connect that is all of a batch.
pub(super) fn only_connect(batch: &[Message]) -> Option<&ConnectionType> {
    let [only] = batch else { return None };
    only.connection_type.as_ref().filter(|_| channel(only) == Some("/meta/connect"))
}

fn channel(message: &Message) -> Option<&str> {
    message.channel.as_deref().map(|text| text.strip_suffix('/').unwrap_or(text))
}
