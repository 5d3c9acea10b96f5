//! Handshake, connects, and what follows each of them: the advice decides.

use crate::Transport;
use crate::client::{Client, Lost, Message};
use crate::defect::Defect;
use crate::websocket;
use serde_json::{Map, Value, json};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

/// How long it waits after a failure, if nothing advises more.
const PAUSE: Duration = Duration::from_millis(1500);

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Handshake,
    Connect,
}

/// The last advice.
#[derive(Default)]
pub(crate) struct Advice(Map<String, Value>);

impl Advice {
    /// A member: that for the connection type comes first.
    fn get(&self, name: &str, client: &Client, transport: Transport) -> Option<&Value> {
        if client.has(Defect::OtherTypesAdviceHeeded)
            && let Some(part) = self.0.values().find_map(|part| part.get(name))
        {
            return Some(part);
        }
        let own = self.0.get(transport.name()).and_then(|part| part.get(name));
        own.filter(|_| !client.has(Defect::OwnTypesAdviceIgnored)).or_else(|| self.0.get(name))
    }
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::LongPolling => "long-polling",
            Self::Websocket => "websocket",
        }
    }
}

/// Keeps a session, until the application or the server ends it for good.
pub(crate) async fn keep(client: Rc<Client>) {
    let mut step = Step::Handshake;
    loop {
        let outcome = match step {
            Step::Handshake => client.handshake().await,
            Step::Connect => client.connect().await,
        };
        let Some((next, pause)) = client.decide(step, outcome) else { return };
        sleep(pause).await;
        if client.state.borrow().closed {
            return;
        }
        step = next;
    }
}

impl Client {
    /// Opens the WebSocket if there is to be one. If it never opens, long-polling must do.
    async fn ready(self: &Rc<Self>) -> Result<(), Lost> {
        let waits = {
            let state = self.state.borrow();
            state.transport == Transport::Websocket && state.socket.is_none()
        };
        if !waits {
            return Ok(());
        }
        let opened = websocket::open(self).await;
        let mut state = self.state.borrow_mut();
        if opened.is_err() && !state.was_open && !self.has(Defect::NoFallBack) {
            state.transport = Transport::LongPolling;
            return Ok(());
        }
        opened
    }

    async fn handshake(self: &Rc<Self>) -> Result<Message, Lost> {
        self.ready().await?;
        let transport = self.state.borrow().transport;
        let types = match transport {
            Transport::Websocket if !self.has(Defect::LongPollingNotOffered) => json!(["websocket", "long-polling"]),
            one => json!([one.name()]),
        };
        let mut members = json!({"version": "1.0", "supportedConnectionTypes": types, "ext": {"ack": true}});
        if self.has(Defect::HandshakeWithoutVersion) {
            members = json!({"supportedConnectionTypes": types, "ext": {"ack": true}});
        }
        let reply = self.request("/meta/handshake", members).await?;
        if reply.get("successful") == Some(&json!(true)) {
            let id = reply.get("clientId").and_then(Value::as_str);
            let offered = reply.get("supportedConnectionTypes").and_then(Value::as_array);
            let is_common = offered.is_some_and(|types| types.contains(&json!(transport.name())));
            let usable = id.is_some() || self.has(Defect::FailedHandshakeIgnored);
            if !usable || !(is_common || self.has(Defect::NoCommonTypeNeeded)) {
                return Err(Lost::Missing);
            }
            self.begin(id, &reply);
            let client = self.clone();
            tokio::task::spawn_local(async move { client.subscribe_again().await });
        }
        Ok(reply)
    }

    /// There is a session.
    fn begin(&self, id: Option<&str>, reply: &Message) {
        let mut state = self.state.borrow_mut();
        state.sessions += 1;
        (state.connects, state.answered) = (0, 0);
        if !self.has(Defect::OldClientIdInConnects) || state.client_id.is_none() {
            state.client_id = id.map(str::to_owned);
        }
        state.first_id = state.first_id.take().or_else(|| id.map(str::to_owned));
        // What was advised to the session before is over with it.
        state.advice = Advice::default();
        let agreed = reply.get("ext").and_then(|ext| ext.get("ack")) == Some(&json!(true));
        state.ack = (agreed || self.has(Defect::AcknowledgesUnasked)).then_some(json!(0));
    }

    /// A new session has no subscriptions.
    async fn subscribe_again(self: &Rc<Self>) {
        let channels: Vec<_> = {
            let state = self.state.borrow();
            let is_wanted = |name: &&String| {
                state.sessions == 1 || !self.has(Defect::NotSubscribedAgain) || name.as_str() == "/conformance/do"
            };
            state.handlers.keys().filter(is_wanted).cloned().collect()
        };
        if self.has(Defect::SubscribesToNothing) {
            // It is refused, which is no matter here.
            let _ = self.request("/meta/subscribe", json!({"subscription": []})).await;
        }
        // If this fails, so does the connect, and there will be another session.
        let _ = self.request("/meta/subscribe", json!({"subscription": channels})).await;
    }

    /// One connect.
    pub(crate) async fn connect(self: &Rc<Self>) -> Result<Message, Lost> {
        self.ready().await?;
        let (members, limit, doubled) = {
            let mut state = self.state.borrow_mut();
            state.connects += 1;
            let kind = if self.has(Defect::UnofferedType) { "callback-polling" } else { state.transport.name() };
            let mut members = json!({"connectionType": kind});
            if let Some(number) = state.ack.as_ref().filter(|_| !self.has(Defect::AcknowledgesNothing)) {
                members["ext"] = json!({"ack": number});
            }
            let timeout = state.advice.get("timeout", self, state.transport).and_then(Value::as_u64).unwrap_or(0);
            let doubled = self.has(Defect::TwoConnects) && state.connects == 2;
            (members, self.patience() + Duration::from_millis(timeout), doubled)
        };
        if doubled {
            let (client, members) = (self.clone(), members.clone());
            tokio::task::spawn_local(async move { client.request_within("/meta/connect", members, limit).await });
        }
        let reply = self.request_within("/meta/connect", members, limit).await?;
        let mut state = self.state.borrow_mut();
        if let Some(number) = reply.get("ext").and_then(|ext| ext.get("ack")).filter(|_| state.ack.is_some()) {
            state.ack = Some(number.clone());
        }
        state.answered = state.connects;
        drop(state);
        self.answered.notify_waiters();
        Ok(reply)
    }

    /// What comes next, and after which pause; nothing if that was all.
    fn decide(&self, step: Step, outcome: Result<Message, Lost>) -> Option<(Step, Duration)> {
        let mut state = self.state.borrow_mut();
        let pause = if self.has(Defect::NoPause) { Duration::from_millis(10) } else { PAUSE };
        let reply = match outcome {
            Ok(reply) => reply,
            Err(why) if self.gives_up(why) => return None,
            Err(Lost::Broken) if self.has(Defect::NewSessionAfterClose) && state.was_open => {
                return Some((Step::Handshake, pause));
            }
            Err(_) => return Some((step, pause.max(self.interval(&state.advice, state.transport)?))),
        };
        let succeeded = reply.get("successful") == Some(&json!(true));
        let advised = reply.get("advice").and_then(Value::as_object);
        if let Some(advice) = advised {
            let before = state.advice.0.get("interval").filter(|interval| interval.as_u64() > Some(0)).cloned();
            state.advice = Advice(advice.clone());
            if let Some(before) = before.filter(|_| self.has(Defect::FirstIntervalKept)) {
                state.advice.0.insert("interval".into(), before);
            }
        }
        let reconnect = state
            .advice
            .get("reconnect", self, state.transport)
            .map_or("retry", |value| value.as_str().unwrap_or_default());
        let by_error = self.has(Defect::ErrorDecides)
            && reply.get("error").and_then(Value::as_str).is_none_or(|error| !error.starts_with("402"));
        let next = match (reconnect, step) {
            ("none", _) if self.has(Defect::GoesOnAfterNone) => return Some((step, PAUSE)),
            ("none", _) => return None,
            ("retry" | "handshake", Step::Handshake) if succeeded || self.has(Defect::FailedHandshakeIgnored) => {
                Step::Connect
            }
            ("handshake", Step::Connect) if self.has(Defect::ConnectsForHandshake) || by_error => {
                return Some((Step::Connect, PAUSE));
            }
            ("retry", Step::Connect) => Step::Connect,
            ("retry" | "handshake", _) => Step::Handshake,
            _ if self.has(Defect::UnknownReconnectRetries) => step,
            _ => return None,
        };
        let interval = self.interval(&state.advice, state.transport)?;
        let unexplained = !succeeded && advised.is_none();
        let refused_for_ever = self.has(Defect::OldClientIdInConnects) && state.sessions > 1;
        let least = if unexplained || refused_for_ever { pause } else { Duration::ZERO };
        Some((next, interval.max(least)))
    }

    /// The interval that was advised; none if it is negative, which means that there is to be no connect.
    fn interval(&self, advice: &Advice, transport: Transport) -> Option<Duration> {
        let interval = advice.get("interval", self, transport).and_then(Value::as_f64).unwrap_or(0.0);
        if interval < 0.0 && self.has(Defect::DiesOfNegativeInterval) {
            self.die();
        }
        if interval < 0.0 && !self.has(Defect::NegativeIntervalIsZero) {
            return None;
        }
        let interval = if self.has(Defect::IntervalIgnored) { 0.0 } else { interval };
        Some(Duration::from_millis(interval.max(0.0) as u64))
    }

    fn gives_up(&self, why: Lost) -> bool {
        match why {
            Lost::Status => self.has(Defect::GivesUpOnStatus),
            Lost::Unreadable => self.has(Defect::GivesUpOnBadJson),
            Lost::Missing => self.has(Defect::GivesUpWithoutReply),
            Lost::Broken => self.has(Defect::GivesUpOnceBroken),
            Lost::Late => false,
        }
    }
}
