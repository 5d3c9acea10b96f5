//! `Client`: a Bayeux client as far as a server can tell: handshake, connect loop, subscriptions, publishes; it obeys advice,
//! gives up on what is late, and starts anew after a 402. What it does of its own accord is in `act`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
};

use bayeux_engine::{BrowserId, Carrier, ConnectionId, Origin, ShardSet, Time};

use crate::{
    connection::{Batch, Connection, ConnectionKey, Kernel, Path, Sent, ServerEnd},
    message::{Incoming, Kind, Reply, Request},
    settings::PATTERNS,
    world::{Event, World},
};

pub(crate) struct Client {
    peer: IpAddr,
    /// Its cookie, and when the upgrade of a socket named it.
    cookie: Option<(BrowserId, Option<Time>)>,
    keeps_cookies: bool,
    pub(crate) session: Option<String>,
    /// It does nothing at all until a timer wakes it.
    pub(crate) asleep: bool,
    /// It has left for good.
    pub(crate) gone: bool,
    /// It prefers a WebSocket.
    pub(crate) likes_socket: bool,
    pub(crate) socket: Option<ConnectionKey>,
    /// The connect whose reply goes on with the loop.
    connect: Option<u64>,
    pub(crate) wanted: BTreeSet<&'static str>,
    /// Requests without a reply, and where they were sent.
    requests: BTreeMap<u64, (Kind, ConnectionKey, Option<String>)>,
    /// A subscription that may or may not have reached the server before a sleep.
    unsettled: Option<Kind>,
    /// Timers of an earlier epoch are void.
    epoch: u64,
}

impl Client {
    /// Whatever was under way is not waited for any more.
    pub(crate) fn forget_requests(&mut self) {
        let subscription = self.requests.values().find(|(kind, ..)| is_subscription(kind));
        self.unsettled = subscription.map(|(kind, ..)| kind.clone());
        self.requests.clear();
        self.connect = None;
        self.socket = None;
        self.epoch += 1;
    }
}

/// What a client does when a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    Handshake,
    Connect,
    /// After a sleep: goes on with the session it had.
    Resume,
}

impl World<'_> {
    pub(crate) fn add_client(&mut self, number: usize) {
        let trust = self.settings.config.trust_client_session;
        self.clients.push(Client {
            peer: IpAddr::V4(Ipv4Addr::new(10, 0, 0, number as u8)),
            cookie: None,
            keeps_cookies: !trust,
            session: None,
            asleep: false,
            gone: false,
            likes_socket: self.random.percent(50),
            socket: None,
            connect: None,
            wanted: BTreeSet::new(),
            requests: BTreeMap::new(),
            unsettled: None,
            epoch: 0,
        });
        let start = self.random.between(0, 500);
        for _ in 0..self.random.between(1, 3) {
            let pattern = self.random.pick(&PATTERNS);
            self.clients[number].wanted.insert(pattern);
        }
        self.timer_after(number, start, Timer::Handshake);
        self.after(start + 300, Event::Act(number));
    }

    /// A number that nothing else has: of a request, or of an event.
    pub(crate) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(crate) fn timer_after(&mut self, client: usize, millis: u64, timer: Timer) {
        let epoch = self.clients[client].epoch;
        self.after(millis, Event::Timer(client, epoch, timer));
    }

    pub(crate) fn timer(&mut self, client: usize, epoch: u64, timer: Timer) {
        let it = &mut self.clients[client];
        if it.epoch != epoch || it.gone {
            return;
        }
        if timer == Timer::Resume {
            it.asleep = false;
        }
        if it.asleep {
            return;
        }
        match (timer, &it.session) {
            (Timer::Handshake, _) | (Timer::Resume, None) => self.handshake(client),
            (Timer::Connect | Timer::Resume, Some(_)) => {
                if let Some(kind) = self.clients[client].unsettled.take() {
                    self.subscribe(client, kind);
                }
                self.connect(client);
            }
            (Timer::Connect, None) => {}
        }
    }

    /// Opens a connection. `cookie` is sent with it, if there is one.
    pub(crate) fn open(&mut self, client: usize, is_socket: bool, with_cookie: bool) -> ConnectionKey {
        let key = self.connections.len();
        let it = &self.clients[client];
        let cookie = it.cookie.filter(|_| with_cookie && it.keeps_cookies);
        let origin = Origin {
            connection: ConnectionId(key as u64 + 1),
            peer: it.peer,
            carrier: if is_socket { Carrier::Socket { ticket: None, may_adopt: None } } else { Carrier::Http },
            browser: cookie.map(|(browser, _)| browser),
            browser_upgraded: cookie.and_then(|(_, upgraded)| upgraded),
            shard: Some(self.random.below(self.settings.shards)),
        };
        // Any node will do, but for one that shuts down: as a balancer sees it.
        let up: Vec<usize> = (0..self.nodes.len()).filter(|node| !self.nodes[*node].leaving).collect();
        let node = if up.is_empty() { 0 } else { self.random.pick(&up) };
        let low = self.random.between(1, 40);
        let latency = (low, low + self.random.pick(&[0, 10, 200]));
        let capacity = self.random.pick(&[64, 500, 100_000, 100_000]);
        let server = ServerEnd {
            waker: self.connection_waker(key),
            held: None,
            unread: VecDeque::new(),
            writing: None,
            writes: 0,
            delayed: None,
            published: ShardSet::default(),
            published_at: node,
            lent: false,
            gives_up: self.random.percent(70),
        };
        self.connections.push(Connection {
            client,
            node,
            engine: node,
            is_socket,
            origin,
            session: None,
            latency,
            last_upload: self.now,
            path: Path::Fine,
            client_open: true,
            server_open: true,
            server,
            kernel: Kernel::new(capacity as usize),
        });
        self.note(format_args!("client {client} opens {key}, at node {node}, socket: {is_socket}"));
        if is_socket {
            let arrives = self.arrival(key);
            self.at(arrives, Event::Upgrade(key));
        } else if self.connections[key].origin.browser.is_none() {
            // The server names a browser in its reply to a handshake.
            self.connections[key].origin.browser = Some(BrowserId(self.random.bytes()));
        }
        key
    }

    /// When what the client sends now arrives: after everything it sent before on this connection.
    fn arrival(&mut self, key: ConnectionKey) -> Time {
        let (low, high) = self.connections[key].latency;
        let latency = self.random.between(low, high);
        let connection = &mut self.connections[key];
        let arrives = self.now + std::time::Duration::from_millis(latency);
        // One later, so that ties keep their order.
        connection.last_upload = arrives.max(connection.last_upload + std::time::Duration::from_millis(1));
        connection.last_upload
    }

    /// Puts a batch on its way.
    pub(crate) fn send_on(&mut self, key: ConnectionKey, session: Option<String>, requests: Vec<Request>) {
        let arrives = self.arrival(key);
        if self.connections[key].path == Path::Fine {
            self.at(arrives, Event::Upload(key, Batch { session, requests }));
        }
    }

    /// Sends requests of the client's own session the way it prefers, and waits for the replies.
    pub(crate) fn send(&mut self, client: usize, kinds: Vec<Kind>) -> Vec<u64> {
        let it = &self.clients[client];
        let (likes_socket, socket) = (it.likes_socket, it.socket);
        let key = match (likes_socket, socket) {
            (true, Some(socket)) => socket,
            (true, None) => {
                let socket = self.open(client, true, true);
                self.clients[client].socket = Some(socket);
                socket
            }
            (false, _) => self.open(client, false, true),
        };
        let session = self.clients[client].session.clone();
        let requests: Vec<Request> = kinds.into_iter().map(|kind| Request { id: self.number(), kind }).collect();
        let hold = self.settings.config.timeout.as_millis() as u64;
        for request in &requests {
            let patience = 5000 + if let Kind::Connect(_) = request.kind { hold } else { 0 };
            self.after(patience, Event::Patience(client, request.id));
            self.clients[client].requests.insert(request.id, (request.kind.clone(), key, session.clone()));
        }
        let ids = requests.iter().map(|request| request.id).collect();
        self.send_on(key, session, requests);
        ids
    }

    /// Begins anew: whatever was under way is forgotten.
    pub(crate) fn handshake(&mut self, client: usize) {
        let it = &mut self.clients[client];
        it.epoch += 1;
        it.session = None;
        it.connect = None;
        it.requests.clear();
        let first_over_http = it.likes_socket && it.socket.is_none() && self.random.percent(40);
        if first_over_http {
            // As npm faye does: the socket opens while the handshake is under way, so both come without the other's cookie.
            self.clients[client].likes_socket = false;
            self.send(client, vec![Kind::Handshake]);
            let socket = self.open(client, true, true);
            self.clients[client].socket = Some(socket);
            self.clients[client].likes_socket = true;
        } else {
            self.send(client, vec![Kind::Handshake]);
        }
    }

    /// Sends the next connect of the loop, unless one is under way.
    pub(crate) fn connect(&mut self, client: usize) {
        let it = &self.clients[client];
        if it.connect.is_some() || it.session.is_none() {
            return;
        }
        self.connect_anyway(client);
    }

    /// Sends a connect, and from now on waits for that one.
    pub(crate) fn connect_anyway(&mut self, client: usize) {
        let wish = self.random.percent(10).then(|| self.random.between(0, 3000));
        let ids = self.send(client, vec![Kind::Connect(wish)]);
        self.clients[client].connect = ids.last().copied();
    }

    /// Asks for the subscriptions that the client wants, one request at a time.
    pub(crate) fn subscribe(&mut self, client: usize, kind: Kind) {
        let busy = self.clients[client].requests.values().any(|(kind, ..)| is_subscription(kind));
        if !busy && self.clients[client].session.is_some() {
            match &kind {
                Kind::Subscribe(patterns) => self.clients[client].wanted.extend(patterns),
                Kind::Unsubscribe(pattern) => drop(self.clients[client].wanted.remove(pattern)),
                _ => {}
            }
            self.send(client, vec![kind]);
        }
    }

    /// The upgrade's answer has come: its cookie replaces the one there was.
    pub(crate) fn upgraded(&mut self, key: ConnectionKey) {
        let connection = &self.connections[key];
        let it = &mut self.clients[connection.client];
        if let (true, Some(browser), Some(upgraded)) =
            (connection.client_open, connection.origin.browser, connection.origin.browser_upgraded)
        {
            it.cookie = Some((browser, Some(upgraded)));
        }
    }

    /// A frame has arrived whole.
    pub(crate) fn client_receives(&mut self, key: ConnectionKey, sent: &Sent) {
        let client = self.connections[key].client;
        for message in sent.messages.iter() {
            match message {
                Incoming::Event(number) => {
                    let verdict = self.model.receive(key, sent.session.as_deref(), *number);
                    self.expect(verdict);
                }
                Incoming::Reply(reply) => self.client_reads(client, key, reply),
            }
        }
        if !self.connections[key].is_socket {
            self.connections[key].client_open = false;
        }
    }

    fn client_reads(&mut self, client: usize, key: ConnectionKey, reply: &Reply) {
        let Some((kind, _, session)) = self.clients[client].requests.remove(&reply.id) else {
            return;
        };
        if kind == Kind::Handshake {
            return self.handshaken(client, key, reply);
        }
        if session != self.clients[client].session {
            return;
        }
        if reply.is_unknown_session() {
            return self.handshake(client);
        }
        if kind == Kind::Disconnect {
            return self.sleep(client, 3000);
        }
        if self.clients[client].connect != Some(reply.id) {
            return;
        }
        self.clients[client].connect = None;
        let Some(advice) = &reply.advice else { return };
        let interval = advice.interval + self.random.between(0, 5);
        match advice.reconnect.as_str() {
            "retry" => self.timer_after(client, interval, Timer::Connect),
            "handshake" => self.timer_after(client, interval, Timer::Handshake),
            _ => {}
        }
    }

    fn handshaken(&mut self, client: usize, key: ConnectionKey, reply: &Reply) {
        let browser = self.connections[key].origin.browser;
        if !reply.successful {
            let pause = reply.advice.as_ref().map_or(1000, |advice| advice.interval);
            return self.timer_after(client, pause, Timer::Handshake);
        }
        let it = &mut self.clients[client];
        if !self.connections[key].is_socket {
            it.cookie = browser.map(|browser| (browser, self.connections[key].origin.browser_upgraded));
        }
        it.session.clone_from(&reply.client_id);
        let wanted: Vec<_> = it.wanted.iter().copied().collect();
        if !wanted.is_empty() {
            self.subscribe(client, Kind::Subscribe(wanted));
        }
        self.connect(client);
    }

    /// Does nothing for a while, with no session; then handshakes.
    pub(crate) fn sleep(&mut self, client: usize, at_most: u64) {
        let it = &mut self.clients[client];
        it.session = None;
        it.connect = None;
        it.requests.clear();
        it.epoch += 1;
        let pause = self.random.between(0, at_most);
        self.timer_after(client, pause, Timer::Handshake);
    }

    /// A reply did not come in time: its connection is given up.
    pub(crate) fn patience(&mut self, client: usize, request: u64) {
        if let Some((_, key, _)) = self.clients[client].requests.get(&request) {
            let key = *key;
            self.note(format_args!("client {client} gives up on {request}"));
            self.client_closes(key);
            self.connection_is_gone(key);
        }
    }

    /// The client notices that a connection was closed or cut.
    pub(crate) fn client_learns(&mut self, key: ConnectionKey) {
        if std::mem::replace(&mut self.connections[key].client_open, false) {
            self.model.lose(key);
            self.connection_is_gone(key);
        }
    }

    /// Whatever waited for this connection is tried again on another.
    fn connection_is_gone(&mut self, key: ConnectionKey) {
        let client = self.connections[key].client;
        let it = &mut self.clients[client];
        if it.socket == Some(key) {
            it.socket = None;
        }
        let lost: Vec<(u64, Kind)> = it
            .requests
            .iter()
            .filter(|(_, (_, on, _))| *on == key)
            .map(|(id, (kind, ..))| (*id, kind.clone()))
            .collect();
        let pause = self.random.between(5, 300);
        for (id, kind) in lost {
            self.clients[client].requests.remove(&id);
            match kind {
                Kind::Handshake => self.timer_after(client, pause, Timer::Handshake),
                Kind::Connect(_) if self.clients[client].connect == Some(id) => {
                    self.clients[client].connect = None;
                    self.timer_after(client, pause, Timer::Connect);
                }
                Kind::Disconnect => self.sleep(client, 3000),
                kind if is_subscription(&kind) => self.subscribe(client, kind),
                _ => {}
            }
        }
    }
}

const fn is_subscription(kind: &Kind) -> bool {
    matches!(kind, Kind::Subscribe(_) | Kind::Unsubscribe(_))
}
