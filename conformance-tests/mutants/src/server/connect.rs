//! The connect: answered at once or held, released by events, time, a newer connect or a disconnect.

use crate::cookie::Browser;
use crate::defect::Defect;
use crate::message::{self, Message, failure, success, unknown};
use crate::session::{Ack, Held, Release, Session};
use crate::world::{Answer, Origin, State, World};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long the client of a connect that a newer one took the place of is to wait, in milliseconds.
const SUPERSEDED_INTERVAL: u64 = 20;

/// How a client may connect.
pub(crate) const CONNECTION_TYPES: [&str; 7] = [
    "cross-origin-long-polling",
    "long-polling",
    "callback-polling",
    "websocket",
    "eventsource",
    "xhr-streaming",
    "iframe",
];

/// A connect that is held, seen from its connection. Dropped, it is given up.
pub(crate) struct Waiting {
    world: Arc<World>,
    /// The session's.
    pub(crate) client_id: String,
    number: u64,
    request: Message,
    released: oneshot::Receiver<Release>,
    until: Instant,
}

impl World {
    /// A connect: its reply, or that it waits.
    pub(crate) fn connect(
        self: &Arc<Self>,
        state: &mut State,
        request: &Message,
        sender: Option<String>,
        origin: &Origin,
        may_hold: bool,
        answer: &mut Answer,
    ) {
        let Some(client_id) = sender else { return answer.messages.push(unknown(self, request)) };
        let kind = message::text(request, "connectionType").filter(|kind| CONNECTION_TYPES.contains(kind));
        let Some(kind) = kind.filter(|kind| *kind != CONNECTION_TYPES[0] || !self.has(Defect::CrossOriginRefused))
        else {
            return answer.messages.push(failure(self, request, "400::A connect has a connection type"));
        };
        let crowded = self.is_told(state, &client_id, origin);
        state.counter += 1;
        let number = state.counter;
        let Some(session) = state.sessions.get_mut(&client_id) else { return };
        if matches!(kind, "eventsource" | "iframe") && !self.has(Defect::PostedConnectTakesOver) {
            let reply = self.beside(session, request);
            return answer.messages.push(reply);
        }
        self.supersede(session, kind);
        session.streams = None;
        session.socket.clone_from(&origin.socket);
        session.told = crowded;
        let missing = self.heed_ext(session, request, None);
        let hold = self.time_to_hold(request);
        let is_first = !std::mem::replace(&mut session.connected, true);
        let owed = session.backlog() > 0 && !session.pushes();
        let tells = missing.is_some_and(|missing| missing > 0) && !self.has(Defect::GapHeld);
        let now = is_first || hold.is_zero() || crowded || owed || tells;
        if now || !may_hold || self.has(Defect::ConnectNeverHeld) {
            answer.messages.extend(self.finish(session, request, crowded, missing));
            return;
        }
        let (release, released) = oneshot::channel();
        session.held = Some(Held { number, request: request.clone(), release });
        if !self.has(Defect::ExpiresWhileHeld) {
            session.deadline = None;
        }
        let until = Instant::now() + hold;
        let world = self.clone();
        answer.waiting.push(Waiting { world, client_id, number, request: request.clone(), released, until });
    }

    /// The older of two connects goes at once; the newer one is the session's.
    pub(crate) fn supersede(&self, session: &mut Session, kind: &str) {
        let moves = !session.kind.is_empty() && session.kind != kind;
        session.kind = kind.to_owned();
        if moves && self.has(Defect::MoveLosesWaiting) {
            session.queue.clear();
        }
        if moves && session.held.is_some() && self.has(Defect::MoveRepeatsLast) {
            session.queue.extend(session.last.take());
        }
        session.is_deaf = session.held.is_some() && self.has(Defect::OlderConnectTakesEvents);
        if self.has(Defect::OrphanedFirstConnect) {
            session.held = None;
        } else {
            session.release(Release::Superseded);
        }
    }

    /// As long as the client wishes, and never longer than the server would by itself.
    fn time_to_hold(&self, request: &Message) -> Duration {
        let wish = self.wish(request).filter(|_| !self.has(Defect::ClientTimeoutIgnored));
        if self.has(Defect::ConnectNeverTimesOut) && wish != Some(Duration::ZERO) {
            return Duration::from_secs(3600);
        }
        match wish {
            Some(wish) if self.has(Defect::ClientTimeoutUncapped) => wish.min(Duration::from_secs(3600)),
            Some(wish) => wish.min(self.timeout),
            None => self.timeout,
        }
    }

    /// For how long the client wants its connect held.
    pub(crate) fn wish(&self, request: &Message) -> Option<Duration> {
        let wish = request.get("advice").and_then(|advice| advice.get("timeout")).and_then(Value::as_u64);
        wish.map(Duration::from_millis)
    }

    /// Takes what was acknowledged for good; returns how many deliveries are missing, if the client wants to know.
    pub(crate) fn heed_ext(&self, session: &mut Session, request: &Message, last_event: Option<u64>) -> Option<u64> {
        let last_event = last_event.filter(|_| !self.has(Defect::LastEventIgnored));
        if let Some(ack) = &mut session.ack {
            self.acknowledge(ack, request, last_event);
            return None;
        }
        let told = request.get("ext").and_then(|ext| ext.get("gap"));
        let received = told.and_then(Value::as_u64).or(last_event);
        let odd = told.filter(|_| received.is_none() && self.has(Defect::GapNonsenseAnswered)).map(|_| 0);
        let more = u64::from(self.has(Defect::GapMissesOne));
        let received = received.or(odd).map(|received| received + more);
        let tells = session.counts || self.has(Defect::GapUnasked);
        let waits = if self.has(Defect::GapCountsWaiting) { session.queue.len() as u64 } else { 0 };
        received.filter(|_| tells).map(|received| (session.handed_over + waits).saturating_sub(received))
    }

    fn acknowledge(&self, ack: &mut Ack, request: &Message, last_event: Option<u64>) {
        let number = request.get("ext").and_then(|ext| ext.get("ack")).and_then(Value::as_u64);
        if let Some(number) = number.max(last_event) {
            if self.has(Defect::AckAhead) {
                ack.named = ack.named.max(number);
            }
            let late = u64::from(self.has(Defect::AckRedeliversAll));
            let empty =
                self.has(Defect::EmptyNumberIgnored) && !ack.unacknowledged.iter().any(|(batch, _)| *batch == number);
            if !empty {
                ack.unacknowledged.retain(|(batch, _)| batch + late > number);
            }
        }
        if self.has(Defect::AckNotRedelivered) {
            ack.unacknowledged.clear();
        }
    }

    /// The reply to a connect that waits no longer, and nothing else.
    pub(crate) fn reply(
        &self,
        session: &mut Session,
        request: &Message,
        crowded: bool,
        missing: Option<u64>,
    ) -> Message {
        if !self.has(Defect::ExpiresWhileHeld) {
            session.deadline = Some(Instant::now() + self.max_interval);
        }
        let mut reply = success(self, request);
        let mut advice = self.advice();
        if crowded {
            advice["multiple-clients"] = true.into();
            if !self.has(Defect::CrowdWithoutInterval) {
                advice["interval"] = (self.timeout.as_millis() as u64).into();
            }
        }
        reply.insert("advice".into(), advice);
        match &mut session.ack {
            None if self.has(Defect::AckUnasked) => drop(reply.insert("ext".into(), json!({"ack": 1}))),
            None => {
                let missing = missing.or_else(|| (session.counts && self.has(Defect::GapAlwaysTold)).then_some(0));
                if let Some(missing) = missing {
                    reply.insert("ext".into(), json!({"gap": {"missing": missing}}));
                }
            }
            Some(ack) => {
                ack.batch += 1;
                let number = if self.has(Defect::AckAsText) { ack.batch.to_string().into() } else { json!(ack.batch) };
                reply.insert("ext".into(), json!({"ack": number}));
            }
        }
        reply
    }

    /// The reply to a connect that waits no longer, after the events that go with it.
    pub(crate) fn finish(
        &self,
        session: &mut Session,
        request: &Message,
        crowded: bool,
        missing: Option<u64>,
    ) -> Vec<Message> {
        let reply = self.reply(session, request, crowded, missing);
        let events: Vec<_> = match &mut session.ack {
            None => {
                session.last = session.queue.back().cloned().or_else(|| session.last.take());
                session.handed_over += session.queue.len() as u64;
                session.queue.drain(..).collect()
            }
            Some(ack) => {
                ack.unacknowledged.extend(session.queue.drain(..).map(|event| (ack.batch, event)));
                if self.has(Defect::AckAhead) {
                    let named = ack.named;
                    ack.unacknowledged.retain(|(batch, _)| *batch > named);
                }
                ack.unacknowledged.iter().map(|(_, event)| event.clone()).collect()
            }
        };
        let alone = self.has(Defect::AdviceAlone).then(|| {
            Message::from_iter([("successful".to_owned(), true.into()), ("advice".to_owned(), self.advice())])
        });
        events.into_iter().chain([reply]).chain(alone).collect()
    }

    /// What is new for a stream, and the reply with its number.
    pub(crate) fn finish_new(&self, session: &mut Session, request: &Message) -> Vec<Message> {
        let new = session.queue.len();
        let mut messages = self.finish(session, request, false, None);
        let known = messages.len().saturating_sub(new + 1);
        messages.drain(..known);
        messages
    }

    /// The reply to a connect whose place a newer one took.
    pub(crate) fn superseded(&self, session: Option<&mut Session>, request: &Message) -> Message {
        let mut reply = success(self, request);
        let mut advice = self.advice();
        advice["interval"] = SUPERSEDED_INTERVAL.into();
        reply.insert("advice".into(), advice);
        let ack = session.and_then(|session| session.ack.as_mut());
        if let Some(ack) = ack.filter(|_| self.has(Defect::SupersededNumbered)) {
            ack.batch += 1;
            reply.insert("ext".into(), json!({"ack": ack.batch}));
        }
        reply
    }

    /// Whether a connect is told of other sessions of its browser.
    pub(crate) fn is_told(&self, state: &State, client_id: &str, origin: &Origin) -> bool {
        let again = state.sessions.get(client_id).is_some_and(|session| session.told);
        let crowded = is_crowded(state, client_id, &origin.browser) || (again && self.has(Defect::CrowdForEver));
        origin.socket.is_none() && crowded
    }

    /// The reply to a connect whose session was ended by its client.
    pub(crate) fn ended(&self, request: &Message) -> Message {
        let mut reply = success(self, request);
        let reconnect = if self.has(Defect::DisconnectInvitesRetry) { "retry" } else { "none" };
        reply.insert("advice".into(), json!({"reconnect": reconnect}));
        reply
    }

    /// What clients are told of the server's times.
    pub(crate) fn advice(&self) -> Value {
        json!({
            "reconnect": "retry",
            "interval": 0,
            "timeout": self.timeout.as_millis() as u64,
            "maxInterval": self.max_interval.as_millis() as u64,
        })
    }
}

/// Whether another session of the browser holds a connect: a browser has few connections, and one of them must stay free.
fn is_crowded(state: &State, client_id: &str, browser: &Browser) -> bool {
    state.sessions.iter().any(|(id, session)| {
        id != client_id && session.browser == browser.id && session.held.is_some() && session.socket.is_none()
    })
}

impl Waiting {
    /// Waits, and returns the reply with what goes with it.
    pub(crate) async fn answer(mut self) -> Vec<Message> {
        let why = tokio::select! {
            biased;
            why = &mut self.released => match why {
                Ok(why) => why,
                // Only a defect forgets a connect without releasing it: it hangs.
                Err(_) => std::future::pending().await,
            },
            () = tokio::time::sleep_until(self.until) => Release::Timeout,
        };
        let world = self.world.clone();
        let mut state = world.state();
        match why {
            Release::Superseded => vec![world.superseded(state.sessions.get_mut(&self.client_id), &self.request)],
            Release::Disconnected => vec![world.ended(&self.request)],
            Release::Answered => Vec::new(),
            Release::Events | Release::Timeout => match state.sessions.get_mut(&self.client_id) {
                Some(session) => {
                    session.held.take_if(|held| held.number == self.number);
                    let messages = world.finish(session, &self.request, false, None);
                    if world.has(Defect::AnsweredConnectKeepsSession) {
                        session.deadline = None;
                    }
                    messages
                }
                None => vec![unknown(&world, &self.request)],
            },
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.world.state();
        if let Some(session) = state.sessions.get_mut(&self.client_id)
            && session.held.take_if(|held| held.number == self.number).is_some()
        {
            session.deadline = Some(Instant::now() + self.world.max_interval);
            if self.world.has(Defect::CutRepeatsLast) {
                session.queue.extend(session.last.take());
            }
            if self.world.has(Defect::ConnectionEndsSession) {
                state.sessions.remove(&self.client_id);
            }
        }
    }
}
