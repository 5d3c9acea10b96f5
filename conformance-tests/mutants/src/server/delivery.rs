//! Publishing: who may, and who gets what of it.

use crate::channel::{self, Kind, kind};
use crate::defect::Defect;
use crate::message::{self, Message, failure, success, unknown};
use crate::session::Release;
use crate::world::{State, World};
use serde_json::Value;

/// How many events wait for a session; later ones are dropped.
const MAX_QUEUE: usize = 20_000;
/// How many may be unacknowledged; one more ends the session.
const MAX_UNACKNOWLEDGED: usize = 200;

impl World {
    /// A publish, and its acknowledgement.
    pub(crate) fn publish(&self, state: &mut State, request: &Message, sender: Option<String>) -> Message {
        let channel = message::channel(request).to_owned();
        let refusal = self.refuses_publish(request, &channel, sender.as_deref());
        if let Some(refusal) = refusal {
            if self.has(Defect::RefusedPublishDelivered) && request.contains_key("data") {
                self.deliver(state, &channel, &self.event(request));
            }
            return refusal;
        }
        let all = self.has(Defect::ServiceToSubscribers) || self.has(Defect::SilentServiceToSubscribers);
        // A publish to a meta channel comes as far as this with a defect alone.
        if kind(&channel) != Kind::Service || all {
            self.deliver(state, &channel, &self.event(request));
        }
        let mut reply = success(self, request);
        let object = request.get("data").filter(|data| data.is_object() && self.has(Defect::PublishReplyWithData));
        if let Some(data) = object {
            reply.insert("data".into(), data.clone());
        }
        if self.has(Defect::PublishReplyElsewhere) {
            reply.insert("channel".into(), "/elsewhere".into());
        }
        if self.has(Defect::PublishReplyWithError) {
            reply.insert("error".into(), "200::published".into());
        }
        if self.has(Defect::PublishReplyWithClientId) && sender.is_none() {
            reply.insert("clientId".into(), "none".into());
        }
        reply
    }

    fn refuses_publish(&self, request: &Message, channel: &str, sender: Option<&str>) -> Option<Message> {
        // Reading refuses it, unless the server has the defect that accepts it.
        if !request.contains_key("channel") {
            return Some(success(self, request));
        }
        let stranger = request.contains_key("clientId") && sender.is_none();
        if stranger && !self.has(Defect::UnknownPublisherAccepted) {
            return Some(unknown(self, request));
        }
        let pattern = self.has(Defect::PatternPublishAccepted) && channel::is_pattern(self, channel);
        if !channel::is_name(self, channel) && !pattern {
            return Some(failure(self, request, "400::No channel to publish to"));
        }
        if kind(channel) == Kind::Meta && !self.has(Defect::MetaPublishAccepted) {
            return Some(failure(self, request, "403::Not for clients"));
        }
        if !request.contains_key("data") {
            return Some(failure(self, request, "400::A publish has data"));
        }
        None
    }

    /// What subscribers see of a publish: channel and data, and nothing else that its publisher wrote.
    fn event(&self, request: &Message) -> Message {
        let relayed: &[&str] = if self.has(Defect::AdviceRelayed) {
            &["advice"]
        } else if self.has(Defect::ReservedRelayed) {
            &["successful", "error", "subscription", "id"]
        } else if self.has(Defect::ExtRelayed) {
            &["ext"]
        } else if self.has(Defect::PublisherInEvent) {
            &["clientId"]
        } else {
            &[]
        };
        let keep = |name: &&String| *name == "channel" || *name == "data" || relayed.contains(&name.as_str());
        let kept = request.iter().filter(|(name, _)| keep(name));
        let mut event: Message = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(data) = event.get_mut("data") {
            self.spoil(data);
        }
        event
    }

    /// What a defect does to data.
    fn spoil(&self, data: &mut Value) {
        match data {
            Value::String(text) if self.has(Defect::ControlsDropped) => text.retain(|letter| !letter.is_control()),
            Value::Array(items) => items.iter_mut().for_each(|item| self.spoil(item)),
            Value::Object(members) => {
                if self.has(Defect::ProtoDropped) {
                    members.remove("__proto__");
                }
                members.values_mut().for_each(|member| self.spoil(member));
            }
            _ => {}
        }
    }

    /// Puts an event into the queue of each session with a subscription that matches, once.
    pub(crate) fn deliver(&self, state: &mut State, channel: &str, event: &Message) {
        let mut event = event.clone();
        event.insert("channel".into(), channel.into());
        if self.has(Defect::FalsyDataDropped) && event.get("data").is_none_or(is_falsy) {
            return;
        }
        if self.has(Defect::SocketEventBeforeHandshake) || self.has(Defect::LastEventKept) {
            state.lately.truncate(if self.has(Defect::LastEventKept) { 999 } else { 9 });
            state.lately.push_front(event.clone());
        }
        let mut browsers = Vec::new();
        for session in state.sessions.values_mut() {
            let matching: Vec<_> =
                session.subscriptions.iter().filter(|pattern| channel::matches(self, pattern, channel)).collect();
            let Some(first) = matching.first() else { continue };
            if self.has(Defect::EventNamesPattern) {
                event.insert("channel".into(), first.as_str().into());
            }
            let copies = if self.has(Defect::CopyPerSubscription) {
                matching.len()
            } else if self.has(Defect::DoubleSubscribeCounts) {
                matching.iter().filter(|pattern| pattern == &first).count()
            } else {
                1
            };
            browsers.push(session.browser.clone());
            if session.is_deaf {
                continue;
            }
            if session.backlog() + copies > MAX_QUEUE || (self.has(Defect::QueueCut) && session.queue.len() == 40) {
                continue;
            }
            if session.ack.is_some() && session.backlog() >= MAX_UNACKNOWLEDGED && !self.has(Defect::AckUnbounded) {
                // What can't be kept ends the session, below.
                session.is_over = true;
                continue;
            }
            session.delivered += 1;
            if self.has(Defect::EveryFiftiethLost) && session.delivered.is_multiple_of(50) {
                continue;
            }
            session.queue.extend(std::iter::repeat_n(event.clone(), copies));
            let length = session.queue.len();
            if self.has(Defect::FifthOvertakes) && length.is_multiple_of(5) {
                session.queue.swap(length - 1, length - 2);
            }
        }
        for (_, mut over) in state.sessions.extract_if(|_, session| session.is_over) {
            over.release(Release::Timeout);
        }
        if self.has(Defect::QueueSharedByBrowser) {
            for session in state.sessions.values_mut().filter(|session| browsers.contains(&session.browser)) {
                if !session.queue.contains(&event) {
                    session.queue.push_back(event.clone());
                }
            }
        }
    }
}

fn is_falsy(data: &Value) -> bool {
    match data {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
