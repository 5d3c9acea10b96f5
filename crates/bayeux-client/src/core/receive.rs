//! What comes: replies, and deliveries. An extension has seen each before.

use std::mem::take;

use bayeux_protocol::{ChannelPattern, ConnectionType, Message, MessageId, MetaChannel, Reconnect};

use crate::{
    error::{Error, NetworkFault, Refusal, StopReason},
    extension::{Extension, Refused},
    state::{State, Trouble},
};

use super::{
    Action, ConnectionId, Core, Delivery, Interruption, Session, Time,
    advice::Interval,
    phase::Phase,
    request::{Kind, Pending},
    subscriptions::Matching,
};

/// Deliveries that may wait for the connect reply which numbers them.
const MAX_UNACKNOWLEDGED: usize = 10_000;

impl Core {
    /// A whole response or a whole message of a WebSocket; what comes on a connection that was given up is not looked at,
    /// since with `ack` it comes again (BX-ACK-3).
    pub(super) fn received(&mut self, connection: ConnectionId, mut messages: Vec<Message>, now: Time) {
        let is_whole = self.posts.remove(&connection);
        let is_post = is_whole || self.streaming.is(connection);
        if !is_post && self.choice.socket() != Some(connection) {
            return;
        }
        self.heard(connection, now);
        self.actions.reserve(messages.len());
        self.tell_missing(connection, is_post, &messages);
        for message in &mut messages {
            if let Some(ack) = &mut self.ack {
                ack.incoming(message);
            }
            self.extensions.iter_mut().for_each(|extension| extension.incoming(message));
            self.message(connection, is_post, message, now);
        }
        if is_whole {
            self.response_ended(connection, now);
        }
    }

    /// What was lost on the way was lost before what comes now, wherever its reply stands.
    fn tell_missing(&mut self, connection: ConnectionId, is_post: bool, messages: &[Message]) {
        let missing = messages.iter().filter_map(|message| self.gap.incoming(connection, !is_post, message));
        let missing: u64 = missing.fold(0, u64::saturating_add);
        if missing > 0 {
            for subscription in self.subscriptions.confirmed() {
                self.actions.push(Action::Interrupted(subscription, Interruption::Missing(missing)));
            }
        }
    }

    /// Takes what it needs of the message, which is large.
    fn message(&mut self, connection: ConnectionId, is_post: bool, message: &mut Message, now: Time) {
        let Some(channel) = message.channel.as_deref() else { return };
        let is_meta = channel.starts_with("/meta/");
        // What has no `successful` is no reply, whatever its `id` (BX-HRD-10).
        if is_meta || message.successful.is_some() {
            if self.answers_stream(connection, message) {
                return self.stream_reply(take(message), now);
            }
            if let Some(pending) = self.answered(connection, message) {
                // What ends the connect ends the stream.
                if matches!(pending.kind, Kind::Connect) && self.streaming.ended(connection).is_some() {
                    self.actions.push(Action::Abandon(connection));
                }
                return self.reply(pending, is_post, take(message), now);
            }
            let is_farewell = MetaChannel::Disconnect.as_str() == Some(channel) && message.id.is_none();
            if is_farewell && self.session.is_some() {
                return self.stop(StopReason::Advised(None));
            }
        }
        if is_meta || message.data.is_none() {
            return;
        }
        if !is_post && self.ack.as_ref().is_some_and(crate::extension::Ack::is_on) {
            self.unacknowledged.push(take(message));
            if self.unacknowledged.len() > MAX_UNACKNOWLEDGED {
                self.actions.push(Action::Abandon(connection));
                self.socket_lost(connection, &NetworkFault::Unreadable("no reply to a connect".into()), now);
            }
        } else {
            self.deliver(message);
        }
    }

    /// The request that this answers, matched by `id` and channel (BX-FLD-7).
    fn answered(&mut self, connection: ConnectionId, message: &Message) -> Option<Pending> {
        let id = self.answered_id(message)?;
        let pending = self.pending.get_mut(&id)?;
        if Some(pending.kind.channel()) != message.channel.as_deref() {
            return None;
        }
        let has_data = message.data.is_some();
        match &pending.kind {
            // The result of a call comes on any connection, before or after the acknowledgement.
            Kind::Call { .. } if has_data => {}
            // A reply to a publish has no data (BX-PB-7): what has is somebody's message.
            Kind::Publish { .. } if has_data => return None,
            _ if pending.connection.is_some_and(|expected| expected != connection) => return None,
            Kind::Call { .. } if message.successful == Some(true) && pending.connection.is_some() => {
                pending.connection = None;
                return None;
            }
            _ => {}
        }
        self.pending.remove(&id)
    }

    /// The `id` of the request that a message names. Of a handshake or connect there is only one that can be meant, so a server
    /// that does not repeat the `id` is understood too; one of an earlier request says that this is a reply to that.
    fn answered_id(&self, message: &Message) -> Option<u64> {
        let named = message.id.as_ref().map(|(MessageId::Text(id) | MessageId::Number(id))| id.parse().ok());
        match named {
            Some(Some(id)) if id <= self.last_number => Some(id),
            _ => self.phase.carrier(),
        }
    }

    fn reply(&mut self, pending: Pending, is_post: bool, mut reply: Message, now: Time) {
        let is_current = pending.session == self.sessions;
        let advises_handshake =
            reply.advice.as_ref().is_some_and(|advice| advice.reconnect == Some(Reconnect::Handshake));
        let had_advice = reply.advice.is_some();
        if is_current && let Some(advice) = reply.advice.take() {
            self.advice.replace(*advice);
        }
        match pending.kind {
            // What the server knew of subscriptions went with the session.
            Kind::Subscribe { .. } if !is_current => return,
            Kind::Handshake => return self.handshake_reply(&reply, is_post, had_advice, now),
            Kind::Connect => return self.connect_reply(&reply, is_post, now),
            Kind::Disconnect => return self.stop(StopReason::Disconnected),
            Kind::Subscribe { .. } | Kind::Unsubscribe { .. } | Kind::Publish { .. } | Kind::Call { .. } => {}
        }
        let is_sessionless = reply.successful != Some(true) && advises_handshake;
        self.request_reply(pending.kind, reply, is_sessionless);
        if is_sessionless && is_current {
            self.session_refused(now);
        }
    }

    fn request_reply(&mut self, kind: Kind, reply: Message, is_sessionless: bool) {
        let is_ok = reply.successful == Some(true);
        match kind {
            Kind::Subscribe { pattern, generation } if is_ok => {
                let confirmed = self.subscriptions.confirm(&pattern, generation);
                self.actions.extend(confirmed.into_iter().map(Action::Subscribed));
            }
            Kind::Subscribe { pattern, generation } if is_sessionless => {
                self.subscriptions.unanswered(&pattern, generation);
            }
            Kind::Subscribe { ref pattern, generation } => {
                let refusal = Refusal::of(&reply);
                if self.extensions.iter_mut().any(|it| it.refused(pattern.as_str(), &refusal) == Refused::AskAgain) {
                    return self.ask_again(pattern, generation);
                }
                for (subscription, was_confirmed) in self.subscriptions.refuse(pattern, generation) {
                    self.actions.push(if was_confirmed {
                        Action::Interrupted(subscription, Interruption::Refused(refusal.clone()))
                    } else {
                        let error = Error::Server { doing: kind.doing(), refusal: refusal.clone() };
                        Action::NotSubscribed(subscription, error)
                    });
                }
            }
            Kind::Publish { request, channel, data, ext, was_refused: false } if is_sessionless => {
                self.outbox.requeue(Kind::Publish { request, channel, data, ext, was_refused: true });
            }
            kind if is_ok => self.finish(&kind, Ok(reply.data)),
            kind => {
                let doing = kind.doing();
                self.finish(&kind, Err(Error::Server { doing, refusal: Refusal::of(&reply) }));
            }
        }
    }

    /// What a subscription wanted is not kept any more: it goes on with what there is.
    fn ask_again(&mut self, pattern: &ChannelPattern, generation: u64) {
        self.subscriptions.unanswered(pattern, generation);
        for subscription in self.subscriptions.members(pattern) {
            self.actions.push(Action::Interrupted(subscription, Interruption::NotKept));
        }
    }

    /// The reply to a handshake (BX-HS-6, BX-HS-10 to 12).
    fn handshake_reply(&mut self, reply: &Message, is_post: bool, had_advice: bool, now: Time) {
        if !matches!(self.phase, Phase::Handshaking { .. }) {
            return;
        }
        if is_post {
            self.choice.polling_works(now);
        }
        let transport = self.transport(now);
        let client_id = match &reply.client_id {
            Some(client_id) if reply.successful == Some(true) && !client_id.is_empty() => client_id.clone(),
            _ => return self.handshake_refused(Refusal::of(reply), had_advice, &transport, now),
        };
        if !had_advice {
            self.advice.forget();
        }
        let offered = |wanted| reply.supported_connection_types.as_ref().is_none_or(|types| types.contains(&wanted));
        if let Some(socket) = self.choice.offer(offered(ConnectionType::WebSocket)) {
            self.actions.push(Action::Abandon(socket));
        }
        self.streaming.offer(|kind| offered(kind.clone()));
        if !offered(ConnectionType::LongPolling) && self.choice.socket().is_none() && self.streaming.next(now).is_none()
        {
            return self.stop(StopReason::NoCommonTransport);
        }
        self.session = Some(Session { client_id, is_confirmed: false });
        self.is_reachable = true;
        self.tried_hosts = 0;
        match (self.advice.reconnect(&transport), self.advice.interval(&transport)) {
            (Reconnect::None | Reconnect::Other(_), _) => self.stop(StopReason::Advised(None)),
            (_, Interval::Never) => self.stop(StopReason::NegativeInterval),
            (_, Interval::Wait(pause)) if pause.is_zero() => self.connect(now),
            (_, Interval::Wait(pause)) => self.phase = Phase::Waiting { until: now + pause },
        }
    }

    /// The reply to a connect. The interval begins now, at the end of the response (BX-CN-4).
    fn connect_reply(&mut self, reply: &Message, is_post: bool, now: Time) {
        if is_post {
            self.choice.polling_works(now);
            self.streaming.polling_works(now);
        } else {
            self.choice.proved(now);
            take(&mut self.unacknowledged).iter_mut().for_each(|message| self.deliver(message));
        }
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        let transport = if is_post { ConnectionType::LongPolling } else { ConnectionType::WebSocket };
        let is_ok = reply.successful == Some(true);
        let refusal = (!is_ok).then(|| Refusal::of(reply));
        let is_disbelieved = self.config.renews_tokens
            && refusal.as_ref().is_some_and(|refusal| refusal.code.is_some_and(crate::auth::is_refused));
        match (self.advice.reconnect(&transport), self.advice.interval(&transport)) {
            (Reconnect::Handshake, _) => self.session_refused(now),
            (Reconnect::None | Reconnect::Other(_), _) if is_disbelieved => self.session_refused(now),
            (Reconnect::None | Reconnect::Other(_), _) => self.stop(StopReason::Advised(refusal)),
            (Reconnect::Retry, Interval::Never) => self.stop(StopReason::NegativeInterval),
            (Reconnect::Retry, Interval::Wait(pause)) => match refusal {
                Some(refusal) => self.connect_failed(Trouble::Refused(refusal), now),
                None => {
                    self.backoff.succeeded();
                    self.is_reachable = true;
                    if let Some(session) = &mut self.session {
                        session.is_confirmed = true;
                    }
                    self.phase = Phase::Waiting { until: now + pause };
                    let blame = self.choice.blame().or_else(|| self.streaming.blame());
                    self.tell(match blame {
                        Some(why) if is_post => State::Degraded { why: why.clone() },
                        _ => State::Connected { transport },
                    });
                }
            },
        }
    }

    /// Hands a message to the subscriptions that match (BX-DL-4). Nothing else in it has a meaning (BX-HRD-10).
    fn deliver(&mut self, message: &mut Message) {
        let (Some(channel), Some(data), ext) = (&message.channel, message.data.take(), message.ext.take()) else {
            return;
        };
        let Some(Matching { channel, subscriptions }) = self.subscriptions.matching(channel) else { return };
        let Some((last, others)) = subscriptions.split_last() else { return };
        for subscription in others {
            let delivery = Delivery { channel: channel.clone(), data: data.clone(), ext: ext.clone() };
            self.actions.push(Action::Deliver { subscription: *subscription, delivery });
        }
        let delivery = Delivery { channel: channel.clone(), data, ext };
        self.actions.push(Action::Deliver { subscription: *last, delivery });
    }
}
