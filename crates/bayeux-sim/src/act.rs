//! What clients do of their own accord, and what happens to them: the seed chooses.

use bayeux_engine::{Carrier, ClientId};

use crate::{
    client::{SOCKET, Timer},
    connection::ConnectionKey,
    message::{Connect, Kind, Request, Way, Wish},
    settings::{CHANNELS, PATTERNS},
    world::{Event, World},
};

impl World<'_> {
    /// One act of a client, and when the next is.
    pub(crate) fn act(&mut self, client: usize) {
        if self.healed {
            return;
        }
        let pause = self.random.between(1, self.settings.pause);
        self.after(pause, Event::Act(client));
        if self.clients[client].asleep || self.clients[client].session.is_none() {
            return;
        }
        match self.random.between(0, 99) {
            0..=41 => self.publishes(client),
            42..=44 => {
                let way = self.random.pick(&[Way::EventSource, Way::Iframe]);
                self.connect_beside(client, way);
            }
            45..=54 => {
                let pattern = self.random.pick(&PATTERNS);
                self.subscribe(client, Kind::Subscribe(vec![pattern]));
            }
            55..=61 => {
                let wanted: Vec<_> = self.clients[client].wanted.iter().copied().collect();
                if !wanted.is_empty() {
                    let pattern = self.random.pick(&wanted);
                    self.subscribe(client, Kind::Unsubscribe(pattern));
                }
            }
            62..=70 => self.moves(client),
            71..=79 => self.suffers(client),
            80..=85 => self.stalls(client),
            86..=88 => self.vanishes(client),
            89..=91 => drop(self.send(client, vec![Kind::Disconnect])),
            92..=94 => self.probes(client),
            95..=96 => self.steals(client),
            _ => self.connect_anyway(client),
        }
    }

    /// A session, whoever's it is, is turned into bytes and back.
    pub(crate) fn transfer(&mut self) {
        if self.healed || self.settings.transfer_pause == 0 {
            return;
        }
        let pause = self.random.between(1, self.settings.transfer_pause);
        self.after(pause, Event::Transfer);
        let client = self.random.below(self.clients.len());
        let it = &self.clients[client];
        let Some(id) = it.session.as_deref().and_then(ClientId::parse) else {
            return;
        };
        let Some(node) = it.session.as_ref().and_then(|id| self.places.get(id)).copied() else {
            return;
        };
        let moves = self.nodes.len() == 2 && self.random.percent(60);
        self.move_session(id, if moves { 1 - node } else { node });
    }

    /// A session goes from where it is to a node: to the other one only while the backplane has nothing on its way, and
    /// publishes are held back meanwhile, as whoever moves sessions must.
    pub(crate) fn move_session(&mut self, id: ClientId, to: usize) {
        let Some(from) = self.places.get(id.as_str()).copied() else {
            return;
        };
        if from != to && (self.nodes[to].leaving || !self.settle_backplane()) {
            return;
        }
        match self.nodes[from].server.engine().export(self.now, &id) {
            Err(error) => self.note(format_args!("a session is not exported: {error}")),
            Ok(exported) => {
                self.note(format_args!("a session goes from node {from} to {to}: {} bytes", exported.len()));
                self.happened.moved += u64::from(from != to);
                self.places.insert(id.as_str().to_owned(), to);
                self.model.transfer(self.now, id.as_str(), to);
                let adopted = self.nodes[to].server.engine().adopt(self.now, &exported);
                self.expect(if adopted == Ok(id) { Ok(()) } else { Err(format!("not adopted: {adopted:?}")) });
            }
        }
    }

    fn publishes(&mut self, client: usize) {
        let mut batch = Vec::new();
        for _ in 0..self.random.pick(&[1, 1, 1, 2, 5]) {
            let (channel, padding) = (self.random.pick(&CHANNELS), self.random.pick(&[0, 10, 300]));
            batch.push(Kind::Publish(channel, self.number(), padding));
        }
        if self.random.percent(10) {
            return self.connect_in_company(client, batch);
        }
        self.send(client, batch);
    }

    /// Goes over to another transport in the middle of its session; the connect that is open on the older one stays, or its
    /// connection is closed.
    fn moves(&mut self, client: usize) {
        let it = &mut self.clients[client];
        let before = std::mem::replace(&mut it.way, self.random.pick(self.settings.ways));
        let (way, gap) = (it.way, it.account.wish == Wish::Gap);
        let older = if before == Way::Socket { it.socket.filter(|_| way != before) } else { self.stream_of(client) };
        let closes = self.random.percent(50);
        if before == Way::Socket && way != before && (closes || gap) {
            // Who counts does not come back to a socket: what is still under way there could not be told from what is new.
            self.clients[client].socket = None;
        }
        if let (Some(older), true) = (older, closes) {
            self.client_closes(older);
        }
        self.connect_anyway(client);
    }

    /// The stream that is the client's open connect.
    pub(crate) fn stream_of(&self, client: usize) -> Option<ConnectionKey> {
        let it = &self.clients[client];
        let (_, key, _) = it.requests.get(&it.connect?)?;
        Some(*key).filter(|key| self.connections[*key].server.streams)
    }

    fn open_connections(&self, client: usize) -> Vec<ConnectionKey> {
        let open = |key: &ConnectionKey| self.connections[*key].client == client && self.connections[*key].client_open;
        // The oldest are closed long since.
        (self.connections.len().saturating_sub(200)..self.connections.len()).filter(open).collect()
    }

    /// One of its connections is cut.
    fn suffers(&mut self, client: usize) {
        let open = self.open_connections(client);
        let writing: Vec<_> =
            open.iter().copied().filter(|key| self.connections[*key].server.writing.is_some()).collect();
        let open = if writing.is_empty() || self.random.percent(50) { open } else { writing };
        if !open.is_empty() {
            let (key, noticed) = (self.random.pick(&open), self.random.percent(60));
            self.cut(key, noticed);
        }
    }

    /// It stops reading from one of its connections, or goes on.
    fn stalls(&mut self, client: usize) {
        let open = self.open_connections(client);
        if !open.is_empty() {
            let key = self.random.pick(&open);
            let kernel = &mut self.connections[key].kernel;
            kernel.stalled = !kernel.stalled;
            let stalled = kernel.stalled;
            self.note(format_args!("{key} stalled: {stalled}"));
            self.move_bytes(key);
        }
    }

    /// Its machine goes to sleep, with everything open; later it comes back and uses the session it had.
    fn vanishes(&mut self, client: usize) {
        let noticed = self.random.percent(50);
        self.note(format_args!("client {client} vanishes"));
        for key in self.open_connections(client) {
            self.cut(key, noticed);
            self.connections[key].client_open = false;
        }
        self.clients[client].forget_requests();
        self.clients[client].asleep = true;
        let pause = self.random.pick(&[100, 2000, 8000, 25_000]);
        self.timer_after(client, pause, Timer::Resume);
    }

    /// A second connection of the same client without its cookie uses the session: one socket may adopt it, soon after.
    fn probes(&mut self, client: usize) {
        let carrier = if self.random.percent(80) { SOCKET } else { self.any_request() };
        let key = self.open(client, carrier, false);
        let session = self.clients[client].session.clone();
        self.sends_unasked(client, key, session);
    }

    /// Somebody else uses the session.
    fn steals(&mut self, client: usize) {
        let victim = self.random.below(self.clients.len());
        let session = self.clients[victim].session.clone();
        if victim != client && session.is_some() {
            let (is_socket, with_cookie) = (self.random.percent(50), self.random.percent(50));
            let carrier = if is_socket { SOCKET } else { self.any_request() };
            let key = self.open(client, carrier, with_cookie);
            if !self.settings.config.trust_client_session {
                self.sends_unasked(client, key, session);
            }
        }
    }

    fn any_request(&mut self) -> Carrier {
        self.random.pick(&[Carrier::Http, Carrier::Http, Carrier::Stream { last_event: None }])
    }

    /// Sends something whose reply no loop waits for.
    fn sends_unasked(&mut self, client: usize, key: ConnectionKey, session: Option<String>) {
        let kind = match (self.connections[key].origin.carrier, self.random.between(0, 2)) {
            (Carrier::Stream { .. }, _) => Kind::Connect(Connect::plain(Way::EventSource, Some(200))),
            (_, 0) => Kind::Publish(self.random.pick(&CHANNELS), self.number(), 0),
            (_, 1) => Kind::Connect(Connect::plain(Way::Poll, Some(0))),
            _ => Kind::Connect(Connect::plain(Way::XhrStreaming, Some(200))),
        };
        let request = Request { id: self.number(), kind };
        self.note(format_args!("client {client} sends unasked {request:?}"));
        self.send_on(key, session, vec![request]);
    }
}
