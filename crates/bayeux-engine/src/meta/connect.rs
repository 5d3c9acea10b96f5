//! `/meta/connect`: the heartbeat, held until something happens (BX-CN-*).

use std::time::Duration;

use bayeux_protocol::{Message, Reconnect, error_code};

use crate::{
    Carrier, Config, Ticket,
    link::{HeldConnect, LinkKey, LinkKind, Phase},
    reply::{ConnectReply, REFUSED_INTERVAL, advice, refusal},
    session::{Receiving, SessionKey},
    shard::{Env, Shard, Turn},
    stats::count,
};

impl Shard {
    /// Answers a connect or holds it (BX-CN-5, BX-CN-6), if it has a connection type of ours (BX-CN-13).
    pub(crate) fn connect(&mut self, env: &mut Env<'_>, turn: &mut Turn, key: SessionKey, request: &Message) {
        if !request.connection_type.as_ref().is_some_and(|kind| env.config.connection_types.contains(kind)) {
            count(&env.counters.messages_refused);
            let mut reply = refusal(request, error_code::CONNECTION_TYPE_UNSUPPORTED, &[]);
            reply.advice = Some(advice(env.config, Reconnect::Handshake, REFUSED_INTERVAL));
            return turn.replies.push(&reply);
        }
        let Some(held) = self.held(env, turn.alone, key, request) else {
            return;
        };
        match turn.origin.carrier {
            Carrier::Http | Carrier::Script { .. } | Carrier::Stream { .. } => self.connect_http(env, turn, key, held),
            Carrier::Socket { ticket, .. } => self.connect_socket(env, turn, key, ticket, held),
        }
    }

    /// When this connect is answered at the latest. The first of a session at once, whatever its advice (BX-CN-10); so one in
    /// company (BX-CN-11), and one that asks for it. A client may ask for less than the server's timeout, not for more
    /// (BX-HRD-7).
    fn held(&mut self, env: &Env<'_>, alone: bool, key: SessionKey, request: &Message) -> Option<HeldConnect> {
        let leaving = self.leaving();
        let session = self.session_mut(key)?;
        let first = !std::mem::replace(&mut session.connected, true);
        let (timeout, interval) = wishes(request, env.config);
        session.interval = interval;
        let at_once = first || !alone || leaving.is_some();
        let due = if at_once { env.now } else { env.now + timeout };
        Some(HeldConnect { id: request.id.clone(), due, leaving })
    }

    fn connect_http(&mut self, env: &mut Env<'_>, turn: &mut Turn, key: SessionKey, held: HeldConnect) {
        let Some(link) = self.link(key, turn.origin.connection, LinkKind::Poll) else {
            return;
        };
        if self.take_over(env, key, link) {
            self.count_empty(env, turn, key);
        }
        let receives = self.session(key).is_some_and(|session| session.receiving == Receiving::Here(link));
        if !receives && !turn.alone {
            // In company a connect can't wait until an older connection has finished its write: it goes without events.
            self.release(env, link);
            return self.reply_now(env, turn, key, held);
        }
        let waits = self.session(key).is_some_and(|session| !session.outbox.is_empty());
        let due = held.due <= env.now;
        self.hold(env, link, held);
        if !receives || !(waits || due) {
            turn.answer.held = Some(Self::ticket(env, link));
        } else if self.write(env, link, true, &mut turn.replies) {
            turn.answer.lent.push(Self::ticket(env, link));
        } else {
            self.count_empty(env, turn, key);
        }
    }

    fn connect_socket(
        &mut self,
        env: &mut Env<'_>,
        turn: &mut Turn,
        key: SessionKey,
        ticket: Option<Ticket>,
        held: HeldConnect,
    ) {
        let older = ticket.filter(|ticket| usize::from(ticket.shard) == env.shard).map(Ticket::key);
        let link = match older.and_then(|older| self.reuse(env, turn, key, older)) {
            Some(link) => link,
            None => {
                let Some(link) = self.link(key, turn.origin.connection, LinkKind::Socket) else {
                    return;
                };
                if self.take_over(env, key, link) {
                    self.count_empty(env, turn, key);
                }
                turn.answer.attached = Some(Self::ticket(env, link));
                link
            }
        };
        if held.due <= env.now {
            self.reply_now(env, turn, key, held);
            self.settle(env, key);
        } else {
            self.hold(env, link, held);
        }
    }

    /// The link that this socket already has for the session, if it still receives there. A connect that is open on it
    /// is answered in this frame: the newer one takes its place.
    fn reuse(&mut self, env: &Env<'_>, turn: &mut Turn, key: SessionKey, link: LinkKey) -> Option<LinkKey> {
        let found = self.link_mut(link)?;
        if found.session != key || found.connection != turn.origin.connection {
            return None;
        }
        let receives = found.phase == Phase::Receiving;
        if let Some(older) = found.connect.take() {
            turn.replies.push_connect(ConnectReply::Superseded, older.id.as_ref(), &found.client, env.config);
            count(&env.counters.connects_superseded);
            self.count_empty(env, turn, key);
        }
        receives.then_some(link)
    }

    fn reply_now(&mut self, env: &Env<'_>, turn: &mut Turn, key: SessionKey, held: HeldConnect) {
        let Some(session) = self.session(key) else {
            return;
        };
        let empty = session.outbox.is_empty();
        turn.replies.push_connect(ConnectReply::of(&held), held.id.as_ref(), &session.id, env.config);
        if empty {
            self.count_empty(env, turn, key);
        }
    }

    /// A session that asks for empty replies in a loop gets them no faster than the limit (BX-HRD-6).
    fn count_empty(&mut self, env: &Env<'_>, turn: &mut Turn, key: SessionKey) {
        let Some(session) = self.session_mut(key) else {
            return;
        };
        if let Some(until) = session.spin.count(env.now, env.config.max_empty_replies) {
            count(&env.counters.replies_delayed);
            turn.answer.not_before = turn.answer.not_before.max(Some(until));
        }
    }

    /// With `meta_connect_deliver_only` off, events ride on any HTTP reply, if no connection receives at the moment (BX-DL-3,
    /// BX-SB-3).
    pub(crate) fn ride_along(&mut self, env: &mut Env<'_>, turn: &mut Turn, key: SessionKey) {
        if !self.session(key).is_some_and(|s| s.receiving == Receiving::Away && !s.outbox.is_empty()) {
            return;
        }
        let Some(link) = self.link(key, turn.origin.connection, LinkKind::Poll) else {
            return;
        };
        self.take_over(env, key, link);
        if self.write(env, link, false, &mut turn.replies) {
            turn.answer.lent.push(Self::ticket(env, link));
        }
    }
}

/// What the client asks for: `advice.timeout`, capped by ours; `advice.interval`, capped by our timeout.
fn wishes(request: &Message, config: &Config) -> (Duration, Duration) {
    let advice = request.advice.as_ref();
    let millis = |value: i64| Duration::from_millis(u64::try_from(value).unwrap_or(0));
    let timeout = advice.and_then(|advice| advice.timeout).map_or(config.timeout, millis);
    let interval = advice.and_then(|advice| advice.interval).map_or(Duration::ZERO, millis);
    (timeout.min(config.timeout), interval.min(config.timeout))
}
