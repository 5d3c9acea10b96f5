//! `Engine`: the sessions of a node, in shards. The only file that locks a shard.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
    time::Duration,
};

use bayeux_protocol::{ChannelKind, ChannelName, Message, MetaChannel, Reconnect, error_code};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::{
    Answer, Backplane, Call, Carrier, ClientId, Config, Delivery, LocalBackplane, Stats, Take, Ticket, Time,
    adopters::Adopters,
    browsers::Browsers,
    hash::Keyed,
    inbox::Position,
    interest::{MAX_SHARDS, ShardSet},
    memory::Memory,
    meta::publish::{Published, publish},
    pumper::{Marked, Owners},
    reply::{self, Replies},
    router::{NoRoom, Router},
    shard::{Env, Sender, Shard, Turn},
    stats::{Counters, count, count_many},
    wake::{Note, WakeList},
};

/// Subscribers that one lock hold delivers to. A thousand take some 100 µs; a call that waits for the lock waits no longer.
const FANOUT_BUDGET: usize = 1024;
/// Sessions, and their subscriptions, whose deadline one lock hold fires.
const DEADLINE_BUDGET: usize = 256;

/// What a Bayeux server decides, for every session of a node.
///
/// Any thread may call it; a call locks one shard for microseconds and never waits for anything else. Time is an argument.
/// What comes out is returned: replies in an [`Answer`], later ones by [`Engine::take`] under a [`Ticket`].
pub struct Engine {
    config: Config,
    shards: Box<[Mutex<Shard>]>,
    router: Router,
    counters: Counters,
    adopters: Adopters,
    pub(crate) browsers: Arc<Browsers>,
    pub(crate) memory: Memory,
    pub(crate) owners: Owners,
    backplane: Arc<dyn Backplane>,
    /// Tells this engine from any other.
    boot: u64,
}

/// What a pump of one shard left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pumped {
    /// There is more to do at once.
    pub more: bool,
    /// When to pump again even if nothing comes.
    pub next: Option<Time>,
}

/// What a message led to besides its reply.
type Routed = Option<(Arc<Delivery>, ShardSet)>;

impl Engine {
    /// An engine of `shards` shards (1 to 64, one for each worker is right), alone on its node. `seed` is secret and
    /// random in a server, fixed in a test: it keys client ids and hashes.
    pub fn new(config: Config, shards: usize, seed: [u8; 32]) -> Self {
        Self::with_backplane(config, shards, seed, Arc::new(LocalBackplane))
    }

    /// As [`Engine::new`], joined to other nodes by `backplane`.
    pub fn with_backplane(config: Config, shards: usize, seed: [u8; 32], backplane: Arc<dyn Backplane>) -> Self {
        let shards = shards.clamp(1, MAX_SHARDS);
        let mut rng = ChaCha12Rng::from_seed(seed);
        let hash = Keyed::new((rng.next_u64(), rng.next_u64()));
        let shard = |_| {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            Mutex::new(Shard::new(seed, hash, 0))
        };
        let cells = (0..shards).map(shard).collect();
        Self {
            shards: cells,
            router: Router::new(shards, hash, config.max_inbox_bytes, config.inbox_pause_bytes),
            counters: Counters::default(),
            adopters: Adopters::default(),
            browsers: Browsers::new(config.max_sessions_per_browser, hash),
            memory: Memory::new(config.max_memory, shards),
            owners: Owners::new(shards),
            backplane,
            boot: rng.next_u64(),
            config,
        }
    }

    /// The options it was built with.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Handles the messages of one connection, in their order, and answers each in that order (BX-OP-6, BX-MSG-5); what is
    /// wrong with one costs it alone (BX-MSG-6). Never blocks on anything but a shard's lock.
    pub fn handle(&self, now: Time, call: Call) -> Answer {
        let Call { origin, batch } = call;
        if batch.is_empty() {
            // Faye's ping over WebSocket (BX-WS-8).
            return Answer { frame: Some(reply::empty()), ..Answer::default() };
        }
        let alone = batch.len() == 1;
        let mut turn = Turn { origin, alone, replies: Replies::new(), answer: Answer::default() };
        let handshake = batch.iter().position(is_handshake);
        for (at, request) in batch.iter().enumerate() {
            let attached = turn.answer.attached;
            match handshake {
                Some(first) if first == at => self.handshake(now, &mut turn, request),
                Some(_) => {
                    count(&self.counters.messages_refused);
                    turn.replies.push(&reply::refusal(request, error_code::MESSAGE_IN_COMPANY, &[]));
                }
                None => self.message(now, &mut turn, request),
            }
            self.attach(now, &mut turn, attached);
        }
        turn.answer.frame = turn.replies.finish();
        turn.answer
    }

    /// What a held connect or a socket is to write now. With [`Take::Pending`], `waker` is kept and fired once there is
    /// something. A stale ticket yields [`Take::Close`]. `written` first [confirms](Engine::confirm) the frame taken before.
    pub fn take(&self, now: Time, ticket: Ticket, written: bool, waker: &Waker) -> Take {
        self.with_shard(usize::from(ticket.shard), now, |shard, env| {
            if written {
                shard.confirm(env, ticket.key());
            }
            shard.take(env, ticket.key(), Some(waker))
        })
    }

    /// The write of a frame with lent events is complete: they have left the outbox. A stale ticket does nothing.
    pub fn confirm(&self, now: Time, ticket: Ticket) {
        self.with_shard(usize::from(ticket.shard), now, |shard, env| shard.confirm(env, ticket.key()));
    }

    /// The connection is gone, or will not complete its write: what was lent waits for the session's next connection.
    /// A stale ticket does nothing.
    pub fn cancel(&self, now: Time, ticket: Ticket) {
        self.with_shard(usize::from(ticket.shard), now, |shard, env| drop(shard.release(env, ticket.key())));
    }

    /// Nothing of the frame was written, and its connection has something else to do first: what was lent can be taken again.
    /// Not if a connect was answered in it. Returns whether it is so. A stale ticket does nothing.
    pub fn give_back(&self, now: Time, ticket: Ticket) -> bool {
        self.with_shard(usize::from(ticket.shard), now, |shard, env| shard.give_back(env, ticket.key()))
    }

    /// The connection turns to another session, or to a newer link of the same: the connect it holds for this one is answered,
    /// by the frame returned, to be written before anything else.
    pub fn retire(&self, now: Time, ticket: Ticket) -> Option<Vec<u8>> {
        self.with_shard(usize::from(ticket.shard), now, |shard, env| shard.retire(env, ticket.key()))
    }

    /// A message from another node. It is delivered as often as it is given: whoever drives a [`Backplane`] drops what is repeated.
    ///
    /// # Errors
    /// It was refused since an inbox is full, or at `max_memory`; the sender may try again.
    pub fn deliver(&self, now: Time, delivery: &Arc<Delivery>) -> Result<(), Refused> {
        let mut wakes = WakeList::default();
        let routed = self.router.route(delivery, &self.memory, &self.counters, &mut wakes);
        wakes.fire();
        let shards = routed.map_err(|NoRoom| Refused)?;
        self.pump_unowned(now, shards);
        Ok(())
    }

    /// So much of what another node sent was lost on its way here. It is counted; subscribers are not told yet.
    pub fn gap(&self, missing: u64) {
        count_many(&self.counters.deliveries_missing, usize::try_from(missing).unwrap_or(usize::MAX));
    }

    /// Whether a connection that [published](Answer::published) to these shards is to wait, since one of them has more to
    /// deliver than `inbox_pause_bytes`; if so, `waker` is fired when it may go on. Others are not held up.
    pub fn is_paused(&self, published: ShardSet, waker: &Waker) -> bool {
        self.router.pause(published, waker)
    }

    /// Fires the due deadlines of one shard and delivers from its inbox, both in budgets. Tests and simulations call this;
    /// a server registers a [`Pumper`](crate::Pumper).
    pub fn pump(&self, shard: usize, now: Time) -> Pumped {
        self.pump_within(shard, now, None, FANOUT_BUDGET)
    }

    /// As [`Engine::pump`], for what is older than the mark.
    pub(crate) fn pump_marked(&self, shard: usize, now: Time, marked: Option<Marked>) -> Pumped {
        self.pump_within(shard, now, marked, FANOUT_BUDGET)
    }

    /// As [`Engine::pump_marked`], delivering to at most `subscribers`.
    pub(crate) fn pump_within(&self, shard: usize, now: Time, marked: Option<Marked>, subscribers: usize) -> Pumped {
        let pumped = catch_unwind(AssertUnwindSafe(|| {
            self.with_shard(shard, now, |shard, env| {
                let deadlines = shard.fire_deadlines(env, DEADLINE_BUDGET);
                shard.marked = marked.filter(|marked| marked.mark.waits).or(shard.marked);
                let end = marked.map_or(Position::END, |marked| marked.mark.end);
                let deliveries = shard.fan_out(env, end, subscribers);
                shard.alarm = shard.next_deadline();
                Pumped { more: deadlines || deliveries, next: shard.alarm }
            })
        }));
        // A panic costs the shard, not the pumper: the next lock finds it poisoned and replaces it.
        pumped.unwrap_or(Pumped { more: true, next: None })
    }

    /// Tells every client to come back later: held connects are answered, sockets asked to close, later connects answered
    /// at once. What waits in inboxes is delivered first.
    pub fn leave(&self, now: Time) {
        for shard in 0..self.shards.len() {
            while self.pump(shard, now).more {}
            self.with_shard(shard, now, |shard, env| shard.leave(env));
        }
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Live sessions.
    pub fn sessions(&self) -> usize {
        self.counters.live_sessions()
    }

    /// Connections that hold a connect or receive as sockets.
    pub fn connections(&self) -> usize {
        (0..self.shards.len()).map(|shard| self.with_shard(shard, Time::ZERO, |shard, _| shard.links())).sum()
    }

    /// What happened so far, counted.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// Bytes in use of [`Config::max_memory`].
    pub fn memory(&self) -> usize {
        self.memory.used()
    }

    /// Patterns that somebody on this node subscribes to.
    pub fn patterns(&self) -> usize {
        self.router.interest.patterns()
    }

    fn handshake(&self, now: Time, turn: &mut Turn, request: &Message) {
        let shard = turn.origin.shard.unwrap_or(turn.origin.connection.0 as usize) % self.shards.len();
        self.with_shard(shard, now, |shard, env| shard.handshake(env, turn, request));
    }

    /// Everything but a handshake.
    fn message(&self, now: Time, turn: &mut Turn, request: &Message) {
        let channel = match self.check(request) {
            Ok(channel) => channel,
            Err(refusal) => {
                let unknown = self.unknown(now, turn, request);
                return turn.replies.push(unknown.as_deref().unwrap_or(&refusal));
            }
        };
        let routed = match request.client_id.as_deref() {
            None if self.config.allow_unconnected_publish && !is_meta(&channel) => {
                self.unconnected(now, turn, &channel, request)
            }
            id => match id.and_then(ClientId::parse) {
                Some(id) => self.of_session(now, turn, &channel, request, id),
                None => {
                    count(&self.counters.sessions_unknown);
                    turn.replies.push(&reply::session_unknown(request, &self.config, Duration::ZERO));
                    None
                }
            },
        };
        if let Some((delivery, shards)) = routed {
            turn.answer.published = turn.answer.published.and(shards);
            self.pump_unowned(now, shards);
            self.backplane.publish(&delivery);
        }
    }

    /// The 402 for a message of a session that is not there or not the sender's, whatever else is wrong with it (BX-SE-2).
    fn unknown(&self, now: Time, turn: &mut Turn, request: &Message) -> Option<Box<Message>> {
        let id = ClientId::parse(request.client_id.as_deref()?)?;
        let shard = usize::from(id.slot()) % self.shards.len();
        self.with_shard(shard, now, |shard, env| match shard.sender(env, &turn.origin, request, id) {
            Sender::Known { adopted, .. } => {
                turn.adopt(adopted);
                None
            }
            Sender::Unknown(refusal) => Some(refusal),
        })
    }

    /// The channel, and every field of the right type: BX-MSG-1, BX-CH-1, BX-CH-12.
    fn check(&self, request: &Message) -> Result<ChannelName, Box<Message>> {
        let refuse = |code, args: &[&str]| {
            count(&self.counters.messages_refused);
            let mut reply = reply::refusal(request, code, args);
            // Every connect reply carries advice, whole.
            if request.channel.as_deref() == MetaChannel::Connect.as_str() {
                reply.advice = Some(Box::new(reply::advice(&self.config, Reconnect::Retry, reply::REFUSED_INTERVAL)));
            }
            Err(Box::new(reply))
        };
        if let Some(fault) = &request.fault {
            let code = match fault.field {
                "channel" => error_code::CHANNEL_INVALID,
                "id" => error_code::MESSAGE_ID_INVALID,
                "subscription" => error_code::SUBSCRIPTION_INVALID,
                _ => error_code::FIELD_INVALID,
            };
            return refuse(code, &[fault.field]);
        }
        let Some(text) = &request.channel else {
            return refuse(error_code::CHANNEL_MISSING, &[]);
        };
        match ChannelName::parse(text, &self.config.channels) {
            Ok(channel) => Ok(channel),
            Err(_) => refuse(error_code::CHANNEL_INVALID, &[text]),
        }
    }

    fn unconnected(&self, now: Time, turn: &mut Turn, channel: &ChannelName, request: &Message) -> Routed {
        let shard = turn.origin.shard.unwrap_or_default() % self.shards.len();
        self.with_shard(shard, now, |_, env| {
            let Published { reply, routed } = publish(env, None, channel, request);
            turn.replies.push(&reply);
            routed
        })
    }

    fn of_session(&self, now: Time, turn: &mut Turn, channel: &ChannelName, request: &Message, id: ClientId) -> Routed {
        let shard = usize::from(id.slot()) % self.shards.len();
        self.with_shard(shard, now, |shard, env| {
            let key = match shard.sender(env, &turn.origin, request, id) {
                Sender::Known { key, adopted } => {
                    turn.adopt(adopted);
                    key
                }
                Sender::Unknown(refusal) => {
                    turn.replies.push(&refusal);
                    return None;
                }
            };
            let mut routed = None;
            match channel.kind() {
                ChannelKind::Meta(MetaChannel::Connect) => shard.connect(env, turn, key, request),
                ChannelKind::Meta(MetaChannel::Disconnect) => shard.disconnect(env, turn, key, request),
                ChannelKind::Meta(MetaChannel::Subscribe) => turn.replies.push(&shard.subscribe(env, key, request)),
                ChannelKind::Meta(MetaChannel::Unsubscribe) => turn.replies.push(&shard.unsubscribe(env, key, request)),
                ChannelKind::Meta(MetaChannel::Handshake | MetaChannel::Unknown)
                | ChannelKind::Service
                | ChannelKind::Broadcast => {
                    let published = publish(env, Some(id), channel, request);
                    turn.replies.push(&published.reply);
                    routed = published.routed;
                }
            }
            // Not on the reply to a script (BX-CP-8).
            if !env.config.meta_connect_deliver_only && matches!(turn.origin.carrier, Carrier::Http) {
                shard.ride_along(env, turn, key);
            }
            routed
        })
    }

    /// The session that receives on a socket has changed within a batch: later messages know, and what the same batch had
    /// attached before is let go.
    fn attach(&self, now: Time, turn: &mut Turn, before: Option<Ticket>) {
        if turn.answer.attached == before {
            return;
        }
        if let Carrier::Socket { ticket, .. } = &mut turn.origin.carrier {
            *ticket = turn.answer.attached;
        }
        if let Some(before) = before {
            self.cancel(now, before);
        }
    }

    /// Shards that nobody pumps are pumped by whoever pushed.
    fn pump_unowned(&self, now: Time, shards: ShardSet) {
        for shard in shards.iter().filter(|shard| !self.owners.is_owned(*shard)) {
            while self.pump(shard, now).more {}
        }
    }

    pub(crate) const fn boot(&self) -> u64 {
        self.boot
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// Runs with one shard locked; wakes whom that concerns after the unlock.
    pub(crate) fn with_shard<R>(&self, index: usize, now: Time, run: impl FnOnce(&mut Shard, &mut Env<'_>) -> R) -> R {
        // Fires on drop too, so that a panic below leaves no connection asleep. Declared before the guard: dropped after.
        let mut wakes = WakeList::default();
        let result = {
            let mut shard = self.lock(index, &mut wakes);
            let mut env = Env {
                now,
                config: &self.config,
                router: &self.router,
                counters: &self.counters,
                adopters: &self.adopters,
                browsers: &self.browsers,
                memory: &self.memory,
                shard: index,
                shards: self.shards.len(),
                wakes: &mut wakes,
            };
            let result = run(&mut shard, &mut env);
            self.memory.publish(index, shard.memory);
            self.memory.release(shard.spent_places());
            let sooner = match (shard.next_deadline(), shard.alarm) {
                (Some(next), Some(alarm)) => next < alarm,
                (next, None) => next.is_some(),
                (None, _) => false,
            };
            if sooner {
                shard.alarm = None;
                wakes.push(self.router.take_pumper(index));
            }
            result
        };
        wakes.fire();
        self.router.interest.tell(|pattern, edge| self.backplane.interest(pattern, edge));
        result
    }

    /// Locks a shard. One that panicked is replaced by an empty one: its connections are woken and find their tickets
    /// stale, its sessions get 402, its numbers go on.
    fn lock(&self, index: usize, wakes: &mut WakeList) -> MutexGuard<'_, Shard> {
        let cell = &self.shards[index];
        cell.lock().unwrap_or_else(|poisoned| {
            let mut shard = poisoned.into_inner();
            wakes.note(Note::Replaced { shard: index, sessions: shard.len() });
            count(&self.counters.shards_replaced);
            count_many(&self.counters.sessions_lost, shard.len());
            self.memory.release(shard.places);
            *shard = shard.replacement(wakes);
            self.router.interest.clear(index);
            let lost = self.router.inbox(index).clear(wakes);
            self.memory.release(lost.iter().map(|entry| entry.places).sum());
            cell.clear_poison();
            shard
        })
    }
}

/// A delivery was refused since an inbox that it had to enter is full, or the memory of this node is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for it")]
pub struct Refused;

fn is_meta(channel: &ChannelName) -> bool {
    matches!(channel.kind(), ChannelKind::Meta(_))
}

fn is_handshake(request: &Message) -> bool {
    request.channel.as_deref().map(|text| text.strip_suffix('/').unwrap_or(text)) == Some("/meta/handshake")
}

#[cfg(test)]
mod tests;
