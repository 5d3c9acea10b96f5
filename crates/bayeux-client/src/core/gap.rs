//! `Gap`: how many deliveries of the session have come, so that the server can say how many more it had handed over (BX-GAP-4).
//!
//! What comes is counted on the connection that the count was last named on; a request over HTTP is one for itself. It costs nothing,
//! so it is asked for always; with `ack` nothing is ever missing, and the reply to the handshake has that alone (BX-GAP-1).

use bayeux_protocol::{Message, MetaChannel};

use super::ConnectionId;
use crate::extension::{get_ext, set_ext};

#[derive(Debug, Default)]
pub(super) struct Gap {
    /// What has come, or was said to be missing; nothing if the server does not take part.
    count: Option<u64>,
    counts_on: Option<ConnectionId>,
}

impl Gap {
    pub(super) fn outgoing(&mut self, connection: ConnectionId, message: &mut Message) {
        let channel = message.channel.as_deref();
        if is(channel, MetaChannel::Handshake) {
            *self = Self::default();
            set_ext(message, "gap", &true.into());
        } else if is(channel, MetaChannel::Connect)
            && let Some(count) = self.count
            && self.counts_on.replace(connection) != Some(connection)
        {
            set_ext(message, "gap", &count.into());
        }
    }

    /// Returns how many deliveries are missing, if the message says so.
    pub(super) fn incoming(&mut self, connection: ConnectionId, is_socket: bool, message: &Message) -> Option<u64> {
        let channel = message.channel.as_deref();
        if is(channel, MetaChannel::Handshake) {
            let is_on = message.successful == Some(true) && get_ext(message, "gap") == Some(true.into());
            self.count = is_on.then_some(0);
            // A session that is made over a socket receives there from the start.
            self.counts_on = Some(connection).filter(|_| is_socket);
            return None;
        }
        let count = self.count.as_mut()?;
        if is(channel, MetaChannel::Connect) {
            let missing = get_ext(message, "gap")?.get("missing")?.as_u64().filter(|missing| *missing > 0)?;
            *count = count.saturating_add(missing);
            return Some(missing);
        }
        let is_delivery = message.data.is_some() && message.successful.is_none();
        *count += u64::from(is_delivery && self.counts_on == Some(connection));
        None
    }
}

fn is(channel: Option<&str>, meta: MetaChannel) -> bool {
    channel.is_some() && channel == meta.as_str()
}
