//! `State`: how the connection is, and why.

use std::{fmt, time::Duration};

use bayeux_protocol::ConnectionType;

use crate::error::{NetworkFault, Refusal, StopReason};

/// How the connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A session is being made.
    Connecting,
    /// Connected: what is published arrives.
    Connected {
        /// By this transport.
        transport: ConnectionType,
    },
    /// Connected by long-polling, since a better transport does not work at present; it is tried again.
    Degraded {
        /// What it failed of.
        why: NetworkFault,
    },
    /// Not connected; the next attempt is after this pause.
    Retrying {
        /// The pause.
        after: Duration,
        /// Why it is not connected.
        why: Trouble,
    },
    /// Nothing more happens, unless the application asks for it.
    Stopped(StopReason),
}

/// Why a client is not connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The network, or what came over it.
    Network(NetworkFault),
    /// The server refused a handshake or a connect, with or without a reason.
    Refused(Refusal),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(fault) => fault.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Connected { transport } => write!(f, "connected by {}", transport.as_str()),
            Self::Degraded { why } => write!(f, "connected by long-polling, since a better transport failed: {why}"),
            Self::Retrying { after, why } => write!(f, "trying again in {:.1} s: {why}", after.as_secs_f64()),
            Self::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}
