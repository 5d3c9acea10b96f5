//! `Choice`: which transport carries the session.
//!
//! Long-polling always can. A WebSocket is opened beside it and takes over with the same `clientId` (BX-WS-1). If it fails, it
//! is only blamed once long-polling has worked after that: else it was the network, and no reason to wait longer.

use std::time::Duration;

use crate::error::NetworkFault;

use super::{ConnectionId, Time, Transports};

/// A WebSocket that ends earlier is no good sign.
const GOOD_LIFE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Choice {
    transports: Transports,
    socket: Socket,
    /// How often it was blamed since it last was good.
    failures: u32,
    /// What the last one failed of, if the session goes without one for that reason.
    blame: Option<NetworkFault>,
    /// Whether one has ever worked.
    has_worked: bool,
    chance: fastrand::Rng,
}

#[derive(Debug)]
enum Socket {
    /// Not wanted, or not offered by the server.
    Off,
    /// There is none at present.
    Closed {
        retry_at: Time,
        /// What it failed of, if it is not clear yet whether that was its own fault.
        suspicion: Option<NetworkFault>,
    },
    /// It is being opened.
    Opening { id: ConnectionId, until: Time },
    /// It is open, and no connect was answered over it yet.
    Unproven { id: ConnectionId },
    /// It works.
    Proven { id: ConnectionId, since: Time },
}

impl Choice {
    pub(super) fn new(transports: Transports, seed: u64) -> Self {
        let chance = fastrand::Rng::with_seed(seed);
        let mut choice = Self { transports, socket: Socket::Off, failures: 0, blame: None, has_worked: false, chance };
        choice.offer(true);
        choice
    }

    /// Whether the server offers WebSocket. Returns a socket that is of no use any more.
    pub(super) fn offer(&mut self, is_offered: bool) -> Option<ConnectionId> {
        let is_wanted = match self.transports {
            Transports::MoveUp | Transports::WebSocketFirst => is_offered,
            Transports::LongPolling | Transports::EventSource | Transports::XhrStreaming => false,
        };
        match (&self.socket, is_wanted) {
            (Socket::Off, true) => self.socket = Socket::Closed { retry_at: Time::ZERO, suspicion: None },
            (_, true) | (Socket::Off, false) => {}
            (_, false) => return std::mem::replace(&mut self.socket, Socket::Off).id(),
        }
        None
    }

    /// The socket that carries the session.
    pub(super) const fn socket(&self) -> Option<ConnectionId> {
        match self.socket {
            Socket::Unproven { id } | Socket::Proven { id, .. } => Some(id),
            Socket::Off | Socket::Closed { .. } | Socket::Opening { .. } => None,
        }
    }

    pub(super) const fn is_opening(&self) -> bool {
        matches!(self.socket, Socket::Opening { .. })
    }

    pub(super) const fn is_proven(&self) -> bool {
        matches!(self.socket, Socket::Proven { .. })
    }

    /// Whether a handshake is to go over a socket that has to be opened for it.
    pub(super) fn opens_first(&self, now: Time) -> bool {
        matches!(self.transports, Transports::WebSocketFirst) && self.is_due(now)
    }

    /// Whether it is time to open one.
    pub(super) fn is_due(&self, now: Time) -> bool {
        matches!(self.socket, Socket::Closed { retry_at, suspicion: None } if retry_at <= now)
    }

    /// When something happens of its own accord.
    pub(super) const fn deadline(&self, may_open: bool) -> Option<Time> {
        match self.socket {
            Socket::Opening { until, .. } => Some(until),
            Socket::Closed { retry_at, suspicion: None } if may_open => Some(retry_at),
            _ => None,
        }
    }

    pub(super) fn opening(&mut self, id: ConnectionId, until: Time) {
        self.socket = Socket::Opening { id, until };
    }

    /// Whether it is the one that was waited for.
    pub(super) fn opened(&mut self, opened: ConnectionId) -> bool {
        let is_ours = matches!(self.socket, Socket::Opening { id, .. } if id == opened);
        if is_ours {
            self.socket = Socket::Unproven { id: opened };
        }
        is_ours
    }

    /// A socket that did not open in time.
    pub(super) fn overdue(&self, now: Time) -> Option<(ConnectionId, NetworkFault)> {
        match self.socket {
            Socket::Opening { id, until } if until <= now => Some((id, NetworkFault::Timeout)),
            _ => None,
        }
    }

    /// A connect was answered over it.
    pub(super) fn proved(&mut self, now: Time) {
        if let Socket::Unproven { id } = self.socket {
            self.socket = Socket::Proven { id, since: now };
            self.has_worked = true;
            self.blame = None;
        }
    }

    /// Whether `lost` was the socket of this choice; then there is none any more.
    pub(super) fn lost(&mut self, lost: ConnectionId, fault: &NetworkFault, now: Time) -> bool {
        if self.socket.id() != Some(lost) {
            return false;
        }
        if matches!(self.socket, Socket::Proven { since, .. } if now.saturating_sub(since) >= GOOD_LIFE) {
            self.failures = 0;
        }
        self.socket = Socket::Closed { retry_at: now, suspicion: Some(fault.clone()) };
        true
    }

    /// Closes it without a reproach.
    pub(super) fn close(&mut self) -> Option<ConnectionId> {
        let id = self.socket.id()?;
        self.socket = Socket::Closed { retry_at: Time::ZERO, suspicion: None };
        Some(id)
    }

    /// What a socket failed of that is not tried again at once.
    pub(super) const fn blame(&self) -> Option<&NetworkFault> {
        self.blame.as_ref()
    }

    /// Long-polling works: a socket that has failed is to blame. One that had worked is tried again at once.
    pub(super) fn polling_works(&mut self, now: Time) {
        let Socket::Closed { suspicion, retry_at } = &mut self.socket else { return };
        let Some(fault) = suspicion.take() else { return };
        self.failures = self.failures.saturating_add(1);
        if self.has_worked && self.failures == 1 {
            *retry_at = now;
            return;
        }
        let bound = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        let half = u64::try_from(bound.as_millis() / 2).unwrap_or(u64::MAX / 2);
        *retry_at = now + bound / 2 + Duration::from_millis(self.chance.u64(0..=half));
        self.blame = Some(fault);
    }

    /// Long-polling does not work either: it was not the socket's fault.
    pub(super) fn polling_fails(&mut self) {
        if let Socket::Closed { suspicion, .. } = &mut self.socket {
            *suspicion = None;
        }
    }
}

impl Socket {
    const fn id(&self) -> Option<ConnectionId> {
        match self {
            Self::Opening { id, .. } | Self::Unproven { id } | Self::Proven { id, .. } => Some(*id),
            Self::Off | Self::Closed { .. } => None,
        }
    }
}
