//! What was sent and is to be answered.

use bayeux_protocol::{ChannelName, ChannelPattern, Json, Message, MetaChannel, Subscription};

use crate::error::Doing;

use super::{ConnectionId, RequestId, Time};

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) kind: Kind,
    /// Where the reply comes; anywhere, once a call was acknowledged and its result is still out.
    pub(super) connection: Option<ConnectionId>,
    /// When it is given up (BX-CLI-2).
    pub(super) deadline: Time,
    /// The session that it was sent in.
    pub(super) session: u64,
}

/// What kind of request, and what is needed to send it.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Handshake,
    Connect,
    Disconnect,
    Subscribe {
        pattern: ChannelPattern,
        /// Of the entry that it is for: a reply to an earlier one says nothing of a later.
        generation: u64,
    },
    Unsubscribe {
        pattern: ChannelPattern,
        request: Option<RequestId>,
    },
    Publish {
        request: RequestId,
        channel: ChannelName,
        data: Json,
        ext: Option<Json>,
        /// Whether it was refused once since its session was gone: then it had no effect, and is sent once more.
        was_refused: bool,
    },
    Call {
        request: RequestId,
        channel: ChannelName,
        data: Json,
    },
}

impl Kind {
    /// The channel of the request and of its reply.
    pub(super) fn channel(&self) -> &str {
        let meta = |meta: MetaChannel| meta.as_str().unwrap_or_default();
        match self {
            Self::Handshake => meta(MetaChannel::Handshake),
            Self::Connect => meta(MetaChannel::Connect),
            Self::Disconnect => meta(MetaChannel::Disconnect),
            Self::Subscribe { .. } => meta(MetaChannel::Subscribe),
            Self::Unsubscribe { .. } => meta(MetaChannel::Unsubscribe),
            Self::Publish { channel, .. } | Self::Call { channel, .. } => channel.as_str(),
        }
    }

    /// Whose outcome the application waits for.
    pub(super) const fn request(&self) -> Option<RequestId> {
        match self {
            Self::Publish { request, .. } | Self::Call { request, .. } => Some(*request),
            Self::Unsubscribe { request, .. } => *request,
            Self::Handshake | Self::Connect | Self::Disconnect | Self::Subscribe { .. } => None,
        }
    }

    pub(super) fn doing(&self) -> Doing {
        match self {
            Self::Handshake | Self::Connect => Doing::Connecting,
            Self::Disconnect => Doing::Disconnecting,
            Self::Subscribe { pattern, .. } => Doing::Subscribing(pattern.as_str().into()),
            Self::Unsubscribe { pattern, .. } => Doing::Unsubscribing(pattern.as_str().into()),
            Self::Publish { channel, .. } => Doing::Publishing(channel.as_str().into()),
            Self::Call { channel, .. } => Doing::Calling(channel.as_str().into()),
        }
    }

    /// Bytes of data in it.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Publish { data, channel, ext, .. } => {
                data.as_bytes().len() + channel.as_str().len() + ext.as_ref().map_or(0, |ext| ext.as_bytes().len())
            }
            Self::Call { data, channel, .. } => data.as_bytes().len() + channel.as_str().len(),
            Self::Subscribe { pattern, .. } | Self::Unsubscribe { pattern, .. } => pattern.as_str().len(),
            Self::Handshake | Self::Connect | Self::Disconnect => 0,
        }
    }

    /// The fields that are its own (BX-PB-3, BX-SB-1, BX-US-1).
    pub(super) fn message(&self) -> Message {
        let mut message = Message { channel: Some(self.channel().into()), ..Message::default() };
        match self {
            Self::Publish { data, ext, .. } => {
                (message.data, message.ext) = (Some(data.clone()), ext.clone());
            }
            Self::Call { data, .. } => message.data = Some(data.clone()),
            Self::Subscribe { pattern, .. } | Self::Unsubscribe { pattern, .. } => {
                message.subscription = Some(Subscription::One(pattern.as_str().into()));
            }
            Self::Handshake | Self::Connect | Self::Disconnect => {}
        }
        message
    }
}
