//! What the defects of acknowledgements, gaps, streams and browsers know, and how they change calls and frames.

use std::{collections::BTreeMap, time::Duration};

use bayeux_engine::{Answer, BrowserId, Call, Carrier, Config, HEADROOM, Origin, Ticket, Time};
use bayeux_protocol::{ConnectionType, DecodeLimits, Ext, ExtValue, Json, Message, MessageId, decode_batch};
use serde_json::{Value, json};

use super::frames::{changed, is_event};

/// How often a stream that is stuck is kept alive.
const HEARTBEAT: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(crate) struct Deliveries {
    /// Frames are read.
    pub(crate) reads: bool,
    links: Vec<Link>,
    /// The last number of each session that has any.
    numbers: BTreeMap<String, u64>,
    /// Events that were lent and given back, of each session.
    given_back: BTreeMap<String, u64>,
    /// Places of streams that are over, and were not given back.
    kept: BTreeMap<[u8; 16], usize>,
    heartbeat: Option<Time>,
}

/// A ticket, and what is lent under it.
struct Link {
    ticket: Ticket,
    session: String,
    origin: Origin,
    streams: bool,
    lent: Option<u64>,
}

impl Deliveries {
    /// A batch was answered.
    pub(crate) fn learn(&mut self, origin: &Origin, batch: &[Message], answer: &Answer) {
        let Some(session) = batch.first().and_then(|message| message.client_id.as_deref()).filter(|_| self.reads)
        else {
            return;
        };
        for ticket in answer.held.iter().chain(&answer.stream).chain(&answer.attached).chain(&answer.lent) {
            let (session, origin, streams) = (session.to_owned(), origin.clone(), answer.stream.is_some());
            self.links.push(Link { ticket: *ticket, session, origin, streams, lent: None });
        }
        if let (Some(frame), Some(ticket)) = (&answer.frame, answer.lent.first()) {
            self.taken(*ticket, frame, true);
        }
    }

    /// A frame was taken.
    pub(crate) fn taken(&mut self, ticket: Ticket, frame: &[u8], lent: bool) {
        if !self.reads {
            return;
        }
        let Some(link) = self.links.iter_mut().rev().find(|link| link.ticket == ticket) else {
            return;
        };
        let messages: Vec<Value> = serde_json::from_slice(&frame[HEADROOM..]).expect("the engine writes JSON");
        let events = messages.iter().filter(|message| is_event(message)).count() as u64;
        link.lent = lent.then_some(events);
        if let Some(number) = messages.iter().rev().find_map(|message| message["ext"]["ack"].as_u64()) {
            self.numbers.insert(link.session.clone(), number);
        }
    }

    fn link(&self, ticket: Ticket) -> Option<&Link> {
        self.links.iter().rev().find(|link| link.ticket == ticket)
    }

    pub(crate) fn is_stream(&self, ticket: Ticket) -> bool {
        self.link(ticket).is_some_and(|link| link.streams)
    }

    /// A connect that names the last number, once what was lent is written.
    pub(crate) fn written(&mut self, ticket: Ticket) -> Option<Call> {
        let link = self.links.iter_mut().rev().find(|link| link.ticket == ticket)?;
        link.lent.take()?;
        let number = self.numbers.get(&link.session)?;
        Some(beside(link, &json!({"ack": number})))
    }

    /// A connection is gone: what was lent comes again. `keeps` tells whether a stream keeps its place.
    pub(crate) fn cancelled(&mut self, ticket: Ticket, keeps: bool) {
        let Some(at) = self.links.iter().rposition(|link| link.ticket == ticket) else {
            return;
        };
        let link = self.links.remove(at);
        *self.given_back.entry(link.session).or_default() += link.lent.unwrap_or_default();
        if let Some(browser) = link.origin.browser.filter(|_| keeps && link.streams) {
            *self.kept.entry(browser.0).or_default() += 1;
        }
    }

    /// Connects that keep the sessions of streams whose connections take nothing.
    pub(crate) fn heartbeats(&mut self, now: Time) -> Vec<Call> {
        if self.heartbeat.is_some_and(|last| now.since(last) < HEARTBEAT) {
            return Vec::new();
        }
        self.heartbeat = Some(now);
        let stuck = self.links.iter().filter(|link| link.streams && link.lent.is_some());
        stuck.map(|link| beside(link, &json!({}))).collect()
    }

    /// The answer to a connect that has no room, if places that were kept count.
    pub(crate) fn crowded(&self, browser: Option<BrowserId>, connect: &Message, config: &Config) -> Option<Vec<u8>> {
        let kept = *self.kept.get(&browser?.0)?;
        if connect.ext.is_some() || kept < config.max_sessions_per_browser || config.max_sessions_per_browser == 0 {
            return None;
        }
        let (interval, timeout) = (config.multi_session_interval.as_millis(), config.timeout.as_millis());
        let advice = json!({
            "reconnect": "retry", "interval": interval as u64, "timeout": timeout as u64, "multiple-clients": true
        });
        let id = connect.id.as_ref().map(|id| match id {
            MessageId::Text(text) => json!(text),
            MessageId::Number(number) => serde_json::from_str(number).expect("a number"),
        });
        let reply = json!([{
            "channel": "/meta/connect", "id": id, "successful": true, "clientId": connect.client_id, "advice": advice
        }]);
        Some([&[0; HEADROOM][..], reply.to_string().as_bytes()].concat())
    }

    /// Superseded connects get a number.
    pub(crate) fn numbered(&self, session: Option<&str>, frame: Vec<u8>) -> Vec<u8> {
        let Some(number) = session.and_then(|session| self.numbers.get(session)) else {
            return frame;
        };
        changed(frame, |messages| {
            let superseded = |message: &&mut Value| {
                let advice = &message["advice"];
                advice["interval"] == 2000 && advice["multiple-clients"].is_null() && advice["timeout"] != 0
            };
            for message in messages.iter_mut().filter(superseded) {
                message["ext"] = json!({"ack": number});
            }
        })
    }

    /// What was lent and given back is told to be missing too.
    pub(crate) fn more_missing(&self, session: Option<&str>, frame: Vec<u8>) -> Vec<u8> {
        let Some(more) = session.and_then(|session| self.given_back.get(session)) else {
            return frame;
        };
        changed(frame, |messages| {
            for message in messages {
                if let Some(missing) = message["ext"]["gap"]["missing"].as_u64() {
                    message["ext"] = json!({"gap": {"missing": missing + more}});
                }
            }
        })
    }

    /// The stream that this opens goes on behind all that was ever sent.
    pub(crate) fn name_all(&self, call: &mut Call) {
        let session = call.batch.first().and_then(|message| message.client_id.as_deref());
        if let Some(number) = session.and_then(|session| self.numbers.get(session)) {
            name(&mut call.batch[0], *number);
        }
    }
}

/// Whether a stream is to be opened.
pub(crate) fn opens_stream(call: &Call) -> bool {
    let is_xhr = |message: &Message| message.connection_type == Some(ConnectionType::XhrStreaming);
    matches!(call.origin.carrier, Carrier::Stream { .. }) || call.batch.iter().all(is_xhr)
}

/// Numbers that clients name are taken for the next ones.
pub(crate) fn name_more(call: &mut Call) {
    for message in &mut call.batch {
        if let Some(ExtValue::Number(number)) = message.ext.as_ref().and_then(|ext| Ext::read(ext).ack) {
            name(message, number + 1);
        }
    }
}

fn name(message: &mut Message, number: u64) {
    message.ext = Json::parse(json!({"ack": number}).to_string().as_bytes(), 8).ok();
}

/// Connects beside a stream are taken for those that open one, or hold.
pub(crate) fn come_from_stream(call: &mut Call) {
    if !matches!(call.origin.carrier, Carrier::Stream { .. }) {
        for message in &mut call.batch {
            if let Some(ConnectionType::EventSource | ConnectionType::Iframe) = message.connection_type {
                message.connection_type = Some(ConnectionType::LongPolling);
            }
        }
    }
}

fn beside(link: &Link, ext: &Value) -> Call {
    let mut origin = link.origin.clone();
    if !matches!(origin.carrier, Carrier::Socket { .. }) {
        origin.carrier = Carrier::Http;
    }
    let connect = json!([{
        "channel": "/meta/connect", "clientId": link.session, "connectionType": "eventsource", "ext": ext
    }]);
    let batch = decode_batch(connect.to_string().as_bytes(), &DecodeLimits::default()).expect("well-formed");
    Call { origin, batch }
}
