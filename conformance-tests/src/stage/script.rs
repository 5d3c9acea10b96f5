//! Carries out the steps of a case about a client, and judges.

use super::answering::{Next, Rule, Server, Stopped, mistake};
use super::outgoing::{Manner, Outgoing, frames};
use super::reports::compare;
use super::sessions::DO;
use super::{Arrived, Ending};
use crate::case::{Act, Answer, Await, FrameSpec, Staged};
use crate::json::{Json, object};
use crate::pattern::fits;
use crate::peer::Transport;
use crate::verdict::{Finding, Verdict};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a program may take to have a session: interpreters are slow to start when many start at once.
const START: Duration = Duration::from_secs(30);
/// The first command that a fence uses; those of cases are below.
const FENCE: u64 = 1_000_000;

/// Whether a step went as it should; why not, if not.
type Went = Result<Result<(), String>, Stopped>;

/// Runs the steps of a case against the client that comes to the server.
pub(super) struct Script {
    pub(super) server: Server,
    fences: u64,
}

impl Script {
    pub(super) fn new(server: Server) -> Self {
        Self { server, fences: FENCE }
    }

    /// Runs all steps, up to the first that does not go as it should.
    pub(super) async fn run(&mut self, steps: &[Staged]) -> Finding {
        for (index, step) in steps.iter().enumerate() {
            self.server.stage.note(format!("step {}", index + 1));
            let went = match self.act(&step.act).await {
                Ok(went) => went,
                Err(stopped) => return at(index, stopped.verdict, &stopped.reason),
            };
            if let Err(what) = went {
                let label = if step.label.is_empty() { String::new() } else { format!("{}: ", step.label) };
                return at(index, step.otherwise, &format!("{label}{what}"));
            }
        }
        Finding::pass()
    }

    async fn act(&mut self, act: &Act) -> Went {
        match act {
            Act::Begin { handshake } => self.begin(handshake).await,
            Act::Await(what) => self.awaits(what).await,
            Act::Rule { of, answer, times } => {
                let rule = Rule { of: self.server.fill(of)?, answer: answer.clone(), left: times.unwrap_or(u64::MAX) };
                self.server.rules.push(rule);
                Ok(Ok(()))
            }
            Act::Push { events } => self.push(events).await,
            Act::Release { answer } => self.release(answer).await,
            Act::Frames { frames } => self.send(frames),
            Act::Quiet { time, but } => self.quiet(time, but).await,
            Act::Rate { of, during, at_least, at_most } => self.rate(of, during, *at_least, *at_most).await,
            Act::Outage { time, at_most } => self.outage(time, *at_most).await,
            Act::Restart => {
                // Those who wait for an answer have none: their connections end with the server.
                drop(self.server.sessions.forget());
                self.end_connections(Ending::Reset);
                Ok(Ok(()))
            }
            Act::Close { code } => {
                self.end_connections(code.map_or(Ending::Reset, Ending::Code));
                Ok(Ok(()))
            }
            Act::Do { command } => {
                let data = self.server.fill(command)?;
                self.push(&[object([("channel", DO.into()), ("data", data)])]).await
            }
            Act::Told { reports, within } => self.told(reports, within.as_deref()).await,
        }
    }

    fn end_connections(&self, ending: Ending) {
        // The step after this may open them again, and connections look at what stands there last.
        self.server.stage.ending.send_replace(ending);
    }

    /// By when something must have come; without end before a client that is started by hand has come at all.
    fn deadline(&self, within: Option<&str>) -> Result<Instant, Stopped> {
        let longest = match within {
            None => self.server.budget.held(),
            Some(time) => self.server.time(time)?,
        };
        Ok(Instant::now() + longest)
    }

    async fn begin(&mut self, handshake: &Answer) -> Went {
        let of = object([("channel", "/meta/handshake".into())]);
        self.server.rules.push(Rule { of, answer: handshake.clone(), left: 1 });
        let socket = self.server.stage.transport == Transport::WebSocket;
        let deadline = Instant::now() + START.mul_f64(self.server.budget.scale);
        loop {
            let ready = self.server.sessions.newest().is_some_and(|session| {
                session.is_subscribed(DO) && session.held.is_some() && (!socket || session.is_on_socket())
            });
            if ready {
                return Ok(Ok(()));
            }
            match self.server.next(deadline).await? {
                Next::Message(arrived) => self.server.settle_by_rules(*arrived)?,
                Next::Changed => {}
                Next::Nothing => {
                    let kind = self.server.stage.transport;
                    let silence = self.server.silence();
                    let what =
                        format!("no connect that could be held over {kind}, or no subscription to {DO}{silence}");
                    return Ok(Err(format!(
                        "the client did not begin: {what}; what it is to do: \"The program under test\" in the README of the suite"
                    )));
                }
            }
        }
    }

    async fn awaits(&mut self, what: &Await) -> Went {
        let of = self.server.fill(&what.of)?;
        let forbid = self.server.fill_all(&what.forbid)?;
        let start = Instant::now();
        let patient = !self.server.begun;
        let deadline = if patient { start + START } else { self.deadline(what.within.as_deref())? };
        loop {
            let arrived = match self.server.next(deadline).await? {
                Next::Message(arrived) => *arrived,
                Next::Changed => continue,
                Next::Nothing => {
                    let waited = start.elapsed().as_secs_f64();
                    let silence = self.server.silence();
                    return Ok(Err(format!("{of} should have come, and did not within {waited:.1} s{silence}")));
                }
            };
            if self.fits(&of, &arrived) {
                return self.awaited(what, arrived, start);
            }
            if let Some(pattern) = forbid.iter().find(|pattern| self.fits(pattern, &arrived)) {
                let found = arrived.message.to_string();
                self.server.settle_by_rules(arrived)?;
                return Ok(Err(format!("before {of} came what should not come, {pattern}: {found}")));
            }
            self.server.settle_by_rules(arrived)?;
        }
    }

    fn awaited(&mut self, what: &Await, arrived: Arrived, start: Instant) -> Went {
        let (message, request, at) = (arrived.message.clone(), arrived.request.clone(), arrived.at);
        let since = self.server.written.get().unwrap_or(start);
        let mut went = Ok(());
        if let Some(pattern) = &what.expect {
            let pattern = self.server.fill(pattern)?;
            went = fits(&pattern, Some(&message), &mut self.server.variables).map_err(|no| format!("{no}: {message}"));
        }
        if let Some(pattern) = &what.request {
            let pattern = self.server.fill(pattern)?;
            let found = fits(&pattern, Some(&request), &mut self.server.variables);
            went = went.and_then(|()| found.map_err(|no| format!("the request of {message}: {no}")));
        }
        if let Some(time) = &what.not_before {
            let least = self.server.time(time)?;
            let waited = at.saturating_duration_since(since);
            if waited < least {
                let (waited, least) = (waited.as_millis(), least.as_millis());
                let early = format!("it came after {waited} ms, and should not before {least} ms: {message}");
                went = went.and(Err(early));
            }
        }
        match &what.answer {
            None => self.server.settle_by_rules(arrived)?,
            answer => {
                self.server.written = Rc::default();
                self.server.settle(arrived, answer.as_ref())?;
            }
        }
        Ok(went)
    }

    fn fits(&self, pattern: &Json, arrived: &Arrived) -> bool {
        fits(pattern, Some(&arrived.message), &mut self.server.variables.clone()).is_ok()
    }

    /// Delivers events, as soon as the client is subscribed to them.
    async fn push(&mut self, events: &[Json]) -> Went {
        let deadline = self.deadline(None)?;
        let events = self.server.fill_all(events)?;
        while let Err(why) = self.server.deliver(&events) {
            if !self.go_on(deadline).await? {
                return Ok(Err(format!("{why}{}", self.server.silence())));
            }
        }
        Ok(Ok(()))
    }

    async fn release(&mut self, answer: &Answer) -> Went {
        let deadline = self.deadline(None)?;
        while !self.server.release(answer)? {
            if !self.go_on(deadline).await? {
                return Ok(Err(format!("the client has no connect outstanding{}", self.server.silence())));
            }
        }
        Ok(Ok(()))
    }

    fn send(&mut self, specs: &[FrameSpec]) -> Went {
        let frames = frames(specs, &self.server.variables).map_err(mistake)?;
        let socket = self.server.sessions.newest().and_then(|session| session.socket());
        let socket = socket.ok_or_else(|| Finding::new(Verdict::Blocked, "the client has no WebSocket"))?;
        let manner = Manner { frames, ..Manner::default() };
        self.server.stage.watch.borrow_mut().disturbed();
        // One that has just gone is what the next step will find.
        let _ = socket.send(Outgoing { manner, ..Outgoing::default() });
        Ok(Ok(()))
    }

    async fn quiet(&mut self, time: &str, but: &[Json]) -> Went {
        let but = self.server.fill_all(but)?;
        let start = Instant::now();
        let deadline = start + self.server.time(time)?;
        loop {
            match self.server.next(deadline).await? {
                Next::Nothing => return Ok(Ok(())),
                Next::Changed => {}
                Next::Message(arrived) => {
                    let expected = but.iter().any(|pattern| self.fits(pattern, &arrived));
                    let found = arrived.message.to_string();
                    self.server.settle_by_rules(*arrived)?;
                    if !expected {
                        let after = start.elapsed().as_millis();
                        return Ok(Err(format!("after {after} ms came what should not come: {found}")));
                    }
                }
            }
        }
    }

    async fn rate(&mut self, of: &Json, during: &str, at_least: u64, at_most: u64) -> Went {
        let of = self.server.fill(of)?;
        let deadline = Instant::now() + self.server.time(during)?;
        let mut count = 0;
        loop {
            match self.server.next(deadline).await? {
                Next::Nothing => break,
                Next::Changed => {}
                Next::Message(arrived) => {
                    count += u64::from(self.fits(&of, &arrived));
                    self.server.settle_by_rules(*arrived)?;
                }
            }
        }
        let silence = self.server.silence();
        Ok(if count < at_least {
            Err(format!("{count} such messages within {during}, and not at least {at_least}: {of}{silence}"))
        } else if count > at_most {
            Err(format!("{count} such messages within {during}, and not at most {at_most}: {of}"))
        } else {
            Ok(())
        })
    }

    async fn outage(&mut self, time: &str, at_most: u64) -> Went {
        let before = self.server.stage.attempts.get();
        let deadline = Instant::now() + self.server.time(time)?;
        self.end_connections(Ending::Down);
        loop {
            match self.server.next(deadline).await? {
                Next::Nothing => break,
                Next::Changed => {}
                // It was on its way before.
                Next::Message(arrived) => drop(arrived),
            }
        }
        self.end_connections(Ending::Open);
        let count = self.server.stage.attempts.get() - before;
        Ok(if count > at_most {
            Err(format!(
                "{count} requests were tried within {time} while the server was away, and not at most {at_most}"
            ))
        } else {
            Ok(())
        })
    }

    /// What was reported before the program reports that it has done a command that is told now.
    async fn told(&mut self, wanted: &[Json], within: Option<&str>) -> Went {
        let deadline = self.deadline(within)?;
        while self.server.reports.len() < wanted.len() && self.go_on(deadline).await? {}
        self.fences += 1;
        let fence = self.fences;
        let command = object([("n", fence.into())]);
        let fenced = self.push(&[object([("channel", DO.into()), ("data", command)])]).await?;
        let deadline = self.deadline(None)?;
        while fenced.is_ok() && !self.server.reports.has_done(fence) && self.go_on(deadline).await? {}
        let done = self.server.reports.has_done(fence);
        let came = self.server.reports.until(fence);
        let wanted = self.server.fill_all(wanted)?;
        let compared = compare(&wanted, &came, &mut self.server.variables);
        let silence = self.server.silence();
        Ok(match compared {
            Ok(()) if !done => Err(format!("the program does not do what it is told any more{silence}")),
            other => other.map_err(|what| format!("{what}{silence}")),
        })
    }

    async fn go_on(&mut self, deadline: Instant) -> Result<bool, Stopped> {
        match self.server.next(deadline).await? {
            Next::Message(arrived) => self.server.settle_by_rules(*arrived)?,
            Next::Changed => {}
            Next::Nothing => return Ok(false),
        }
        Ok(true)
    }
}

fn at(index: usize, verdict: Verdict, reason: &str) -> Finding {
    Finding::new(verdict, format!("step {}: {reason}", index + 1))
}
