//! What goes into the core, and what comes out.

use std::{sync::Arc, time::Duration};

use bayeux_protocol::{ChannelName, ChannelPattern, ConnectionType, Json, Message};

use crate::{
    error::{Error, NetworkFault, Refusal, StopReason},
    state::State,
};

/// A moment: the time since one that the driver chose.
pub type Time = Duration;

/// Names what carries a batch: an HTTP request with its response, or a WebSocket. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Names a subscription of the application; the driver chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// Names a request of the application; the driver chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The application wants to be connected.
    Open,
    /// The application wants to be disconnected.
    Close,
    /// The application subscribes.
    Subscribe {
        /// Its name for that.
        subscription: SubscriptionId,
        /// To what.
        pattern: ChannelPattern,
    },
    /// The application gives a subscription up.
    Unsubscribe {
        /// Which.
        subscription: SubscriptionId,
        /// Finished when the server has answered, if anybody wants to know.
        request: Option<RequestId>,
    },
    /// The application publishes; several messages stay together.
    Publish(Vec<Publish>),
    /// The application calls a service.
    Call(Publish),
    /// A WebSocket has opened.
    Opened(ConnectionId),
    /// A whole response, or a whole message of a WebSocket, or a whole batch of a stream.
    Received(ConnectionId, Vec<Message>),
    /// A stream has said something that means nothing: it is alive.
    Heard(ConnectionId),
    /// A stream has come to its end.
    Ended(ConnectionId),
    /// A request or stream failed, or a WebSocket could not be opened or has ended.
    Lost(ConnectionId, NetworkFault),
    /// Time has passed.
    Time,
}

/// Something to send to a channel.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Finished with the reply.
    pub request: RequestId,
    /// Where to.
    pub channel: ChannelName,
    /// What.
    pub data: Json,
    /// What is said of it.
    pub ext: Option<Json>,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send a batch by HTTP POST. The whole response is [`Input::Received`], anything else [`Input::Lost`].
    Post {
        /// Its name.
        connection: ConnectionId,
        /// Another server than that of the URL.
        host: Option<Arc<str>>,
        /// The batch.
        batch: Vec<Message>,
    },
    /// Send a connect by a request whose response is a stream. Each batch of it is [`Input::Received`], its end [`Input::Ended`].
    Stream {
        /// Its name.
        connection: ConnectionId,
        /// Another server than that of the URL.
        host: Option<Arc<str>>,
        /// Of which type: [`ConnectionType::EventSource`] or [`ConnectionType::XhrStreaming`].
        kind: ConnectionType,
        /// The connect.
        batch: Vec<Message>,
    },
    /// Open a WebSocket.
    OpenSocket {
        /// Its name.
        connection: ConnectionId,
        /// Another server than that of the URL.
        host: Option<Arc<str>>,
    },
    /// Send a batch over a WebSocket.
    Send {
        /// Which.
        connection: ConnectionId,
        /// The batch.
        batch: Vec<Message>,
    },
    /// Nothing is expected of this connection any more: abort the request, close the WebSocket.
    Abandon(ConnectionId),
    /// Hand a message to a subscription.
    Deliver {
        /// Whose.
        subscription: SubscriptionId,
        /// The message.
        delivery: Delivery,
    },
    /// The server has confirmed a subscription.
    Subscribed(SubscriptionId),
    /// A subscription has come to nothing before it was confirmed.
    NotSubscribed(SubscriptionId, Error),
    /// Something happened to a subscription that had been confirmed.
    Interrupted(SubscriptionId, Interruption),
    /// A request is finished; with the data of its reply, where that has some.
    Finish(RequestId, Result<Option<Json>, Error>),
    /// The state of the connection is another.
    State(State),
}

/// A message that came for a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The channel that it was published to (BX-DL-4).
    pub channel: ChannelName,
    /// What was published.
    pub data: Json,
    /// What extensions of the server added.
    pub ext: Option<Json>,
}

/// Why messages may be missing from a subscription.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interruption {
    /// There was a new session: what was published between the two did not arrive (BX-CLI-4). It goes on.
    #[error("the server has lost the session; messages may be missing")]
    NewSession,
    /// So many messages were lost on the way, as a connection broke: of this subscription or of others of the client. It goes on.
    /// Servers say so that have `gap` (BX-GAP-2); with `ack` none is lost.
    #[error("{0} messages were lost on the way, of this subscription or another")]
    Missing(u64),
    /// The server has no longer what came behind the last message: what was published between the two did not arrive. It goes on.
    #[error("the server has not kept what came since; messages are missing")]
    NotKept,
    /// The subscriber was too slow, and so many of the oldest messages were dropped. It goes on.
    #[error("{0} messages were dropped, since they were not read in time")]
    Dropped(u64),
    /// The subscriber was too slow. This is the end.
    #[error("the subscription ended, since messages were not read in time")]
    Overflowed,
    /// The server refused to renew the subscription. This is the end.
    #[error("{0}")]
    Refused(Refusal),
    /// The client has stopped. This is the end.
    #[error("{0}")]
    Stopped(StopReason),
}

impl Interruption {
    /// Whether nothing comes after it.
    pub const fn is_end(&self) -> bool {
        match self {
            Self::NewSession | Self::Missing(_) | Self::NotKept | Self::Dropped(_) => false,
            Self::Overflowed | Self::Refused(_) | Self::Stopped(_) => true,
        }
    }
}
