//! All that the server knows: its sessions and its one defect. A batch is carried out here, message by message, under one lock.

use crate::connect::Waiting;
use crate::cookie::Browser;
use crate::defect::Defect;
use crate::message::{self, FIRST_CLIENT_ID, Message};
use crate::session::{Release, Session};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// How many connections are served at a time.
const MAX_CONNECTIONS: usize = 4096;
/// What some defect takes for a long name.
const LONG_NAME: usize = 10_000;
/// And for a large batch.
const LARGE_BATCH: usize = 1_000;

/// The server's state and settings.
pub(crate) struct World {
    /// How long a connect is held.
    pub(crate) timeout: Duration,
    /// How long a session lives without a connect.
    pub(crate) max_interval: Duration,
    /// Places for connections; others wait.
    pub(crate) places: Arc<Semaphore>,
    defect: Option<Defect>,
    state: Mutex<State>,
    /// Who writes an event of a channel to a WebSocket, for a defect.
    pub(crate) writers: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct State {
    /// By clientId.
    pub(crate) sessions: HashMap<String, Session>,
    /// Numbers of connects that were held, and of sessions.
    pub(crate) counter: u64,
    /// Events lately published, for a defect.
    pub(crate) lately: VecDeque<Message>,
    /// Browsers whose last handshake was refused, for a defect.
    pub(crate) refused: BTreeSet<String>,
    /// The clientIds of sessions that were ended by their clients, for a defect.
    pub(crate) ended: Vec<String>,
    /// What waited for the last session of a browser when it ended, for a defect.
    pub(crate) left: HashMap<String, VecDeque<Message>>,
}

/// Where a batch comes from.
#[derive(Clone)]
pub(crate) struct Origin {
    /// Whose cookie it carries.
    pub(crate) browser: Browser,
    /// The WebSocket on which it came, if it is one: told when there is something to push.
    pub(crate) socket: Option<Arc<Notify>>,
    /// Whether a script answers it.
    pub(crate) script: bool,
    /// The number that an event stream goes on behind.
    pub(crate) last_event: Option<u64>,
}

impl Origin {
    /// A request over HTTP.
    pub(crate) const fn http(browser: Browser) -> Self {
        Self { browser, socket: None, script: false, last_event: None }
    }
}

/// What a batch brings.
#[derive(Default)]
pub(crate) struct Answer {
    /// Replies that are ready, and events.
    pub(crate) messages: Vec<Message>,
    /// Connects that wait.
    pub(crate) waiting: Vec<Waiting>,
    /// Whether a session was made.
    pub(crate) shook_hands: bool,
}

impl World {
    /// A server without sessions.
    pub(crate) fn new(defect: Option<Defect>, timeout: Duration, max_interval: Duration) -> Self {
        let places = if defect == Some(Defect::FewConnections) { 100 } else { MAX_CONNECTIONS };
        let places = Arc::new(Semaphore::new(places));
        Self { timeout, max_interval, places, defect, state: Mutex::default(), writers: Mutex::default() }
    }

    /// Whether it has this defect.
    pub(crate) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// The state; a task that panicked with it left it whole enough for a test server.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a batch.
    pub(crate) fn receive(self: &Arc<Self>, batch: &[Message], origin: &Origin) -> Answer {
        let mut answer = Answer::default();
        let mut state = self.state();
        if batch.len() > LARGE_BATCH && self.has(Defect::LargeBatchDropped) {
            return answer;
        }
        let batch: Vec<&Message> = batch.iter().filter(|message| !self.passes_over(message)).collect();
        let handshake = batch.iter().copied().find(|message| message::channel(message) == "/meta/handshake");
        if let Some(handshake) = handshake {
            self.handshake(&mut state, handshake, origin, &mut answer);
            if !self.has(Defect::HandshakeRunsBatch) {
                return answer;
            }
        }
        // A response over HTTP comes in one piece: nothing else may wait for a connect that is held.
        let may_hold = origin.socket.is_some() || batch.len() == 1 || self.has(Defect::BatchedReplyHeld);
        let mut speakers = BTreeSet::new();
        for (index, message) in batch.iter().copied().enumerate() {
            let speaker = if self.has(Defect::FirstSpeaksForAll) { batch[0] } else { message };
            let known = self.identify(&mut state, speaker, origin, index);
            speakers.extend(known.clone());
            match message::channel(message) {
                "/meta/handshake" => {}
                "/meta/connect" => self.connect(&mut state, message, known, origin, may_hold, &mut answer),
                "/meta/disconnect" => self.disconnect(&mut state, message, known, origin, &mut answer),
                "/meta/subscribe" => answer.messages.push(self.subscribe(&mut state, message, known)),
                "/meta/unsubscribe" => answer.messages.push(self.unsubscribe(&mut state, message, known)),
                _ => {
                    let reply = self.publish(&mut state, message, known);
                    let refused = reply.get("successful") == Some(&Value::Bool(false));
                    if refused || !self.has(Defect::SilentServiceToSubscribers) {
                        answer.messages.push(reply);
                    }
                }
            }
            self.disturb(&mut state, message, &speakers, &answer);
        }
        if self.has(Defect::RepliesCut) && batch.len() > 3 {
            answer.messages.truncate(3);
        }
        // Scripts run in any order: what they carry beside a connect could overtake what came before.
        if origin.socket.is_none() && (!origin.script || self.has(Defect::ScriptTakesEvents)) {
            self.take_along(&mut state, &speakers, &mut answer);
        }
        self.wake(&mut state);
        answer
    }

    /// What defects do when a message has been carried out.
    fn disturb(&self, state: &mut State, message: &Message, speakers: &BTreeSet<String>, answer: &Answer) {
        let is_refused = answer.messages.last().is_some_and(|reply| reply.get("successful") == Some(&false.into()));
        if let Some(id) = speakers.last().filter(|_| is_refused && self.has(Defect::RefusalEndsSession)) {
            state.sessions.remove(id);
        }
        // Not the connects: each would bring an event, and each event a connect.
        let is_shown = matches!(message::channel(message), "/meta/handshake" | "/meta/subscribe");
        if self.has(Defect::MetaToSubscribers) && is_shown {
            let channel = message::channel(message).to_owned();
            self.deliver(state, &channel, &Message::from_iter([("data".to_owned(), Value::Null)]));
        }
    }

    /// Whether a defect lets this message go without an answer.
    fn passes_over(&self, message: &Message) -> bool {
        let is_odd = |name| message.get(name).is_some_and(|member| !member.is_object());
        let is_long = |name| message::text(message, name).is_some_and(|text| text.len() > LONG_NAME);
        let is_strangers = !message::channel(message).starts_with("/meta/") && !message.contains_key("clientId");
        (self.has(Defect::OddMemberUnanswered) && (is_odd("advice") || is_odd("ext")))
            || (self.has(Defect::LongNameUnanswered) && (is_long("channel") || is_long("subscription")))
            || (self.has(Defect::StrangerUnanswered) && is_strangers)
    }

    /// Under which session a message runs: that of its clientId, if it came with the cookie of that session.
    pub(crate) fn identify(
        &self,
        state: &mut State,
        message: &Message,
        origin: &Origin,
        index: usize,
    ) -> Option<String> {
        let id = message::text(message, "clientId")?;
        let session = state.sessions.get(id)?;
        let is_over = session.deadline.is_some_and(|deadline| deadline < Instant::now());
        if is_over && !self.has(Defect::SessionNeverExpires) {
            state.sessions.remove(id);
            return None;
        }
        let checked = message::text(message, FIRST_CLIENT_ID).and_then(|first| state.sessions.get(first));
        if checked.is_some_and(|first| first.browser == origin.browser.id) {
            return Some(id.to_owned());
        }
        let session = state.sessions.get(id)?;
        let unchecked = self.has(Defect::StolenIdAccepted) || (self.has(Defect::BatchUnderFirstIdentity) && index > 0);
        (session.browser == origin.browser.id || unchecked).then(|| id.to_owned())
    }

    /// Gives events to the response of whoever sent the batch, before a connect is woken for them.
    fn take_along(&self, state: &mut State, speakers: &BTreeSet<String>, answer: &mut Answer) {
        if self.has(Defect::EventsWithConnectsOnly) {
            return;
        }
        for id in speakers {
            let waits = answer.waiting.iter().any(|waiting| waiting.client_id == *id);
            let fits = |session: &&mut Session| session.ack.is_none() && session.streams.is_none() && !waits;
            if let Some(session) = state.sessions.get_mut(id).filter(fits) {
                session.handed_over += session.queue.len() as u64;
                if self.has(Defect::EventTwice) {
                    answer.messages.extend(session.queue.iter().cloned());
                } else {
                    answer.messages.extend(session.queue.drain(..));
                }
            }
        }
    }

    /// Wakes whoever waits for events that are there.
    fn wake(&self, state: &mut State) {
        for session in state.sessions.values_mut().filter(|session| session.backlog() > 0) {
            if self.has(Defect::EventDoesNotWake) && session.held.is_some() && session.streams.is_none() {
                continue;
            }
            if self.has(Defect::EventLostWithoutConnect) && session.held.is_none() {
                session.queue.clear();
            }
            session.wake();
        }
    }

    /// Takes what is to be pushed to a WebSocket.
    pub(crate) fn take_pushed(&self, socket: &Arc<Notify>) -> Vec<Message> {
        let mut state = self.state();
        let mine = |session: &&mut Session| {
            session.pushes() && session.socket.as_ref().is_some_and(|other| Arc::ptr_eq(other, socket))
        };
        let take = |session: &mut Session| {
            session.handed_over += session.queue.len() as u64;
            session.last = session.queue.back().cloned().or_else(|| session.last.take());
            std::mem::take(&mut session.queue)
        };
        state.sessions.values_mut().filter(mine).flat_map(take).collect()
    }

    /// Whose turn it is to write events of a channel.
    pub(crate) fn turn(&self, channel: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.entry(channel.to_owned()).or_default().clone()
    }

    /// Forgets a WebSocket that has ended; its sessions go on for a while.
    pub(crate) fn detach(&self, socket: &Arc<Notify>) {
        self.state().detach(socket);
    }
}

impl State {
    /// Lets no session push to this WebSocket any more: it ended, or belongs to a newer session.
    pub(crate) fn detach(&mut self, socket: &Arc<Notify>) {
        for session in self.sessions.values_mut() {
            if session.socket.as_ref().is_some_and(|other| Arc::ptr_eq(other, socket)) {
                session.socket = None;
            }
        }
    }
}

/// Removes sessions whose time is over, for as long as the server runs.
pub(crate) async fn sweep(world: Arc<World>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        let now = Instant::now();
        if world.has(Defect::SessionNeverExpires) {
            continue;
        }
        world.state().sessions.retain(|_, session| {
            let over = session.deadline.is_some_and(|deadline| deadline < now);
            if over {
                session.release(Release::Timeout);
            }
            !over
        });
    }
}
