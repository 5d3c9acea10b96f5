//! Publishing: to broadcast channels for whoever subscribed, to service channels for the server alone (BX-PB-*, BX-CH-9).

use std::sync::Arc;

use bayeux_protocol::{ChannelKind, ChannelName, Message, error_code};

use crate::{
    ClientId, Delivery,
    interest::ShardSet,
    reply::reply,
    shard::{Env, Shard},
    stats::count,
};

/// What became of a publish.
pub(crate) struct Published {
    /// Never carries `data`: npm cometd takes a message with `data` for a delivery (BX-PB-4, BX-PB-5, BX-PB-7).
    pub(crate) reply: Message,
    /// What goes to the other nodes, and the shards here that were given it.
    pub(crate) routed: Option<(Arc<Delivery>, ShardSet)>,
}

/// Checks a publish and routes it (BX-PB-6, BX-DL-1); a service channel's is acknowledged with its id (BX-CH-11). `publisher`
/// is absent for one without a session, where that is allowed.
pub(crate) fn publish(
    env: &mut Env<'_>,
    publisher: Option<ClientId>,
    channel: &ChannelName,
    request: &Message,
) -> Published {
    let refused = |reply| Published { reply, routed: None };
    let Some(data) = &request.data else {
        return refused(Shard::refuse(env, request, error_code::DATA_MISSING, &[]));
    };
    match channel.kind() {
        // None of the five requests (BX-CH-14).
        ChannelKind::Meta(_) => {
            return refused(Shard::refuse(env, request, error_code::PUBLISH_DENIED, &[channel.as_str()]));
        }
        ChannelKind::Service => {
            return Published { reply: reply(request, true), routed: None };
        }
        ChannelKind::Broadcast => {}
    }
    let mut delivery = Delivery::new(channel, data);
    if let (Some(publisher), false) = (publisher, env.config.broadcast_to_publisher) {
        delivery = delivery.not_to(publisher);
    }
    let delivery = Arc::new(delivery);
    let Ok(shards) = env.router.route(&delivery, env.memory, env.counters, env.wakes) else {
        count(&env.counters.publishes_refused);
        return refused(Shard::refuse(env, request, error_code::SERVER_OVERLOADED, &[]));
    };
    count(&env.counters.publishes);
    Published { reply: reply(request, true), routed: Some((delivery, shards)) }
}
