//! The connection core of the Rust client against the engine: a world of its own, with a network that delays, cuts and fails, and a
//! server that is now and then begun anew.
//!
//! What is promised: with `ack`, each client hands each message on once and in order, until it is told that there was a new session;
//! without, nothing comes twice or out of order, and is missing only where a connection was cut. What a client publishes has one
//! outcome each, and arrives once at most, and exactly once where it was told to have succeeded. No client asks more than so often,
//! whatever fails; and when nothing fails any more, all are connected and receive.

mod link;
mod promise;
mod straight;

use std::{collections::BTreeMap, sync::Arc, task::Wake, time::Duration};

use bayeux_client::{
    Transports,
    core::{Action, Config, Core, Input, Publish, RequestId, SubscriptionId},
};
use bayeux_engine::{BrowserId, Engine, Time};
use bayeux_protocol::{ChannelName, ChannelPattern, ChannelRules, Json};

use crate::{
    random::Random,
    server::{Server, Sound},
};
use link::{Down, Link, LinkKey, Up};
use promise::Promise;
use straight::Straight;

const BEGIN: Time = Time::from_millis(1_000_000);
const CLIENTS: usize = 5;
const BUSY: Duration = Duration::from_secs(40);
/// The longest pause of a client, a connect that is given up, and a session that expires.
const RECOVERY: Duration = Duration::from_secs(60);
/// What the publisher publishes to, and each client is subscribed to.
const NEWS: &str = "/news";

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paired {
    /// Messages that clients handed on.
    pub received: u64,
    /// What clients published with success.
    pub published: u64,
    /// Connections that were cut.
    pub cuts: u64,
    /// Servers that were begun anew.
    pub restarts: u64,
    /// New sessions that clients were told of.
    pub new_sessions: u64,
    /// Of every event and its time: two runs of one seed have the same.
    pub hash: u64,
}

/// Runs a seed.
///
/// # Errors
/// What went wrong first.
pub fn pair(seed: u64) -> Result<Paired, String> {
    let mut world = World::new(seed);
    world.run_until(world.now + BUSY);
    world.is_healed = true;
    world.run_until(world.now + RECOVERY);
    world.check_settled();
    match world.violation {
        Some(what) => Err(format!("seed {seed}, at {:?}: {what}", world.now)),
        None => Ok(world.paired),
    }
}

#[derive(Debug)]
enum Event {
    /// A client has something due, perhaps.
    Due(usize),
    /// A client publishes.
    Publish(usize),
    /// The publisher publishes.
    News,
    /// The network or the server fails.
    Trouble,
    /// The server is there again.
    Repaired,
    Up(LinkKey, Up),
    Down(LinkKey, Down),
    /// The server's end of a link runs.
    Poll(LinkKey),
    /// A reply was delayed until now.
    Write(LinkKey, Vec<u8>, Vec<bayeux_engine::Ticket>),
    Pump,
}

/// A client, and what is promised to it.
struct One {
    core: Core,
    browser: BrowserId,
    promise: Promise,
    last_request: u64,
    /// When it last wanted to be asked.
    due: Option<Duration>,
}

struct World {
    now: Time,
    random: Random,
    server: Sound,
    is_down: bool,
    is_healed: bool,
    clients: Vec<One>,
    links: BTreeMap<LinkKey, Link>,
    /// The publisher, who also sees all that clients publish. Nothing ever happens to its requests.
    straight: Straight,
    events: BTreeMap<(Time, u32, u64), Event>,
    scheduled: u64,
    last_link: u64,
    /// When the engine wants to be pumped next, as far as that is among the events.
    next_pump: Option<Time>,
    bells: Arc<Bells>,
    violation: Option<String>,
    paired: Paired,
}

/// Whom wakers woke.
#[derive(Default)]
struct Bells(std::sync::Mutex<Vec<LinkKey>>);

struct Bell {
    link: LinkKey,
    bells: Arc<Bells>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.bells.0.lock().expect("nobody panics holding it").push(self.link);
    }
}

fn new_server(random: &mut Random) -> Sound {
    let mut config = bayeux_engine::Config::default();
    config.timeout = Duration::from_secs(5);
    config.max_interval = Duration::from_secs(8);
    config.max_stream_bytes = 3000;
    config.stream_heartbeat = Duration::from_secs(3);
    Sound::new(Arc::new(Engine::new(config, 2, random.bytes())))
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut server = new_server(&mut random);
        let now = BEGIN;
        let mut world = Self {
            now,
            straight: Straight::open(&mut server, now, &mut random),
            server,
            is_down: false,
            is_healed: false,
            clients: Vec::new(),
            links: BTreeMap::new(),
            events: BTreeMap::new(),
            scheduled: 0,
            last_link: 0,
            next_pump: None,
            bells: Arc::default(),
            violation: None,
            paired: Paired::default(),
            random,
        };
        for client in 0..CLIENTS {
            world.add_client(client);
        }
        world.after(500, Event::News);
        world.after(3000, Event::Trouble);
        world.after(0, Event::Pump);
        world
    }

    fn add_client(&mut self, client: usize) {
        let transports = self.random.pick(&[
            Transports::MoveUp,
            Transports::WebSocketFirst,
            Transports::LongPolling,
            Transports::EventSource,
            Transports::XhrStreaming,
        ]);
        let ack = self.random.percent(60);
        let config = Config {
            transports,
            ack,
            request_timeout: Duration::from_secs(4),
            network_allowance: Duration::from_secs(4),
            open_timeout: Duration::from_secs(4),
            longest_pause: Duration::from_secs(5),
            seed: u64::from(self.random.next_u32()),
            ..Config::default()
        };
        self.clients.push(One {
            core: Core::new(config, Vec::new()),
            browser: BrowserId(self.random.bytes()),
            promise: Promise::new(ack),
            last_request: 0,
            due: None,
        });
        self.input(client, Input::Open);
        let pattern = ChannelPattern::parse(NEWS, &ChannelRules::default()).expect("it is a pattern");
        self.input(client, Input::Subscribe { subscription: SubscriptionId(0), pattern });
        self.after(1000, Event::Publish(client));
    }

    fn after(&mut self, millis: u64, event: Event) {
        self.at(self.now + Duration::from_millis(millis), event);
    }

    fn at(&mut self, time: Time, event: Event) {
        self.scheduled += 1;
        let tie = self.random.next_u32();
        self.events.insert((time.max(self.now), tie, self.scheduled), event);
    }

    fn wrong(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    fn run_until(&mut self, end: Time) {
        while self.violation.is_none() {
            let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end) else {
                self.now = end;
                return;
            };
            self.now = entry.key().0;
            let event = entry.remove();
            let mix = format!("{:?} {event:?}", self.now);
            self.paired.hash = mix
                .bytes()
                .fold(self.paired.hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
            self.step(event);
            self.pump();
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Due(client) => self.input(client, Input::Time),
            Event::Publish(client) => self.publish(client),
            Event::News => self.news(),
            Event::Trouble => self.trouble(),
            Event::Repaired => self.is_down = false,
            Event::Up(link, up) => self.up(link, up),
            Event::Down(link, down) => self.down(link, down),
            Event::Poll(link) => self.poll(link),
            Event::Write(link, frame, lent) => self.write(link, &frame, &lent),
            Event::Pump => {}
        }
    }

    /// All shards do what there is to do.
    fn pump(&mut self) {
        let mut next: Option<Time> = None;
        for shard in 0..self.server.engine().shards() {
            loop {
                let pumped = self.server.pump(self.now, shard, usize::MAX, std::task::Waker::noop());
                if !pumped.more {
                    next = next.into_iter().chain(pumped.next).min();
                    break;
                }
            }
        }
        if let Some(next) = next.filter(|next| self.next_pump.is_none_or(|known| *next < known || known <= self.now)) {
            self.next_pump = Some(next);
            self.at(next, Event::Pump);
        }
        let rung = std::mem::take(&mut *self.bells.0.lock().expect("nobody panics holding it"));
        for link in rung {
            let pause = self.random.between(0, 2);
            self.after(pause, Event::Poll(link));
        }
    }

    fn input(&mut self, client: usize, input: Input) {
        // The client has a clock of its own, which begins with the run.
        let now = self.now.since(BEGIN);
        for action in self.clients[client].core.handle(input, now) {
            self.act(client, action);
        }
        let one = &mut self.clients[client];
        if let Some(due) = one.core.deadline().filter(|due| one.due != Some(*due)) {
            one.due = Some(due);
            // The next whole millisecond, else it would be asked for ever.
            self.at(BEGIN + (due + Duration::from_micros(999)), Event::Due(client));
        }
    }

    fn act(&mut self, client: usize, action: Action) {
        let verdict = match action {
            Action::Post { .. } | Action::Stream { .. } | Action::OpenSocket { .. } | Action::Send { .. } => {
                return self.send(client, action);
            }
            Action::Abandon(connection) => return self.abandon(client, connection),
            Action::Deliver { delivery, .. } => {
                self.paired.received += 1;
                self.clients[client].promise.received(&delivery)
            }
            Action::Interrupted(_, interruption) => {
                self.paired.new_sessions += 1;
                self.clients[client].promise.interrupted(&interruption)
            }
            Action::Finish(RequestId(request), outcome) => {
                self.paired.published += u64::from(outcome.is_ok());
                self.clients[client].promise.finished(request, outcome.is_ok())
            }
            Action::NotSubscribed(_, error) => Err(format!("it could not subscribe: {error}")),
            Action::Subscribed(_) | Action::State(_) => Ok(()),
        };
        if let Err(what) = verdict {
            self.wrong(format!("client {client}: {what}"));
        }
    }

    fn publish(&mut self, client: usize) {
        let one = &mut self.clients[client];
        one.last_request += 1;
        let request = one.last_request;
        one.promise.asked(request);
        let channel = format!("/of/{client}");
        let channel = ChannelName::parse(&channel, &ChannelRules::default()).expect("it is a channel");
        let data = Json::from_serialize(&request).expect("it is JSON");
        self.input(client, Input::Publish(vec![Publish { request: RequestId(request), channel, data, ext: None }]));
        let pause = self.random.between(10, 1500);
        if !self.is_healed {
            self.after(pause, Event::Publish(client));
        }
    }

    /// The publisher publishes, and looks what has come to it.
    fn news(&mut self) {
        for (client, request) in self.straight.exchange(&mut self.server, self.now, NEWS) {
            if let Err(what) = self.clients[client].promise.arrived(request) {
                self.wrong(format!("client {client}: {what}"));
            }
        }
        let pause = if self.is_healed { 2000 } else { self.random.between(1, 200) };
        self.after(pause, Event::News);
    }

    fn trouble(&mut self) {
        if self.is_healed {
            return;
        }
        match self.random.between(0, 19) {
            0 => self.restart(),
            1 | 2 => {
                self.is_down = true;
                self.cut_some(100);
                let pause = self.random.between(100, 5000);
                self.after(pause, Event::Repaired);
            }
            _ => self.cut_some(20),
        }
        let pause = self.random.between(50, 1500);
        self.after(pause, Event::Trouble);
    }

    /// A server that knows nobody.
    fn restart(&mut self) {
        self.paired.restarts += 1;
        self.links.values_mut().for_each(Link::forget_server);
        self.cut_some(100);
        // What was published by then has arrived, or never will.
        for (client, request) in self.straight.collect(&mut self.server, self.now) {
            if let Err(what) = self.clients[client].promise.arrived(request) {
                self.wrong(format!("client {client}: {what}"));
            }
        }
        self.server = new_server(&mut self.random);
        self.straight.reopen(&mut self.server, self.now, &mut self.random);
    }

    fn cut_some(&mut self, percent: u64) {
        for key in self.links.keys().copied().collect::<Vec<_>>() {
            if self.random.percent(percent) {
                self.cut(key);
            }
        }
    }

    fn check_settled(&mut self) {
        // The publisher looks once more at what has come to it.
        self.news();
        let last = self.straight.published();
        // What it has just published is on its way.
        let before = last.saturating_sub(2);
        for client in 0..self.clients.len() {
            let one = &self.clients[client];
            let state = format!("{:?}", one.core.state());
            if let Err(what) = one.promise.settled(before) {
                self.wrong(format!("client {client}, at rest, {state}: {what}"));
            }
        }
    }
}
