//! What can go wrong, by whose fault it is, and what was being done.

use std::fmt;

use bayeux_protocol::{ChannelError, Message};

/// An error of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The application's: what it asked for can't be done.
    #[error("{doing}: {fault}")]
    Application {
        /// What was being done.
        doing: Doing,
        /// What is wrong with it.
        fault: ApplicationFault,
    },
    /// The server's: it was asked, and refused.
    #[error("{doing}: {refusal}")]
    Server {
        /// What was being done.
        doing: Doing,
        /// What it said.
        refusal: Refusal,
    },
    /// The network's: no answer came that could be read. Whether the request had an effect is not known.
    #[error("{doing}: {fault}")]
    Network {
        /// What was being done.
        doing: Doing,
        /// What happened.
        fault: NetworkFault,
    },
}

/// What a call was doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Making a client.
    Building,
    /// Getting connected.
    Connecting,
    /// Subscribing to this channel or pattern.
    Subscribing(Box<str>),
    /// Unsubscribing from it.
    Unsubscribing(Box<str>),
    /// Publishing to this channel.
    Publishing(Box<str>),
    /// Calling this service.
    Calling(Box<str>),
    /// Reading what came on this channel.
    Reading(Box<str>),
    /// Disconnecting.
    Disconnecting,
}

/// What an application asked for that can't be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplicationFault {
    /// It is no channel name or pattern.
    #[error("{0}")]
    Channel(#[from] ChannelError),
    /// It is a channel of another kind than the call is for.
    #[error("this channel is not for that")]
    WrongKind,
    /// The value is no JSON, or not of the wanted type.
    #[error("the value does not fit: {0}")]
    Value(Box<str>),
    /// The URL, a header or another option.
    #[error("{0}")]
    Option(Box<str>),
    /// As many messages as may wait are waiting to be sent.
    #[error("the queue of what waits to be sent is full")]
    QueueFull,
    /// The client has disconnected, or its server has told it not to come back.
    #[error("not connected: {0}")]
    Stopped(StopReason),
}

/// Why a client does nothing more of its own accord.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// The application wanted it.
    #[error("disconnected by the application")]
    Disconnected,
    /// The server advised `reconnect: none`, or a value that is not known (BX-ADV-5, BX-ADV-6).
    #[error("the server advised not to come back{}", .0.as_ref().map(|refusal| format!(": {refusal}")).unwrap_or_default())]
    Advised(Option<Refusal>),
    /// The server advised a negative interval: no connects, but what comes over a WebSocket is still read (BX-ADV-8).
    #[error("the server advised not to connect")]
    NegativeInterval,
    /// Client and server have no transport in common (BX-CN-9).
    #[error("the server offers no transport that this client has")]
    NoCommonTransport,
    /// All handles were dropped.
    #[error("all handles of the client were dropped")]
    Dropped,
}

/// What a server said as it refused, in the parts of `code:args:text` (BX-FLD-12). For people: nothing is decided by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The three digits, if the error has such a form.
    pub code: Option<u16>,
    /// What stands between the colons.
    pub args: Vec<Box<str>>,
    /// The text behind them, or all of it.
    pub text: Box<str>,
}

/// What happened on the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkFault {
    /// No connection could be made, or it broke.
    #[error("the connection failed: {0}")]
    Connection(Box<str>),
    /// An HTTP status other than success.
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// What came is no batch of messages (BX-CLI-1).
    #[error("the answer can't be read: {0}")]
    Unreadable(Box<str>),
    /// The source of tokens has failed.
    #[error("no token could be had: {0}")]
    Token(Box<str>),
    /// More came than the limits allow.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// An answer came, without the reply to this request.
    #[error("the answer has no reply to this request")]
    NoReply,
    /// Nothing came in time (BX-CLI-2).
    #[error("no answer came in time")]
    Timeout,
    /// The WebSocket was closed, with this code if there was one.
    #[error("the WebSocket was closed{}", .0.map(|code| format!(" with code {code}")).unwrap_or_default())]
    SocketClosed(Option<u16>),
}

impl Refusal {
    pub(crate) fn of(reply: &Message) -> Self {
        Self::read(reply.error.as_deref().unwrap_or("refused without a reason"))
    }

    /// What a hostile server sends is cut short, so that it can be shown.
    fn read(error: &str) -> Self {
        let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(300).collect::<String>().into();
        let mut parts = error.splitn(3, ':');
        let code = parts.next().filter(|code| code.len() == 3).and_then(|code| code.parse().ok());
        match (code, parts.next(), parts.next()) {
            (Some(code), Some(args), Some(text)) => {
                let args = args.split(',').filter(|arg| !arg.is_empty()).take(16).map(shown).collect();
                Self { code: Some(code), args, text: shown(text) }
            }
            _ => Self { code: None, args: Vec::new(), text: shown(error) },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server refused: ")?;
        if let Some(code) = self.code {
            write!(f, "{code} ")?;
        }
        f.write_str(&self.text)?;
        if self.args.is_empty() { Ok(()) } else { write!(f, " ({})", self.args.join(", ")) }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Building => f.write_str("making the client"),
            Self::Connecting => f.write_str("connecting"),
            Self::Subscribing(channel) => write!(f, "subscribing to {channel}"),
            Self::Unsubscribing(channel) => write!(f, "unsubscribing from {channel}"),
            Self::Publishing(channel) => write!(f, "publishing to {channel}"),
            Self::Calling(channel) => write!(f, "calling {channel}"),
            Self::Reading(channel) => write!(f, "reading what came on {channel}"),
            Self::Disconnecting => f.write_str("disconnecting"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bx_fld_12_an_error_is_read_in_its_parts_and_anything_else_as_it_is() {
        let read = Refusal::read("403:/a/b,x:subscribe_denied");
        assert_eq!((read.code, read.args.join(" "), &*read.text), (Some(403), "/a/b x".to_owned(), "subscribe_denied"));
        assert_eq!(read.to_string(), "the server refused: 403 subscribe_denied (/a/b, x)");
        let read = Refusal::read("who are you?");
        assert_eq!((read.code, read.args.len(), &*read.text), (None, 0, "who are you?"));
        assert_eq!(Refusal::read("402::session_unknown").args.len(), 0);
        assert_eq!(Refusal::read(&"x\u{7}".repeat(5000)).text.len(), 300);
    }

    #[test]
    fn each_error_says_what_was_being_done() {
        let error = Error::Network { doing: Doing::Publishing("/a".into()), fault: NetworkFault::Timeout };
        assert_eq!(error.to_string(), "publishing to /a: no answer came in time");
    }
}
