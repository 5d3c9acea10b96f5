//! What a correct server would do: sessions, their subscriptions, what waits for them, and the connects that are held.

use super::outgoing::Outgoing;
use super::{Arrived, Slot};
use crate::json::{Json, object};
use crate::peer::Transport;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The channel on which a program is told what to do.
pub(super) const DO: &str = "/conformance/do";

/// The sessions of one case, the newest last.
pub(super) struct Sessions {
    list: Vec<Session>,
    made: u64,
    offered: Json,
    timeout: Duration,
}

/// A session.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) subscriptions: Vec<String>,
    pub(super) connects: u64,
    pub(super) held: Option<Held>,
    queue: VecDeque<Json>,
    socket: Option<(usize, mpsc::UnboundedSender<Outgoing>)>,
}

/// A connect that is held.
pub(super) struct Held {
    pub(super) arrived: Arrived,
    pub(super) reply: Json,
    pub(super) until: Instant,
}

impl Session {
    /// Whether its connects come over a WebSocket.
    pub(super) fn is_on_socket(&self) -> bool {
        self.socket.is_some()
    }

    pub(super) fn is_subscribed(&self, channel: &str) -> bool {
        self.subscriptions.iter().any(|pattern| matches(pattern, channel))
    }

    pub(super) fn socket(&self) -> Option<mpsc::UnboundedSender<Outgoing>> {
        self.socket.as_ref().map(|(_, socket)| socket.clone())
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Sends what waits for it, if it has a WebSocket.
    fn flush(&mut self) {
        if let Some((_, socket)) = &self.socket
            && !self.queue.is_empty()
        {
            let messages = self.queue.drain(..).collect();
            // A WebSocket that has just gone: the session will not get these, as from any server.
            let _ = socket.send(Outgoing { messages, ..Outgoing::default() });
        }
    }

    /// What waits for it.
    pub(super) fn take_queue(&mut self) -> Vec<Json> {
        self.queue.drain(..).collect()
    }
}

/// Whether a channel is one, or matches a pattern.
pub(super) fn matches(pattern: &str, channel: &str) -> bool {
    if let Some(parent) = pattern.strip_suffix("**") {
        return channel.starts_with(parent) && channel.len() > parent.len();
    }
    if let Some(parent) = pattern.strip_suffix('*') {
        return channel.strip_prefix(parent).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'));
    }
    pattern == channel
}

impl Sessions {
    pub(super) fn new(transport: Transport, timeout: Duration) -> Self {
        let mut offered = vec![Json::from(Transport::LongPolling.name())];
        if transport == Transport::WebSocket {
            offered.insert(0, transport.name().into());
        }
        Self { list: Vec::new(), made: 0, offered: Json::Array(offered), timeout }
    }

    pub(super) fn newest(&mut self) -> Option<&mut Session> {
        self.list.last_mut()
    }

    pub(super) fn get(&mut self, id: &str) -> Option<&mut Session> {
        self.list.iter_mut().find(|session| session.id == id)
    }

    /// Forgets all of them. What they held is returned: nobody will answer it by itself.
    pub(super) fn forget(&mut self) -> Vec<Held> {
        self.list.drain(..).filter_map(|session| session.held).collect()
    }

    pub(super) fn advice(&self) -> Json {
        object([
            ("reconnect", "retry".into()),
            ("interval", 0.into()),
            ("timeout", (self.timeout.as_millis() as u64).into()),
        ])
    }

    /// The reply of a correct server.
    pub(super) fn usual(&mut self, message: &Json) -> Json {
        let channel = message.get_str("channel").unwrap_or_default();
        let mut reply = object([("channel", channel.into())]);
        if let Some(id) = message.get("id") {
            reply.set("id", id.clone());
        }
        if channel == "/meta/handshake" {
            self.made += 1;
            reply.set("successful", true.into());
            reply.set("version", "1.0".into());
            reply.set("supportedConnectionTypes", self.offered.clone());
            reply.set("clientId", format!("s{}x{:08x}", self.made, fastrand::u32(..)).into());
            reply.set("advice", self.advice());
            return reply;
        }
        let id = message.get_str("clientId").unwrap_or_default();
        if self.get(id).is_none() {
            reply.set("successful", false.into());
            reply.set("error", format!("402:{id}:Unknown client").into());
            reply.set("advice", object([("reconnect", "handshake".into()), ("interval", 0.into())]));
            return reply;
        }
        reply.set("successful", true.into());
        match channel {
            "/meta/connect" => {
                reply.set("clientId", id.into());
                reply.set("advice", self.advice());
            }
            "/meta/subscribe" | "/meta/unsubscribe" => {
                reply.set("clientId", id.into());
                reply.set("subscription", message.get("subscription").cloned().unwrap_or(Json::Null));
            }
            "/meta/disconnect" => reply.set("clientId", id.into()),
            _ => {}
        }
        reply
    }

    /// What a reply means for the sessions.
    pub(super) fn apply(&mut self, message: &Json, reply: &Json) {
        if reply.get("successful").and_then(Json::as_bool) != Some(true) {
            return;
        }
        let channel = message.get_str("channel").unwrap_or_default();
        if channel == "/meta/handshake" {
            if let Some(id) = reply.get_str("clientId") {
                self.list.push(Session {
                    id: id.to_owned(),
                    subscriptions: Vec::new(),
                    connects: 0,
                    held: None,
                    queue: VecDeque::new(),
                    socket: None,
                });
            }
            return;
        }
        let Some(session) = message.get_str("clientId").and_then(|id| self.get(id)) else { return };
        let named = || match message.get("subscription") {
            Some(Json::String(one)) => vec![one.clone()],
            Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        match channel {
            "/meta/connect" => session.connects += 1,
            "/meta/subscribe" => {
                session.subscriptions.extend(named());
                session.subscriptions.sort();
                session.subscriptions.dedup();
            }
            "/meta/unsubscribe" => {
                let gone = named();
                session.subscriptions.retain(|pattern| !gone.contains(pattern));
            }
            _ => {}
        }
    }

    /// Ends a session, and returns the connect that it held.
    pub(super) fn end(&mut self, id: &str) -> Option<Held> {
        let at = self.list.iter().position(|session| session.id == id)?;
        self.list.remove(at).held
    }

    /// Where messages of a session come from is where its deliveries go.
    pub(super) fn comes_from(&mut self, arrived: &Arrived) {
        let Some(session) = arrived.message.get_str("clientId").and_then(|id| self.get(id)) else { return };
        if arrived.message.get_str("channel") != Some("/meta/connect") {
            return;
        }
        session.socket = match &arrived.slot {
            Slot::Socket(socket) => Some((arrived.connection, socket.clone())),
            Slot::Once(_) => None,
        };
        session.flush();
    }

    /// A connection has ended.
    pub(super) fn gone(&mut self, connection: usize) {
        for session in &mut self.list {
            session.held.take_if(|held| held.arrived.connection == connection);
            session.socket.take_if(|(number, _)| *number == connection);
        }
    }

    /// Delivers events to whoever is subscribed: at once over a WebSocket, otherwise with a connect. The connects that
    /// were held for them are returned. Fails if nobody is subscribed.
    pub(super) fn deliver(&mut self, events: &[Json]) -> Result<Vec<Held>, String> {
        let newest = self.list.len().saturating_sub(1);
        // What a program is to do is told once.
        let wants = |session: &Session, index: usize, channel: &str| {
            session.is_subscribed(channel) && (channel != DO || index == newest)
        };
        let channels = events.iter().map(|event| event.get_str("channel").unwrap_or_default());
        for channel in channels {
            if !self.list.iter().enumerate().any(|(index, session)| wants(session, index, channel)) {
                return Err(format!("the client is not subscribed to {channel}"));
            }
        }
        for (index, session) in self.list.iter_mut().enumerate() {
            for event in events {
                if wants(session, index, event.get_str("channel").unwrap_or_default()) {
                    session.queue.push_back(event.clone());
                }
            }
        }
        let mut answered = Vec::new();
        for session in &mut self.list {
            if session.queue.is_empty() {
                continue;
            }
            if session.is_on_socket() {
                session.flush();
            } else if let Some(held) = session.held.take() {
                answered.push(held);
            }
        }
        Ok(answered)
    }

    /// When the first of the held connects is to be answered.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.list.iter().filter_map(|session| session.held.as_ref()).map(|held| held.until).min()
    }

    /// The connects whose time is over.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Held> {
        self.list.iter_mut().filter_map(|session| session.held.take_if(|held| held.until <= now)).collect()
    }

    /// The connects that are held.
    pub(super) fn take_held(&mut self) -> Vec<Held> {
        self.list.iter_mut().filter_map(|session| session.held.take()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_text_says() {
        for (pattern, channel, fits) in [
            ("/a", "/a", true),
            ("/a", "/a/b", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/a", false),
            ("/**", "/a", true),
        ] {
            assert_eq!(matches(pattern, channel), fits, "{pattern} {channel}");
        }
    }

    #[test]
    fn a_session_is_made_subscribed_and_ended_by_what_is_answered() {
        let json = |text: &str| crate::json::parse(text.as_bytes()).expect(text).value;
        let mut sessions = Sessions::new(Transport::LongPolling, Duration::from_secs(3));
        let handshake = json(r#"{"channel":"/meta/handshake","id":"1"}"#);
        let reply = sessions.usual(&handshake);
        sessions.apply(&handshake, &reply);
        let id = reply.get_str("clientId").expect("a clientId").to_owned();
        let subscribe = json(&format!(
            r#"{{"channel":"/meta/subscribe","clientId":"{id}","subscription":["/a","/b/*"],"id":"2"}}"#
        ));
        let reply = sessions.usual(&subscribe);
        assert_eq!(reply.get("subscription"), subscribe.get("subscription"));
        sessions.apply(&subscribe, &reply);
        let event = json(r#"{"channel":"/b/c","data":1}"#);
        assert!(sessions.deliver(std::slice::from_ref(&event)).is_ok_and(|held| held.is_empty()));
        assert_eq!(sessions.newest().expect("it is there").take_queue(), [event]);
        assert!(sessions.deliver(&[json(r#"{"channel":"/c","data":1}"#)]).is_err());
        sessions.forget();
        let reply = sessions.usual(&subscribe);
        assert_eq!(reply.get("successful"), Some(&false.into()));
        assert_eq!(reply.get("advice").and_then(|advice| advice.get_str("reconnect")), Some("handshake"));
    }
}
