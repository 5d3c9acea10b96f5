//! `StartError`: why a server could not be built.

/// Why [`Bayeux::new`](crate::Bayeux::new) failed. All of it is the operator's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// `browser_cookie_name` is no cookie name.
    #[error("browser_cookie_name {0:?} is not a cookie name: use letters, digits, `-` and `_`")]
    CookieName(String),
    /// A message of `max_bytes` does not fit where it has to wait.
    #[error(
        "a message may have {message} bytes (max_message_size), but {option} lets only {room} wait: raise the one or lower the other"
    )]
    NoRoomForAMessage {
        /// The size of a message, with what the server adds.
        message: usize,
        /// `max_queue_bytes` or `max_inbox_bytes`.
        option: &'static str,
        /// Its value.
        room: usize,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Randomness(String),
}
