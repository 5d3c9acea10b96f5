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

/// How a client may connect.
pub(crate) const CONNECTION_TYPES: [&str; 3] = ["long-polling", "callback-polling", "websocket"];

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
        if !message::text(request, "connectionType").is_some_and(|kind| CONNECTION_TYPES.contains(&kind)) {
            return answer.messages.push(failure(self, request, "400::A connect has a connection type"));
        }
        let crowded = origin.socket.is_none() && is_crowded(state, &client_id, &origin.browser);
        state.counter += 1;
        let number = state.counter;
        let Some(session) = state.sessions.get_mut(&client_id) else { return };
        self.supersede(session);
        session.socket.clone_from(&origin.socket);
        if let Some(ack) = &mut session.ack {
            self.acknowledge(ack, request);
        }
        let hold = self.time_to_hold(request);
        let is_first = !std::mem::replace(&mut session.connected, true);
        let now = is_first || hold.is_zero() || crowded || (session.backlog() > 0 && !session.pushes());
        if now || !may_hold || self.has(Defect::ConnectNeverHeld) {
            answer.messages.extend(self.finish(session, request, crowded));
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
    fn supersede(&self, session: &mut Session) {
        session.is_deaf = session.held.is_some() && self.has(Defect::OlderConnectTakesEvents);
        if self.has(Defect::OrphanedFirstConnect) {
            session.held = None;
        } else {
            session.release(Release::Superseded);
        }
    }

    /// As long as the client wishes, and never longer than the server would by itself.
    fn time_to_hold(&self, request: &Message) -> Duration {
        let wish = request.get("advice").and_then(|advice| advice.get("timeout")).and_then(Value::as_u64);
        let wish = wish.filter(|_| !self.has(Defect::ClientTimeoutIgnored)).map(Duration::from_millis);
        if self.has(Defect::ConnectNeverTimesOut) && wish != Some(Duration::ZERO) {
            return Duration::from_secs(3600);
        }
        match wish {
            Some(wish) if self.has(Defect::ClientTimeoutUncapped) => wish.min(Duration::from_secs(3600)),
            Some(wish) => wish.min(self.timeout),
            None => self.timeout,
        }
    }

    fn acknowledge(&self, ack: &mut Ack, request: &Message) {
        let number = request.get("ext").and_then(|ext| ext.get("ack")).and_then(Value::as_u64);
        if let Some(number) = number.filter(|number| *number <= ack.batch) {
            let late = u64::from(self.has(Defect::AckRedeliversAll));
            ack.unacknowledged.retain(|(batch, _)| batch + late > number);
        }
        if self.has(Defect::AckNotRedelivered) {
            ack.unacknowledged.clear();
        }
    }

    /// The reply to a connect that waits no longer, after the events that go with it.
    fn finish(&self, session: &mut Session, request: &Message, crowded: bool) -> Vec<Message> {
        if !self.has(Defect::ExpiresWhileHeld) {
            session.deadline = Some(Instant::now() + self.max_interval);
        }
        let mut reply = success(self, request);
        let mut advice = self.advice();
        if crowded {
            advice["multiple-clients"] = true.into();
            advice["interval"] = (self.timeout.as_millis() as u64).into();
        }
        reply.insert("advice".into(), advice);
        let events: Vec<_> = match &mut session.ack {
            None => {
                if self.has(Defect::AckUnasked) {
                    reply.insert("ext".into(), json!({"ack": 1}));
                }
                session.last = session.queue.back().cloned().or_else(|| session.last.take());
                session.queue.drain(..).collect()
            }
            Some(ack) => {
                ack.batch += 1;
                let number = if self.has(Defect::AckAsText) { ack.batch.to_string().into() } else { json!(ack.batch) };
                reply.insert("ext".into(), json!({"ack": number}));
                ack.unacknowledged.extend(session.queue.drain(..).map(|event| (ack.batch, event)));
                ack.unacknowledged.iter().map(|(_, event)| event.clone()).collect()
            }
        };
        let alone = self.has(Defect::AdviceAlone).then(|| {
            Message::from_iter([("successful".to_owned(), true.into()), ("advice".to_owned(), self.advice())])
        });
        events.into_iter().chain([reply]).chain(alone).collect()
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
            Release::Superseded => vec![success(&world, &self.request)],
            Release::Disconnected => vec![world.ended(&self.request)],
            Release::Answered => Vec::new(),
            Release::Events | Release::Timeout => match state.sessions.get_mut(&self.client_id) {
                Some(session) => {
                    session.held.take_if(|held| held.number == self.number);
                    let messages = world.finish(session, &self.request, false);
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
