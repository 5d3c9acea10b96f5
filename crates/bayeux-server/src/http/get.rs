//! A GET with messages in its URL: `callback-polling`, or the connect that opens a stream of `eventsource` or `iframe`
//! (BX-ST-7).
//!
//! The URL may name a session, so nothing here goes into a log.

use bayeux_engine::Carrier;
use bayeux_protocol::{ConnectionType, Message};

use super::{
    callback_polling::{CallbackName, CallbackPolling},
    event_source::EventSource,
    exchange::only_connect,
    gate::{Origin, Site},
    iframe::Iframe,
    query::Query,
    wire::Wire,
};
use crate::{
    Bayeux,
    http::{Head, Response},
    stats::count,
};

impl Bayeux {
    /// Serves a GET that carries messages; `None` is one that has none.
    pub(super) fn get(&self, head: &Head<'_>) -> Option<Response> {
        let query = Query(head.query);
        let scripts = self.offers(&ConnectionType::CallbackPolling);
        let name = query.value("jsonp");
        if name.is_some() && !scripts {
            return None;
        }
        let batch = match query.batch(&self.options().limits) {
            Some(Ok(batch)) => batch,
            None if name.is_none() => return self.named_stream(head),
            None | Some(Err(_)) => {
                return Some(self.malformed_query(head, scripts, "it has no Bayeux batch as message"));
            }
        };
        let opens = |message: &Message| {
            let kind = message.connection_type.as_ref();
            matches!(kind, Some(ConnectionType::EventSource | ConnectionType::Iframe))
        };
        Some(match only_connect(&batch) {
            Some(ConnectionType::EventSource) if name.is_none() => self.event_source(head, batch),
            Some(ConnectionType::Iframe) if name.is_none() => self.iframe(head, batch, query),
            _ if !scripts || (name.is_none() && batch.iter().any(opens)) => {
                let why = "a stream is opened by one connect, of type eventsource or iframe";
                self.malformed_query(head, scripts, why)
            }
            _ => match name.as_deref().map_or(Ok(CallbackName::DEFAULT), CallbackName::parse) {
                Ok(name) => self.script(head, batch, name),
                Err(bad) => self.malformed_query(head, true, &bad.to_string()),
            },
        })
    }

    fn offers(&self, kind: &ConnectionType) -> bool {
        self.options().engine.connection_types.contains(kind)
    }

    /// Any page may ask: it is told nothing that it could not have asked for without a browser.
    fn script(&self, head: &Head<'_>, batch: Vec<Message>, name: CallbackName) -> Response {
        let carrier = Carrier::Script { cross_site: self.site(head) != Site::Same };
        self.exchange(head, batch, carrier, Some(Box::new(CallbackPolling::new(name))))
    }

    /// The way of Faye's clients: the URL names the session, and the connect is made up here (BX-ST-1).
    fn named_stream(&self, head: &Head<'_>) -> Option<Response> {
        let accepts = |part: &str| part.split(';').next().unwrap_or_default().trim() == "text/event-stream";
        if head.suffix.is_empty() || !head.accept.is_some_and(|accept| accept.split(',').any(accepts)) {
            return None;
        }
        let connect = Message {
            channel: Some("/meta/connect".into()),
            client_id: Some(head.suffix.into()),
            connection_type: Some(ConnectionType::EventSource),
            ..Message::default()
        };
        Some(self.event_source(head, vec![connect]))
    }

    /// The connect is in the query (BX-ST-7), or made up.
    fn event_source(&self, head: &Head<'_>, connect: Vec<Message>) -> Response {
        if self.site(head) == Site::Foreign {
            return self.refuse_site(head.site.origin);
        }
        let last_event = head.last_event_id.and_then(|id| id.trim().parse().ok());
        self.stream(head, connect, last_event, Box::new(EventSource::new(self.options().engine.interval)))
    }

    /// The page around it is of this very origin, or says which listed one it is of (BX-ST-17).
    fn iframe(&self, head: &Head<'_>, connect: Vec<Message>, query: Query<'_>) -> Response {
        let allowed = &self.options().allow_origin;
        let parent = query.value("origin");
        let site = parent.as_deref().map_or_else(|| self.site(head), |parent| allowed.judge_frame(&head.site, parent));
        if site == Site::Foreign {
            return self.refuse_site(head.site.origin.or(parent.as_deref()));
        }
        let mut random = [0; 16];
        if getrandom::fill(&mut random).is_err() {
            return Response::text(503, "There is no randomness to be had. Come back in a while.");
        }
        let parent = parent.and_then(|parent| parent.parse::<Origin>().ok());
        self.stream(head, connect, None, Box::new(Iframe::new(parent, random, allowed)))
    }

    fn stream(&self, head: &Head<'_>, connect: Vec<Message>, last_event: Option<u64>, wire: Box<dyn Wire>) -> Response {
        self.exchange(head, connect, Carrier::Stream { last_event }, Some(wire))
    }

    /// A query that can't be served is refused whole (BX-HRD-1). Where scripts are served, any site may be told so.
    fn malformed_query(&self, head: &Head<'_>, scripts: bool, why: &str) -> Response {
        if !scripts && self.site(head) == Site::Foreign {
            return self.refuse_site(head.site.origin);
        }
        count(&self.counters().bodies_malformed);
        tracing::debug!(target: "bayeux::http", peer = %head.peer, why, "refused a malformed query");
        Response::text(400, format!("The query can't be served: {why}."))
    }
}
