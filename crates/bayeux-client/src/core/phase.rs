//! `Phase`: where the connection is. The diagram is that of the specification, `protocol-spec/machines/client.md`.

use crate::error::StopReason;

use super::Time;

/// What goes on. At most one handshake or connect is under way (BX-CN-3).
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing was asked for yet.
    Unconnected,
    /// A handshake waits for the WebSocket over which it is to go.
    Opening,
    /// A handshake is under way.
    Handshaking {
        /// The `id` of its message.
        id: u64,
    },
    /// A connect is under way; the server holds it for most of the time.
    Connecting {
        /// The `id` of its message.
        id: u64,
    },
    /// There is a session; the pause before its next connect runs.
    Waiting {
        /// Its end.
        until: Time,
    },
    /// There is no session; the pause before the next handshake runs.
    Rehandshaking {
        /// Its end.
        until: Time,
    },
    /// A disconnect is under way.
    Disconnecting {
        /// When it is given up.
        until: Time,
    },
    /// Only the application gets out of here.
    Stopped(StopReason),
}

impl Phase {
    /// When something happens of its own accord. What is under way has its deadline with the request.
    pub(super) const fn deadline(&self) -> Option<Time> {
        match self {
            Self::Waiting { until } | Self::Rehandshaking { until } | Self::Disconnecting { until } => Some(*until),
            Self::Unconnected
            | Self::Opening
            | Self::Handshaking { .. }
            | Self::Connecting { .. }
            | Self::Stopped(_) => None,
        }
    }

    /// The `id` of the handshake or connect that is under way.
    pub(super) const fn carrier(&self) -> Option<u64> {
        match self {
            Self::Handshaking { id } | Self::Connecting { id } => Some(*id),
            Self::Unconnected
            | Self::Opening
            | Self::Waiting { .. }
            | Self::Rehandshaking { .. }
            | Self::Disconnecting { .. }
            | Self::Stopped(_) => None,
        }
    }

    /// Whether a session's requests may be sent.
    pub(super) const fn has_session(&self) -> bool {
        match self {
            Self::Connecting { .. } | Self::Waiting { .. } | Self::Disconnecting { .. } | Self::Stopped(_) => true,
            Self::Unconnected | Self::Opening | Self::Handshaking { .. } | Self::Rehandshaking { .. } => false,
        }
    }
}
