use bayeux_engine::Config;
use serde_json::{Value, json};

use crate::world::World;

fn try_handshake(fields: Value) -> Value {
    let mut world = World::new(Config::default());
    let mut peer = world.http();
    let mut message = json!({"channel": "/meta/handshake", "id": 7});
    message.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    world.send(&mut peer, json!([message])).replies.remove(0)
}

#[test]
fn bx_hs_6_a_success_has_all_fields() {
    let mut world = World::new(Config::default());
    let mut peer = world.http();
    let reply = world.handshake(&mut peer);
    assert_eq!(reply["successful"], true);
    assert_eq!(reply["id"], "h");
    assert_eq!(reply["version"], "1.0");
    assert_eq!(
        reply["supportedConnectionTypes"],
        json!(["websocket", "long-polling", "eventsource", "xhr-streaming", "iframe"])
    );
    assert_eq!(reply["advice"], json!({"reconnect": "retry", "interval": 0, "timeout": 20_000}));
    assert_eq!(peer.id.len(), 34);
}

#[test]
fn bx_cid_3_every_session_has_an_id_of_its_own() {
    let mut world = World::with_shards(Config::default(), 4);
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let mut peer = world.http();
        world.handshake(&mut peer);
        assert!(peer.id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()));
        ids.insert(peer.id);
    }
    assert_eq!(ids.len(), 1000);
}

#[test]
fn bx_hs_8_without_a_common_connection_type_it_fails() {
    for types in [json!(["callback-polling", "flash"]), json!([]), Value::Null] {
        let reply = try_handshake(json!({"version": "1.0", "supportedConnectionTypes": types}));
        assert_eq!(reply["successful"], false);
        assert_eq!(reply["error"], "400::no_common_connection_type");
        assert_eq!(reply["id"], 7, "echoed in kind");
        assert_eq!(reply.get("clientId"), None, "BX-FLD-4");
        assert_eq!(
            reply["supportedConnectionTypes"],
            json!(["websocket", "long-polling", "eventsource", "xhr-streaming", "iframe"])
        );
        assert_eq!(reply["advice"]["reconnect"], "none");
    }
}

#[test]
fn bx_ver_2_the_version_must_fit() {
    let types = json!(["long-polling"]);
    for (version, minimum, fits) in [
        (json!("1.0"), Value::Null, true),
        (json!("1.0"), json!("0.9"), true),
        (json!("1.0.1"), json!("1.0"), true),
        (json!("2.0"), json!("1.0"), true),
        (json!("2.0"), json!("2.0"), false),
        (json!("0.9"), Value::Null, false),
        (json!("x"), Value::Null, false),
        (Value::Null, Value::Null, false),
    ] {
        let reply =
            try_handshake(json!({"version": version, "minimumVersion": minimum, "supportedConnectionTypes": types}));
        assert_eq!(reply["successful"], fits, "{version} {minimum}");
    }
}

#[test]
fn bx_hs_4_in_company_only_the_handshake_has_an_effect() {
    let mut world = World::new(Config::default());
    let mut watcher = world.poller();
    world.subscribe(&mut watcher, json!("/**"));
    let hold = world.hold(&mut watcher, "w");
    assert!(world.take(&watcher, hold).is_none());
    let mut peer = world.http();
    peer.id = watcher.id.clone();
    let handshake = json!({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"], "id": "1"});
    peer.origin.browser = watcher.origin.browser;
    let replies = world.send(&mut peer, json!([{"channel": "/a", "data": 1, "id": "0"}, handshake, handshake])).replies;
    assert_eq!(
        replies[0],
        json!({"channel": "/a", "id": "0", "successful": false, "error": "400::handshake_must_be_alone"})
    );
    assert_eq!(replies[1]["successful"], true);
    assert_eq!(replies[2]["successful"], false);
    assert_eq!(replies[2].get("advice"), None);
    world.pump();
    assert!(world.take(&watcher, hold).is_none(), "nothing was published");
}

#[test]
fn bx_hs_9_a_client_id_in_the_request_is_ignored() {
    let reply =
        try_handshake(json!({"version": "1.0", "supportedConnectionTypes": ["long-polling"], "clientId": "mine"}));
    assert_eq!(reply["successful"], true);
    assert_ne!(reply["clientId"], "mine");
}

#[test]
fn bx_cn_8_a_session_that_never_connects_ends() {
    let mut world = World::new(Config::default());
    let mut peer = world.http();
    world.handshake(&mut peer);
    world.pass(std::time::Duration::from_secs(9));
    assert_eq!(world.engine.sessions(), 1);
    world.pass(std::time::Duration::from_secs(2));
    assert_eq!(world.engine.sessions(), 0);
    assert_eq!(world.engine.stats().sessions_expired, 1);
}
