//! The smaller fields of a message: id, subscription, connection type.

use crate::Json;

/// `id`: text or number, echoed in kind (BX-FLD-17). At most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MessageId {
    /// A JSON string.
    Text(Box<str>),
    /// A JSON number, in its own spelling.
    Number(Box<str>),
}

/// `subscription`: one channel or several, echoed in the shape in which it came (BX-SB-5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// A JSON string.
    One(Box<str>),
    /// A JSON array of strings.
    Many(Vec<Box<str>>),
    /// Anything else: refused, and echoed all the same.
    Other(Json),
}

impl Subscription {
    /// The channels, as they came; none if it is of the wrong type.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all: &[Box<str>] = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
            Self::Other(_) => &[],
        };
        all.iter().map(|text| &**text)
    }
}

/// A connection type (BX-CN-9). Open: an unknown one survives a round trip.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionType {
    /// `long-polling`
    LongPolling,
    /// `callback-polling`
    CallbackPolling,
    /// `websocket`
    WebSocket,
    /// `eventsource`
    EventSource,
    /// `xhr-streaming`
    XhrStreaming,
    /// `iframe`
    Iframe,
    /// `flash`
    Flash,
    /// Any other.
    Other(Box<str>),
}

impl ConnectionType {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::LongPolling => "long-polling",
            Self::CallbackPolling => "callback-polling",
            Self::WebSocket => "websocket",
            Self::EventSource => "eventsource",
            Self::XhrStreaming => "xhr-streaming",
            Self::Iframe => "iframe",
            Self::Flash => "flash",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for ConnectionType {
    fn from(name: &str) -> Self {
        match name {
            "long-polling" => Self::LongPolling,
            "callback-polling" => Self::CallbackPolling,
            "websocket" => Self::WebSocket,
            "eventsource" => Self::EventSource,
            "xhr-streaming" => Self::XhrStreaming,
            "iframe" => Self::Iframe,
            "flash" => Self::Flash,
            other => Self::Other(other.into()),
        }
    }
}
