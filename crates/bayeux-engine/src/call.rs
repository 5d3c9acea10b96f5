//! `Call` and `Answer`: what enters the engine and what comes out. Owned on both sides, so they can cross threads and nodes.

use std::{net::IpAddr, time::Duration};

use bayeux_protocol::Message;

use crate::{Frame, PumperId, Time, interest::ShardSet, store::Key};

/// A batch of messages as one connection sent it, and who that is.
#[derive(Clone, Debug)]
pub struct Call {
    /// The connection the batch came on.
    pub origin: Origin,
    /// The messages, in order.
    pub batch: Vec<Message>,
}

/// Names a connection for as long as the process lives. A request over HTTP has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

/// The browser that the BAYEUX_BROWSER cookie names: 16 random bytes, proven genuine by the server crate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BrowserId(pub [u8; 16]);

impl std::fmt::Debug for BrowserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BrowserId(..)")
    }
}

/// What the engine knows of a connection.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The connection.
    pub connection: ConnectionId,
    /// The address of its peer.
    pub peer: IpAddr,
    /// How it carries messages.
    pub carrier: Carrier,
    /// The browser it belongs to: named by its cookie, or newly named in the reply to a handshake.
    pub browser: Option<BrowserId>,
    /// When a WebSocket's upgrade named that browser, if one did; else a handshake did.
    pub browser_upgraded: Option<Time>,
    /// The shard whose worker serves this connection; new sessions are born there.
    pub shard: Option<usize>,
}

impl Origin {
    /// Whether it is a script element's request from a page of another site, whose cookie says nothing.
    pub(crate) const fn is_foreign_script(&self) -> bool {
        matches!(self.carrier, Carrier::Script { cross_site: true })
    }
}

/// How a connection carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A POST: one request, one reply; events ride on connect replies. A connect of type `xhr-streaming` opens a stream.
    Http,
    /// A GET of a script element: as a POST, but events ride on connect replies in any case.
    Script {
        /// It came from a page of another site, or may have: its cookie says nothing.
        cross_site: bool,
    },
    /// A GET whose one message is a connect of type `eventsource` or `iframe`, which opens a stream.
    Stream {
        /// `Last-Event-ID`: the number of the last batch that the client had, if it says so.
        last_event: Option<u64>,
    },
    /// A WebSocket; events are pushed.
    Socket {
        /// The ticket of the session that receives on this socket, if any.
        ticket: Option<Ticket>,
        /// When the socket was upgraded, if it came without a cookie and has adopted no session yet.
        may_adopt: Option<Time>,
    },
}

impl Carrier {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http => "long-polling",
            Self::Script { .. } => "callback-polling",
            Self::Stream { .. } => "streaming",
            Self::Socket { .. } => "websocket",
        }
    }
}

/// A connection's claim on a session's events: where the link is, and which of the links that were ever there.
/// A stale ticket does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(crate) shard: u16,
    pub(crate) link: u32,
    pub(crate) serial: u64,
}

impl Ticket {
    pub(crate) const fn key(self) -> Key {
        Key { index: self.link, serial: self.serial }
    }
}

/// What comes of a [`Call`].
#[derive(Debug, Default)]
pub struct Answer {
    /// The replies to write now: one JSON array behind [`HEADROOM`](crate::HEADROOM) free bytes; `None` when there is nothing to say yet.
    pub frame: Option<Vec<u8>>,
    /// HTTP: the batch was one connect, which is held. Poll it with [`Engine::take`](crate::Engine::take).
    pub held: Option<Ticket>,
    /// HTTP: the connect has opened a stream. Ask [`Engine::take`](crate::Engine::take) for what is written to it until that says
    /// `last`; the reply to the connect comes first.
    pub stream: Option<Ticket>,
    /// HTTP: events lent to `frame`. Each is to be [confirmed](crate::Engine::confirm) when the frame is written, or
    /// [cancelled](crate::Engine::cancel).
    pub lent: Vec<Ticket>,
    /// Socket: a session that now receives on this connection. Replaces the earlier ticket, which is to be cancelled.
    pub attached: Option<Ticket>,
    /// Socket: the connection took over a session by the adoption rule, or has made one; it may not take over another.
    pub adopted: bool,
    /// A handshake succeeded: over HTTP the reply has to set the browser cookie.
    pub handshaken: bool,
    /// The shards that messages of the batch were published to: while one of them [lags behind](crate::Engine::is_paused),
    /// the connection is neither answered nor read.
    pub published: ShardSet,
    /// The frame is not to be written before this time: the session asks for empty replies too often.
    pub not_before: Option<Time>,
}

/// What a held connect or a socket is to write next.
#[derive(Debug)]
pub enum Take {
    /// Nothing now; the waker given is fired when there is.
    Pending,
    /// Write this JSON array.
    Frame {
        /// The bytes, behind [`HEADROOM`](crate::HEADROOM) free ones.
        frame: Frame,
        /// Whether it carries events: then confirm when it is written, or cancel.
        lent: bool,
        /// Whether the link is over with this frame (always so for a held connect; with `lent`, once confirmed).
        last: bool,
        /// The pumper that had [marked](crate::Pumper::mark) when the youngest of its events was delivered, after it was published;
        /// if one had. What that pumper's caller learnt of this connection in between is no older than the events.
        marked: Option<PumperId>,
        /// On a stream: the number that the client may name as `Last-Event-ID`, if one has a meaning to this session.
        event_id: Option<u64>,
        /// On a stream that ends: when its client is to come again, if not after the usual interval.
        retry: Option<Duration>,
    },
    /// A stream was silent for long: write something that means nothing.
    Beat,
    /// The link is over without a word: a socket stays open for a new handshake.
    Released,
    /// Close the connection.
    Close(CloseReason),
}

/// Why the engine wants a connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The session expired or overflowed while the socket was silent.
    SessionEnded,
    /// A write took too long and a newer connection has taken over.
    Cut,
    /// The server shuts down.
    ShuttingDown,
}
