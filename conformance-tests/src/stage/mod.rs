//! The suite as a server: what it does to a client, and what it sees of it.
//!
//! A [`Host`] listens; the first segment of a path names the stage of one case. A stage's connections (`connection`,
//! `socket`) read what the client sends and put each message into the stage's inbox. One task, the `script`, takes
//! them out in the order in which they came, decides how each is answered, and so never races with what the case is
//! waiting for. Where the case says nothing, `sessions` answers as a correct server does. `watch` looks at every
//! message.

mod answering;
mod connection;
mod host;
mod outgoing;
mod play;
mod probe;
mod program;
mod reports;
mod script;
mod sessions;
mod socket;
#[cfg(test)]
mod tests;
mod watch;

pub use host::Host;
pub use play::{Actor, Played, play};
pub use probe::discover;

use crate::json::Json;
use crate::observer::{Observer, Witness};
use crate::peer::Transport;
use crate::transcript::{Direction, Transcript};
use outgoing::Outgoing;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::sync::{Notify, mpsc, oneshot, watch as notice};
use tokio::time::Instant;
use watch::Watch;

/// How many messages may wait for the script; then connections are not read any further.
const INBOX: usize = 256;

/// The name under which transcripts show the client.
const CLIENT: &str = "client";

/// What the connections of one case share.
pub(crate) struct Stage {
    transport: Transport,
    transcript: Transcript,
    watch: RefCell<Watch>,
    inbox: mpsc::Sender<Arrival>,
    connections: Cell<usize>,
    attempts: Cell<u64>,
    begun: Notify,
    ending: notice::Sender<Ending>,
}

/// How connections are to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// They are not.
    Open,
    /// By a reset, as long as this stands.
    Down,
    /// Those that there are, by a reset.
    Reset,
    /// Those that there are: WebSockets by this code.
    Code(u16),
}

/// What a connection puts into the inbox.
enum Arrival {
    /// A message.
    Message(Box<Arrived>),
    /// The connection of this number has ended.
    Gone(usize),
}

/// A message, or a request for a WebSocket, and where its answer goes.
struct Arrived {
    at: Instant,
    message: Json,
    /// The request that brought it, for patterns.
    request: Json,
    connection: usize,
    over: Transport,
    /// How many messages its batch has.
    batch: usize,
    slot: Slot,
}

/// Where an answer goes.
enum Slot {
    Once(oneshot::Sender<Outgoing>),
    Socket(mpsc::UnboundedSender<Outgoing>),
}

impl Slot {
    /// Hands the answer over; a connection that has gone does not want it any more.
    fn send(self, outgoing: Outgoing) {
        match self {
            Self::Once(slot) => drop(slot.send(outgoing)),
            Self::Socket(socket) => drop(socket.send(outgoing)),
        }
    }
}

impl Stage {
    fn new(transport: Transport, observer: Rc<Observer>, name: String) -> (Rc<Self>, mpsc::Receiver<Arrival>) {
        let (inbox, arrivals) = mpsc::channel(INBOX);
        let transcript = Transcript::new();
        let witness = Witness::new(Some(observer), name, transcript.clone());
        let stage = Self {
            transport,
            transcript,
            watch: RefCell::new(Watch::new(witness)),
            inbox,
            connections: Cell::new(0),
            attempts: Cell::new(0),
            begun: Notify::new(),
            ending: notice::Sender::new(Ending::Open),
        };
        (Rc::new(stage), arrivals)
    }

    fn next_connection(&self) -> usize {
        self.connections.set(self.connections.get() + 1);
        self.begun.notify_one();
        self.connections.get()
    }

    fn received(&self, connection: usize, bytes: &[u8]) {
        self.transcript.add(CLIENT, connection, Direction::Received, bytes);
    }

    fn sent(&self, connection: usize, bytes: &[u8]) {
        self.transcript.add(CLIENT, connection, Direction::Sent, bytes);
    }

    fn note(&self, text: impl AsRef<str>) {
        self.transcript.note(CLIENT, text);
    }
}
