//! `Link`: a connection's end of a session: the connect it holds, the events lent to it, and how it ended.

use std::{task::Waker, time::Duration};

use bayeux_protocol::MessageId;

use crate::{
    ClientId, CloseReason, ConnectionId, Time, browsers::Place, inbox::Position, reply::ConnectReply,
    session::SessionKey, store::Key,
};

/// A link's place in its shard.
pub(crate) type LinkKey = Key;

pub(crate) struct Link {
    pub(crate) session: SessionKey,
    /// For the replies after the session is gone.
    pub(crate) client: ClientId,
    pub(crate) connection: ConnectionId,
    pub(crate) kind: LinkKind,
    pub(crate) phase: Phase,
    /// A connect that is not answered yet.
    pub(crate) connect: Option<HeldConnect>,
    /// What a connect asked that came on this connection, until the reply to one tells.
    pub(crate) gap: GapAsked,
    /// Events that are being written to the connection.
    pub(crate) lent: Option<Lent>,
    pub(crate) waker: Option<Waker>,
}

impl Link {
    /// Whether its one connect was answered: it is over once that is written.
    pub(crate) const fn is_answered(&self) -> bool {
        !matches!(self.kind, LinkKind::Socket) && self.connect.is_none()
    }

    /// What the connect that it holds is answered, by now.
    pub(crate) fn reply(&self) -> Option<ConnectReply> {
        let held = self.connect.as_ref()?;
        Some(match self.phase {
            Phase::Ended(Ending::ShuttingDown(interval)) => ConnectReply::ShuttingDown(interval),
            Phase::Receiving | Phase::Superseded | Phase::Ended(_) => ConnectReply::of(held),
        })
    }

    /// What the connection was given already, of what may still be in the outbox.
    pub(crate) const fn sent(&self) -> Position {
        match &self.kind {
            LinkKind::Stream(stream) => stream.through,
            LinkKind::Poll | LinkKind::Socket => Position(0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lent {
    /// The last of them.
    pub(crate) through: Position,
    /// Bytes of the frame, if it is the connection's own.
    pub(crate) bytes: usize,
    /// A connect was answered behind them, in the same frame.
    pub(crate) answers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// One HTTP connect: over with its reply.
    Poll,
    /// A WebSocket: events are pushed; connects come and go.
    Socket,
    /// One HTTP connect whose response is a stream: events are pushed, until it ends with a second reply (BX-ST-2).
    Stream(Stream),
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// The reply that comes first was written.
    pub(crate) opened: bool,
    /// If nothing is written by then, something that means nothing is.
    pub(crate) beat: Time,
    /// Bytes before it ends.
    pub(crate) left: usize,
    /// With `ack`: what was written here goes no second time.
    pub(crate) through: Position,
}

/// ```text
///   Receiving ──newer connect──▶ Superseded ──answered──▶ (gone)
///       └────────session over, cut, shutdown──▶ Ended ──told──▶ (gone)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The session's events come here, at once or when an older connection has finished.
    Receiving,
    /// A newer connection receives. A connect still open here is answered without events.
    Superseded,
    /// Nothing more comes.
    Ended(Ending),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client disconnected.
    Disconnected,
    /// The session was exported: the client's next connect goes to where it is then.
    Moved,
    /// The session expired, overflowed or was lost.
    SessionGone,
    /// Its write took too long.
    Cut,
    /// The server shuts down; come back after this time.
    ShuttingDown(Duration),
}

impl Ending {
    pub(crate) const fn close_reason(self) -> Option<CloseReason> {
        match self {
            Self::Disconnected | Self::Moved => None,
            Self::SessionGone => Some(CloseReason::SessionEnded),
            Self::Cut => Some(CloseReason::Cut),
            Self::ShuttingDown(_) => Some(CloseReason::ShuttingDown),
        }
    }
}

#[derive(Debug)]
pub(crate) struct HeldConnect {
    pub(crate) id: Option<MessageId>,
    /// Answered by then, events or not.
    pub(crate) due: Time,
    /// The server shuts down: come back after this time.
    pub(crate) leaving: Option<Duration>,
    /// Others of its browser hold connects, and there is no place for this one.
    pub(crate) crowded: bool,
    /// What waits is no reason to answer it before its time: the session asks for the same again and again.
    pub(crate) paced: bool,
    /// Its place among those of its browser.
    pub(crate) place: Option<Place>,
}

/// Whether the client is to be told how many deliveries are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GapAsked {
    No,
    /// It has received so many; what is missing is known once no older connection writes.
    Received(u64),
    /// So many are missing.
    Missing(u64),
}

impl GapAsked {
    /// What the reply to a connect tells; told once.
    pub(crate) const fn tell(&mut self) -> Option<u64> {
        match *self {
            Self::Missing(missing) => {
                *self = Self::No;
                Some(missing)
            }
            Self::No | Self::Received(_) => None,
        }
    }
}
