//! What a peer may send: sizes, counts and depth (BX-HRD-6).

use crate::Grammar;

/// Limits of one batch, checked while it is decoded. What is over a limit is refused whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of the batch. Default 64 KiB.
    pub max_bytes: usize,
    /// Messages in it. Default 1,024.
    pub max_messages: usize,
    /// Nesting, the message object itself counted as 1. Default 32; never more than 128, whatever is set.
    pub max_depth: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024, max_messages: 1024, max_depth: 32 }
    }
}

/// What is accepted as a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelRules {
    /// The characters.
    pub grammar: Grammar,
    /// Bytes of the whole name. Default 255.
    pub max_bytes: usize,
    /// Segments. Default 16.
    pub max_segments: usize,
}

impl Default for ChannelRules {
    fn default() -> Self {
        Self { grammar: Grammar::default(), max_bytes: 255, max_segments: 16 }
    }
}

/// Nesting that is never exceeded, so that the decoder's recursion is bounded whatever the configuration says.
pub(crate) const DEPTH_CEILING: usize = 128;
/// Top-level fields of one message.
pub const MAX_FIELDS: usize = 64;
/// Bytes of a message id.
pub const MAX_ID_BYTES: usize = 255;
/// Per-transport sections of an advice.
pub const MAX_ADVICE_SECTIONS: usize = 8;
