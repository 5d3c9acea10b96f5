//! `World`: nodes, connections and clients on one thread, in virtual time. Each step takes the next event; when several are
//! due, the seed says which. After each step the engine's invariants and the model are asked.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    task::{Wake, Waker},
    time::Duration,
};

use bayeux_engine::{Engine, Time};

use crate::{
    Happened,
    backplane::{Driver, Repeat},
    client::{Browser, Client, Timer},
    connection::{Batch, Connection, ConnectionKey, WIDE},
    model::{Model, Verdict},
    random::Random,
    server::Server,
    settings::Settings,
    trace::Trace,
};

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A client does something of its own accord.
    Act(usize),
    /// A client's timer, unless its epoch has passed.
    Timer(usize, u64, Timer),
    /// A client waits no longer for the reply to a request.
    Patience(usize, u64),
    /// A socket's upgrade has reached the server, or its answer the client.
    Upgrade(ConnectionKey),
    Upgraded(ConnectionKey),
    Upload(ConnectionKey, Batch),
    /// The kernel's bytes reach the client.
    Move(ConnectionKey),
    /// The task of a connection runs.
    Poll(ConnectionKey),
    WriteDeadline(ConnectionKey, u64),
    /// A reply was delayed until now.
    Delayed(ConnectionKey),
    ServerLearns(ConnectionKey),
    ClientLearns(ConnectionKey),
    Pump(usize, u64, usize),
    Alarm(usize, u64, usize, u64),
    /// A session is exported and adopted again.
    Transfer,
    /// Something has come from a node to the other, or comes again, or is tried again.
    Arrive(usize),
    Repeat(usize, Box<Repeat>),
    Deliver(usize),
    /// The backplane is cut, or whole again.
    Partition,
    /// A shard panics.
    Break,
    /// A node shuts down; later it ends, and another one begins in its place.
    Leave,
    Restart(usize),
    /// Something is late, or not.
    Look,
}

/// Whom a waker wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleeper {
    Connection(ConnectionKey),
    /// Of a node that runs since then.
    Shard(usize, u64, usize),
}

/// Rings for one sleeper. What was rung for is looked at after each step.
struct Bell {
    sleeper: Sleeper,
    rung: Arc<Mutex<Vec<Sleeper>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.lock().expect("nobody panics holding it").push(self.sleeper);
    }
}

pub(crate) struct Node {
    pub(crate) server: Box<dyn Server>,
    pub(crate) driver: Driver,
    /// It shuts down.
    pub(crate) leaving: bool,
    /// How many of its shards were made to panic.
    pub(crate) broken: u64,
    /// Tells it from those that were in its place before.
    run: u64,
    shards: Vec<ShardTask>,
}

/// The task that pumps a shard: one timer, one waker.
struct ShardTask {
    waker: Waker,
    alarm: u64,
}

pub(crate) struct World<'a> {
    make: &'a dyn Fn(Arc<Engine>) -> Box<dyn Server>,
    pub(crate) now: Time,
    pub(crate) settings: Settings,
    pub(crate) random: Random,
    pub(crate) trace: Trace,
    pub(crate) nodes: Vec<Node>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) browsers: Vec<Browser>,
    pub(crate) clients: Vec<Client>,
    pub(crate) model: Model,
    /// What went wrong first.
    pub(crate) violation: Option<String>,
    /// No more faults: everybody is to recover.
    pub(crate) healed: bool,
    pub(crate) happened: Happened,
    /// Where each session is: whatever is asked of it is handled there, whichever node was asked.
    pub(crate) places: BTreeMap<String, usize>,
    /// Requests and events of clients are numbered through.
    pub(crate) next_number: u64,
    events: BTreeMap<(Time, u32, u64), Event>,
    scheduled: u64,
    rung: Arc<Mutex<Vec<Sleeper>>>,
    pub(crate) steps: u64,
}

impl<'a> World<'a> {
    pub(crate) fn new(seed: u64, keep_trace: bool, make: &'a dyn Fn(Arc<Engine>) -> Box<dyn Server>) -> Self {
        let mut random = Random::new(seed);
        let settings = Settings::draw(&mut random);
        let model = Model::new(settings.config.clone(), settings.small_inboxes);
        let rung = Arc::new(Mutex::new(Vec::new()));
        let mut world = Self {
            make,
            now: Time::from_millis(1000),
            random,
            trace: Trace::new(keep_trace),
            nodes: Vec::new(),
            connections: Vec::new(),
            browsers: Vec::new(),
            clients: Vec::new(),
            model,
            violation: None,
            healed: false,
            happened: Happened::default(),
            places: BTreeMap::new(),
            next_number: 1,
            events: BTreeMap::new(),
            scheduled: 0,
            rung,
            steps: 0,
            settings,
        };
        for node in 0..world.settings.nodes {
            let node = world.new_node(node);
            world.nodes.push(node);
        }
        for client in 0..world.settings.clients {
            world.add_client(client);
        }
        world.after(0, Event::Look);
        world.after(500, Event::Transfer);
        world.after(1500, Event::Partition);
        world.schedule_fates();
        world
    }

    /// A node with an engine of its own.
    pub(crate) fn new_node(&mut self, node: usize) -> Node {
        let (driver, shards, run) = (Driver::default(), self.settings.shards, self.number());
        let port = driver.port.clone();
        let engine = Engine::with_backplane(self.settings.config.clone(), shards, self.random.bytes(), port);
        let task = |shard| ShardTask { waker: self.waker(Sleeper::Shard(node, run, shard)), alarm: 0 };
        let tasks = (0..shards).map(task).collect();
        for shard in 0..shards {
            self.after(0, Event::Pump(node, run, shard));
        }
        Node { server: (self.make)(Arc::new(engine)), driver, leaving: false, broken: 0, run, shards: tasks }
    }

    fn waker(&self, sleeper: Sleeper) -> Waker {
        Waker::from(Arc::new(Bell { sleeper, rung: self.rung.clone() }))
    }

    pub(crate) fn connection_waker(&self, connection: ConnectionKey) -> Waker {
        self.waker(Sleeper::Connection(connection))
    }

    /// Schedules an event `millis` from now. The seed breaks ties.
    pub(crate) fn after(&mut self, millis: u64, event: Event) {
        self.at(self.now + Duration::from_millis(millis), event);
    }

    pub(crate) fn at(&mut self, time: Time, event: Event) {
        self.scheduled += 1;
        let tie = self.random.next_u32();
        self.events.insert((time.max(self.now), tie, self.scheduled), event);
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.line(self.now, what);
    }

    /// Remembers the first thing that went wrong.
    pub(crate) fn expect(&mut self, verdict: Verdict) {
        if let Err(what) = verdict
            && self.violation.is_none()
        {
            self.note(format_args!("WRONG: {what}"));
            self.violation = Some(what);
        }
    }

    /// Runs until `end`, or until something is wrong.
    pub(crate) fn run_until(&mut self, end: Time) {
        while self.violation.is_none() {
            let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end) else {
                self.now = end;
                return;
            };
            self.now = entry.key().0;
            let event = entry.remove();
            self.steps += 1;
            self.step(event);
            self.send_told();
            self.wake();
            self.audit();
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Act(client) => self.act(client),
            Event::Timer(client, epoch, timer) => self.timer(client, epoch, timer),
            Event::Patience(client, request) => self.patience(client, request),
            Event::Upgrade(connection) => self.upgrade(connection),
            Event::Upgraded(connection) => self.upgraded(connection),
            Event::Upload(connection, batch) => self.upload(connection, batch),
            Event::Move(connection) => self.move_bytes(connection),
            Event::Poll(connection) => self.poll(connection),
            Event::WriteDeadline(connection, write) => self.write_deadline(connection, write),
            Event::Delayed(connection) => self.delay_is_over(connection),
            Event::ServerLearns(connection) => self.server_drops(connection),
            Event::ClientLearns(connection) => self.client_learns(connection),
            Event::Pump(node, run, shard) => self.pump(node, run, shard),
            Event::Alarm(node, run, shard, alarm) => {
                if self.nodes[node].shards[shard].alarm == alarm {
                    self.pump(node, run, shard);
                }
            }
            Event::Transfer => self.transfer(),
            Event::Arrive(from) => self.arrive(from),
            Event::Repeat(from, letter) => self.repeat(from, *letter),
            Event::Deliver(node) => self.deliver_waiting(node),
            Event::Partition => self.partition(),
            Event::Break => self.breaks(),
            Event::Leave => self.leaves(),
            Event::Restart(node) => self.restart(node),
            Event::Look => self.look(),
        }
    }

    fn pump(&mut self, node: usize, run: u64, shard: usize) {
        if self.nodes[node].run != run {
            return;
        }
        let budget = self.random.between(1, self.settings.budget) as usize;
        let Node { server, shards, .. } = &mut self.nodes[node];
        let task = &mut shards[shard];
        let pumped = server.pump(self.now, shard, budget, &task.waker);
        task.alarm += 1;
        let alarm = task.alarm;
        self.note(format_args!("pump {node}.{shard} budget {budget}: more {}", pumped.more));
        if pumped.more {
            let pause = self.random.between(0, 2);
            self.after(pause, Event::Pump(node, run, shard));
        } else if let Some(next) = pumped.next {
            self.at(next, Event::Alarm(node, run, shard, alarm));
        }
    }

    /// Whoever was woken runs soon.
    fn wake(&mut self) {
        let rung = std::mem::take(&mut *self.rung.lock().expect("nobody panics holding it"));
        for sleeper in rung {
            let pause = self.random.between(0, 3);
            match sleeper {
                Sleeper::Connection(connection) => self.after(pause, Event::Poll(connection)),
                Sleeper::Shard(node, run, shard) => self.after(pause, Event::Pump(node, run, shard)),
            }
        }
    }

    fn audit(&mut self) {
        for node in 0..self.nodes.len() {
            let audit = self.nodes[node].server.engine().audit(self.now);
            self.expect(audit.map(|_| ()).map_err(|broken| broken.to_string()));
        }
    }

    fn look(&mut self) {
        let connections = &self.connections;
        let idle = |connection: ConnectionKey| {
            let connection = &connections[connection];
            let server = &connection.server;
            connection.server_open && server.writing.is_none() && server.delayed.is_none() && server.unread.is_empty()
        };
        let verdict = self.model.check_time(self.now, idle);
        self.expect(verdict);
        for node in 0..self.nodes.len() {
            let sessions = self.nodes[node].server.engine().sessions();
            let verdict = self.model.check_sessions(self.now, node, sessions);
            self.expect(verdict);
            let verdict = self.model.check_wanted(self.now, node, &self.nodes[node].driver.wanted);
            self.expect(verdict);
        }
        self.after(500, Event::Look);
    }
}

/// The end of a run.
impl World<'_> {
    /// No more faults; whoever stalled reads again, and no way is narrow.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        if self.nodes.len() == 2 {
            self.join_nodes();
        }
        for key in 0..self.connections.len() {
            let kernel = &mut self.connections[key].kernel;
            (kernel.stalled, kernel.capacity) = (false, WIDE);
            self.move_bytes(key);
        }
        self.send_told();
    }

    /// Everybody is connected again, with the subscriptions it wants, and has received what was due.
    pub(crate) fn check_settled(&mut self) {
        self.check_joined();
        for client in 0..self.clients.len() {
            let it = &self.clients[client];
            let verdict = match &it.session {
                Some(session) => self.model.check_settled(session, &it.wanted, it.account.count),
                None => Err("has no session".into()),
            };
            self.expect(verdict.map_err(|what| format!("client {client}, at rest: {what}")));
        }
    }

    /// Everybody leaves: some say so, some just go.
    pub(crate) fn leave(&mut self) {
        for client in 0..self.clients.len() {
            self.clients[client].gone = true;
            if self.random.percent(50) {
                self.send(client, vec![crate::message::Kind::Disconnect]);
            }
        }
        for key in 0..self.connections.len() {
            let connection = &self.connections[key];
            let (is_open, streams) = (connection.client_open, connection.server.streams);
            if is_open && (connection.is_socket || streams) && self.random.percent(50) {
                self.client_closes(key);
            } else if is_open && streams {
                // Its machine is switched off.
                self.cut(key, false);
            }
        }
    }

    /// Nothing is left of anybody.
    pub(crate) fn check_empty(&mut self) {
        for node in 0..self.nodes.len() {
            let engine = self.nodes[node].server.engine();
            let audit = engine.audit(self.now);
            let verdict = match audit {
                Ok(audit) if audit == bayeux_engine::Audit::default() && engine.memory() == 0 => Ok(()),
                Ok(audit) if audit == bayeux_engine::Audit::default() => {
                    Err(format!("nothing is left, but {} bytes are accounted for", engine.memory()))
                }
                Ok(audit) => Err(format!("something is left: {audit:?}")),
                Err(broken) => Err(broken.to_string()),
            };
            self.expect(verdict);
            self.check_panics(node);
        }
    }

    pub(crate) fn outcome(mut self, seed: u64) -> crate::Outcome {
        for node in 0..self.nodes.len() {
            self.happened.add(&self.nodes[node].server.engine().stats());
        }
        let (hash, steps, violation) = (self.trace.hash(), self.steps, self.violation);
        crate::Outcome { seed, hash, steps, violation, trace: self.trace.into_lines(), happened: self.happened }
    }
}
