//! `ServerStats`: what the transports refused and opened, counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

bayeux_engine::counters! {
    /// Counters of the transports since the server was built.
    ServerStats, read from ServerCounters {
        /// HTTP requests that carried messages.
        requests,
        /// WebSockets opened.
        sockets_opened,
        /// WebSockets closed.
        sockets_closed,
        /// WebSockets closed since they had no session in time.
        sockets_without_session,
        /// Requests and upgrades refused since they came from a foreign site (403).
        cross_site_refused,
        /// Upgrades refused since they asked for no WebSocket of version 13 (400, 426).
        upgrades_refused,
        /// Requests refused for their method (405).
        methods_refused,
        /// Request bodies that were no Bayeux batch, or badly framed, and queries that could not be served (400).
        bodies_malformed,
        /// Request bodies over the limit (413).
        bodies_too_large,
        /// Request bodies of a type or encoding that is not accepted (415).
        bodies_unsupported,
        /// WebSockets closed for what they sent: 1002, 1003, 1007, 1008 or 1009.
        sockets_refused,
        /// Of these, the ones closed for their frames; the others for what a message said.
        frames_refused,
        /// Held connects whose peer vanished.
        polls_abandoned,
        /// Streams whose peer vanished or did not read.
        streams_abandoned,
        /// Connections refused since there were too many (503).
        connections_refused,
        /// Connections closed since no TLS connection came of them in time, or at all.
        handshakes_failed,
        /// Connections closed since no request, or not all of its head, came in time (408).
        heads_timed_out,
        /// Connections closed since a request's head was malformed or too large (400, 417 or 431).
        heads_malformed,
        /// Connections closed since a request's body did not come in time (408).
        bodies_timed_out,
        /// Connections closed since a write was not taken in time.
        writes_timed_out,
    }
}

impl ServerCounters {
    /// WebSockets opened and not closed.
    pub(crate) fn open_sockets(&self) -> u64 {
        self.sockets_opened.load(Relaxed).saturating_sub(self.sockets_closed.load(Relaxed))
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
