//! `Shard`: some of the sessions, together with their subscriptions, links and deadlines. A plain state machine:
//! no lock, no atomics, no clock; [`Engine`](crate::Engine) holds the lock around it.

mod audit;
mod due;
mod fanout;
mod receive;

pub use audit::{Audit, Inconsistent};

use std::{sync::Arc, time::Duration};

use bayeux_protocol::{ErrorCode, Message};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::{
    Answer, Carrier, ClientId, Config, Origin, Ticket, Time,
    adopters::Adopters,
    browsers::Browsers,
    client_id::SLOTS,
    deadline::{Deadline, Deadlines},
    frame::LastBatch,
    hash::{Keyed, Map},
    leavers::{Leaver, Leavers},
    link::{Ending, Link, LinkKey, Phase},
    memory::{Memory, SUBSCRIPTION_BYTES, pattern_bytes, session_bytes},
    pumper::Marked,
    reply::{self, FOREIGN_INTERVAL, Replies},
    router::Router,
    session::{Binding, Claim, Receiving, Session, SessionKey},
    stats::{Counters, count, read},
    store::Store,
    subscription::{Change, Subscribers, Subscription, SubscriptionIndex},
    wake::{Note, WakeList},
};

/// Between two lines of the log that a peer can cause.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Shard {
    sessions: Store<Session>,
    ids: Map<ClientId, SessionKey>,
    links: Store<Link>,
    index: SubscriptionIndex,
    leavers: Leavers,
    deadlines: Deadlines,
    last_batch: Option<LastBatch>,
    /// The delivery whose fan-out was cut by its budget.
    cursor: Option<fanout::Cursor>,
    /// Patterns with holes that a fan-out under way kept from being closed.
    untidy: Vec<Arc<str>>,
    rng: ChaCha12Rng,
    /// The server shuts down: clients come back after a random time up to this.
    leaving: Option<Duration>,
    /// When the log was last told of a session used without its cookie.
    foreign_noted: Option<Time>,
    /// The last mark behind which something waited, once it was pumped up to there.
    pub(crate) marked: Option<Marked>,
    /// When the pumper looks again by itself.
    pub(crate) alarm: Option<Time>,
    hash: Keyed,
    /// Bytes of its sessions, subscriptions, outboxes and the frames it lent, without what shards share.
    pub(crate) memory: usize,
    /// Bytes reserved for the places in outboxes of deliveries that it has taken out of its inbox. They are given back as it is
    /// unlocked, but for those that a fan-out under way still needs; after a panic, by whoever replaces it.
    pub(crate) places: usize,
}

/// What a shard needs of the world for the length of one call.
pub(crate) struct Env<'a> {
    pub(crate) now: Time,
    pub(crate) config: &'a Config,
    pub(crate) router: &'a Router,
    pub(crate) counters: &'a Counters,
    pub(crate) adopters: &'a Adopters,
    pub(crate) browsers: &'a Arc<Browsers>,
    pub(crate) memory: &'a Memory,
    /// This shard's number, and how many there are.
    pub(crate) shard: usize,
    pub(crate) shards: usize,
    pub(crate) wakes: &'a mut WakeList,
}

/// One batch on its way through the engine.
pub(crate) struct Turn {
    pub(crate) origin: Origin,
    /// Nothing else is in the batch.
    pub(crate) alone: bool,
    pub(crate) replies: Replies,
    pub(crate) answer: Answer,
}

impl Turn {
    /// The socket took over a session by the adoption rule, or has one of its own: no adoption, neither now nor later.
    pub(crate) fn adopt(&mut self, adopted: bool) {
        if let (true, Carrier::Socket { may_adopt, .. }) = (adopted, &mut self.origin.carrier) {
            *may_adopt = None;
            self.answer.adopted = true;
        }
    }
}

/// Who sent a message, as far as the shard could tell.
pub(crate) enum Sender {
    /// A live session that the connection may use.
    Known { key: SessionKey, adopted: bool },
    /// None: the reply to send instead.
    Unknown(Box<Message>),
}

impl Shard {
    pub(crate) fn new(seed: [u8; 32], hash: Keyed, first_serial: u64) -> Self {
        Self {
            sessions: Store::new(first_serial),
            ids: hash.map(),
            links: Store::new(first_serial),
            index: SubscriptionIndex::new(hash),
            leavers: Leavers::new(hash),
            deadlines: Deadlines::default(),
            last_batch: None,
            cursor: None,
            untidy: Vec::new(),
            rng: ChaCha12Rng::from_seed(seed),
            leaving: None,
            foreign_noted: None,
            marked: None,
            alarm: None,
            hash,
            memory: 0,
            places: 0,
        }
    }

    /// The empty shard that takes this one's place after a panic, and the links whose connections are to be told.
    pub(crate) fn replacement(&mut self, wakes: &mut WakeList) -> Self {
        for link in self.links.values_mut() {
            wakes.push(link.waker.take());
        }
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let serial = self.sessions.next_serial().max(self.links.next_serial()) + 1;
        Self { leaving: self.leaving, ..Self::new(seed, self.hash, serial) }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Takes what is reserved for places that are taken now, or that nobody needed.
    pub(crate) fn spent_places(&mut self) -> usize {
        let needed = self.cursor.as_ref().map_or(0, fanout::Cursor::places);
        let spent = self.places - needed;
        self.places = needed;
        spent
    }

    pub(crate) fn links(&self) -> usize {
        self.links.len()
    }

    /// When the next deadline may be due.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.next()
    }

    pub(crate) fn session_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(key)
    }

    pub(crate) const fn index_mut(&mut self) -> &mut SubscriptionIndex {
        &mut self.index
    }

    pub(crate) fn session(&self, key: SessionKey) -> Option<&Session> {
        self.sessions.get(key)
    }

    /// Finds the session a message names and judges the connection's claim to it, for each message of a batch (BX-SEC-3,
    /// BX-SEC-4). Any message of a session puts its expiry off.
    pub(crate) fn sender(&mut self, env: &mut Env<'_>, origin: &Origin, request: &Message, id: ClientId) -> Sender {
        let found = self.ids.get(&id).and_then(|key| Some((*key, self.sessions.get_mut(*key)?)));
        let Some((key, session)) = found else {
            count(&env.counters.sessions_unknown);
            return Sender::Unknown(Box::new(reply::session_unknown(request, env.config, Duration::ZERO)));
        };
        let claim = session.binding.claim(env.now, origin, env.config, env.adopters);
        if claim == Claim::Foreign {
            count(&env.counters.sessions_unknown);
            count(&env.counters.sessions_foreign);
            // Once a second: whoever tries ids must not fill the log too.
            if self.foreign_noted.is_none_or(|noted| env.now.since(noted) >= NOTE_INTERVAL) {
                self.foreign_noted = Some(env.now);
                env.wakes.note(Note::Foreign { refused: read(&env.counters.sessions_foreign) });
            }
            return Sender::Unknown(Box::new(reply::session_unknown(request, env.config, FOREIGN_INTERVAL)));
        }
        if let Deadline::Expiry(at) = session.deadline {
            session.deadline = Deadline::Expiry(at.max(env.now + env.config.max_interval));
        }
        Sender::Known { key, adopted: claim == Claim::Adopted }
    }

    /// Makes a session that nobody receives for yet.
    pub(crate) fn open(&mut self, env: &mut Env<'_>, origin: &Origin) -> SessionKey {
        let id = self.fresh_id(env);
        let binding = Binding::new(origin, env.now);
        let session = Session::new(id, binding, Deadline::Expiry(env.now));
        let key = self.enter(id, session, Deadline::Expiry(env.now));
        self.settle(env, key);
        count(&env.counters.sessions_opened);
        let (peer, carrier) = (origin.peer, origin.carrier.name());
        env.wakes.note(Note::Opened { session: self.tag(&id), peer, carrier });
        key
    }

    /// Enters a session that nobody receives for.
    pub(crate) fn enter(&mut self, id: ClientId, session: Session, deadline: Deadline) -> SessionKey {
        self.memory += session_bytes(&session);
        let key = self.sessions.insert(session);
        self.ids.insert(id, key);
        if let Some(session) = self.sessions.get_mut(key) {
            session.deadline = deadline;
            self.deadlines.set(&mut session.armed, key, deadline.at());
        }
        key
    }

    /// Where a session is.
    pub(crate) fn key(&self, id: &ClientId) -> Option<SessionKey> {
        self.ids.get(id).copied()
    }

    /// Ends a session now: its subscriptions go with it, its connections are told. A write under way may finish.
    pub(crate) fn close(&mut self, env: &mut Env<'_>, key: SessionKey, ending: Ending, why: &'static str) {
        let Some(mut session) = self.sessions.remove(key) else {
            return;
        };
        self.ids.remove(&session.id);
        self.memory -= session_bytes(&session);
        if self.sessions.len() == 0 {
            self.last_batch = None;
        }
        if self.ids.capacity() > 64 && self.ids.len() * 4 < self.ids.capacity() {
            self.ids.shrink_to(2 * self.ids.len());
        }
        self.deadlines.remove(&mut session.armed, key);
        for subscription in std::mem::take(&mut session.subscriptions) {
            self.drop_subscription(env, &subscription.pattern, subscription.place);
        }
        match session.receiving {
            Receiving::Away => {}
            Receiving::Here(link) => self.end_link(env, link, ending),
            Receiving::Draining { old, next } => {
                self.end_link(env, old, ending);
                if let Some(next) = next {
                    self.end_link(env, next, ending);
                }
            }
        }
        env.wakes.note(Note::Closed { session: self.tag(&session.id), why });
    }

    /// Ends one of the session's subscriptions. What was published before and waits is still owed (BX-DL-1).
    pub(crate) fn end_subscription(&mut self, env: &mut Env<'_>, key: SessionKey, at: usize) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let Subscription { pattern, place, .. } = session.subscriptions.swap_remove(at);
        let places = self.index.get(&pattern).map_or(&[][..], Subscribers::places);
        let newest = env.router.inbox(env.shard).newest().or_else(|| Some(self.cursor.as_ref()?.position()));
        if let (Some(Some(subscriber)), Some(last)) = (places.get(place).copied(), newest)
            && subscriber.since <= last
        {
            self.memory += self.leavers.push(&pattern, Leaver { subscriber, last });
        }
        self.drop_subscription(env, &pattern, place);
    }

    /// Takes a subscriber out of the index, and the shard out of the interest if it was the last.
    pub(crate) fn drop_subscription(&mut self, env: &mut Env<'_>, pattern: &Arc<str>, place: usize) {
        self.memory -= SUBSCRIPTION_BYTES;
        match self.index.remove(pattern, place) {
            Change::Last => {
                self.memory -= pattern_bytes(pattern);
                env.router.interest.remove(pattern, env.shard);
            }
            Change::Others(live) => env.router.interest.set(pattern, env.shard, live),
            Change::First => {}
        }
        if self.cursor.is_some() {
            self.untidy.push(pattern.clone());
        } else {
            self.tidy(&pattern.clone());
        }
    }

    /// Tells every connection to come back later, and from now on every new connect.
    pub(crate) fn leave(&mut self, env: &mut Env<'_>) {
        self.leaving = Some(env.config.shutdown_spread);
        for key in self.links.keys() {
            let ending = Ending::ShuttingDown(self.jitter(env.config.shutdown_spread));
            if let Some(link) = self.links.get_mut(key)
                && link.phase == Phase::Receiving
            {
                link.phase = Phase::Ended(ending);
                env.wakes.push(link.waker.take());
            }
        }
    }

    /// When clients are to come back, while the server shuts down.
    pub(crate) fn leaving(&mut self) -> Option<Duration> {
        self.leaving.map(|spread| self.jitter(spread))
    }

    /// What a log may say of a session: a keyed hash, useless to whoever reads it.
    fn tag(&self, id: &ClientId) -> u32 {
        use std::hash::BuildHasher;
        self.hash.hash_one(id) as u32
    }

    pub(crate) fn ticket(env: &Env<'_>, link: LinkKey) -> Ticket {
        let shard = u16::try_from(env.shard).expect("there are at most 64 shards");
        Ticket { shard, link: link.index, serial: link.serial }
    }

    pub(crate) fn refuse(env: &Env<'_>, request: &Message, code: ErrorCode, args: &[&str]) -> Message {
        count(&env.counters.messages_refused);
        reply::refusal(request, code, args)
    }

    fn tidy(&mut self, pattern: &str) {
        let sessions = &mut self.sessions;
        self.index.tidy(pattern, |key, place| {
            let session = sessions.get_mut(key);
            let found = session.and_then(|s| s.subscriptions.iter_mut().find(|sub| &*sub.pattern == pattern));
            if let Some(subscription) = found {
                subscription.place = place;
            }
        });
    }

    fn end_link(&mut self, env: &mut Env<'_>, key: LinkKey, ending: Ending) {
        if let Some(link) = self.links.get_mut(key) {
            link.phase = Phase::Ended(ending);
            // Its connection may still write for long.
            if let Some(held) = &mut link.connect {
                held.place = None;
            }
            env.wakes.push(link.waker.take());
        }
    }

    /// An id whose slot this shard serves (slot modulo shards), and that no session has (BX-CID-3).
    fn fresh_id(&mut self, env: &Env<'_>) -> ClientId {
        let shards = u32::try_from(env.shards).expect("there are at most 64 shards");
        let mine = (u32::from(SLOTS) - env.shard as u32).div_ceil(shards);
        loop {
            let slot = env.shard as u32 + shards * (self.rng.next_u32() % mine);
            let id = ClientId::random(slot as u16, &mut self.rng);
            if !self.ids.contains_key(&id) {
                return id;
            }
        }
    }

    fn jitter(&mut self, spread: Duration) -> Duration {
        let millis = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.rng.next_u64() % millis.saturating_add(1).max(1))
    }
}
