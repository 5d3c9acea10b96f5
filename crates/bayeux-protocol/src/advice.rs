//! `Advice`: what one side tells the other about connecting (BX-ADV-*).

use crate::{ConnectionType, codec::encode::write_json_strings, message::Object};

/// `advice`, in either direction. All times are milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advice {
    /// What to do when the connection ends.
    pub reconnect: Option<Reconnect>,
    /// How long to wait before the next connect; negative: do not connect (BX-ADV-8).
    pub interval: Option<i64>,
    /// How long a connect is held; from a client, how long it wants this one held (BX-ADV-7).
    pub timeout: Option<i64>,
    /// `maxInterval`: how long a session outlives its last connect (CometD).
    pub max_interval: Option<i64>,
    /// `multiple-clients`: other sessions of this browser hold a connection (BX-ADV-10).
    pub multiple_clients: Option<bool>,
    /// Other servers to try, in order (BX-ADV-11).
    pub hosts: Option<Vec<Box<str>>>,
    /// Advice for one transport only.
    pub transports: Vec<(ConnectionType, Self)>,
}

/// `advice.reconnect`. Open: an unknown value survives, and asks for nothing (BX-ADV-6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reconnect {
    /// Connect again after the interval (BX-ADV-3).
    Retry,
    /// The session is gone: handshake (BX-ADV-4).
    Handshake,
    /// Neither (BX-ADV-5).
    None,
    /// Any other.
    Other(Box<str>),
}

impl Reconnect {
    /// The value on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Retry => "retry",
            Self::Handshake => "handshake",
            Self::None => "none",
            Self::Other(value) => value,
        }
    }
}

impl From<&str> for Reconnect {
    fn from(value: &str) -> Self {
        match value {
            "retry" => Self::Retry,
            "handshake" => Self::Handshake,
            "none" => Self::None,
            other => Self::Other(other.into()),
        }
    }
}

impl Advice {
    /// Appends the advice as a JSON object.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut object = Object { out, empty: true };
        object.text("reconnect", self.reconnect.as_ref().map(Reconnect::as_str));
        object.number("interval", self.interval);
        object.number("timeout", self.timeout);
        object.number("maxInterval", self.max_interval);
        object.flag("multiple-clients", self.multiple_clients);
        if let Some(hosts) = &self.hosts {
            object.value("hosts", |out| write_json_strings(hosts.iter().map(|host| &**host), out));
        }
        for (transport, advice) in &self.transports {
            object.value(transport.as_str(), |out| advice.encode(out));
        }
        object.end();
    }
}
