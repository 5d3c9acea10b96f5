//! The naive model: what each session must be told, with a list and a few times for each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bayeux_engine::{Config, Time};

/// One client's session as the model sees it.
pub(super) struct Session {
    pub(super) socket: bool,
    pub(super) alive: bool,
    subscriptions: BTreeSet<&'static str>,
    queue: VecDeque<u64>,
    /// So many of the queue are being written.
    lent: Option<usize>,
    held: Option<Held>,
    dies: Time,
}

/// A connect that waits.
#[derive(Clone, Debug)]
struct Held {
    id: String,
    due: Time,
    /// The engine has noticed that it is due.
    fired: bool,
}

/// What a frame must consist of: events, and then the replies to these connects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) events: Vec<u64>,
    pub(super) replies: Vec<String>,
}

/// What a connect leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Connected {
    /// A connect that this one takes the place of: it is answered, without events.
    pub(super) superseded: Option<String>,
    /// The answer, unless it is held.
    pub(super) frame: Option<Frame>,
}

/// What a connection is told when it asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Frame(Frame),
    /// The session is gone; this connect is answered with 402.
    Gone(Option<String>),
}

pub(super) struct Naive {
    config: Config,
    pub(super) sessions: BTreeMap<usize, Session>,
}

impl Naive {
    pub(super) fn new(config: &Config) -> Self {
        Self { config: config.clone(), sessions: BTreeMap::new() }
    }

    /// A session that has had its first connect.
    pub(super) fn open(&mut self, peer: usize, now: Time, socket: bool) {
        let (subscriptions, queue, dies) = (BTreeSet::new(), VecDeque::new(), now + self.config.max_interval);
        let session = Session { socket, alive: true, subscriptions, queue, lent: None, held: None, dies };
        self.sessions.insert(peer, session);
    }

    pub(super) fn session(&mut self, peer: usize) -> &mut Session {
        self.sessions.get_mut(&peer).expect("it was opened")
    }

    /// A message of the session puts its end off.
    pub(super) fn touch(&mut self, peer: usize, now: Time) {
        let later = now + self.config.max_interval;
        let session = self.session(peer);
        session.dies = session.dies.max(later);
    }

    /// Whether the subscribe succeeds.
    pub(super) fn subscribe(&mut self, peer: usize, patterns: &[&'static str]) -> bool {
        let limit = self.config.max_subscriptions;
        let session = self.session(peer);
        if !patterns.iter().all(|pattern| is_allowed(pattern)) {
            return false;
        }
        let all: BTreeSet<_> =
            session.subscriptions.iter().chain(patterns).copied().filter(|it| is_broadcast(it)).collect();
        let fits = all.len() <= limit || all.len() == session.subscriptions.len();
        if fits {
            session.subscriptions = all;
        }
        fits
    }

    /// Whether the unsubscribe succeeds.
    pub(super) fn unsubscribe(&mut self, peer: usize, patterns: &[&'static str]) -> bool {
        let allowed = patterns.iter().all(|pattern| is_allowed(pattern));
        if allowed {
            self.session(peer).subscriptions.retain(|pattern| !patterns.contains(pattern));
        }
        allowed
    }

    /// Everybody who is subscribed gets it, once; whoever has no room for it ends.
    pub(super) fn publish(&mut self, publisher: usize, channel: &str, event: u64) {
        let Config { max_queue, broadcast_to_publisher, .. } = self.config;
        for (peer, session) in &mut self.sessions {
            let wants = session.subscriptions.iter().any(|pattern| matches(pattern, channel));
            if !session.alive || !wants || !is_broadcast(channel) || (*peer == publisher && !broadcast_to_publisher) {
                continue;
            }
            if session.queue.len() >= max_queue {
                session.end();
            } else {
                session.queue.push_back(event);
            }
        }
    }

    pub(super) fn connect(&mut self, peer: usize, now: Time, id: &str, hold: bool) -> Connected {
        let config = self.config.clone();
        let session = self.session(peer);
        let superseded = session.held.take().map(|held| held.id);
        session.dies = now + config.max_interval;
        let waits = !session.socket && !session.queue.is_empty();
        if hold && !waits {
            session.held = Some(Held { id: id.to_owned(), due: now + config.timeout, fired: false });
            return Connected { superseded, frame: None };
        }
        // Over a socket events come by themselves, not with the reply.
        let events = if waits { session.lend() } else { Vec::new() };
        Connected { superseded, frame: Some(Frame { events, replies: vec![id.to_owned()] }) }
    }

    /// What the connection is told, if it asks now.
    pub(super) fn take(&mut self, peer: usize, now: Time) -> Told {
        let later = now + self.config.max_interval;
        let session = self.session(peer);
        if !session.alive {
            return Told::Gone(session.held.take().map(|held| held.id));
        }
        if session.lent.is_some() || (!session.socket && session.held.is_none()) {
            return Told::Nothing;
        }
        let due = session.held.as_ref().is_some_and(|held| held.due <= now);
        if session.queue.is_empty() && !due {
            return Told::Nothing;
        }
        // Events end a poll; a socket's connect stays until it is due.
        let answered = due || !session.socket;
        let replies = session.held.take_if(|_| answered).map(|held| held.id).into_iter().collect();
        if session.held.is_none() {
            session.dies = later;
        }
        Told::Frame(Frame { events: session.lend(), replies })
    }

    /// The write is over, whole or not.
    pub(super) fn settle(&mut self, peer: usize, now: Time, whole: bool) {
        let later = now + self.config.max_interval;
        let session = self.session(peer);
        let Some(lent) = session.lent.take().filter(|_| session.alive) else {
            return;
        };
        if whole {
            session.queue.drain(..lent);
        }
        // A poll is over with its write, and so is a socket that broke.
        if !session.socket || !whole {
            session.held = None;
            session.dies = later;
        }
    }

    /// The connection goes away.
    pub(super) fn leave(&mut self, peer: usize, now: Time) {
        let later = now + self.config.max_interval;
        let session = self.session(peer);
        (session.held, session.lent, session.dies) = (None, None, later);
    }

    /// Time has passed, and the engine has looked.
    pub(super) fn tick(&mut self, now: Time) {
        for session in self.sessions.values_mut().filter(|session| session.alive) {
            match session.held.as_mut().filter(|held| !held.fired) {
                Some(held) if held.due <= now => {
                    held.fired = true;
                    session.dies = now + self.config.max_interval;
                }
                Some(_) => {}
                None if session.dies <= now => session.end(),
                None => {}
            }
        }
    }

    pub(super) fn alive(&self) -> usize {
        self.sessions.values().filter(|session| session.alive).count()
    }
}

impl Session {
    pub(super) const fn is_lent(&self) -> bool {
        self.lent.is_some()
    }

    /// The connect that waits.
    pub(super) fn held_id(&self) -> Option<String> {
        self.held.as_ref().map(|held| held.id.clone())
    }

    fn lend(&mut self) -> Vec<u64> {
        let events: Vec<u64> = self.queue.iter().copied().collect();
        self.lent = (!events.is_empty()).then_some(events.len());
        events
    }

    fn end(&mut self) {
        self.alive = false;
        self.subscriptions.clear();
    }
}

fn is_broadcast(pattern: &str) -> bool {
    !pattern.starts_with("/service/") && !pattern.starts_with("/meta/")
}

fn is_allowed(pattern: &str) -> bool {
    !pattern.starts_with("/meta/") && !pattern.contains("*/")
}

/// The obvious matcher.
fn matches(pattern: &str, channel: &str) -> bool {
    let (pattern, channel): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), channel.split('/').collect());
    match pattern.last() {
        Some(&"*") => channel.len() == pattern.len() && channel[..channel.len() - 1] == pattern[..pattern.len() - 1],
        Some(&"**") => channel.len() >= pattern.len() && channel[..pattern.len() - 1] == pattern[..pattern.len() - 1],
        _ => pattern == channel,
    }
}
