//! A connect that is answered by a stream: a reply, batches as they come, and a reply at the end.

use crate::body::{Body, Reply};
use crate::defect::Defect;
use crate::framing::Framing;
use crate::message::{Message, success, unknown};
use crate::session::{Held, Release, Session};
use crate::world::{Origin, World};
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, interval_at};

/// How often a silent stream is written to.
const BEAT: Duration = Duration::from_millis(400);
/// How much a stream may carry that its client keeps.
const MAX_CARRIED: usize = 512 << 10;
/// As good as never.
const LONG: Duration = Duration::from_secs(3600);

/// What is written first, and what goes on behind it.
struct Opened {
    messages: Vec<Message>,
    id: Option<u64>,
    goes_on: Option<Waits>,
}

/// A stream's place in its session. Dropped, it is given up.
struct Waits {
    world: Arc<World>,
    client_id: String,
    number: u64,
    request: Message,
    released: oneshot::Receiver<Release>,
    news: Arc<Notify>,
    until: Instant,
}

/// What happens to a stream.
enum Event {
    News,
    Beat,
    Over(Release),
    Gone,
}

impl World {
    /// The response to a connect that opens a stream.
    pub(crate) fn stream(self: &Arc<Self>, request: &Message, origin: &Origin, framing: Framing) -> Reply {
        let (parts, body) = Body::stream();
        let mut reply = Reply::new(body);
        let control = if self.has(Defect::StreamTransformable) { "no-store" } else { "no-store, no-transform" };
        let common = [("cache-control", control), ("x-accel-buffering", "no"), ("x-content-type-options", "nosniff")];
        let common = common.map(|(name, value)| (name, value.to_owned()));
        for (name, value) in framing.fields().into_iter().chain(common) {
            let value = HeaderValue::from_str(&value).expect("it is text");
            reply.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let Opened { messages, id, goes_on } = self.open_stream(request, origin, &framing);
        if messages.is_empty() {
            // A defect: nobody ever writes to it, and it does not end.
            tokio::spawn(async move { parts.closed().await });
            return reply;
        }
        // There is room for the first part.
        let _ = parts.try_send(Bytes::from(framing.open(self) + &framing.batch(self, &messages, id)));
        if let Some(waits) = goes_on {
            tokio::spawn(waits.run(framing, parts));
        }
        reply
    }

    fn open_stream(self: &Arc<Self>, request: &Message, origin: &Origin, framing: &Framing) -> Opened {
        let mut state = self.state();
        let known = self.identify(&mut state, request, origin, 0);
        let Some(client_id) = known else {
            let refusal = if self.has(Defect::UnknownStreamOpen) { vec![] } else { vec![unknown(self, request)] };
            return Opened { messages: refusal, id: None, goes_on: None };
        };
        let crowded = self.is_told(&state, &client_id, origin);
        state.counter += 1;
        let number = state.counter;
        let session = state.sessions.get_mut(&client_id).expect("it was just found");
        self.supersede(session, framing.name());
        let missing = self.heed_ext(session, request, origin.last_event);
        let wish = self.wish(request).filter(|_| !self.has(Defect::StreamTimeoutIgnored));
        session.connected = true;
        session.told = crowded;
        if wish.is_some_and(|wish| wish.is_zero()) || crowded {
            session.streams = None;
            let messages = self.finish(session, request, crowded, missing);
            return Opened { id: self.event_id(session), messages, goes_on: None };
        }
        let (release, released) = oneshot::channel();
        let news = Arc::new(Notify::new());
        session.held = Some(Held { number, request: request.clone(), release });
        session.socket = None;
        session.streams = Some(news.clone());
        // Events that wait come behind the first reply, unless it has a number: that stands for all of them.
        let behind = self.has(Defect::StreamReplyBehindEvents) || session.ack.is_some();
        let messages = if behind {
            self.finish(session, request, false, missing)
        } else {
            vec![self.reply(session, request, false, missing)]
        };
        session.deadline = None;
        if session.backlog() > 0 {
            news.notify_one();
        }
        let id = self.event_id(session);
        let until = match wish {
            None if self.has(Defect::StreamTimesOut) => self.timeout,
            wish => wish.unwrap_or(LONG),
        };
        let until = Instant::now() + until;
        let (world, request) = (self.clone(), request.clone());
        let goes_on = Some(Waits { world, client_id, number, request, released, news, until });
        Opened { messages, id, goes_on }
    }

    /// The id of an event: what its reply numbers, or how much was handed over.
    pub(crate) fn event_id(&self, session: &Session) -> Option<u64> {
        match &session.ack {
            Some(ack) => Some(ack.batch),
            None => (session.counts || self.has(Defect::EventsAlwaysNumbered)).then_some(session.handed_over),
        }
    }
}

impl Waits {
    async fn run(mut self, framing: Framing, parts: mpsc::Sender<Bytes>) {
        let world = self.world.clone();
        let mut beats = interval_at(Instant::now() + BEAT, BEAT);
        let mut carried = 0;
        loop {
            let event = tokio::select! {
                biased;
                why = &mut self.released => Event::Over(why.unwrap_or(Release::Superseded)),
                () = parts.closed(), if !world.has(Defect::CutStreamReceives) => Event::Gone,
                () = self.news.notified() => Event::News,
                () = tokio::time::sleep_until(self.until) => Event::Over(Release::Timeout),
                _ = beats.tick() => Event::Beat,
            };
            let (messages, id, is_last) = match event {
                Event::Gone => return,
                Event::Beat if world.has(Defect::StreamSilent) => continue,
                Event::Beat => {
                    if parts.send(framing.beat().into()).await.is_err() && !world.has(Defect::CutStreamReceives) {
                        return;
                    }
                    continue;
                }
                Event::News => self.news(),
                Event::Over(why) => (self.last(why), None, true),
            };
            if messages.is_empty() && !is_last {
                continue;
            }
            let text = framing.batch(&world, &messages, id);
            carried += text.len();
            let keeps = !matches!(framing, Framing::Events) && !world.has(Defect::StreamEndless);
            let is_long = keeps && carried > MAX_CARRIED;
            let is_first = world.has(Defect::StreamEndsWithEvents) && !is_last;
            if !messages.is_empty() && parts.send(text.into()).await.is_err() {
                return;
            }
            if is_last || is_first {
                return;
            }
            if is_long {
                self.until = Instant::now();
            }
            beats.reset();
        }
    }

    /// Events that wait; with acknowledgements, and the reply with their number.
    fn news(&self) -> (Vec<Message>, Option<u64>, bool) {
        let world = &self.world;
        let mut state = world.state();
        let session = state.sessions.get_mut(&self.client_id);
        let mine = |session: &&mut Session| session.held.as_ref().is_some_and(|held| held.number == self.number);
        let Some(session) = session.filter(mine) else { return (Vec::new(), None, false) };
        if session.queue.is_empty() {
            return (Vec::new(), None, false);
        }
        let messages = if session.ack.is_some() && !world.has(Defect::StreamEventsUnnumbered) {
            let messages = world.finish_new(session, &self.request);
            session.deadline = None;
            messages
        } else {
            session.last = session.queue.back().cloned();
            session.handed_over += session.queue.len() as u64;
            session.queue.drain(..).collect()
        };
        let id = world.event_id(session);
        (messages, id, false)
    }

    /// The reply at its end, behind what waits.
    fn last(&self, why: Release) -> Vec<Message> {
        let world = &self.world;
        let mut state = world.state();
        if world.has(Defect::StreamJustEnds) {
            return Vec::new();
        }
        match why {
            Release::Superseded => vec![world.superseded(state.sessions.get_mut(&self.client_id), &self.request)],
            Release::Disconnected => vec![world.ended(&self.request)],
            Release::Answered => Vec::new(),
            Release::Events | Release::Timeout => match state.sessions.get_mut(&self.client_id) {
                Some(session) => {
                    session.held.take_if(|held| held.number == self.number);
                    session.streams = None;
                    if session.ack.is_some() {
                        world.finish_new(session, &self.request)
                    } else {
                        world.finish(session, &self.request, false, None)
                    }
                }
                None => vec![unknown(world, &self.request)],
            },
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut state = self.world.state();
        if let Some(session) = state.sessions.get_mut(&self.client_id)
            && session.held.take_if(|held| held.number == self.number).is_some()
        {
            session.streams = None;
            session.deadline = Some(Instant::now() + self.world.max_interval);
        }
    }
}

/// A connect that is the heartbeat of a stream which is another request.
impl World {
    /// It is answered at once, with the advice to come seldom.
    pub(crate) fn beside(&self, session: &mut Session, request: &Message) -> Message {
        let mut reply = success(self, request);
        if !self.has(Defect::BesideAckIgnored) {
            self.heed_ext(session, request, None);
        }
        session.connected = true;
        if session.held.is_none() {
            session.deadline = Some(Instant::now() + self.max_interval + self.timeout);
        }
        let mut advice = self.advice();
        if !self.has(Defect::BesideAtOnce) {
            advice["timeout"] = 0.into();
            advice["interval"] = (self.timeout.as_millis() as u64).into();
        }
        reply.insert("advice".into(), advice);
        reply
    }
}
