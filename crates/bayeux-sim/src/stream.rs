//! A stream at the server's end: a response that goes on, piece by piece, each taken when the one before was written.

use std::rc::Rc;

use bayeux_engine::{CloseReason, Take};

use crate::{
    connection::{ConnectionKey, Piece, Write},
    world::World,
};

/// What a beat takes of the connection.
const BEAT_BYTES: usize = 3;

impl World<'_> {
    /// A stream writes what its session has to say.
    pub(crate) fn poll_stream(&mut self, key: ConnectionKey) {
        loop {
            let connection = &mut self.connections[key];
            let server = &mut connection.server;
            let Some(ticket) = server.held.filter(|_| connection.server_open && server.writing.is_none()) else {
                return;
            };
            let written = std::mem::take(&mut server.lent);
            match self.take(key, written) {
                Take::Pending => return,
                Take::Beat => self.beat(key),
                Take::Frame { frame, lent, last, event_id, .. } => {
                    let server = &mut self.connections[key].server;
                    // With the last, the ticket goes with the write.
                    (server.held, server.lent) = (Some(ticket).filter(|_| !last), lent && !last);
                    let lent = if lent && last { vec![ticket] } else { Vec::new() };
                    self.taken(key, &frame, last, event_id, lent);
                }
                Take::Released => {
                    self.connections[key].server.held = None;
                    let session = self.connections[key].session.clone();
                    return self.response_is_complete(key, session.as_deref());
                }
                Take::Close(reason) => return self.stream_breaks_off(key, reason),
            }
        }
    }

    fn beat(&mut self, key: ConnectionKey) {
        self.note(format_args!("{key} beats"));
        self.happened.beats += 1;
        let verdict = self.model.beat(self.now, key);
        self.expect(verdict);
        let session = self.connections[key].session.clone();
        let piece = Piece { messages: Rc::new([]), session, length: BEAT_BYTES, last: false, event_id: None };
        self.begin_write(key, Write { piece: Rc::new(piece), taken: 0, lent: Vec::new() });
    }

    /// Without a reply: since a newer connection did not wait any longer for what is written here, or its shard is lost.
    fn stream_breaks_off(&mut self, key: ConnectionKey, reason: CloseReason) {
        let server = &mut self.connections[key].server;
        server.held = None;
        let verdict = match reason {
            CloseReason::Cut if !server.gives_up => Ok(()),
            _ => self.model.broken_off(key),
        };
        self.expect(verdict);
        self.server_closes(key);
    }
}
