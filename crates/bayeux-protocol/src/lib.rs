//! Messages of Bayeux 1.0 and their bytes.
//!
//! # Bayeux in one page
//!
//! A client and a server exchange JSON messages, in arrays, over HTTP or WebSocket. Each message names a *channel*:
//!
//! - `/meta/handshake` makes a session; the reply carries a `clientId`, which every later message repeats.
//! - `/meta/connect` keeps it: over HTTP the server holds it until there are events, then the client sends the next one.
//! - `/meta/subscribe` and `/meta/unsubscribe` name channels or patterns (`/chat/*`: one segment more, `/chat/**`: any).
//! - Any other channel is published to: `{"channel":"/chat/lobby","data":…}`. Subscribers get `channel` and `data`.
//!   `/service/…` goes to the server alone.
//! - `/meta/disconnect` ends the session.
//!
//! Replies say `successful`, and `advice` tells the client how to go on: `retry`, `handshake` or `none`.
//!
//! # What is here
//!
//! Pure data and one codec, shared by server and clients. In reading order: [`ChannelName`] and [`ChannelPattern`] (what a
//! channel is), [`MatchKeys`] (which patterns match), [`Message`] with its fields, [`Advice`], [`error_code`], then
//! [`decode_batch`] and [`encode_batch`]. `BX-…` names clauses of the protocol specification.

mod advice;
mod channel;
mod codec;
mod error;
pub mod error_code;
mod ext;
mod fields;
mod json;
mod limits;
mod matching;
mod message;
mod version;

pub use advice::{Advice, Reconnect};
pub use channel::{ChannelKind, ChannelName, ChannelPattern, Grammar, MetaChannel, Wildcard};
pub use codec::{
    decode::decode_batch,
    encode::{encode_batch, encode_connect_reply, encode_delivery_head, write_json_string},
};
pub use error::{ChannelError, DecodeError};
pub use error_code::{ErrorCode, ErrorText};
pub use ext::{ConnectExt, Ext, ExtValue};
pub use fields::{ConnectionType, MessageId, Subscription};
pub use json::Json;
pub use limits::{ChannelRules, DecodeLimits, MAX_ADVICE_SECTIONS, MAX_FIELDS, MAX_ID_BYTES};
pub use matching::MatchKeys;
pub use message::{FieldFault, Message};
pub use version::Version;
