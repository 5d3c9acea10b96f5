//! What clients read: replies and what they lead to, and connections that are gone.

use std::time::Duration;

use crate::{
    client::{Timer, is_subscription},
    connection::{ConnectionKey, Piece},
    incoming::{self, Reply},
    message::Kind,
    world::{Event, World},
};

impl World<'_> {
    /// The upgrade's answer has come: its cookie replaces the one there was.
    pub(crate) fn upgraded(&mut self, key: ConnectionKey) {
        let connection = &self.connections[key];
        let browser = &mut self.browsers[self.clients[connection.client].browser];
        if let (true, Some(named), Some(upgraded)) =
            (connection.client_open, connection.origin.browser, connection.origin.browser_upgraded)
        {
            browser.cookie = Some((named, Some(upgraded)));
        }
    }

    /// A frame, or a beat, has arrived whole.
    pub(crate) fn client_receives(&mut self, key: ConnectionKey, piece: &Piece) {
        let client = self.connections[key].client;
        self.connections[key].heard = self.now;
        for event in piece.events() {
            let verdict = self.model.receive(key, piece.session.as_deref(), event);
            self.expect(verdict);
        }
        self.account_for(client, key, piece);
        for reply in incoming::replies(&piece.messages) {
            self.client_reads(client, key, reply, piece.last);
        }
        if !self.connections[key].is_socket && piece.last {
            self.connections[key].client_open = false;
        } else if self.clients[client].gone && self.connections[key].server.streams {
            // It was on its way when its client left.
            self.client_closes(key);
        }
    }

    /// On a stream, a reply that is not the `last` leaves its connect open.
    fn client_reads(&mut self, client: usize, key: ConnectionKey, reply: &Reply, last: bool) {
        if !last && !self.connections[key].is_socket {
            return;
        }
        let Some((kind, _, session)) = self.clients[client].requests.remove(&reply.id) else {
            return;
        };
        if let Kind::Handshake(_) = kind {
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
        let (it, connection) = (&mut self.clients[client], &self.connections[key]);
        if !connection.is_socket {
            self.browsers[it.browser].cookie = browser.map(|browser| (browser, connection.origin.browser_upgraded));
        }
        it.session.clone_from(&reply.client_id);
        it.account.begin(connection.is_socket.then_some(key));
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

    /// A reply did not come in time, or a stream was silent for long: its connection is given up.
    pub(crate) fn patience(&mut self, client: usize, request: u64) {
        if let Some((_, key, _)) = self.clients[client].requests.get(&request) {
            let key = *key;
            let silence = self.settings.config.stream_heartbeat * 2 + Duration::from_secs(5);
            let until = self.connections[key].heard + silence;
            if self.connections[key].server.streams && self.now < until {
                return self.at(until, Event::Patience(client, request));
            }
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
                Kind::Handshake(_) => self.timer_after(client, pause, Timer::Handshake),
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
