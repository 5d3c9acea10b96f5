use std::task::Waker;

use bayeux_engine::{Config, Pumper};
use serde_json::{Value, json};

use crate::world::{World, channels};

#[test]
fn bx_sb_4_the_reply_echoes_the_shape() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    for subscription in [json!("/a/*"), json!(["/a/**", "/b/"])] {
        let reply = world.subscribe(&mut peer, subscription.clone());
        let expected = json!({"channel": "/meta/subscribe", "id": "s", "successful": true, "clientId": peer.id, "subscription": subscription});
        assert_eq!(reply, expected);
    }
}

#[test]
fn an_array_is_all_or_nothing() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    for (subscription, error) in [
        (json!(["/a", "/meta/connect"]), "403:/meta/connect:subscribe_denied"),
        (json!(["/a", "/b//c"]), "403:/b//c:subscription_invalid"),
        (json!(["/a", "/*/b"]), "403:/*/b:subscription_invalid"),
        (json!(["/a", 5]), "403:subscription:subscription_invalid"),
        (json!({"a": 1}), "403:subscription:subscription_invalid"),
        (json!([]), "403::subscription_missing"),
        (Value::Null, "403::subscription_missing"),
    ] {
        let reply = world.subscribe(&mut peer, subscription.clone());
        assert_eq!(reply["subscription"], subscription, "echoed in the shape in which it came (BX-SB-5)");
        assert_eq!((reply["successful"].as_bool(), reply["error"].as_str()), (Some(false), Some(error)));
        assert_eq!(world.engine.patterns(), 0, "nothing was subscribed");
    }
    let many: Vec<_> = (0..129).map(|n| format!("/a/{n}")).collect();
    assert_eq!(world.subscribe(&mut peer, json!(many))["error"], "403:128:too_many_subscriptions");
    assert_eq!(world.engine.patterns(), 0);
    assert_eq!(world.subscribe(&mut peer, json!(many[1..]))["successful"], true);
    assert_eq!(world.subscribe(&mut peer, json!(many[1..]))["successful"], true, "again is no more");
    assert_eq!(world.subscribe(&mut peer, json!("/b"))["successful"], false);
    let mut other = world.poller();
    let patterns: Vec<_> = (0..17).map(|n| format!("/a/{n}/*")).collect();
    assert_eq!(world.subscribe(&mut other, json!(patterns))["error"], "403:16:too_many_subscriptions");
    assert_eq!(world.engine.stats().subscriptions_refused, 3);
}

#[test]
fn bx_ch_3_bx_ch_4_wildcards_match_and_overlap_gives_one_copy() {
    let mut world = World::new(Config::default());
    let (mut one, mut all, mut both) = (world.pusher(), world.pusher(), world.pusher());
    world.subscribe(&mut one, json!("/a/*"));
    world.subscribe(&mut all, json!("/a/**"));
    world.subscribe(&mut both, json!(["/a/b", "/a/*", "/a/**", "/**", "/a/b"]));
    for channel in ["/a", "/a/b", "/a/b/c", "/service/a", "/service/a/b"] {
        assert_eq!(world.publish(&mut one, channel, json!(channel))["successful"], true);
    }
    assert_eq!(channels(&world.drain(&one)), ["/a/b"]);
    assert_eq!(channels(&world.drain(&all)), ["/a/b", "/a/b/c"]);
    assert_eq!(channels(&world.drain(&both)), ["/a", "/a/b", "/a/b/c"], "one copy each, no service channel");
}

#[test]
fn bx_us_3_nothing_after_unsubscribe() {
    let mut world = World::new(Config::default());
    let mut peer = world.pusher();
    world.subscribe(&mut peer, json!(["/a", "/a/*"]));
    let reply = world
        .send(&mut peer, json!([{"channel": "/meta/unsubscribe", "subscription": ["/a"], "id": 1}]))
        .replies
        .remove(0);
    assert_eq!((reply["successful"].as_bool(), &reply["subscription"]), (Some(true), &json!(["/a"])));
    world.publish(&mut peer, "/a", json!(1));
    world.publish(&mut peer, "/a/b", json!(2));
    assert_eq!(channels(&world.drain(&peer)), ["/a/b"]);
    for subscription in ["/a", "/never"] {
        let reply = world
            .send(&mut peer, json!([{"channel": "/meta/unsubscribe", "subscription": subscription}]))
            .replies
            .remove(0);
        assert_eq!(reply["successful"], true, "what is not there is ended already");
    }
    let reply = world
        .send(&mut peer, json!([{"channel": "/meta/unsubscribe", "subscription": "/meta/connect"}]))
        .replies
        .remove(0);
    assert_eq!(reply["error"], "403:/meta/connect:unsubscribe_denied");
}

#[test]
fn bx_dl_1_what_was_published_before_an_unsubscribe_is_owed_and_nothing_newer() {
    let mut world = World::new(Config::default());
    let pumper = Pumper::register(world.engine.clone());
    let mut peer = world.pusher();
    let unsubscribe = json!([{"channel": "/meta/unsubscribe", "subscription": "/a"}]);
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    assert_eq!(world.send(&mut peer, unsubscribe.clone()).replies[0]["successful"], true);
    world.publish(&mut peer, "/a", json!(2));
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(3));
    world.send(&mut peer, unsubscribe);
    world.publish(&mut peer, "/a", json!(4));
    world.engine.audit(world.now).expect("everything fits together");
    while pumper.pump_shard(0, world.now, 1, Waker::noop()).more {}
    let data: Vec<_> = world.drain(&peer).iter().map(|event| event["data"].clone()).collect();
    assert_eq!(data, [json!(1), json!(3)]);
    world.engine.audit(world.now).expect("nothing is left of those who left");
}

#[test]
fn who_leaves_while_a_fan_out_is_cut_gets_its_delivery_once() {
    const PEERS: usize = 9;
    for first in 1..PEERS {
        let mut world = World::new(Config::default());
        let mut peers: Vec<_> = (0..PEERS).map(|_| world.pusher()).collect();
        for peer in &mut peers {
            world.subscribe(peer, json!(["/a", "/*"]));
        }
        let pumper = Pumper::register(world.engine.clone());
        world.publish(&mut peers[0], "/a", json!(1));
        assert!(pumper.pump_shard(0, world.now, first, Waker::noop()).more);
        for peer in &mut peers {
            world.send(peer, json!([{"channel": "/meta/unsubscribe", "subscription": ["/*", "/a"]}]));
        }
        world.engine.audit(world.now).expect("everything fits together");
        while pumper.pump_shard(0, world.now, 1, Waker::noop()).more {}
        for peer in &peers {
            assert_eq!(channels(&world.drain(peer)), ["/a"], "cut after {first}");
        }
        world.engine.audit(world.now).expect("nothing is left of those who left");
    }
}

#[test]
fn bx_ch_10_service_subscriptions_are_accepted_and_not_recorded() {
    let mut world = World::new(Config::default());
    let mut peer = world.pusher();
    assert_eq!(world.subscribe(&mut peer, json!("/service/x"))["successful"], true);
    assert_eq!(world.engine.patterns(), 0);
}

#[test]
fn a_publish_answered_before_the_subscribe_was_sent_does_not_reach_it() {
    let mut world = World::new(Config::default());
    let (mut early, mut late) = (world.pusher(), world.pusher());
    world.subscribe(&mut early, json!("/a"));
    // A pumper that has not run yet: the publish still waits in the inbox when the subscription is born.
    let _pumper = Pumper::register(world.engine.clone());
    assert_eq!(world.publish(&mut early, "/a", json!("before"))["successful"], true);
    world.subscribe(&mut late, json!("/a"));
    world.publish(&mut early, "/a", json!("after"));
    assert!(world.drain(&early).is_empty());
    world.pump();
    assert_eq!(world.drain(&early).len(), 2);
    let got = world.drain(&late);
    assert_eq!((got.len(), got[0]["data"].as_str()), (1, Some("after")));
}

#[test]
fn subscribe_and_publish_in_one_batch_reaches_the_subscriber() {
    let mut world = World::new(Config::default());
    let mut peer = world.pusher();
    world.send(&mut peer, json!([{"channel": "/meta/subscribe", "subscription": "/a"}, {"channel": "/a", "data": 1}]));
    assert_eq!(channels(&world.drain(&peer)), ["/a"]);
}
