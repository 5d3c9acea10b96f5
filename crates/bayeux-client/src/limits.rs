//! `Limits`: what a server may send, so that a hostile one can't exhaust its clients (BX-HRD-6).

use bayeux_protocol::DecodeLimits;

/// The most that a server may send at a time. What is over a limit is a failure of the network.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a response or of a message of a WebSocket. Default 16 MiB.
    pub max_bytes: usize,
    /// Messages in one. Default 10,000.
    pub max_messages: usize,
    /// Nesting of a message. Default 64; never more than 128.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 16 * 1024 * 1024, max_messages: 10_000, max_depth: 64 }
    }
}

impl From<Limits> for DecodeLimits {
    fn from(limits: Limits) -> Self {
        Self { max_bytes: limits.max_bytes, max_messages: limits.max_messages, max_depth: limits.max_depth }
    }
}
