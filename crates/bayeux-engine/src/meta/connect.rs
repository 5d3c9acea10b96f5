//! `/meta/connect`: the heartbeat, held until something happens (BX-CN-*).

use std::time::Duration;

use bayeux_protocol::{ConnectExt, ConnectionType, Ext, ExtValue, Message, Reconnect, error_code};

use crate::{
    Carrier, Config, Origin, Ticket,
    browsers::Crowded,
    extension::Extension,
    inbox::Position,
    link::{GapAsked, HeldConnect, Link, LinkKey, LinkKind, Phase, Stream},
    memory::{ENTRY_BYTES, NUMBER_BYTES},
    reply::{ConnectReply, REFUSED_INTERVAL, advice, refusal},
    session::{Receiving, Session, SessionKey},
    shard::{Env, Shard, Turn},
    stats::count,
};

impl Shard {
    /// Answers a connect, holds it (BX-CN-5, BX-CN-6) or opens a stream with it (BX-ST-2), if it has a connection type of ours
    /// (BX-CN-13).
    pub(crate) fn connect(&mut self, env: &mut Env<'_>, turn: &mut Turn, key: SessionKey, request: &Message) {
        let kind = request.connection_type.as_ref().filter(|kind| env.config.connection_types.contains(kind));
        let Some(kind) = kind else {
            count(&env.counters.messages_refused);
            let mut reply = refusal(request, error_code::CONNECTION_TYPE_UNSUPPORTED, &[]);
            reply.advice = Some(Box::new(advice(env.config, Reconnect::Handshake, REFUSED_INTERVAL)));
            return turn.replies.push(&reply);
        };
        let streams = match (&turn.origin.carrier, kind) {
            (Carrier::Stream { .. }, _) => true,
            (Carrier::Http, ConnectionType::XhrStreaming) => turn.alone,
            (_, ConnectionType::EventSource | ConnectionType::Iframe) => {
                return self.connect_beside(env, turn, key, request);
            }
            (Carrier::Http | Carrier::Script { .. } | Carrier::Socket { .. }, _) => false,
        };
        let gap = self.heed_ext(&turn.origin, key, request, false);
        let Some(held) = self.held(env, turn.alone, streams, key, request) else {
            return;
        };
        match turn.origin.carrier {
            Carrier::Socket { ticket, .. } => self.connect_socket(env, turn, key, ticket, held, gap),
            Carrier::Http | Carrier::Script { .. } | Carrier::Stream { .. } => {
                self.connect_http(env, turn, key, held, gap, streams.then_some(kind));
            }
        }
    }

    /// A connect that is the heartbeat of a stream which is another request, as Faye's clients send it: it takes nothing over. Answered by the
    /// advice that its next one has time (BX-ST-4).
    fn connect_beside(&mut self, env: &mut Env<'_>, turn: &mut Turn, key: SessionKey, request: &Message) {
        self.heed_ext(&turn.origin, key, request, true);
        let Some(session) = self.session_mut(key) else {
            return;
        };
        session.connected = true;
        // Its next connect comes after that time, and the session is to outlast it also without a stream.
        session.interval = env.config.timeout;
        let id = session.id;
        turn.replies.push_connect(ConnectReply::Beside, request.id.as_ref(), &id, env.config, ConnectExt::default());
        self.settle(env, key);
        self.count_empty(env, turn, key);
    }

    /// Frees what the client has acknowledged (BX-ACK-3); returns what it asks about a gap. `beside` a stream more may be on its way.
    fn heed_ext(&mut self, origin: &Origin, key: SessionKey, request: &Message, beside: bool) -> GapAsked {
        let Some(session) = self.session_mut(key) else {
            return GapAsked::No;
        };
        let last_event = match origin.carrier {
            Carrier::Stream { last_event } => last_event,
            Carrier::Http | Carrier::Script { .. } | Carrier::Socket { .. } => None,
        };
        let ext = || request.ext.as_ref().map(Ext::read).unwrap_or_default();
        let number = |value| match value {
            Some(ExtValue::Number(number)) => Some(number),
            Some(ExtValue::Wanted(_)) | None => None,
        };
        match &mut session.extension {
            Extension::None => GapAsked::No,
            Extension::Gap(_) => {
                let received = last_event.or_else(|| number(ext().gap));
                received.map_or(GapAsked::No, GapAsked::Received)
            }
            Extension::Ack(acks) => {
                let acknowledged = number(ext().ack).max(last_event);
                let remembered = acks.sent.len();
                let arrived = acknowledged.and_then(|number| acks.acknowledged(number));
                let forgotten = remembered - acks.sent.len();
                let freed = arrived.map_or(0, |through| session.outbox.commit(through));
                match acks.is_owed() {
                    _ if beside => {}
                    true => session.pace.broke(),
                    false => session.pace.held(),
                }
                self.memory -= freed * ENTRY_BYTES + forgotten * NUMBER_BYTES;
                GapAsked::No
            }
        }
    }

    /// When this connect is answered at the latest. The first of a session at once, whatever its advice (BX-CN-10); so one in
    /// company (BX-CN-11), and one that asks for it. A client may ask for less than the server's timeout, not for more
    /// (BX-HRD-7). A stream stays open, unless it asks to end.
    fn held(
        &mut self,
        env: &Env<'_>,
        alone: bool,
        streams: bool,
        key: SessionKey,
        request: &Message,
    ) -> Option<HeldConnect> {
        let leaving = self.leaving();
        let session = self.session_mut(key)?;
        let first = !std::mem::replace(&mut session.connected, true);
        let (timeout, interval) = wishes(request, env.config);
        session.interval = interval;
        let at_once = (first && !streams) || !alone || leaving.is_some();
        let due = match timeout {
            _ if at_once => env.now,
            Some(timeout) => env.now + timeout,
            None if streams => env.now + Duration::MAX,
            None => env.now + env.config.timeout,
        };
        Some(HeldConnect { id: request.id.clone(), due, leaving, crowded: false, paced: false, place: None })
    }

    fn connect_http(
        &mut self,
        env: &mut Env<'_>,
        turn: &mut Turn,
        key: SessionKey,
        mut held: HeldConnect,
        gap: GapAsked,
        streams: Option<&ConnectionType>,
    ) {
        let Some(link) = self.link(key, turn.origin.connection, LinkKind::Poll) else {
            return;
        };
        self.ask_gap(env, link, gap);
        if self.take_over(env, key, link) {
            self.count_empty(env, turn, key);
        }
        let receives = self.session(key).is_some_and(|session| session.receiving == Receiving::Here(link));
        if !receives && !turn.alone {
            // In company a connect can't wait until an older connection has finished its write: it goes without events, and is not told
            // what is missing, since that is not known.
            self.release(env, link);
            return self.reply_now(env, turn, key, held, None);
        }
        // With `ack`, also what was sent before and is owed (BX-ACK-6).
        let waits = self.session(key).is_some_and(|session| !session.outbox.is_empty());
        // Behind an older write it may be held in the end.
        if held.due > env.now && (streams.is_some() || !waits || !receives) {
            match env.browsers.enter(turn.origin.browser) {
                Ok(place) => held.place = place,
                Err(Crowded) => {
                    count(&env.counters.connects_crowded);
                    (held.crowded, held.due) = (true, env.now);
                    if let Some(session) = self.session_mut(key) {
                        session.interval = session.interval.max(env.config.multi_session_interval);
                    }
                }
            }
        }
        if let Some(kind) = streams {
            return self.open_stream(env, turn, link, kind, held);
        }
        self.hold(env, link, held);
        let due = self.link_ref(link).and_then(|link| link.connect.as_ref()).is_none_or(|held| held.due <= env.now);
        let only_repeats = self.session(key).is_some_and(Session::only_repeats);
        if !receives || !(waits || due) {
            turn.answer.held = Some(Self::ticket(env, link));
        } else if self.write(env, link, true, true, &mut turn.replies) {
            turn.answer.lent.push(Self::ticket(env, link));
            if only_repeats {
                self.count_empty(env, turn, key);
            }
        } else {
            self.count_empty(env, turn, key);
        }
    }

    /// The response to this connect is a stream, if only of one batch.
    fn open_stream(
        &mut self,
        env: &mut Env<'_>,
        turn: &mut Turn,
        key: LinkKey,
        kind: &ConnectionType,
        held: HeldConnect,
    ) {
        // An event source forgets what it has read; the others keep all of it.
        let left = if *kind == ConnectionType::EventSource { usize::MAX } else { env.config.max_stream_bytes.max(1) };
        let beat = env.now + env.config.stream_heartbeat;
        let Some(link) = self.link_mut(key) else {
            return;
        };
        link.kind = LinkKind::Stream(Stream { opened: false, beat, left, through: Position(0) });
        let session = link.session;
        self.hold(env, key, held);
        turn.answer.stream = Some(Self::ticket(env, key));
        count(&env.counters.streams_opened);
        // A stream that is opened again and again is an empty reply each time.
        if self.session(session).is_some_and(|session| session.outbox.is_empty() || session.only_repeats()) {
            self.count_empty(env, turn, session);
        }
    }

    fn connect_socket(
        &mut self,
        env: &mut Env<'_>,
        turn: &mut Turn,
        key: SessionKey,
        ticket: Option<Ticket>,
        mut held: HeldConnect,
        gap: GapAsked,
    ) {
        let older = ticket.filter(|ticket| usize::from(ticket.shard) == env.shard).map(Ticket::key);
        let link = match older.and_then(|older| self.reuse(env, turn, key, older)) {
            Some(link) => {
                self.ask_gap(env, link, gap);
                link
            }
            None => {
                let Some(link) = self.link(key, turn.origin.connection, LinkKind::Socket) else {
                    return;
                };
                self.ask_gap(env, link, gap);
                if self.take_over(env, key, link) {
                    self.count_empty(env, turn, key);
                }
                turn.answer.attached = Some(Self::ticket(env, link));
                link
            }
        };
        let receives = self.session(key).is_some_and(|session| session.receiving == Receiving::Here(link));
        let acks = self.session(key).is_some_and(|session| session.extension.has_acks());
        // With `ack`, what waits comes with the reply (BX-ACK-4): the connection asks for both as soon as it is done with this. What is
        // missing is known only once an older connection has finished its write.
        let asks = |link: &Link| matches!(link.gap, GapAsked::Received(_));
        let waits = acks || (!receives && self.link_ref(link).is_some_and(asks));
        if held.due <= env.now && !(waits && turn.alone) {
            let missing = self.link_mut(link).and_then(|link| link.gap.tell());
            self.reply_now(env, turn, key, held, missing);
            self.settle(env, key);
        } else {
            if acks {
                self.pace_repeats(env, key, &mut held);
            }
            self.hold(env, link, held);
        }
    }

    /// A connect that asks for no hold, or for nothing but what it had before, is one for an empty reply (BX-HRD-6).
    fn pace_repeats(&mut self, env: &Env<'_>, key: SessionKey, held: &mut HeldConnect) {
        let Some(session) = self.session_mut(key) else {
            return;
        };
        let nothing = if session.outbox.is_empty() { held.due <= env.now } else { session.only_repeats() };
        if nothing && let Some(until) = session.spin.count(env.now, env.config.max_empty_replies) {
            count(&env.counters.replies_delayed);
            (held.paced, held.due) = (true, held.due.max(until));
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
            let (id, none) = (older.id.as_ref(), ConnectExt::default());
            turn.replies.push_connect(ConnectReply::Superseded, id, &found.client, env.config, none);
            count(&env.counters.connects_superseded);
            self.count_empty(env, turn, key);
        }
        receives.then_some(link)
    }

    /// Answers without events, and so without a number.
    fn reply_now(&mut self, env: &Env<'_>, turn: &mut Turn, key: SessionKey, held: HeldConnect, missing: Option<u64>) {
        let Some(session) = self.session(key) else {
            return;
        };
        let empty = session.outbox.is_empty();
        let ext = ConnectExt { ack: None, missing };
        turn.replies.push_connect(ConnectReply::of(&held), held.id.as_ref(), &session.id, env.config, ext);
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
        let waits = |session: &Session| session.receiving == Receiving::Away && !session.outbox.is_empty();
        // With `ack`, events come with the replies to connects alone (BX-ACK-4). With `gap` too: whether they had come when the client
        // named its count could not be told (BX-GAP-2).
        let rides = |session: &Session| matches!(session.extension, Extension::None);
        if !self.session(key).is_some_and(|session| waits(session) && rides(session)) {
            return;
        }
        let Some(link) = self.link(key, turn.origin.connection, LinkKind::Poll) else {
            return;
        };
        self.take_over(env, key, link);
        if self.write(env, link, false, true, &mut turn.replies) {
            turn.answer.lent.push(Self::ticket(env, link));
        }
    }
}

/// What the client asks for: `advice.timeout`, capped by ours; `advice.interval`, capped by our timeout.
fn wishes(request: &Message, config: &Config) -> (Option<Duration>, Duration) {
    let advice = request.advice.as_ref();
    let millis = |value: i64| Duration::from_millis(u64::try_from(value).unwrap_or(0));
    let timeout = advice.and_then(|advice| advice.timeout).map(|timeout| millis(timeout).min(config.timeout));
    let interval = advice.and_then(|advice| advice.interval).map_or(Duration::ZERO, millis);
    (timeout, interval.min(config.timeout))
}
