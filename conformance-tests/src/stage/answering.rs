//! The one task that takes messages out of the inbox and answers them: by the step that waits for them, by the case's
//! rules, or as a correct server does.

use super::outgoing::{Exact, Manner, Outgoing};
use super::program::Program;
use super::reports::Reports;
use super::sessions::{Held, Sessions};
use super::watch::TOLD;
use super::{Arrival, Arrived, CLIENT, Stage};
use crate::budget::Budget;
use crate::case::Answer;
use crate::json::{Json, object};
use crate::pattern::{Variables, fits};
use crate::peer::Transport;
use crate::verdict::{Finding, Verdict};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How long what an ended program sent before may still be read.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How long a connect is held where the case wants it held for good.
const FOREVER: Duration = Duration::from_secs(3600);

/// A case that can't go on.
pub(super) type Stopped = Finding;

/// A server that answers one client.
pub(super) struct Server {
    pub(super) stage: Rc<Stage>,
    pub(super) sessions: Sessions,
    pub(super) rules: Vec<Rule>,
    pub(super) variables: Variables,
    pub(super) reports: Reports,
    pub(super) budget: Budget,
    /// Why the program is not there any more.
    pub(super) ended: Option<String>,
    /// When the last answer that a step gave was written.
    pub(super) written: Rc<Cell<Option<Instant>>>,
    /// Something has come at all.
    pub(super) begun: bool,
    inbox: mpsc::Receiver<Arrival>,
    program: Option<Program>,
}

/// How such messages are answered from now on.
pub(super) struct Rule {
    pub(super) of: Json,
    pub(super) answer: Answer,
    pub(super) left: u64,
}

/// What goes with a reply.
#[derive(Default)]
struct Extras {
    manner: Manner,
    before: Vec<Json>,
    after: Vec<Json>,
    twice: bool,
    written: Rc<Cell<Option<Instant>>>,
}

/// What came next.
pub(super) enum Next {
    /// A message that wants an answer.
    Message(Box<Arrived>),
    /// Nothing by the deadline, or nothing more from a program that has ended.
    Nothing,
    /// Something was done that may be what is waited for.
    Changed,
}

impl Server {
    pub(super) fn new(
        stage: Rc<Stage>,
        inbox: mpsc::Receiver<Arrival>,
        program: Option<Program>,
        budget: Budget,
    ) -> Self {
        let transport = stage.transport;
        let variables = Variables::from([("transport".to_owned(), transport.name().into())]);
        Self {
            sessions: Sessions::new(transport, budget.timeout),
            stage,
            rules: Vec::new(),
            variables,
            reports: Reports::default(),
            budget,
            ended: None,
            written: Rc::default(),
            begun: false,
            inbox,
            program,
        }
    }

    /// Ends the program, and returns what it wrote to its standard error.
    pub(super) async fn stop(&mut self) -> Option<String> {
        Some(self.program.take()?.stop().await)
    }

    /// The next message, by the deadline. Held connects are answered meanwhile, and reports are taken.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Next, Stopped> {
        let wake = self.sessions.next_expiry().map_or(deadline, |expiry| expiry.min(deadline));
        let program = self.program.as_mut().filter(|_| self.ended.is_none());
        let end = async {
            match program {
                Some(program) => program.ended().await,
                None => std::future::pending().await,
            }
        };
        let wake = if self.ended.is_some() { wake.min(Instant::now() + LAST_WORDS) } else { wake };
        tokio::select! {
            biased;
            Some(arrival) = self.inbox.recv() => self.take(arrival),
            why = end => {
                self.stage.note(&why);
                self.ended = Some(why);
                Ok(Next::Changed)
            }
            () = sleep_until(wake) => {
                let now = Instant::now();
                for held in self.sessions.expired(now) {
                    self.finish(held);
                }
                Ok(if now >= deadline || self.ended.is_some() { Next::Nothing } else { Next::Changed })
            }
        }
    }

    fn take(&mut self, arrival: Arrival) -> Result<Next, Stopped> {
        self.begun = true;
        let arrived = match arrival {
            Arrival::Gone(connection) => {
                self.sessions.gone(connection);
                self.stage.watch.borrow_mut().gone(connection);
                return Ok(Next::Changed);
            }
            Arrival::Message(arrived) => arrived,
        };
        self.stage.watch.borrow_mut().message(&arrived.message, arrived.connection, arrived.at);
        if arrived.message.get_str("channel") != Some(TOLD) {
            return Ok(Next::Message(arrived));
        }
        let known = arrived.message.get_str("clientId").is_some_and(|id| self.sessions.get(id).is_some());
        if known {
            self.reports.take(arrived.message.get("data").unwrap_or(&Json::Null));
        }
        self.settle(*arrived, None)?;
        Ok(Next::Changed)
    }

    /// Answers by the case's rules, or as a correct server does.
    pub(super) fn settle_by_rules(&mut self, arrived: Arrived) -> Result<(), Stopped> {
        let found =
            self.rules.iter_mut().rev().find(|rule| {
                rule.left > 0 && fits(&rule.of, Some(&arrived.message), &mut self.variables.clone()).is_ok()
            });
        let answer = found.map(|rule| {
            rule.left -= 1;
            rule.answer.clone()
        });
        self.settle(arrived, answer.as_ref())
    }

    /// Answers like this.
    pub(super) fn settle(&mut self, arrived: Arrived, answer: Option<&Answer>) -> Result<(), Stopped> {
        let mut manner = match answer {
            Some(answer) => self.manner(answer)?,
            None => Manner::default(),
        };
        match arrived.message.get_str("request") {
            Some("upgrade") => {
                if answer.is_none() && self.stage.transport != Transport::WebSocket {
                    manner.http = Some(Exact { status: 400, headers: Vec::new(), body: Vec::new() });
                }
                arrived.slot.send(Outgoing { manner, ..Outgoing::default() });
                return Ok(());
            }
            Some(_) => return Ok(()),
            None => {}
        }
        self.sessions.comes_from(&arrived);
        let usual = self.sessions.usual(&arrived.message);
        let reply = self.reply(&arrived.message, usual, answer)?;
        if manner.http.is_none() && manner.close.is_none() {
            self.sessions.apply(&arrived.message, &reply);
            self.remember(&arrived.message, &reply);
        }
        let id = arrived.message.get_str("clientId").unwrap_or_default().to_owned();
        let successful = reply.get("successful").and_then(Json::as_bool) == Some(true);
        match arrived.message.get_str("channel") {
            Some("/meta/disconnect") if successful => {
                if let Some(held) = self.sessions.end(&id) {
                    self.finish(held);
                }
            }
            Some("/meta/connect") => {
                if let Some(older) = self.sessions.get(&id).and_then(|session| session.held.take()) {
                    self.finish(older);
                }
                if successful && self.is_held(&arrived, &id, answer) {
                    let usual = self.budget.timeout.min(wanted(&arrived.message));
                    let lasts = if answer.is_some_and(|answer| answer.hold) { FOREVER } else { usual };
                    let until = Instant::now() + lasts;
                    if let Some(session) = self.sessions.get(&id) {
                        session.held = Some(Held { arrived, reply, until });
                    }
                    return Ok(());
                }
            }
            _ => {}
        }
        let published = published(&arrived.message).filter(|_| successful);
        let extras = match answer {
            None => Extras { manner, ..Extras::default() },
            Some(answer) => self.extras(answer, manner, self.written.clone())?,
        };
        self.finish_as(Held { arrived, reply, until: Instant::now() }, extras);
        if let Some(event) = published {
            // Mostly nobody is subscribed.
            let _ = self.deliver(&[event]);
        }
        Ok(())
    }

    fn is_held(&mut self, arrived: &Arrived, id: &str, answer: Option<&Answer>) -> bool {
        let Some(session) = self.sessions.get(id) else { return false };
        match answer {
            Some(answer) => answer.hold,
            None => {
                let waits = session.has_waiting() && arrived.over == Transport::LongPolling;
                session.connects > 1 && arrived.batch == 1 && !waits && !wanted(&arrived.message).is_zero()
            }
        }
    }

    pub(super) fn manner(&self, answer: &Answer) -> Result<Manner, Stopped> {
        Manner::of(answer, &self.variables, |text| self.budget.time(text)).map_err(mistake)
    }

    /// The usual reply with what the answer says in its place. What says that it failed has no other members than it
    /// names.
    fn reply(&self, message: &Json, usual: Json, answer: Option<&Answer>) -> Result<Json, Stopped> {
        let Some(answer) = answer else { return Ok(usual) };
        let failed = answer.members.iter().any(|(name, value)| name == "successful" && *value == Json::Bool(false));
        let mut reply = if failed {
            let mut reply = object([("channel", message.get("channel").cloned().unwrap_or(Json::Null))]);
            for name in ["id", "subscription"] {
                if let Some(value) = message.get(name) {
                    reply.set(name, value.clone());
                }
            }
            reply
        } else {
            usual
        };
        for (name, value) in &answer.members {
            match crate::pattern::fill(value, &self.variables).map_err(mistake)? {
                Json::Null => drop(reply.remove(name)),
                value => reply.set(name, value),
            }
        }
        Ok(reply)
    }

    /// Names for what a handshake brought.
    fn remember(&mut self, message: &Json, reply: &Json) {
        if message.get_str("channel") != Some("/meta/handshake") {
            return;
        }
        self.variables.insert("handshake".into(), message.clone());
        if let Some(id) = reply.get("clientId")
            && let Some(old) = self.variables.insert("clientId".into(), id.clone())
        {
            self.variables.insert("old".into(), old);
        }
    }

    fn extras(&self, answer: &Answer, manner: Manner, written: Rc<Cell<Option<Instant>>>) -> Result<Extras, Stopped> {
        let (before, after) = (self.fill_all(&answer.before)?, self.fill_all(&answer.after)?);
        Ok(Extras { manner, before, after, twice: answer.twice, written })
    }

    /// Answers a connect that was held, with what waits for its session.
    fn finish(&mut self, held: Held) {
        self.finish_as(held, Extras::default());
    }

    fn finish_as(&mut self, held: Held, extras: Extras) {
        let Extras { manner, before: mut messages, after, twice, written } = extras;
        let message = &held.arrived.message;
        if message.get_str("channel") == Some("/meta/connect")
            && held.arrived.over == Transport::LongPolling
            && let Some(session) = message.get_str("clientId").and_then(|id| self.sessions.get(id))
        {
            messages.extend(session.take_queue());
        }
        messages.extend((0..if twice { 2 } else { 1 }).map(|_| held.reply.clone()));
        messages.extend(after);
        written.set(None);
        let lost = manner.never || manner.http.is_some() || manner.cut.is_some() || manner.close.is_some();
        self.stage.watch.borrow_mut().answered(message, &held.reply, &written, lost);
        if manner.close.is_some() || manner.close_after.is_some() {
            // What comes for its session from now on waits for the next connection.
            self.sessions.gone(held.arrived.connection);
        }
        held.arrived.slot.send(Outgoing { messages, manner, written });
    }

    /// Answers the held connects like this. Whether there were any.
    pub(super) fn release(&mut self, answer: &Answer) -> Result<bool, Stopped> {
        let all = self.sessions.take_held();
        let any = !all.is_empty();
        for mut held in all {
            held.reply = self.reply(&held.arrived.message, held.reply.clone(), Some(answer))?;
            self.written = Rc::default();
            let extras = self.extras(answer, self.manner(answer)?, self.written.clone())?;
            self.finish_as(held, extras);
        }
        Ok(any)
    }

    /// Delivers events. Fails if nobody is subscribed.
    pub(super) fn deliver(&mut self, events: &[Json]) -> Result<(), String> {
        let held = self.sessions.deliver(events)?;
        held.into_iter().for_each(|held| self.finish(held));
        Ok(())
    }

    pub(super) fn fill(&self, value: &Json) -> Result<Json, Stopped> {
        crate::pattern::fill(value, &self.variables).map_err(mistake)
    }

    pub(super) fn fill_all(&self, values: &[Json]) -> Result<Vec<Json>, Stopped> {
        values.iter().map(|value| self.fill(value)).collect()
    }

    pub(super) fn time(&self, text: &str) -> Result<Duration, Stopped> {
        self.budget.time(text).map_err(mistake)
    }

    /// Why the client may be silent, for reasons.
    pub(super) fn silence(&self) -> String {
        self.ended.as_ref().map(|why| format!(" ({CLIENT}: {why})")).unwrap_or_default()
    }
}

/// How long a client wants its connect to be held at most.
fn wanted(connect: &Json) -> Duration {
    let ms = connect.get("advice").and_then(|advice| advice.get("timeout")).and_then(Json::as_f64);
    ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()).unwrap_or(Duration::MAX)
}

/// What a message publishes to subscribers, if it does.
fn published(message: &Json) -> Option<Json> {
    let channel = message.get_str("channel")?;
    let reserved = ["/meta/", "/service/", "/conformance/"].iter().any(|prefix| channel.starts_with(prefix));
    let data = message.get("data").filter(|_| !reserved)?;
    Some(object([("channel", channel.into()), ("data", data.clone())]))
}

pub(super) fn mistake(what: impl Into<String>) -> Stopped {
    Finding::new(Verdict::Error, what)
}
