use std::sync::Arc;

use bayeux_engine::{Config, Frame, Take};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{World, channels, parse, ticket};

#[test]
fn bx_pb_5_a_publish_reply_never_carries_data() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let reply = world.publish(&mut peer, "/a", json!({"x": 1}));
    assert_eq!(reply, json!({"channel": "/a", "id": "p", "successful": true}));
}

#[test]
fn bx_pb_3_what_is_no_publish_is_refused_alone() {
    let mut world = World::new(Config::default());
    let mut peer = world.pusher();
    world.subscribe(&mut peer, json!("/**"));
    for (message, error) in [
        (json!({"channel": "/a"}), "400::data_missing"),
        (json!({"data": 1}), "400::channel_missing"),
        (json!({"channel": 5, "data": 1}), "405:channel:channel_invalid"),
        (json!({"channel": "/a//b", "data": 1}), "405:/a//b:channel_invalid"),
        (json!({"channel": "/a/*", "data": 1}), "405:/a/*:channel_invalid"),
        (json!({"channel": "/a/*/b", "data": 1}), "405:/a/*/b:channel_invalid"),
        (json!({"channel": "a", "data": 1}), "405:a:channel_invalid"),
        (json!({"channel": "/é", "data": 1}), "405:/é:channel_invalid"),
        (json!({"channel": "/meta/x", "data": 1}), "403:/meta/x:publish_denied"),
        (
            json!({"channel": "/meta/subscribe/x", "data": 1, "subscription": "/b"}),
            "403:/meta/subscribe/x:publish_denied",
        ),
        (json!({"channel": "/a", "data": 1, "id": [1]}), "405:id:message_id_invalid"),
        (json!({"channel": "/a", "data": 1, "ext": 5}), "400:ext:field_invalid"),
        (json!({"channel": "/a", "data": 1, "clientId": 5}), "400:clientId:field_invalid"),
    ] {
        let replies = world.send(&mut peer, json!([message, {"channel": "/ok", "data": 1}])).replies;
        assert_eq!(replies[0]["error"], error, "{message}");
        assert_eq!(replies[0]["successful"], false);
        assert_eq!(channels(&world.drain(&peer)), ["/ok"], "{message}: the others take effect");
    }
}

#[test]
fn bx_pb_2_a_publish_without_a_session_is_an_option() {
    let mut config = Config::default();
    config.allow_unconnected_publish = true;
    let mut world = World::new(config);
    let mut subscriber = world.pusher();
    world.subscribe(&mut subscriber, json!("/a"));
    let mut anybody = world.http();
    assert_eq!(world.publish(&mut anybody, "/a", json!(1)), json!({"channel": "/a", "id": "p", "successful": true}));
    assert_eq!(channels(&world.drain(&subscriber)), ["/a"]);
    let replies = world.send(&mut anybody, json!([{"channel": "/meta/subscribe", "subscription": "/a"}, {"channel": "/a", "data": 1, "clientId": "x"}])).replies;
    assert!(replies.iter().all(|reply| reply["error"] == "402::session_unknown"));
}

#[test]
fn broadcast_to_publisher_can_be_off() {
    let mut config = Config::default();
    config.broadcast_to_publisher = false;
    let mut world = World::new(config);
    let (mut publisher, mut other) = (world.pusher(), world.pusher());
    world.subscribe(&mut publisher, json!("/a"));
    world.subscribe(&mut other, json!("/a"));
    world.publish(&mut publisher, "/a", json!(1));
    assert_eq!((world.drain(&publisher).len(), world.drain(&other).len()), (0, 1));
}

#[test]
fn bx_hrd_10_a_delivery_is_channel_and_data() {
    let mut world = World::new(Config::default());
    let (mut publisher, mut subscriber) = (world.poller(), world.pusher());
    world.subscribe(&mut subscriber, json!("/a"));
    let canary = "canary-value";
    let fields = json!({
        "id": canary, "version": canary, "minimumVersion": canary, "supportedConnectionTypes": [canary],
        "connectionType": canary, "subscription": canary, "successful": true, "authSuccessful": false, "error": canary,
        "timestamp": canary, "ext": {canary: canary}, "advice": {"reconnect": "none", canary: canary}, "custom": {canary: 1},
    });
    for (name, value) in fields.as_object().expect("an object") {
        let data = json!({"name": name});
        let mut message = json!({"channel": "/a", "data": data});
        message[name] = value.clone();
        world.send(&mut publisher, json!([message]));
        let got = world.drain(&subscriber);
        assert_eq!(got, [json!({"channel": "/a", "data": data})], "{name}");
    }
    let mut all = fields;
    all["channel"] = json!("/a");
    all["data"] = json!("x");
    world.send(&mut publisher, json!([all]));
    let got = serde_json::to_string(&world.drain(&subscriber)).expect("JSON");
    assert!(!got.contains(canary) && !got.contains(&publisher.id) && got.contains("\"x\""), "{got}");
}

/// A name of the protocol or any other, but not the two that travel.
fn field() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "id",
        "clientId",
        "version",
        "minimumVersion",
        "supportedConnectionTypes",
        "connectionType",
        "subscription",
        "advice",
        "successful",
        "authSuccessful",
        "error",
        "timestamp",
        "ext",
        "hosts",
        "Data",
        "channel2",
    ];
    prop_oneof![
        4 => prop::sample::select(KNOWN).prop_map(str::to_owned),
        1 => "[a-zA-Z_]{1,12}".prop_filter("a field that does not travel", |name| name != "channel" && name != "data"),
    ]
}

/// Any JSON value; every text in it is recognisable.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<i32>().prop_map(|number| json!(number)),
        Just(json!("canary-text")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("canary-[a-z]{1,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    /// CometD and Faye relay `advice`, so that one publish disconnects every subscriber; here nothing of it travels.
    #[test]
    fn bx_hrd_10_no_field_of_a_publish_is_relayed(
        fields in prop::collection::btree_map(field(), value(), 0..6),
        data in value(),
    ) {
        let mut world = World::new(Config::default());
        let (mut publisher, mut subscriber) = (world.poller(), world.pusher());
        world.subscribe(&mut subscriber, json!("/a"));
        let mut message = json!(fields);
        message["channel"] = json!("/a");
        message["data"] = json!({ "value": data });
        let accepted = world.send(&mut publisher, json!([message])).replies[0]["successful"] == true;
        let got = world.drain(&subscriber);
        let expected = if accepted { vec![json!({"channel": "/a", "data": {"value": data}})] } else { vec![] };
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn bx_hrd_4_data_arrives_as_it_was_sent() {
    let mut world = World::new(Config::default());
    let mut peer = world.pusher();
    world.subscribe(&mut peer, json!("/a"));
    for data in
        [json!(null), json!(""), json!("é\u{1F600}\u{2028}"), json!([[], {}]), json!({"a": {"b": [1, 2.5e-3, true]}})]
    {
        world.publish(&mut peer, "/a", data.clone());
        assert_eq!(world.drain(&peer)[0].get("data"), Some(&data));
    }
}

#[test]
fn bx_dl_6_order_is_kept_and_fan_out_in_budgets_skips_nobody() {
    let mut world = World::new(Config::default());
    // More subscribers than one lock hold delivers to.
    let mut peers: Vec<_> = (0..2500).map(|_| world.pusher()).collect();
    for peer in &mut peers {
        world.subscribe(peer, json!("/a"));
    }
    for n in 0..20 {
        world.publish(&mut peers[0], "/a", json!(n));
    }
    let expected: Vec<Value> = (0..20).map(|n| json!(n)).collect();
    for peer in &peers {
        let got: Vec<_> = world.drain(peer).iter().map(|event| event["data"].clone()).collect();
        assert_eq!(got, expected);
    }
}

#[test]
fn sessions_of_all_shards_are_reached() {
    let mut world = World::with_shards(Config::default(), 4);
    let mut peers: Vec<_> = (0..40).map(|_| world.pusher()).collect();
    for peer in &mut peers {
        world.subscribe(peer, json!("/a/*"));
    }
    world.publish(&mut peers[3], "/a/b", json!(1));
    assert!(peers.iter().all(|peer| world.drain(peer).len() == 1));
}

#[test]
fn meta_connect_deliver_only_can_be_off() {
    let mut config = Config::default();
    config.meta_connect_deliver_only = false;
    let mut world = World::new(config);
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    let outcome = world.send(&mut peer, json!([{"channel": "/b", "data": 1}]));
    assert_eq!(channels(&outcome.replies), ["/b", "/a"]);
    world.engine.confirm(world.now, outcome.answer.lent[0]);
    assert!(world.connect(&mut peer, "2").answer.held.is_some(), "delivered once");
}

#[test]
fn sockets_that_get_the_same_events_share_their_bytes_and_others_do_not() {
    let mut world = World::new(Config::default());
    let mut peers: Vec<_> = (0..5).map(|_| world.pusher()).collect();
    for (peer, channels) in peers.iter_mut().zip([&["/a"][..], &["/a"], &["/a", "/b"], &["/a"], &["/b"]]) {
        world.subscribe(peer, json!(channels));
    }
    for (channel, data) in [("/a", 1), ("/b", 2), ("/a", 3)] {
        world.publish(&mut peers[0], channel, json!(data));
    }
    let mut shared = Vec::new();
    for (peer, expected) in peers.iter().zip([&[1, 3][..], &[1, 3], &[1, 2, 3], &[1, 3], &[2]]) {
        let Take::Frame { frame, lent: true, .. } = world.take_raw(peer, ticket(peer)) else { panic!("events wait") };
        let data: Vec<_> = parse(&frame).iter().map(|event| event["data"].as_i64().expect("a number")).collect();
        assert_eq!(data, expected);
        if let Frame::Shared(frame) = frame {
            shared.push(frame);
        }
    }
    peers.iter().for_each(|peer| world.engine.confirm(world.now, ticket(peer)));
    assert!(Arc::ptr_eq(&shared[0], &shared[1]), "the same events, the same bytes");
    assert!(!Arc::ptr_eq(&shared[1], &shared[2]), "one more event in between");
    assert!(world.engine.audit(world.now).is_ok_and(|audit| audit.outbox_messages == 0));
}
