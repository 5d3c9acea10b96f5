//! `/meta/subscribe` and `/meta/unsubscribe`: a name, a pattern, or an array of them, all or nothing (BX-SB-*, BX-US-*).

use std::sync::Arc;

use bayeux_protocol::{ChannelKind, ChannelPattern, ErrorCode, Message, Wildcard, error_code};

use crate::{
    reply::reply,
    session::SessionKey,
    shard::{Env, Shard},
    stats::count,
    subscription::{Change, Subscriber, Subscription},
};

impl Shard {
    /// Subscribes to everything that is asked for, or to nothing.
    pub(crate) fn subscribe(&mut self, env: &mut Env<'_>, key: SessionKey, request: &Message) -> Message {
        let patterns = match patterns(env, request, error_code::SUBSCRIBE_DENIED) {
            Ok(patterns) => patterns,
            Err(refusal) => return *refusal,
        };
        if let Err(limit) = self.room_for(env, key, &patterns) {
            count(&env.counters.subscriptions_refused);
            return Self::refuse(env, request, error_code::TOO_MANY_SUBSCRIPTIONS, &[&limit.to_string()]);
        }
        for pattern in patterns {
            self.add_subscription(env, key, &pattern);
        }
        self.subscription_reply(key, request)
    }

    /// Ends subscriptions; one that is not there is ended already. Nothing published from now on reaches the session by
    /// them (BX-US-3).
    pub(crate) fn unsubscribe(&mut self, env: &mut Env<'_>, key: SessionKey, request: &Message) -> Message {
        let patterns = match patterns(env, request, error_code::UNSUBSCRIBE_DENIED) {
            Ok(patterns) => patterns,
            Err(refusal) => return *refusal,
        };
        for pattern in patterns {
            let Some(session) = self.session_mut(key) else {
                break;
            };
            if let Some(at) = session.subscription(pattern.as_str()) {
                let Subscription { pattern, place, .. } = session.subscriptions.swap_remove(at);
                self.drop_subscription(env, &pattern, place);
            }
        }
        self.subscription_reply(key, request)
    }

    /// The limit that the new ones among `patterns` would break, if any.
    fn room_for(&self, env: &Env<'_>, key: SessionKey, patterns: &[ChannelPattern]) -> Result<(), usize> {
        let Some(session) = self.session(key) else {
            return Ok(());
        };
        let mut fresh: Vec<&ChannelPattern> = Vec::new();
        for pattern in patterns {
            if session.subscription(pattern.as_str()).is_none() && !fresh.contains(&pattern) {
                fresh.push(pattern);
            }
            if session.subscriptions.len() + fresh.len() > env.config.max_subscriptions {
                return Err(env.config.max_subscriptions);
            }
        }
        let wildcards = fresh.iter().filter(|pattern| is_wildcard(pattern)).count();
        let limit = env.config.max_wildcard_subscriptions;
        if session.wildcards() + wildcards > limit && wildcards > 0 { Err(limit) } else { Ok(()) }
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
        if change == Change::First {
            env.router.interest.add(&stored, env.shard);
        }
        if let Some(session) = self.session_mut(key) {
            let wildcard = is_wildcard(pattern);
            session.subscriptions.push(Subscription { pattern: Arc::clone(&stored), place, wildcard });
        }
    }

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
/// are not to be had (BX-CH-6).
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
