//! What happened in a run with many clients: who asked for what and when, and which events came to whom. Nothing here judges.

use std::fmt::{Display, Formatter};

/// A moment, in nanoseconds since the run began.
pub(super) type Tick = u64;

/// A whole run.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    /// Requests, for each client in the order in which it sent them.
    pub(super) requests: Vec<Request>,
    /// Events, for each client in the order in which they came.
    pub(super) arrivals: Vec<Arrival>,
    /// When a client's connections were cut.
    pub(super) gaps: Vec<Gap>,
}

/// A request of a client.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) client: usize,
    pub(super) what: What,
    pub(super) sent: Tick,
    pub(super) reply: Reply,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Subscribe(String),
    Unsubscribe(String),
    Publish { channel: String, number: u64 },
    Disconnect,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Granted(Tick),
    Refused,
    /// A publish to a server that answers none.
    Unanswered,
    /// No reply, so it may have had its effect or not.
    Unknown,
}

/// An event that came.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) client: usize,
    pub(super) channel: String,
    pub(super) number: u64,
    pub(super) at: Tick,
    /// When the request was sent whose response brought it; none on a WebSocket, where all that comes is in one order.
    pub(super) asked: Option<Tick>,
}

/// A time in which a client's connections were cut: what was published then may be lost to it.
#[derive(Debug, Clone)]
pub(super) struct Gap {
    pub(super) client: usize,
    pub(super) from: Tick,
    pub(super) to: Tick,
}

/// Something that must not have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Breach {
    Lost { client: usize, channel: String, number: u64 },
    Doubled { client: usize, channel: String, number: u64 },
    Leaked { client: usize, channel: String, number: u64 },
    Invented { client: usize, channel: String, number: u64 },
    Swapped { client: usize, channel: String, first: u64, second: u64 },
}

impl Request {
    /// The moment from which on it certainly had its effect.
    pub(super) fn done(&self) -> Tick {
        match self.reply {
            Reply::Granted(at) => at,
            Reply::Refused | Reply::Unanswered | Reply::Unknown => Tick::MAX,
        }
    }
}

impl Display for Breach {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost { client, channel, number } => {
                write!(out, "client {client} was subscribed to {channel} and did not get event {number}")
            }
            Self::Doubled { client, channel, number } => {
                write!(out, "client {client} got event {number} on {channel} more than once")
            }
            Self::Leaked { client, channel, number } => {
                write!(out, "client {client} got event {number} on {channel}, to which it was not subscribed")
            }
            Self::Invented { client, channel, number } => {
                write!(out, "client {client} got event {number} on {channel}, which nobody published there")
            }
            Self::Swapped { client, channel, first, second } => {
                write!(out, "client {client} got event {second} on {channel} before {first} of the same publisher")
            }
        }
    }
}
