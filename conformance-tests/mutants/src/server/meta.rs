//! Handshake, disconnect, subscribe and unsubscribe.

use crate::channel::{self, Kind, kind};
use crate::connect::CONNECTION_TYPES;
use crate::cookie::random_text;
use crate::defect::Defect;
use crate::message::{self, Message, failure, success, unknown};
use crate::session::{Release, Session};
use crate::world::{Answer, Origin, State, World};
use serde_json::{Value, json};

/// How many sessions there may be.
const MAX_SESSIONS: usize = 20_000;
/// How many subscriptions a session may have.
const MAX_SUBSCRIPTIONS: usize = 2_000;

impl World {
    /// A handshake; nothing else of its batch is looked at.
    pub(crate) fn handshake(&self, state: &mut State, request: &Message, origin: &Origin, answer: &mut Answer) {
        if self.has(Defect::SocketEventBeforeHandshake) && origin.socket.is_some() && !origin.browser.is_new {
            answer.messages.extend(state.lately.iter().cloned());
        }
        let error = self.refuses_handshake(state, request);
        let stays_out = self.has(Defect::RefusedForEver) && !state.refused.insert(origin.browser.id.clone());
        if error.is_none() && !stays_out {
            state.refused.remove(&origin.browser.id);
        }
        if let Some(error) = error.or_else(|| stays_out.then_some("403::Never again")) {
            let mut reply = failure(self, request, error);
            reply.insert("advice".into(), json!({"reconnect": "none"}));
            if self.has(Defect::FailedHandshakeWithClientId) {
                reply.insert("clientId".into(), random_text(32).into());
            }
            return answer.messages.push(reply);
        }
        if let Some(socket) = &origin.socket {
            state.detach(socket);
        }
        let asked = |name: &str| request.get("ext").and_then(|ext| ext.get(name));
        let ack = asked("ack").is_some_and(|ack| *ack == json!(true) || self.has(Defect::AckForced));
        let counts = asked("gap") == Some(&json!(true)) && !ack;
        let mut session = Session::new(origin.browser.id.clone(), ack, self.max_interval);
        session.socket.clone_from(&origin.socket);
        session.counts = counts;
        if let Some(ack) = &mut session.ack {
            ack.is_pushed = self.has(Defect::AckPushed);
        }
        session.queue.extend(state.left.remove(&origin.browser.id).unwrap_or_default());
        if self.has(Defect::SubscriptionsSurvive) {
            let earlier = state.sessions.values().filter(|earlier| earlier.browser == session.browser);
            session.subscriptions = earlier.flat_map(|earlier| earlier.subscriptions.clone()).collect();
        }
        let client_id = self.new_client_id(state, origin);
        let mut reply = success(self, request);
        if !self.has(Defect::HandshakeReplyWithoutVersion) {
            reply.insert("version".into(), "1.0".into());
        }
        reply.insert("supportedConnectionTypes".into(), self.offer(request));
        reply.insert("clientId".into(), client_id.clone().into());
        let mut advice = self.advice();
        if self.has(Defect::SuccessAdvisesHandshake) {
            advice["reconnect"] = "handshake".into();
        }
        reply.insert("advice".into(), advice);
        if ack {
            let told = if self.has(Defect::AckNamedOddly) { json!("1.0") } else { json!(true) };
            let both = asked("gap").is_some() && self.has(Defect::GapBesideAck);
            reply.insert("ext".into(), if both { json!({"ack": told, "gap": true}) } else { json!({"ack": told}) });
        } else if counts {
            reply.insert("ext".into(), json!({"gap": true}));
        }
        state.sessions.insert(client_id, session);
        answer.shook_hands = true;
        answer.messages.push(reply);
        if self.has(Defect::EventsInHandshakeReply) {
            let old = message::text(request, "clientId").and_then(|id| state.sessions.get_mut(id));
            answer.messages.extend(old.into_iter().flat_map(|old| old.queue.drain(..)));
        }
    }

    /// The connection types that a handshake is told.
    fn offer(&self, request: &Message) -> Value {
        let wanted = request.get("supportedConnectionTypes").and_then(Value::as_array);
        let is_wanted = |kind: &&str| wanted.is_some_and(|wanted| wanted.iter().any(|other| other == kind));
        if self.has(Defect::FirstCommonTypeOnly) {
            return CONNECTION_TYPES.into_iter().rev().filter(is_wanted).take(1).collect();
        }
        if self.has(Defect::OtherTypesOffered) {
            return CONNECTION_TYPES.into_iter().filter(|kind| !is_wanted(kind)).collect();
        }
        json!(CONNECTION_TYPES)
    }

    fn refuses_handshake(&self, state: &State, request: &Message) -> Option<&'static str> {
        if message::text(request, "version").and_then(numbers).is_none() {
            return Some("400::A handshake has a version");
        }
        let least = message::text(request, "minimumVersion");
        let is_above = if self.has(Defect::VersionsAsText) {
            least.is_some_and(|least| least > "1.0")
        } else {
            let by_major = self.has(Defect::FirstNumberOnly);
            least.and_then(numbers).is_some_and(|least| if by_major { least[0] > 1 } else { least > vec![1, 0] })
        };
        if is_above {
            return Some("300::This is version 1.0");
        }
        let types = request.get("supportedConnectionTypes").and_then(Value::as_array);
        let Some(types) = types.filter(|types| types.iter().all(Value::is_string)) else {
            return Some("400::A handshake has connection types");
        };
        let is_common = |kind: &Value| kind.as_str().is_some_and(|kind| CONNECTION_TYPES.contains(&kind));
        if !types.iter().any(is_common) && !self.has(Defect::NoCommonTypeAccepted) {
            return Some("301::No connection type in common");
        }
        (state.sessions.len() >= MAX_SESSIONS).then_some("503::Too many sessions")
    }

    fn new_client_id(&self, state: &mut State, origin: &Origin) -> String {
        state.counter += 1;
        let earlier = state.sessions.iter().find(|(_, earlier)| earlier.browser == origin.browser.id);
        match earlier {
            Some((id, _)) if self.has(Defect::OldClientIdKept) => id.clone(),
            _ if self.has(Defect::ClientIdGivenAgain) && !state.ended.is_empty() => {
                state.ended.pop().unwrap_or_else(|| random_text(32))
            }
            _ if self.has(Defect::ClientIdWithDashes) => format!("{}-{}", random_text(16), random_text(16)),
            _ if self.has(Defect::SequentialClientIds) => format!("client{:026}", state.counter),
            _ => random_text(32),
        }
    }

    /// A disconnect; the connect that is held is released by it, and over a WebSocket answered before.
    pub(crate) fn disconnect(
        &self,
        state: &mut State,
        request: &Message,
        sender: Option<String>,
        origin: &Origin,
        answer: &mut Answer,
    ) {
        let Some(client_id) = sender else { return answer.messages.push(unknown(self, request)) };
        let ended = if self.has(Defect::DisconnectKeepsSession) { None } else { state.sessions.remove(&client_id) };
        if let Some(ended) = &ended {
            self.remember(state, &client_id, ended);
        }
        if let Some(mut session) = ended.filter(|_| !self.has(Defect::DisconnectLeavesConnect)) {
            let in_order = origin.socket.is_some() && !self.has(Defect::DisconnectAnsweredFirst);
            if let Some(held) = session.held.take_if(|_| in_order) {
                answer.messages.push(self.ended(&held.request));
                // Its connection may be gone.
                let _ = held.release.send(Release::Answered);
            }
            session.release(Release::Disconnected);
        }
        let mut reply = success(self, request);
        if self.has(Defect::DisconnectReplyWithoutSuccessful) {
            reply.remove("successful");
        }
        answer.messages.push(reply);
    }

    /// What defects keep of a session that was ended.
    fn remember(&self, state: &mut State, client_id: &str, ended: &Session) {
        if self.has(Defect::ClientIdGivenAgain) {
            state.ended.push(client_id.to_owned());
        }
        if self.has(Defect::QueueInherited) {
            state.left.insert(ended.browser.clone(), ended.queue.clone());
        }
        if self.has(Defect::DisconnectTakesChannel) {
            for other in state.sessions.values_mut() {
                other.subscriptions.retain(|pattern| !ended.subscriptions.contains(pattern));
            }
        }
    }

    /// A subscribe: all of its channels, or none.
    pub(crate) fn subscribe(&self, state: &mut State, request: &Message, sender: Option<String>) -> Message {
        if self.has(Defect::OneSubscriber) && sender.is_some() {
            let taken = channels(self, request).unwrap_or_default();
            for session in state.sessions.values_mut() {
                session.subscriptions.retain(|pattern| !taken.contains(pattern));
            }
        }
        let Some(session) = sender.and_then(|id| state.sessions.get_mut(&id)) else { return unknown(self, request) };
        let Some(channels) = channels(self, request) else {
            return refusal(self, request, "400::No channels are named");
        };
        let mut subscriptions = session.subscriptions.clone();
        for channel in &channels {
            if let Some(error) = self.refuses_subscription(channel) {
                if self.has(Defect::PartialSubscription) {
                    session.subscriptions = subscriptions;
                }
                return refusal(self, request, error);
            }
            let is_new = !subscriptions.contains(channel) || self.has(Defect::DoubleSubscribeCounts);
            // A subscription to a service channel succeeds and brings nothing.
            if is_new && (kind(channel) != Kind::Service || self.has(Defect::ServiceToSubscribers)) {
                subscriptions.push(channel.clone());
            }
            if self.has(Defect::SubscriptionArrayCut) {
                break;
            }
        }
        if subscriptions.len() > MAX_SUBSCRIPTIONS {
            return refusal(self, request, "403::Too many subscriptions");
        }
        session.subscriptions = subscriptions;
        if self.has(Defect::LastEventKept) {
            let is_last =
                |channel: &String| state.lately.iter().find(|event| message::channel(event) == channel).cloned();
            session.queue.extend(channels.iter().filter_map(is_last));
        }
        with_subscription(self, success(self, request), request)
    }

    fn refuses_subscription(&self, channel: &str) -> Option<&'static str> {
        if !channel::is_pattern(self, channel) {
            return Some("400::No channel to subscribe to");
        }
        if channel.ends_with('*') && self.has(Defect::PatternsRefused) {
            return Some("403::Only names");
        }
        let forbidden = kind(channel) == Kind::Meta && !self.has(Defect::MetaSubscribable);
        forbidden.then_some("403::Not for clients")
    }

    /// An unsubscribe; from what was not subscribed, too.
    pub(crate) fn unsubscribe(&self, state: &mut State, request: &Message, sender: Option<String>) -> Message {
        let Some(session) = sender.and_then(|id| state.sessions.get_mut(&id)) else { return unknown(self, request) };
        let Some(channels) = channels(self, request) else {
            return refusal(self, request, "400::No channels are named");
        };
        if let Some(error) = channels.iter().find_map(|channel| self.refuses_subscription(channel)) {
            return refusal(self, request, error);
        }
        let gone = |pattern: &String| {
            channels.iter().any(|channel| {
                pattern == channel
                    || (self.has(Defect::UnsubscribeTakesPatterns) && channel::matches(self, pattern, channel))
                    || (self.has(Defect::UnsubscribeTakesNames) && channel::matches(self, channel, pattern))
            })
        };
        if !self.has(Defect::UnsubscribeIgnored) {
            session.subscriptions.retain(|pattern| !gone(pattern));
        }
        with_subscription(self, success(self, request), request)
    }
}

/// The channels of a (un)subscribe: a string or an array of them.
fn channels(world: &World, request: &Message) -> Option<Vec<String>> {
    let named = match request.get("subscription") {
        Some(Value::String(one)) => Some(vec![one.clone()]),
        Some(Value::Array(many)) if !many.is_empty() => {
            many.iter().map(|one| one.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    };
    named.or_else(|| world.has(Defect::OddSubscriptionAccepted).then(Vec::new))
}

/// A refusal that names what was refused.
fn refusal(world: &World, request: &Message, error: &str) -> Message {
    with_subscription(world, failure(world, request, error), request)
}

fn with_subscription(world: &World, mut reply: Message, request: &Message) -> Message {
    let subscription = request.get("subscription").filter(|_| !world.has(Defect::SubscriptionNotRepeated));
    if let Some(subscription) = subscription {
        reply.insert("subscription".into(), subscription.clone());
    }
    reply
}

/// The numbers of a version, up to the first that is none; at least one.
fn numbers(version: &str) -> Option<Vec<u32>> {
    let numbers: Vec<_> = version.split('.').map_while(|part| part.parse().ok()).collect();
    (!numbers.is_empty()).then_some(numbers)
}
