//! `DecodeError` and `ChannelError`: what a peer did wrong, and where.

/// Why a batch was refused whole. `at` is the byte offset. Nothing the peer sent is repeated but a field name, cut to 64
/// bytes and escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More bytes than allowed.
    #[error("the batch is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// More messages than allowed.
    #[error("the batch has more than {limit} messages")]
    TooManyMessages {
        /// The limit.
        limit: usize,
    },
    /// More top-level fields in one message than allowed.
    #[error("a message has more than {limit} fields at byte {at}")]
    TooManyFields {
        /// The limit.
        limit: usize,
        /// Where.
        at: usize,
    },
    /// Nested deeper than allowed.
    #[error("nested deeper than {limit} at byte {at}")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where.
        at: usize,
    },
    /// Not UTF-8.
    #[error("invalid UTF-8 at byte {at}")]
    InvalidUtf8 {
        /// Where.
        at: usize,
    },
    /// A `\u` escape that is half a character.
    #[error("a lone surrogate escape at byte {at}")]
    LoneSurrogate {
        /// Where.
        at: usize,
    },
    /// A number that no double can hold.
    #[error("a number out of range at byte {at}")]
    NumberOutOfRange {
        /// Where.
        at: usize,
    },
    /// A raw byte below 0x20 in a string.
    #[error("a raw control byte in a string at byte {at}")]
    ControlByte {
        /// Where.
        at: usize,
    },
    /// A field that occurs twice in one message.
    #[error("the field \"{field}\" occurs twice, at byte {at}")]
    DuplicateField {
        /// Where.
        at: usize,
        /// Which, cut and escaped.
        field: Box<str>,
    },
    /// The text is neither an array nor an object.
    #[error("expected an array of messages at byte {at}")]
    NotABatch {
        /// Where.
        at: usize,
    },
    /// An element of the array is no object.
    #[error("expected a message object at byte {at}")]
    NotAMessage {
        /// Where.
        at: usize,
    },
    /// Not JSON.
    #[error("expected {expected} at byte {at}")]
    Syntax {
        /// Where.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// The text ends too early.
    #[error("the text ends at byte {at}, inside a value")]
    UnexpectedEnd {
        /// Where.
        at: usize,
    },
    /// Something follows the batch.
    #[error("something follows the batch at byte {at}")]
    Trailing {
        /// Where.
        at: usize,
    },
}

/// Why a text is no channel name or pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// Nothing there.
    #[error("the channel is empty")]
    Empty,
    /// It does not begin with a slash.
    #[error("the channel does not begin with a slash")]
    NoLeadingSlash,
    /// Two slashes in a row, or nothing after the first.
    #[error("the channel has an empty segment")]
    EmptySegment,
    /// A character that is not allowed.
    #[error("the channel has a character that is not allowed at byte {at}")]
    BadCharacter {
        /// Where.
        at: usize,
    },
    /// A wildcard segment before the last.
    #[error("a wildcard is allowed only as the last segment")]
    WildcardNotLast,
    /// A wildcard segment in a name.
    #[error("a wildcard is no channel to publish to")]
    WildcardInName,
    /// Too many bytes.
    #[error("the channel is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Too many segments.
    #[error("the channel has more than {limit} segments")]
    TooManySegments {
        /// The limit.
        limit: usize,
    },
}
