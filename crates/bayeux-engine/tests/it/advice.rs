use bayeux_engine::Config;
use serde_json::{Value, json};

use crate::world::World;

/// Rule: advice is whole on each handshake reply, connect reply and 402.
fn assert_whole(reply: &Value) {
    let advice = reply["advice"].as_object().unwrap_or_else(|| panic!("no advice: {reply}"));
    assert_eq!(advice.keys().collect::<Vec<_>>(), ["interval", "reconnect", "timeout"], "{reply}");
    if advice["reconnect"] == "handshake" {
        assert_eq!(reply["successful"], false, "npm cometd stays stuck otherwise");
    }
}

#[test]
fn bx_adv_4_an_unknown_session_gets_402_on_every_channel() {
    let mut world = World::new(Config::default());
    let mut peer = world.http();
    for id in ["nosuchsession", "", "000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "zzzaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "é"] {
        peer.id = id.to_owned();
        let batch = json!([
            {"channel": "/meta/connect", "connectionType": "long-polling", "clientId": id, "id": 1},
            {"channel": "/meta/subscribe", "subscription": ["/a"], "clientId": id, "id": 2},
            {"channel": "/meta/unsubscribe", "subscription": "/a", "clientId": id, "id": 3},
            {"channel": "/meta/disconnect", "clientId": id, "id": 4},
            {"channel": "/a", "data": 1, "clientId": id, "id": 5},
            {"channel": "/service/a", "data": 1, "clientId": id, "id": 6},
            {"channel": "/meta/other", "data": 1, "clientId": id, "id": 7},
            {"channel": "/a", "data": 1, "id": 8},
        ]);
        let replies = world.send(&mut peer, batch).replies;
        assert_eq!(replies.len(), 8);
        for (n, reply) in replies.iter().enumerate() {
            assert_eq!(reply["error"], "402::session_unknown");
            assert_eq!(reply["id"], json!(n + 1));
            assert_eq!(reply["advice"]["reconnect"], "handshake");
            assert_whole(reply);
        }
        assert_eq!(replies[1]["subscription"], json!(["/a"]), "echoed in its shape, in refusals too");
        assert_eq!(replies[2]["subscription"], "/a");
    }
}

#[test]
fn bx_adv_1_advice_is_whole() {
    let mut world = World::new(Config::default());
    let mut faulty = world.poller();
    let request = json!([{"channel": "/meta/connect", "connectionType": "long-polling", "ext": 5}]);
    let reply = world.send(&mut faulty, request).replies.remove(0);
    assert_eq!(reply["successful"], false);
    assert_eq!(reply["advice"], json!({"reconnect": "retry", "interval": 1000, "timeout": 20_000}));
    let mut peer = world.http();
    assert_whole(&world.handshake(&mut peer));
    for _ in 0..2 {
        let request = json!([{"channel": "/meta/connect", "connectionType": "long-polling", "advice": {"timeout": 0}}]);
        assert_whole(&world.send(&mut peer, request).replies[0]);
    }
    let refused = json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["x"]}]);
    assert_whole(&world.send(&mut peer, refused).replies[0]);
}

#[test]
fn bx_dc_2_after_disconnect_the_session_is_unknown() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let batch = json!([{"channel": "/a", "data": 1}, {"channel": "/meta/disconnect"}, {"channel": "/a", "data": 2}]);
    let replies = world.send(&mut peer, batch).replies;
    let successful: Vec<_> = replies.iter().map(|reply| reply["successful"].as_bool()).collect();
    assert_eq!(successful, [Some(true), Some(true), Some(false)]);
    assert_eq!(replies[2]["error"], "402::session_unknown");
}

#[test]
fn bx_cn_8_a_session_whose_connect_does_not_come_ends() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let hold = world.hold(&mut peer, "2");
    world.pass(std::time::Duration::from_secs(20));
    assert!(world.receive(&peer, hold).is_some());
    world.pass(std::time::Duration::from_secs(9));
    assert_eq!(world.publish(&mut peer, "/a", json!(1))["successful"], true, "traffic puts the end off");
    world.pass(std::time::Duration::from_secs(9));
    assert_eq!(world.engine.sessions(), 1);
    world.pass(std::time::Duration::from_secs(2));
    assert_eq!(world.connect(&mut peer, "late").replies[0]["error"], "402::session_unknown");
}

#[test]
fn a_client_that_announces_an_interval_has_so_much_longer() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let request = json!([{"channel": "/meta/connect", "connectionType": "long-polling", "advice": {"timeout": 0, "interval": 15_000}}]);
    world.send(&mut peer, request);
    world.pass(std::time::Duration::from_secs(24));
    assert_eq!(world.engine.sessions(), 1);
    world.pass(std::time::Duration::from_secs(2));
    assert_eq!(world.engine.sessions(), 0);
}

#[test]
fn a_lost_session_is_told_first_whatever_else_is_wrong() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let (id, mut other) = (peer.id.clone(), world.poller());
    world.send(&mut peer, json!([{"channel": "/meta/disconnect"}]));
    for mut request in [
        json!({"channel": "/meta/subscribe", "subscription": 5}),
        json!({"channel": "/meta/connect", "connectionType": "long-polling", "ext": 5}),
        json!({"channel": "/a//b", "data": 1}),
        json!({"channel": 5, "data": 1}),
    ] {
        request["clientId"] = json!(id);
        for sender in [&mut peer, &mut other] {
            let reply = world.send(sender, json!([request])).replies.remove(0);
            assert_eq!(reply["error"], "402::session_unknown", "{request}");
            assert_eq!(reply["advice"]["reconnect"], "handshake");
        }
        request["clientId"] = json!(other.id);
        let reply = world.send(&mut other, json!([request])).replies.remove(0);
        assert_ne!(reply["error"], "402::session_unknown", "its own session: {request}");
        assert_eq!(world.send(&mut peer, json!([request])).replies[0]["error"], "402::session_unknown", "foreign");
    }
}
