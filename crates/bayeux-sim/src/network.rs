//! The way of bytes from the server to a client: what the kernel takes, what arrives, and what is cut.

use std::time::Duration;

use bayeux_engine::Carrier;

use crate::{
    connection::{ConnectionKey, Path, Write},
    world::{Event, World},
};

/// Keepalive and user timeout: when a server notices by itself that a peer is gone.
const KEEPALIVE_MILLIS: u64 = 15_000;

impl World<'_> {
    /// The server begins to write. The write has its deadline.
    pub(crate) fn begin_write(&mut self, key: ConnectionKey, write: Write) {
        let now = self.now;
        let connection = &mut self.connections[key];
        connection.kernel.expect(write.piece.clone());
        let server = &mut connection.server;
        server.writing = Some(write);
        server.writes += 1;
        let (writes, deadline) = (server.writes, self.settings.config.write_timeout);
        self.fill_kernel(key);
        if self.connections[key].server.writing.is_some() {
            self.at(now + deadline, Event::WriteDeadline(key, writes));
        }
    }

    /// The kernel takes as much of the write as it has room for.
    fn fill_kernel(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        let kernel = &mut connection.kernel;
        if let Some(write) = &mut connection.server.writing {
            let length = write.piece.length;
            let part = (kernel.capacity - kernel.used).min(length - write.taken);
            write.taken += part;
            kernel.used += part;
            if write.taken == length {
                self.write_is_complete(key);
            }
        }
        self.keep_moving(key);
    }

    fn keep_moving(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        let kernel = &mut connection.kernel;
        let can = kernel.used > 0 && !kernel.stalled && connection.path == Path::Fine && connection.client_open;
        if can && !kernel.moving {
            kernel.moving = true;
            let (low, high) = connection.latency;
            let latency = self.random.between(low, high);
            self.after(latency, Event::Move(key));
        }
    }

    /// The kernel has taken the last byte: what was lent has left the outbox.
    fn write_is_complete(&mut self, key: ConnectionKey) {
        let Some(write) = self.connections[key].server.writing.take() else {
            return;
        };
        let Write { piece, lent, .. } = write;
        let (session, events) = (piece.session.as_deref(), piece.events());
        let connection = &self.connections[key];
        let (node, goes_on) = (connection.engine, connection.is_socket || !piece.last);
        self.model.commit(self.now, key, session, &events);
        if !events.is_empty() && !self.counts(key, session) {
            self.model.astray(session);
        }
        if connection.path == Path::Dead || !connection.client_open {
            self.model.lose(key);
        }
        for ticket in lent {
            self.nodes[node].server.confirm(self.now, ticket);
        }
        if !goes_on {
            self.response_is_complete(key, session);
        }
    }

    /// Nothing more comes on a connection over HTTP.
    pub(crate) fn response_is_complete(&mut self, key: ConnectionKey, session: Option<&str>) {
        let verdict = self.model.finished(key);
        self.expect(verdict);
        self.model.release(self.now, key, session);
        self.connections[key].server_open = false;
        self.note(format_args!("{key} is complete"));
    }

    /// Some of what the kernel holds reaches the client.
    pub(crate) fn move_bytes(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        let kernel = &mut connection.kernel;
        kernel.moving = false;
        if kernel.stalled || connection.path == Path::Dead || !connection.client_open || kernel.used == 0 {
            return;
        }
        let used = kernel.used as u64;
        let count = if self.random.percent(70) { used } else { self.random.between(1, used) };
        let connection = &mut self.connections[key];
        let whole = connection.kernel.arrive(count as usize);
        for piece in whole {
            self.client_receives(key, &piece);
        }
        self.fill_kernel(key);
        // In the same poll in which the write was completed: what was lent to it is confirmed before anything else.
        if self.connections[key].is_socket {
            self.poll_socket(key);
        } else if self.connections[key].server.streams {
            self.poll_stream(key);
        }
        let connection = &self.connections[key];
        if connection.kernel.used == 0 && connection.kernel.closing {
            self.client_learns(key);
        }
    }

    /// A write has had its time. A front of our own gives it up by a reset.
    pub(crate) fn write_deadline(&mut self, key: ConnectionKey, write: u64) {
        let server = &self.connections[key].server;
        if server.writing.is_none() || server.writes != write || !server.gives_up {
            return;
        }
        self.note(format_args!("{key} gives up a write"));
        self.server_drops(key);
        let connection = &mut self.connections[key];
        if connection.path == Path::Fine {
            connection.path = Path::Dead;
            self.model.lose(key);
            self.after(10, Event::ClientLearns(key));
        }
    }

    /// The server closes a connection when everything is written: its client learns after the last byte.
    pub(crate) fn server_closes(&mut self, key: ConnectionKey) {
        self.server_drops(key);
        let connection = &mut self.connections[key];
        connection.kernel.closing = true;
        if connection.kernel.used == 0 {
            self.after(10, Event::ClientLearns(key));
        }
    }

    /// The server lets go of a connection: what was lent to it waits for the session's next one.
    pub(crate) fn server_drops(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if !std::mem::replace(&mut connection.server_open, false) {
            return;
        }
        let node = connection.engine;
        let mut tickets = Vec::from_iter(connection.set_ticket(None));
        let writing = connection.server.writing.take();
        let delayed = connection.server.delayed.take().map(|(write, _)| write);
        for write in writing.into_iter().chain(delayed) {
            tickets.extend(write.lent);
        }
        let session = connection.session.clone();
        self.note(format_args!("{key} is dropped by the server"));
        for ticket in tickets {
            self.nodes[node].server.cancel(self.now, ticket);
        }
        self.model.release(self.now, key, session.as_deref());
        self.model.forget(key);
    }

    /// Both ends notice that the connection is cut, each in its time; or neither does, until its own patience is over.
    pub(crate) fn cut(&mut self, key: ConnectionKey, noticed: bool) {
        let connection = &mut self.connections[key];
        if connection.path == Path::Dead {
            return;
        }
        connection.path = Path::Dead;
        let (low, high) = connection.latency;
        self.note(format_args!("{key} is cut, noticed: {noticed}"));
        self.model.lose(key);
        if noticed {
            let (server, client) = (self.random.between(low, high), self.random.between(low, high));
            self.after(server, Event::ServerLearns(key));
            self.after(client, Event::ClientLearns(key));
        } else {
            self.after(KEEPALIVE_MILLIS, Event::ServerLearns(key));
        }
    }

    /// The client closes a connection: the server learns it, if the path is fine.
    pub(crate) fn client_closes(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if !std::mem::replace(&mut connection.client_open, false) {
            return;
        }
        let (path, (low, high)) = (connection.path, connection.latency);
        let last_upload = connection.last_upload;
        self.model.lose(key);
        if path == Path::Fine {
            let latency = self.random.between(low, high);
            let learns = last_upload.max(self.now + Duration::from_millis(latency));
            self.at(learns, Event::ServerLearns(key));
        }
    }

    /// The upgrade of a socket has reached the server: without a cookie it gets one, and may adopt a session.
    pub(crate) fn upgrade(&mut self, key: ConnectionKey) {
        let now = self.now;
        let minted = bayeux_engine::BrowserId(self.random.bytes());
        let connection = &mut self.connections[key];
        if connection.origin.browser.is_none() {
            connection.origin.browser = Some(minted);
            connection.origin.browser_upgraded = Some(now);
            connection.origin.carrier = Carrier::Socket { ticket: None, may_adopt: Some(now) };
        }
        let (low, high) = connection.latency;
        let latency = self.random.between(low, high);
        self.after(latency, Event::Upgraded(key));
    }
}
