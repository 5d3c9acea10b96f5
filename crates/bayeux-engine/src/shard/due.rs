//! What a link has to say now, by its kind and its phase.

use super::{Env, Shard};
use crate::{
    CloseReason,
    link::{Ending, GapAsked, HeldConnect, Link, LinkKey, LinkKind, Phase, Stream},
    reply::ConnectReply,
    session::{Receiving, Session},
};

/// What a link has to say now.
pub(super) enum Due {
    Nothing,
    /// Events, if any wait, and the connect's reply, if it is time. With `last`, the link is over then.
    Events {
        reply: bool,
        last: bool,
    },
    /// The reply that a stream begins with.
    Opening,
    /// A stream was silent for long.
    Beat,
    /// A reply without events, after which the link is over.
    Last(ConnectReply),
    Released,
    Close(CloseReason),
}

impl Shard {
    pub(super) fn due(&self, env: &Env<'_>, key: LinkKey) -> Due {
        let Some(link) = self.links.get(key) else {
            return Due::Close(CloseReason::SessionEnded);
        };
        match (link.phase, &link.connect) {
            (Phase::Receiving, connect) => {
                let Some(session) = self.sessions.get(link.session) else {
                    return Due::Close(CloseReason::SessionEnded);
                };
                if session.receiving != Receiving::Here(key) || link.lent.is_some() {
                    // A stream says that it is open (BX-ST-10), unless it is to be one reply, or to tell first what an older connection
                    // leaves.
                    let opens = matches!(link.kind, LinkKind::Stream(Stream { opened: false, .. }))
                        && !matches!(link.gap, GapAsked::Received(_))
                        && connect.as_ref().is_some_and(|held| held.due > env.now);
                    return if opens { Due::Opening } else { Due::Nothing };
                }
                Self::due_here(env, session, link, connect.as_ref())
            }
            (Phase::Superseded, Some(_)) => Due::Last(ConnectReply::Superseded),
            (Phase::Superseded, None) => Due::Released,
            (Phase::Ended(Ending::ShuttingDown(_)), connect) => self.due_at_shutdown(key, link, connect.is_some()),
            (Phase::Ended(Ending::Disconnected), Some(_)) => Due::Last(ConnectReply::Disconnected),
            (Phase::Ended(Ending::Moved), Some(_)) => Due::Last(ConnectReply::Retry),
            (Phase::Ended(Ending::SessionGone), Some(_)) => Due::Last(ConnectReply::SessionGone),
            (Phase::Ended(ending), _) => ending.close_reason().map_or(Due::Released, Due::Close),
        }
    }

    /// What the link says that receives. With `ack`, events come with the reply to a connect and not without (BX-ACK-4). A stream begins
    /// with a reply (BX-ST-10) and ends with another (BX-ST-11): when its client asked for that (BX-ST-13), when it has carried enough
    /// (BX-ST-14), or for the sake of acknowledgements; meanwhile it is not silent for long (BX-ST-3).
    fn due_here(env: &Env<'_>, session: &Session, link: &Link, connect: Option<&HeldConnect>) -> Due {
        let events = session.outbox.has_after(link.sent());
        let is_due = connect.is_some_and(|held| held.due <= env.now);
        let acks = session.extension.has_acks();
        match link.kind {
            LinkKind::Poll if connect.is_some() && (events || is_due) => Due::Events { reply: true, last: true },
            LinkKind::Poll if events && connect.is_none() => Due::Events { reply: false, last: true },
            LinkKind::Socket if is_due || (acks && events && connect.is_some_and(|held| !held.paced)) => {
                Due::Events { reply: true, last: false }
            }
            LinkKind::Socket if events && !acks => Due::Events { reply: false, last: false },
            LinkKind::Stream(stream) if is_due || stream.left == 0 || is_half_full(env, session) => {
                Due::Events { reply: true, last: true }
            }
            LinkKind::Stream(Stream { opened: false, .. }) => Due::Opening,
            LinkKind::Stream(_) if events => Due::Events { reply: acks, last: false },
            LinkKind::Stream(stream) if stream.beat <= env.now => Due::Beat,
            LinkKind::Poll | LinkKind::Socket | LinkKind::Stream(_) => Due::Nothing,
        }
    }

    /// What waits is handed over first, by the link that receives it. One that waits for an older one's write answers its connect
    /// without events: that write may outlast the server.
    fn due_at_shutdown(&self, key: LinkKey, link: &Link, connect: bool) -> Due {
        let session = self.sessions.get(link.session);
        let receiving = session.map_or(Receiving::Away, |session| session.receiving);
        let waits = matches!(receiving, Receiving::Draining { next, .. } if next == Some(key));
        if link.lent.is_some() || (waits && !connect) {
            return Due::Nothing;
        }
        let waits = |session: &Session| !session.extension.has_acks() && session.outbox.has_after(link.sent());
        let events = receiving == Receiving::Here(key) && session.is_some_and(waits);
        match (connect, events) {
            (true, _) => Due::Events { reply: true, last: link.kind != LinkKind::Socket },
            (false, true) => Due::Events { reply: false, last: link.kind != LinkKind::Socket },
            (false, false) => Due::Close(CloseReason::ShuttingDown),
        }
    }
}

/// So much is unacknowledged that a stream ends, for the client to name a number with its next connect (BX-ACK-5).
fn is_half_full(env: &Env<'_>, session: &Session) -> bool {
    let (messages, bytes) = (session.outbox.len(), session.outbox.bytes());
    session.extension.has_acks()
        && (messages * 2 >= env.config.max_queue.max(2) || bytes * 2 >= env.config.max_queue_bytes)
}
