//! Real threads: four that pump a shard each and sleep until they are woken, and four whose clients publish, subscribe, move,
//! leave and come back, all at once. Bounded by work; time stands still, so that a lost wake is a test that hangs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Barrier,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    task::{Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use bayeux_engine::{Audit, ClientId, Config, Engine, Pumper, Ticket};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::world::{Peer, World, socket_ticket};

const WORKERS: u64 = 4;
const PUBLISHES: u64 = 10_000;
/// Clients of each worker that come and go.
const GUESTS: usize = 6;
/// Nothing here takes that long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const PATTERNS: [&str; 6] = ["/room/0", "/room/1", "/room/*", "/room/**", "/**", "/other"];

/// Wakes a thread that parks.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn this_thread() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// A worker of a server: pumps its shards, and sleeps until it is woken.
fn pump(engine: &Arc<Engine>, world: &World, over: &AtomicBool) {
    let (pumper, waker) = (Pumper::register(engine.clone()), this_thread());
    while !over.load(Acquire) {
        pumper.mark();
        if !pumper.pump(world.now, &waker).more {
            thread::park();
        }
    }
}

/// What a client has received, of each publisher the last.
#[derive(Default)]
struct Received {
    last: BTreeMap<u64, u64>,
    count: u64,
}

impl Received {
    /// Of each publisher, events come in order, and none twice.
    fn add(&mut self, messages: &[Value]) {
        for event in messages.iter().filter_map(|message| message["data"].as_array()) {
            let (publisher, number) = (event[0].as_u64().expect("who"), event[1].as_u64().expect("which"));
            let last = self.last.insert(publisher, number);
            assert!(last.is_none_or(|last| last < number), "{number} of {publisher} came after {last:?}");
            self.count += 1;
        }
    }
}

struct Client {
    peer: Peer,
    received: Received,
}

struct Worker {
    world: World,
    rng: ChaCha8Rng,
    begun: Instant,
    number: u64,
    published: u64,
    /// Stays to the end, and gets everything.
    resident: Client,
    guests: Vec<Client>,
}

impl Worker {
    #[allow(clippy::disallowed_methods)] // What hangs is to fail, and that takes a clock.
    fn new(engine: &Arc<Engine>, now: bayeux_engine::Time, number: u64) -> Self {
        let mut world = World { engine: engine.clone(), now, next: (number + 1) << 32 };
        let mut resident = Client { peer: world.pusher(), received: Received::default() };
        world.subscribe(&mut resident.peer, json!("/room/*"));
        let guests = (0..GUESTS).map(|_| Client { peer: world.poller(), received: Received::default() }).collect();
        let (rng, begun) = (ChaCha8Rng::seed_from_u64(number), Instant::now());
        Self { world, rng, begun, number, published: 0, resident, guests }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.rng.next_u32() as usize % limit
    }

    /// How long it may still take.
    fn left(&self) -> Duration {
        PATIENCE.checked_sub(self.begun.elapsed()).expect("nothing hangs")
    }

    fn run(&mut self, all_are_there: &Barrier) {
        all_are_there.wait();
        while self.published < PUBLISHES {
            self.publish();
            let guest = self.below(GUESTS);
            self.act(guest);
            if self.below(8) == 0 {
                self.move_resident();
            }
            self.collect();
            self.left();
        }
        while self.resident.received.count < WORKERS * PUBLISHES {
            self.collect();
            self.wait();
        }
        let complete = (0..WORKERS).map(|publisher| (publisher, PUBLISHES - 1)).collect();
        assert_eq!(self.resident.received.last, complete);
        let ticket = socket_ticket(&self.resident.peer).expect("it has one");
        self.world.engine.cancel(self.world.now, ticket);
    }

    /// One that is refused is tried again; a publisher that is to pause does.
    fn publish(&mut self) {
        let (data, channel) = (json!([self.number, self.published]), format!("/room/{}", self.number));
        let publish = json!([{"channel": channel, "data": data, "id": "p"}]);
        let outcome = self.world.send(&mut self.resident.peer, publish);
        self.published += u64::from(outcome.replies[0]["successful"] == true);
        while self.world.engine.is_paused(outcome.answer.published, &this_thread()) {
            thread::park_timeout(self.left());
        }
    }

    fn act(&mut self, guest: usize) {
        let (pattern, chance) = (PATTERNS[self.below(PATTERNS.len())], self.below(20));
        let (world, client) = (&mut self.world, &mut self.guests[guest]);
        match chance {
            0..=4 => drop(world.subscribe(&mut client.peer, json!([pattern, "/other"]))),
            5..=8 => {
                drop(world.send(&mut client.peer, json!([{"channel": "/meta/unsubscribe", "subscription": pattern}])))
            }
            9..=12 => poll(world, client, true),
            13..=14 => poll(world, client, false),
            15 => {
                // Turned into bytes and back; what was published in between is not for it.
                let id = ClientId::parse(&client.peer.id).expect("the engine made it");
                let exported = world.engine.export(world.now, &id).expect("nothing of it is being written");
                assert_eq!(world.engine.adopt(world.now, &exported), Ok(id));
            }
            16 => {
                world.send(&mut client.peer, json!([{"channel": "/meta/disconnect"}]));
                *client = Client { peer: world.poller(), received: Received::default() };
            }
            // It is left to expire.
            17 => *client = Client { peer: world.poller(), received: Received::default() },
            _ => {
                let hold = world.connect(&mut client.peer, "held").answer;
                for ticket in hold.held.into_iter().chain(hold.lent) {
                    world.engine.cancel(world.now, ticket);
                }
            }
        }
    }

    /// Goes over to another socket, or takes what waits by polling once and then comes back.
    fn move_resident(&mut self) {
        let by_poll = self.below(2) == 0;
        let (world, client) = (&mut self.world, &mut self.resident);
        let older = socket_ticket(&client.peer);
        let mut newer = world.socket();
        (newer.id, newer.origin.browser) = (client.peer.id.clone(), client.peer.origin.browser);
        if by_poll {
            let mut request = Client {
                peer: Peer { origin: world.http().origin, ..newer.clone() },
                received: std::mem::take(&mut client.received),
            };
            request.peer.origin.browser = newer.origin.browser;
            poll(world, &mut request, true);
            client.received = request.received;
        }
        assert!(world.connect(&mut newer, "moved").answer.attached.is_some());
        client.peer = newer;
        if let Some(older) = older {
            world.engine.cancel(world.now, older);
        }
    }

    fn collect(&mut self) {
        let messages = self.world.drain(&self.resident.peer);
        self.resident.received.add(&messages);
    }

    /// Sleeps until there is something for the resident.
    fn wait(&mut self) {
        let ticket: Ticket = socket_ticket(&self.resident.peer).expect("it has one");
        let take = self.world.engine.take(self.world.now, ticket, false, &this_thread());
        match take {
            bayeux_engine::Take::Pending if self.resident.received.count < WORKERS * PUBLISHES => {
                thread::park_timeout(self.left());
            }
            // Lent now: given back, to be collected.
            bayeux_engine::Take::Frame { .. } => self.resident_gives_back(ticket),
            _ => {}
        }
    }

    fn resident_gives_back(&mut self, ticket: Ticket) {
        self.world.engine.cancel(self.world.now, ticket);
        let mut newer = self.world.socket();
        (newer.id, newer.origin.browser) = (self.resident.peer.id.clone(), self.resident.peer.origin.browser);
        assert!(self.world.connect(&mut newer, "back").answer.attached.is_some());
        self.resident.peer = newer;
    }
}

/// Polls once; what came is taken, or given back.
fn poll(world: &mut World, client: &mut Client, whole: bool) {
    let request = json!([{"channel": "/meta/connect", "connectionType": "long-polling", "advice": {"timeout": 0}}]);
    let outcome = world.send(&mut client.peer, request);
    assert_eq!(outcome.answer.held, None);
    for ticket in outcome.answer.lent {
        if whole {
            world.engine.confirm(world.now, ticket);
        } else {
            world.engine.cancel(world.now, ticket);
        }
    }
    if whole {
        client.received.add(&outcome.replies);
    }
}

#[test]
fn threads_at_once_lose_nothing_and_leave_nothing() {
    let mut config = Config::default();
    (config.max_queue, config.max_queue_bytes) = (1_000_000, 1 << 30);
    (config.max_inbox_bytes, config.inbox_pause_bytes) = (20_000, 10_000);
    let world = World::with_shards(config, WORKERS as usize);
    let (engine, over, all_are_there) = (&world.engine, AtomicBool::new(false), Barrier::new(WORKERS as usize));
    thread::scope(|scope| {
        let pumps: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| pump(engine, &world, &over))).collect();
        let work = |number| {
            let mut worker = Worker::new(engine, world.now, number);
            worker.run(&all_are_there);
        };
        let workers: Vec<_> = (0..WORKERS).map(|number| scope.spawn(move || work(number))).collect();
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        over.store(true, Release);
        for pump in pumps {
            pump.thread().unpark();
        }
        assert!(ended.iter().all(Result::is_ok), "a worker failed");
    });
    engine.audit(world.now).expect("all of it fits together");
    let mut later = World { engine: engine.clone(), now: world.now, next: 0 };
    later.pass(Duration::from_secs(60));
    assert_eq!(engine.audit(later.now), Ok(Audit::default()), "nothing is left");
    assert_eq!((engine.sessions(), engine.connections(), engine.patterns()), (0, 0, 0));
    let stats = engine.stats();
    assert_eq!((stats.shards_replaced, stats.sessions_overflowed), (0, 0));
    assert_eq!(stats.publishes, WORKERS * PUBLISHES);
}
