//! `Connection`: one TCP connection of a client, with both its ends, and what the kernel between them has taken.

use std::{collections::VecDeque, rc::Rc, task::Waker};

use bayeux_engine::{Carrier, Origin, ShardSet, Ticket, Time};

use crate::{
    incoming::{self, Incoming},
    message::Request,
};

/// A buffer of the kernel that holds whatever is written.
pub(crate) const WIDE: usize = 100_000;

/// A connection's place in the world.
pub(crate) type ConnectionKey = usize;

pub(crate) struct Connection {
    pub(crate) client: usize,
    /// The node whose front it is at.
    pub(crate) node: usize,
    /// The node whose engine its ticket, and what is lent to it, are of: that of its session.
    pub(crate) engine: usize,
    /// A WebSocket; else one request over HTTP and its response.
    pub(crate) is_socket: bool,
    /// The client last read something here.
    pub(crate) heard: Time,
    pub(crate) origin: Origin,
    /// The session that a request names, or that a socket has.
    pub(crate) session: Option<String>,
    /// Milliseconds that a message takes, from and to.
    pub(crate) latency: (u64, u64),
    /// When the last message of the client arrives: a later one doesn't overtake it.
    pub(crate) last_upload: Time,
    pub(crate) path: Path,
    pub(crate) client_open: bool,
    pub(crate) server_open: bool,
    pub(crate) server: ServerEnd,
    pub(crate) kernel: Kernel,
}

/// What happens to bytes on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Fine,
    /// They vanish, in both directions.
    Dead,
}

/// The front's state for this connection.
pub(crate) struct ServerEnd {
    pub(crate) waker: Waker,
    /// HTTP: a connect that is held, or whose response is a stream.
    pub(crate) held: Option<Ticket>,
    /// HTTP: the response is a stream.
    pub(crate) streams: bool,
    /// Batches that a socket has not read yet.
    pub(crate) unread: VecDeque<Batch>,
    pub(crate) writing: Option<Write>,
    /// Counts the writes.
    pub(crate) writes: u64,
    /// A reply that waits: until a time, or until inboxes have drained.
    pub(crate) delayed: Option<(Write, Option<Time>)>,
    /// Which shards, and of which node, the last batch was published to.
    pub(crate) published: ShardSet,
    pub(crate) published_at: usize,
    /// Socket and stream: events were lent to the bytes last written.
    pub(crate) lent: bool,
    /// A front of our own gives up a write that takes too long; mounted in actix it can't.
    pub(crate) gives_up: bool,
}

/// A batch on its way to the server.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) session: Option<String>,
    pub(crate) requests: Vec<Request>,
}

/// What is written at a time: a frame, or a stream's beat.
pub(crate) struct Piece {
    pub(crate) messages: Rc<[Incoming]>,
    pub(crate) session: Option<String>,
    pub(crate) length: usize,
    /// Over HTTP, the response ends with it.
    pub(crate) last: bool,
    /// On a stream: the number that the client may name.
    pub(crate) event_id: Option<u64>,
}

/// Bytes being written, with what is lent to them.
pub(crate) struct Write {
    pub(crate) piece: Rc<Piece>,
    pub(crate) taken: usize,
    pub(crate) lent: Vec<Ticket>,
}

/// The kernel's buffer for what the server writes, and what of it has reached the client.
pub(crate) struct Kernel {
    pub(crate) used: usize,
    pub(crate) capacity: usize,
    /// The client does not read.
    pub(crate) stalled: bool,
    /// The next bytes are on their way.
    pub(crate) moving: bool,
    /// Writes that began, the oldest first, until they have arrived whole.
    pub(crate) stream: VecDeque<Sent>,
    /// The server has closed: the client learns it after the last byte.
    pub(crate) closing: bool,
}

pub(crate) struct Sent {
    piece: Rc<Piece>,
    arrived: usize,
}

impl Piece {
    pub(crate) fn events(&self) -> Vec<u64> {
        incoming::events(&self.messages)
    }
}

impl Kernel {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { used: 0, capacity, stalled: false, moving: false, stream: VecDeque::new(), closing: false }
    }

    /// Something begins to be written.
    pub(crate) fn expect(&mut self, piece: Rc<Piece>) {
        self.stream.push_back(Sent { piece, arrived: 0 });
    }

    /// `count` bytes have reached the client: what is whole now.
    pub(crate) fn arrive(&mut self, mut count: usize) -> Vec<Rc<Piece>> {
        self.used -= count;
        let mut whole = Vec::new();
        while let Some(first) = self.stream.front_mut() {
            let part = count.min(first.piece.length - first.arrived);
            first.arrived += part;
            count -= part;
            if first.arrived < first.piece.length {
                break;
            }
            whole.extend(self.stream.pop_front().map(|sent| sent.piece));
        }
        whole
    }
}

impl Connection {
    pub(crate) const fn ticket(&self) -> Option<Ticket> {
        match self.origin.carrier {
            Carrier::Socket { ticket, .. } => ticket,
            _ => self.server.held,
        }
    }

    pub(crate) const fn set_ticket(&mut self, attached: Option<Ticket>) -> Option<Ticket> {
        match &mut self.origin.carrier {
            Carrier::Socket { ticket, .. } => std::mem::replace(ticket, attached),
            _ => std::mem::replace(&mut self.server.held, attached),
        }
    }
}
