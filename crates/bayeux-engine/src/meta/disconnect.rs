//! `/meta/disconnect`: the session ends now (BX-DC-*).

use bayeux_protocol::{ConnectExt, Message};

use crate::{
    link::Ending,
    reply::{ConnectReply, reply},
    session::{Receiving, SessionKey},
    shard::{Env, Shard, Turn},
    stats::count,
};

impl Shard {
    /// Removes the session and releases its held connect (BX-DC-2, BX-DC-3): on this very connection in this frame, before the
    /// reply; npm cometd closes its socket only then (BX-DC-6).
    pub(crate) fn disconnect(&mut self, env: &mut Env<'_>, turn: &mut Turn, key: SessionKey, request: &Message) {
        let Some(session) = self.session(key) else {
            return;
        };
        let id = session.id;
        let newest = match session.receiving {
            Receiving::Here(link) => Some(link),
            Receiving::Draining { next, .. } => next,
            Receiving::Away => None,
        };
        if let Some(link) = newest.and_then(|link| self.link_mut(link))
            && link.connection == turn.origin.connection
            && let Some(held) = link.connect.take()
        {
            let none = ConnectExt::default();
            turn.replies.push_connect(ConnectReply::Disconnected, held.id.as_ref(), &id, env.config, none);
        }
        count(&env.counters.sessions_disconnected);
        self.close(env, key, Ending::Disconnected, "disconnected");
        let mut reply = reply(request, true);
        reply.client_id = Some(id.as_str().into());
        turn.replies.push(&reply);
    }
}
