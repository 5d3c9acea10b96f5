//! HTTP and WebSocket as bytes, in the hands of the suite: what is sent may be malformed on purpose, and nothing is
//! retried, pooled, redirected or decompressed behind a case's back.

pub mod cookies;
pub mod framing;
pub mod http;
pub mod served;
pub mod stream;
pub mod websocket;

/// The largest head, body or frame that is read from a peer; what is larger is an error of its own.
pub const MAX_MESSAGE: usize = 64 << 20;

/// Why nothing more can be read from a connection, or written to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No connection could be made.
    #[error("can't connect: {0}")]
    Connect(String),
    /// The peer ended the connection. A reset and a plain end are one outcome.
    #[error("the connection was closed{}", if *.partial { " in the middle of a message" } else { "" })]
    Closed {
        /// Part of a message had come.
        partial: bool,
    },
    /// What came is not HTTP or not WebSocket.
    #[error("malformed: {0}")]
    Malformed(String),
    /// What came is larger than [`MAX_MESSAGE`].
    #[error("larger than {MAX_MESSAGE} bytes")]
    TooLarge,
}

impl WireError {
    fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }
}
