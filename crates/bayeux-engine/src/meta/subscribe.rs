//! `/meta/subscribe` and `/meta/unsubscribe`: a name, a pattern, or an array of them, all or nothing (BX-SB-*, BX-US-*).

use std::sync::Arc;

use bayeux_protocol::{ChannelKind, ChannelPattern, ErrorCode, Message, Wildcard, error_code};

use crate::{
    memory::{SUBSCRIPTION_BYTES, pattern_bytes},
    reply::reply,
    router::NoRoom,
    session::SessionKey,
    shard::{Env, Shard},
    stats::count,
    subscription::{Change, Subscriber, Subscription},
};

impl Shard {
    /// Subscribes to everything that is asked for, or to nothing (BX-SB-2, BX-SB-6).
    pub(crate) fn subscribe(&mut self, env: &mut Env<'_>, key: SessionKey, request: &Message) -> Message {
        let patterns = match patterns(env, request, error_code::SUBSCRIBE_DENIED) {
            Ok(patterns) => patterns,
            Err(refusal) => return *refusal,
        };
        if let Err((code, limit)) = self.room_for(env, key, &patterns) {
            count(&env.counters.subscriptions_refused);
            let limit = limit.map(|limit| limit.to_string());
            return Self::refuse(env, request, code, limit.as_deref().as_slice());
        }
        for pattern in patterns {
            self.add_subscription(env, key, &pattern);
        }
        self.subscription_reply(key, request)
    }

    /// Ends subscriptions; one that is not there is ended already. What was published before reaches the session by them, nothing
    /// published from now on does (BX-US-3).
    pub(crate) fn unsubscribe(&mut self, env: &mut Env<'_>, key: SessionKey, request: &Message) -> Message {
        let patterns = match patterns(env, request, error_code::UNSUBSCRIBE_DENIED) {
            Ok(patterns) => patterns,
            Err(refusal) => return *refusal,
        };
        for pattern in patterns {
            if let Some(at) = self.session(key).and_then(|session| session.subscription(pattern.as_str())) {
                self.end_subscription(env, key, at);
            }
        }
        self.subscription_reply(key, request)
    }

    /// What stands against the new ones among `patterns`: a limit of the session, or that the node has no room.
    fn room_for(
        &self,
        env: &Env<'_>,
        key: SessionKey,
        patterns: &[ChannelPattern],
    ) -> Result<(), (ErrorCode, Option<usize>)> {
        let too_many = |limit| Err((error_code::TOO_MANY_SUBSCRIPTIONS, Some(limit)));
        let Some(session) = self.session(key) else {
            return Ok(());
        };
        let mut fresh: Vec<&ChannelPattern> = Vec::new();
        for pattern in patterns {
            if session.subscription(pattern.as_str()).is_none() && !fresh.contains(&pattern) {
                fresh.push(pattern);
            }
            if session.subscriptions.len() + fresh.len() > env.config.max_subscriptions {
                return too_many(env.config.max_subscriptions);
            }
        }
        let wildcards = fresh.iter().filter(|pattern| is_wildcard(pattern)).count();
        let limit = env.config.max_wildcard_subscriptions;
        if session.wildcards() + wildcards > limit && wildcards > 0 {
            return too_many(limit);
        }
        let bytes = fresh.iter().map(|pattern| SUBSCRIPTION_BYTES + pattern_bytes(pattern.as_str())).sum();
        // Nothing new takes nothing, whatever there is.
        if bytes == 0 {
            return Ok(());
        }
        env.memory.room(bytes, env.counters).map_err(|NoRoom| (error_code::SERVER_OVERLOADED, None))
    }

    /// The interest is registered before the reply leaves the engine, and the subscription remembers the inbox's next
    /// number: what was published earlier passes it by.
    pub(crate) fn add_subscription(&mut self, env: &mut Env<'_>, key: SessionKey, pattern: &ChannelPattern) {
        let known = self.session(key).is_none_or(|session| session.subscription(pattern.as_str()).is_some());
        if known {
            return;
        }
        let since = env.router.inbox(env.shard).next_position();
        let (stored, place, change) = self.index_mut().add(pattern.as_str(), Subscriber { session: key, since });
        self.memory += SUBSCRIPTION_BYTES;
        match change {
            Change::First => {
                self.memory += pattern_bytes(&stored);
                env.router.interest.add(&stored, env.shard);
            }
            Change::Others(live) => env.router.interest.set(&stored, env.shard, live),
            Change::Last => {}
        }
        if let Some(session) = self.session_mut(key) {
            let wildcard = is_wildcard(pattern);
            session.subscriptions.push(Subscription { pattern: Arc::clone(&stored), place, wildcard });
        }
    }

    /// BX-SB-4, BX-SB-8, BX-US-2, BX-FLD-16.
    fn subscription_reply(&self, key: SessionKey, request: &Message) -> Message {
        let mut reply = reply(request, true);
        reply.client_id = self.session(key).map(|session| session.id.as_str().into());
        reply.subscription = request.subscription.clone();
        reply
    }
}

fn is_wildcard(pattern: &ChannelPattern) -> bool {
    pattern.wildcard() != Wildcard::None
}

/// The broadcast patterns that `request` names. Service channels are accepted and not recorded (BX-CH-10); meta channels
/// are not to be had (BX-CH-6). What names none is refused (BX-SB-7).
fn patterns(env: &Env<'_>, request: &Message, denied: ErrorCode) -> Result<Vec<ChannelPattern>, Box<Message>> {
    let refuse = |code, args: &[&str]| Err(Box::new(Shard::refuse(env, request, code, args)));
    let Some(subscription) = &request.subscription else {
        return refuse(error_code::SUBSCRIPTION_MISSING, &[]);
    };
    let mut patterns = Vec::new();
    for text in subscription.iter() {
        let Ok(pattern) = ChannelPattern::parse(text, &env.config.channels) else {
            return refuse(error_code::SUBSCRIPTION_INVALID, &[text]);
        };
        match pattern.kind() {
            ChannelKind::Meta(_) => return refuse(denied, &[text]),
            ChannelKind::Service => {}
            ChannelKind::Broadcast => patterns.push(pattern),
        }
    }
    if subscription.iter().next().is_none() {
        return refuse(error_code::SUBSCRIPTION_MISSING, &[]);
    }
    Ok(patterns)
}
