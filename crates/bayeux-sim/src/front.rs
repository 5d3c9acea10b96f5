//! The server's end of a connection: what a front does with requests and sockets, poll by poll, as the real ones do.

use std::rc::Rc;

use bayeux_engine::{Answer, Call, Carrier, CloseReason, HEADROOM, Take, Ticket, Time};
use bayeux_protocol::{DecodeLimits, decode_batch};

use crate::{
    connection::{Batch, ConnectionKey, Path, Piece, Write},
    incoming::{self, Incoming},
    message,
    model::Place,
    world::{Event, World},
};

impl World<'_> {
    /// A batch has reached the server.
    pub(crate) fn upload(&mut self, key: ConnectionKey, batch: Batch) {
        let connection = &mut self.connections[key];
        if !connection.server_open || connection.path == Path::Dead {
            return;
        }
        if connection.is_socket {
            connection.server.unread.push_back(batch);
            return self.poll_socket(key);
        }
        let (answer, messages) = self.handle(key, batch);
        let connection = &mut self.connections[key];
        if answer.stream.is_some() {
            (connection.server.held, connection.server.streams) = (answer.stream, true);
            return self.poll_stream(key);
        }
        if answer.held.is_some() {
            connection.server.held = answer.held;
            return self.poll_held(key);
        }
        let length = answer.frame.as_ref().map_or(2, |frame| frame.len() - HEADROOM);
        connection.server.published = answer.published;
        let write = self.written_by(key, messages, length, answer.lent);
        self.write_when(key, write, answer.not_before);
    }

    /// The engine handles a batch, and the model judges what it says.
    fn handle(&mut self, key: ConnectionKey, batch: Batch) -> (Answer, Rc<[Incoming]>) {
        let connection = &mut self.connections[key];
        let (mut origin, is_socket) = (connection.origin.clone(), connection.is_socket);
        // A node passes on what is of a session elsewhere.
        let place = batch.session.as_ref().and_then(|id| self.places.get(id));
        let node = place.copied().unwrap_or(connection.node);
        if let (true, Carrier::Socket { ticket, .. }) = (node != connection.engine, &mut origin.carrier) {
            *ticket = None;
        }
        if !is_socket {
            connection.engine = node;
            connection.session.clone_from(&batch.session);
        }
        let text = message::encode(batch.session.as_deref(), &batch.requests);
        self.note(format_args!("{key} handles {:?}", batch.requests));
        self.model.ask(self.now, key, &origin, batch.session.as_deref(), &batch.requests);
        let messages =
            decode_batch(text.as_bytes(), &DecodeLimits::default()).expect("clients send what is well-formed");
        let answer = self.nodes[node].server.handle(self.now, Call { origin: origin.clone(), batch: messages });
        let messages = self.parsed(answer.frame.as_deref());
        self.note(format_args!("{key} answers {messages:?}"));
        let place = Place {
            now: self.now,
            node,
            connection: key,
            origin: &origin,
            session: if is_socket { None } else { batch.session.as_deref() },
            is_socket,
            streams: false,
            last: !is_socket,
            event_id: None,
            length: 0,
            gives_up: self.connections[key].server.gives_up,
        };
        let verdict = self.model.judge(&place, &messages);
        self.expect(verdict);
        self.places.extend(handshaken(&messages).map(|session| (session, node)));
        let verdict = self.model.hold(self.now, key, &batch.requests, answer.stream.is_some());
        self.expect(verdict);
        if is_socket {
            self.attach(key, node, &answer, handshaken(&messages).or(batch.session));
        }
        self.connections[key].server.published_at = node;
        (answer, messages)
    }

    /// A socket learns which session it has now, and at which node.
    fn attach(&mut self, key: ConnectionKey, node: usize, answer: &Answer, session: Option<String>) {
        let connection = &mut self.connections[key];
        if let (true, Carrier::Socket { may_adopt, .. }) = (answer.adopted, &mut connection.origin.carrier) {
            *may_adopt = None;
        }
        let Some(attached) = answer.attached else {
            return;
        };
        let earlier = connection.set_ticket(Some(attached));
        self.model.link(key);
        let at = std::mem::replace(&mut connection.engine, node);
        let before = std::mem::replace(&mut connection.session, session);
        if let Some(earlier) = earlier {
            self.nodes[at].server.cancel(self.now, earlier);
            if before != self.connections[key].session {
                self.model.release(self.now, key, before.as_deref());
            }
        }
    }

    fn parsed(&mut self, frame: Option<&[u8]>) -> Rc<[Incoming]> {
        match frame.map_or_else(|| Ok(Vec::new()), incoming::parse) {
            Ok(messages) => messages.into(),
            Err(what) => {
                self.expect(Err(what));
                Rc::new([])
            }
        }
    }

    fn written_by(&self, key: ConnectionKey, messages: Rc<[Incoming]>, length: usize, lent: Vec<Ticket>) -> Write {
        let (session, last) = (self.connections[key].session.clone(), !self.connections[key].is_socket);
        Write { piece: Rc::new(Piece { messages, session, length, last, event_id: None }), taken: 0, lent }
    }

    /// Writes a reply now, at its time, or when the inboxes that its batch filled have drained.
    fn write_when(&mut self, key: ConnectionKey, write: Write, not_before: Option<Time>) {
        let server = &mut self.connections[key].server;
        if let Some(time) = not_before.filter(|time| *time > self.now) {
            server.delayed = Some((write, Some(time)));
            return self.at(time, Event::Delayed(key));
        }
        if !self.connections[key].is_socket && self.is_paused(key) {
            self.connections[key].server.delayed = Some((write, None));
            return;
        }
        self.begin_write(key, write);
    }

    fn is_paused(&self, key: ConnectionKey) -> bool {
        let connection = &self.connections[key];
        let engine = self.nodes[connection.server.published_at].server.engine();
        engine.is_paused(connection.server.published, &connection.server.waker)
    }

    /// The time has come for a reply that was delayed.
    pub(crate) fn delay_is_over(&mut self, key: ConnectionKey) {
        if let Some((write, _)) = self.connections[key].server.delayed.take() {
            self.write_when(key, write, None);
        }
        if self.connections[key].is_socket {
            self.poll_socket(key);
        }
    }

    /// The task of a connection runs, since it was woken.
    pub(crate) fn poll(&mut self, key: ConnectionKey) {
        let connection = &self.connections[key];
        if !connection.server_open {
            return;
        }
        if connection.is_socket {
            return self.poll_socket(key);
        }
        if connection.server.streams {
            return self.poll_stream(key);
        }
        if connection.server.held.is_some() {
            return self.poll_held(key);
        }
        if matches!(connection.server.delayed, Some((_, None))) {
            self.delay_is_over(key);
        }
    }

    /// A held connect over HTTP asks what it has to say.
    fn poll_held(&mut self, key: ConnectionKey) {
        let Some(ticket) = self.connections[key].server.held else {
            return;
        };
        match self.take(key, false) {
            Take::Pending | Take::Beat => {}
            Take::Frame { frame, lent, .. } => {
                self.connections[key].server.held = None;
                let lent = if lent { vec![ticket] } else { Vec::new() };
                self.taken(key, &frame, true, None, lent);
            }
            Take::Released | Take::Close(_) => {
                self.connections[key].server.held = None;
                let verdict = self.model.broken_off(key);
                self.expect(verdict);
                self.server_closes(key);
            }
        }
    }

    pub(crate) fn take(&mut self, key: ConnectionKey, written: bool) -> Take {
        let connection = &self.connections[key];
        let (node, ticket) = (connection.engine, connection.ticket());
        let Some(ticket) = ticket else {
            return Take::Pending;
        };
        let take = self.nodes[node].server.take(self.now, ticket, written, &connection.server.waker);
        if let Take::Released | Take::Close(_) = take {
            self.note(format_args!("{key} takes {take:?}"));
        }
        take
    }

    /// What was taken is judged and written.
    pub(crate) fn taken(
        &mut self,
        key: ConnectionKey,
        frame: &[u8],
        last: bool,
        event_id: Option<u64>,
        lent: Vec<Ticket>,
    ) {
        let messages = self.parsed(Some(frame));
        self.note(format_args!("{key} takes {messages:?}, last: {last}"));
        let (connection, length) = (&self.connections[key], frame.len() - HEADROOM);
        let place = Place {
            now: self.now,
            node: connection.engine,
            connection: key,
            origin: &connection.origin,
            session: connection.session.as_deref(),
            is_socket: connection.is_socket,
            streams: connection.server.streams,
            last,
            event_id,
            length,
            gives_up: connection.server.gives_up,
        };
        let verdict = self.model.judge(&place, &messages);
        self.expect(verdict);
        let events = !incoming::events(&messages).is_empty();
        if events && lent.is_empty() && !self.connections[key].server.lent {
            self.expect(Err("events that are not lent".into()));
        }
        let session = self.connections[key].session.clone();
        let piece = Rc::new(Piece { messages, session, length, last, event_id });
        self.begin_write(key, Write { piece, taken: 0, lent });
    }

    /// A socket writes what its session has to say, and reads when there is nothing.
    pub(crate) fn poll_socket(&mut self, key: ConnectionKey) {
        loop {
            let server = &mut self.connections[key].server;
            if server.writing.is_some() || server.delayed.is_some() || !self.connections[key].server_open {
                return;
            }
            let written = std::mem::take(&mut self.connections[key].server.lent);
            if !(self.socket_takes(key, written) || self.socket_reads(key)) {
                return;
            }
        }
    }

    /// Returns whether there was something.
    fn socket_takes(&mut self, key: ConnectionKey, written: bool) -> bool {
        match self.take(key, written) {
            Take::Pending | Take::Beat => return false,
            Take::Frame { frame, lent, last, .. } => {
                self.connections[key].server.lent = lent;
                self.taken(key, &frame, last, None, Vec::new());
                if last {
                    self.detach(key);
                }
            }
            Take::Released => self.detach(key),
            Take::Close(reason) => {
                let connection = &self.connections[key];
                let session = connection.session.as_deref();
                let verdict = match reason {
                    CloseReason::SessionEnded => self.model.session_closed(self.now, key, session),
                    CloseReason::ShuttingDown => self.model.told_to_leave(connection.engine, key, session),
                    CloseReason::Cut => Ok(()),
                };
                self.expect(verdict);
                self.detach(key);
                self.server_closes(key);
            }
        }
        true
    }

    fn detach(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        connection.set_ticket(None);
        let session = connection.session.take();
        self.model.release(self.now, key, session.as_deref());
    }

    fn socket_reads(&mut self, key: ConnectionKey) -> bool {
        if self.is_paused(key) {
            return false;
        }
        let server = &mut self.connections[key].server;
        server.published = Default::default();
        let Some(batch) = server.unread.pop_front() else {
            return false;
        };
        let (answer, messages) = self.handle(key, batch);
        let server = &mut self.connections[key].server;
        server.published = server.published.and(answer.published);
        if let Some(frame) = &answer.frame {
            let write = self.written_by(key, messages, frame.len() - HEADROOM, answer.lent);
            self.write_when(key, write, answer.not_before);
        }
        true
    }
}

/// The session that a handshake made.
fn handshaken(messages: &[Incoming]) -> Option<String> {
    messages.iter().find_map(|message| match message {
        Incoming::Reply(reply) if reply.handshake.is_some() => reply.client_id.clone(),
        _ => None,
    })
}
