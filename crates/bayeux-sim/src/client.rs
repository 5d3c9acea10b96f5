//! `Client`: a Bayeux client as far as a server can tell: handshake, connect loop, subscriptions, publishes; it obeys advice,
//! gives up on what is late, and starts anew after a 402. What it does of its own accord is in `act`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bayeux_engine::{BrowserId, Carrier, ConnectionId, Origin, ShardSet, Time};

use crate::{
    account::Account,
    connection::{Batch, Connection, ConnectionKey, Kernel, Path, ServerEnd, WIDE},
    message::{Connect, Kind, Request, Way, Wish},
    settings::PATTERNS,
    world::{Event, World},
};

/// A WebSocket, before its upgrade.
pub(crate) const SOCKET: Carrier = Carrier::Socket { ticket: None, may_adopt: None };

pub(crate) struct Client {
    /// Where its cookies are: several tabs of one browser share them.
    pub(crate) browser: usize,
    keeps_cookies: bool,
    pub(crate) session: Option<String>,
    /// It does nothing at all until a timer wakes it.
    pub(crate) asleep: bool,
    /// It has left for good.
    pub(crate) gone: bool,
    /// How it wants its deliveries.
    pub(crate) way: Way,
    pub(crate) account: Account,
    pub(crate) socket: Option<ConnectionKey>,
    /// The connect whose reply goes on with the loop.
    pub(crate) connect: Option<u64>,
    pub(crate) wanted: BTreeSet<&'static str>,
    /// Requests without a reply, and where they were sent.
    pub(crate) requests: BTreeMap<u64, (Kind, ConnectionKey, Option<String>)>,
    /// A subscription that may or may not have reached the server before a sleep.
    unsettled: Option<Kind>,
    /// Timers of an earlier epoch are void.
    pub(crate) epoch: u64,
}

/// A browser: where its tabs are, its cookie, and when the upgrade of a socket named it.
pub(crate) struct Browser {
    peer: IpAddr,
    pub(crate) cookie: Option<(BrowserId, Option<Time>)>,
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
        let shares = number > 0 && self.random.percent(self.settings.tabs);
        let browser = if shares { self.clients[self.random.below(number)].browser } else { self.browsers.len() };
        if !shares {
            self.browsers.push(Browser { peer: IpAddr::V4(Ipv4Addr::new(10, 0, 0, number as u8)), cookie: None });
        }
        let way = self.random.pick(self.settings.ways);
        let wish = self.random.pick(&[Wish::Nothing, Wish::Nothing, Wish::Ack, Wish::Ack, Wish::Gap]);
        self.clients.push(Client {
            browser,
            keeps_cookies: !trust,
            session: None,
            asleep: false,
            gone: false,
            way,
            account: Account::new(wish),
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
    pub(crate) fn open(&mut self, client: usize, carrier: Carrier, with_cookie: bool) -> ConnectionKey {
        let key = self.connections.len();
        let it = &self.clients[client];
        let Browser { peer, cookie } = &self.browsers[it.browser];
        let cookie = cookie.filter(|_| with_cookie && it.keeps_cookies);
        let is_socket = matches!(carrier, Carrier::Socket { .. });
        let origin = Origin {
            connection: ConnectionId(key as u64 + 1),
            peer: *peer,
            carrier,
            browser: cookie.map(|(browser, _)| browser),
            browser_upgraded: cookie.and_then(|(_, upgraded)| upgraded),
            shard: Some(self.random.below(self.settings.shards)),
        };
        // Any node will do, but for one that shuts down: as a balancer sees it.
        let up: Vec<usize> = (0..self.nodes.len()).filter(|node| !self.nodes[*node].leaving).collect();
        let node = if up.is_empty() { 0 } else { self.random.pick(&up) };
        let low = self.random.between(1, 40);
        let latency = (low, low + self.random.pick(&[0, 10, 200]));
        let capacity = if self.healed { WIDE } else { self.random.pick(&[64, 500, WIDE, WIDE]) };
        let server = ServerEnd {
            waker: self.connection_waker(key),
            held: None,
            streams: false,
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
            heard: self.now,
            last_upload: self.now,
            path: Path::Fine,
            client_open: true,
            server_open: true,
            server,
            kernel: Kernel::new(capacity),
        });
        self.note(format_args!("client {client} opens {key}, at node {node}: {carrier:?}"));
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
        let arrives = self.now + Duration::from_millis(latency);
        // One later, so that ties keep their order.
        connection.last_upload = arrives.max(connection.last_upload + Duration::from_millis(1));
        connection.last_upload
    }

    /// Puts a batch on its way.
    pub(crate) fn send_on(&mut self, key: ConnectionKey, session: Option<String>, requests: Vec<Request>) {
        let arrives = self.arrival(key);
        if self.connections[key].path == Path::Fine {
            self.at(arrives, Event::Upload(key, Batch { session, requests }));
        }
    }

    /// The connection that the client's next requests go on.
    fn way_out(&mut self, client: usize) -> ConnectionKey {
        let it = &self.clients[client];
        match (it.way, it.socket) {
            (Way::Socket, Some(socket)) => socket,
            (Way::Socket, None) => {
                let socket = self.open(client, SOCKET, true);
                self.clients[client].socket = Some(socket);
                socket
            }
            _ => self.open(client, Carrier::Http, true),
        }
    }

    /// Sends requests of the client's own session the way it prefers, and waits for the replies.
    pub(crate) fn send(&mut self, client: usize, kinds: Vec<Kind>) -> Vec<u64> {
        let key = self.way_out(client);
        self.send_by(client, key, kinds)
    }

    /// As [`send`](Self::send), on this connection.
    fn send_by(&mut self, client: usize, key: ConnectionKey, kinds: Vec<Kind>) -> Vec<u64> {
        let session = self.clients[client].session.clone();
        let requests: Vec<Request> = kinds.into_iter().map(|kind| Request { id: self.number(), kind }).collect();
        for request in &requests {
            self.after(self.patience_of(&request.kind), Event::Patience(client, request.id));
            self.clients[client].requests.insert(request.id, (request.kind.clone(), key, session.clone()));
        }
        let ids = requests.iter().map(|request| request.id).collect();
        self.send_on(key, session, requests);
        ids
    }

    /// How many milliseconds a client waits for a reply.
    fn patience_of(&self, kind: &Kind) -> u64 {
        let hold = if let Kind::Connect(_) = kind { self.settings.config.timeout } else { Duration::ZERO };
        5000 + hold.as_millis() as u64
    }

    /// Begins anew: whatever was under way is forgotten.
    pub(crate) fn handshake(&mut self, client: usize) {
        let it = &mut self.clients[client];
        it.epoch += 1;
        it.session = None;
        it.connect = None;
        it.requests.clear();
        let (way, wish) = (it.way, it.account.wish);
        let first_over_http = way == Way::Socket && it.socket.is_none() && self.random.percent(40);
        if first_over_http {
            // As npm faye does: the socket opens while the handshake is under way, so both come without the other's cookie.
            let key = self.open(client, Carrier::Http, true);
            self.send_by(client, key, vec![Kind::Handshake(wish)]);
            let socket = self.open(client, SOCKET, true);
            self.clients[client].socket = Some(socket);
        } else {
            self.send(client, vec![Kind::Handshake(wish)]);
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
        let timeout = self.random.percent(10).then(|| self.random.between(0, 3000));
        let it = &self.clients[client];
        let way = it.way;
        let last_event = if way == Way::EventSource { it.account.last_event() } else { None };
        let last_event = last_event.filter(|_| self.random.percent(60));
        let key = match way {
            way if way.is_get() => self.open(client, Carrier::Stream { last_event }, true),
            _ => self.way_out(client),
        };
        let connect = self.accounted(client, key, Connect::plain(way, timeout), last_event.is_some());
        let ids = self.send_by(client, key, vec![Kind::Connect(connect)]);
        let it = &mut self.clients[client];
        it.connect = ids.last().copied();
        it.connect.into_iter().for_each(|id| it.account.sends(id));
    }

    /// Sends publishes and a connect in their company. If that is of a type that only a GET can stream, it is beside the stream.
    pub(crate) fn connect_in_company(&mut self, client: usize, mut batch: Vec<Kind>) {
        let (key, connect) = (self.way_out(client), Connect::plain(self.clients[client].way, None));
        let beside = connect.way.is_get();
        let connect = match beside {
            true => self.clients[client].account.says_beside(connect),
            false => self.accounted(client, key, connect, false),
        };
        batch.push(Kind::Connect(connect));
        let ids = self.send_by(client, key, batch);
        if let Some(id) = ids.last().filter(|_| !beside) {
            self.clients[client].account.sends(*id);
        }
    }

    /// The heartbeat of a stream, as Faye's clients send it.
    pub(crate) fn connect_beside(&mut self, client: usize, way: Way) {
        self.happened.beside += 1;
        let connect = self.clients[client].account.says_beside(Connect::plain(way, None));
        self.send(client, vec![Kind::Connect(connect)]);
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
}

pub(crate) const fn is_subscription(kind: &Kind) -> bool {
    matches!(kind, Kind::Subscribe(_) | Kind::Unsubscribe(_))
}
