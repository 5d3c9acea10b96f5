//! `Streaming`: whether the next connect opens a stream, and the one that is open.
//!
//! A stream that never says anything is suspected of being kept back by something on the way. It is only blamed once long-polling has
//! worked after that: else it was the network.

use std::time::Duration;

use bayeux_protocol::ConnectionType;

use crate::error::NetworkFault;

use super::{ConnectionId, Time, Transports};

const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// A server says something at least every 30 seconds (BX-ST-3).
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Streaming {
    kind: Option<ConnectionType>,
    is_offered: bool,
    standing: Standing,
    /// How often it was blamed since it last worked.
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
enum Standing {
    Trusted,
    /// It failed of this, and it is not clear yet whether that was its own fault.
    Suspected(NetworkFault),
    Blamed {
        why: NetworkFault,
        until: Time,
    },
}

/// The stream that is the outstanding connect.
#[derive(Debug)]
struct Open {
    connection: ConnectionId,
    /// Whether its connect was answered: it is open, and nothing keeps it back (BX-ST-10).
    is_answered: bool,
}

impl Streaming {
    pub(super) const fn new(transports: Transports) -> Self {
        let kind = match transports {
            Transports::EventSource => Some(ConnectionType::EventSource),
            Transports::XhrStreaming => Some(ConnectionType::XhrStreaming),
            Transports::MoveUp | Transports::WebSocketFirst | Transports::LongPolling => None,
        };
        Self { kind, is_offered: false, standing: Standing::Trusted, failures: 0, open: None }
    }

    /// What is to be offered to the server.
    pub(super) const fn wanted(&self) -> Option<&ConnectionType> {
        self.kind.as_ref()
    }

    /// Whether the server has it.
    pub(super) fn offer(&mut self, is_offered: impl Fn(&ConnectionType) -> bool) {
        self.is_offered = self.kind.as_ref().is_some_and(is_offered);
    }

    /// What the next connect opens, if it is to open a stream.
    pub(super) fn next(&self, now: Time) -> Option<&ConnectionType> {
        let is_usable = match self.standing {
            Standing::Trusted => true,
            Standing::Suspected(_) => false,
            Standing::Blamed { until, .. } => until <= now,
        };
        self.kind.as_ref().filter(|_| self.is_offered && is_usable)
    }

    pub(super) fn opening(&mut self, connection: ConnectionId) {
        self.open = Some(Open { connection, is_answered: false });
    }

    pub(super) fn is(&self, connection: ConnectionId) -> bool {
        self.open.as_ref().is_some_and(|open| open.connection == connection)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_answered)
    }

    /// Its connect was answered.
    pub(super) fn answered(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_answered = true;
            self.failures = 0;
            self.standing = Standing::Trusted;
        }
    }

    /// It has ended, or is given up. Returns whether this was it, and its connect was answered.
    pub(super) fn ended(&mut self, connection: ConnectionId) -> Option<bool> {
        self.open.take_if(|open| open.connection == connection).map(|open| open.is_answered)
    }

    pub(super) fn take(&mut self) -> Option<ConnectionId> {
        self.open.take().map(|open| open.connection)
    }

    /// It came to nothing before it was answered.
    pub(super) fn failed(&mut self, fault: &NetworkFault) {
        self.standing = Standing::Suspected(fault.clone());
    }

    /// Long-polling works: a stream that has failed is to blame.
    pub(super) fn polling_works(&mut self, now: Time) {
        if let Standing::Suspected(why) = &self.standing {
            let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
            self.failures = self.failures.saturating_add(1);
            self.standing = Standing::Blamed { why: why.clone(), until: now + pause };
        }
    }

    /// Long-polling does not work either: it was not the stream's fault.
    pub(super) fn polling_fails(&mut self) {
        if let Standing::Suspected(_) = self.standing {
            self.standing = Standing::Trusted;
        }
    }

    /// What a stream failed of that is not tried again at once.
    pub(super) const fn blame(&self) -> Option<&NetworkFault> {
        match &self.standing {
            Standing::Blamed { why, .. } => Some(why),
            Standing::Trusted | Standing::Suspected(_) => None,
        }
    }
}
