use std::time::Duration;

use bayeux_engine::{CloseReason, Config, Take};
use serde_json::json;

use crate::world::{World, channels, connect, ticket};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_connect_is_answered_at_once_whatever_its_advice() {
    let mut world = World::new(Config::default());
    let mut peer = world.http();
    world.handshake(&mut peer);
    let request =
        json!([{"channel": "/meta/connect", "connectionType": "long-polling", "id": "1", "advice": {"timeout": 9000}}]);
    let outcome = world.send(&mut peer, request);
    assert_eq!(outcome.replies[0]["successful"], true);
    assert_eq!(outcome.replies[0]["clientId"], json!(peer.id));
    assert_eq!(outcome.replies[0]["advice"], json!({"reconnect": "retry", "interval": 0, "timeout": 20_000}));
}

#[test]
fn bx_cn_6_the_second_is_held_until_the_timeout() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let hold = world.hold(&mut peer, "2");
    assert!(world.take(&peer, hold).is_none());
    world.pass(SECOND * 19);
    assert_eq!(peer.wakes(), 0);
    world.pass(SECOND * 2);
    assert_eq!(peer.wakes(), 1);
    let (messages, lent) = world.take(&peer, hold).expect("its time has come");
    assert_eq!((channels(&messages), messages[0]["id"].as_str(), lent), (vec!["/meta/connect"], Some("2"), false));
    assert!(matches!(world.take_raw(&peer, hold), Take::Close(_)), "a held connect is answered once");
}

#[test]
fn bx_hrd_7_a_client_may_ask_for_less_but_not_for_more() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let ask = |timeout: i64| json!([{"channel": "/meta/connect", "connectionType": "long-polling", "advice": {"timeout": timeout}}]);
    assert_eq!(world.send(&mut peer, ask(0)).replies.len(), 1);
    assert_eq!(world.send(&mut peer, ask(-5)).replies.len(), 1);
    let short = world.send(&mut peer, ask(1000)).answer.held.expect("held");
    world.pass(SECOND * 2);
    assert!(world.take(&peer, short).is_some());
    let long = world.send(&mut peer, ask(i64::MAX)).answer.held.expect("held");
    world.pass(SECOND * 21);
    assert!(world.take(&peer, long).is_some());
}

#[test]
fn a_connect_in_company_is_not_held_and_replies_keep_their_order() {
    for peer_of in [World::poller as fn(&mut World) -> _, World::pusher] {
        let mut world = World::new(Config::default());
        let mut peer = peer_of(&mut world);
        let batch = json!([
            {"channel": "/meta/subscribe", "subscription": "/a", "id": "1"},
            {"channel": "/meta/connect", "connectionType": "long-polling", "id": "2"},
            {"channel": "/b", "data": 1, "id": "3"},
        ]);
        let replies = world.send(&mut peer, batch).replies;
        assert_eq!(channels(&replies), ["/meta/subscribe", "/meta/connect", "/b"]);
    }
}

#[test]
fn bx_cn_9_the_connection_type_must_be_one_that_is_offered() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    for kind in [json!("flash"), json!(null)] {
        let reply =
            world.send(&mut peer, json!([{"channel": "/meta/connect", "connectionType": kind}])).replies.remove(0);
        assert_eq!(reply["error"], "400::connection_type_unsupported");
        assert_eq!(reply["advice"], json!({"reconnect": "handshake", "interval": 1000, "timeout": 20_000}));
    }
}

#[test]
fn a_newer_connect_answers_the_older_at_once_without_events() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    let older = world.hold(&mut peer, "old");
    assert!(world.take(&peer, older).is_none());
    let mut again = peer.clone();
    let newer = world.hold(&mut again, "new");
    assert_eq!(peer.wakes(), 1);
    world.publish(&mut peer.clone(), "/a", json!(1));
    let (messages, lent) = world.take(&peer, older).expect("answered");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["id"], "old");
    assert_eq!(messages[0]["successful"], true);
    assert_eq!(messages[0]["advice"], json!({"reconnect": "retry", "interval": 2000, "timeout": 20_000}));
    assert!(!lent);
    let messages = world.receive(&peer, newer).expect("the newer gets the event");
    assert_eq!(channels(&messages), ["/a", "/meta/connect"]);
    assert_eq!(messages[1]["id"], "new");
}

#[test]
fn a_newer_connect_waits_for_a_write_under_way() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    let lent = world.connect(&mut peer, "w").answer.lent[0];
    let newer = world.hold(&mut peer, "n");
    world.publish(&mut peer, "/a", json!(2));
    assert!(world.take(&peer, newer).is_none(), "the older connection still writes");
    world.engine.confirm(world.now, lent);
    assert_eq!(peer.wakes(), 1);
    let messages = world.receive(&peer, newer).expect("its turn");
    assert_eq!(messages[0]["data"], 2, "what was confirmed is not repeated");
}

#[test]
fn a_write_that_is_given_up_goes_to_the_newer_connect() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    let lent = world.connect(&mut peer, "w").answer.lent[0];
    let newer = world.hold(&mut peer, "n");
    world.engine.cancel(world.now, lent);
    let messages = world.receive(&peer, newer).expect("its turn");
    assert_eq!(messages[0]["data"], 1);
}

#[test]
fn a_write_that_takes_too_long_is_cut_and_not_repeated() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    let lent = world.connect(&mut peer, "w").answer.lent[0];
    let newer = world.hold(&mut peer, "n");
    world.publish(&mut peer, "/a", json!(2));
    world.pass(SECOND * 10);
    assert!(world.take(&peer, newer).is_none(), "the older may still give up by itself");
    world.pass(SECOND);
    let messages = world.receive(&peer, newer).expect("its turn");
    assert_eq!(messages[0]["data"], 2, "the older's event may still arrive there");
    assert_eq!(world.engine.stats().writes_cut, 1);
    assert_eq!(world.engine.connections(), 1);
    world.engine.confirm(world.now, lent);
    assert_eq!(world.engine.connections(), 0, "a cut connection leaves no link behind");
}

#[test]
fn a_connection_that_was_cut_is_to_be_closed() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    let lent = world.connect(&mut peer, "w").answer.lent[0];
    world.hold(&mut peer, "n");
    world.pass(SECOND * 11);
    assert!(matches!(world.take_raw(&peer, lent), Take::Close(CloseReason::Cut)));
}

#[test]
fn a_vanished_poll_takes_no_messages_with_it() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    let hold = world.hold(&mut peer, "gone");
    world.publish(&mut peer, "/a", json!(1));
    world.engine.cancel(world.now, hold);
    let outcome = world.connect(&mut peer, "next");
    assert_eq!(channels(&outcome.replies), ["/a", "/meta/connect"]);
    world.engine.cancel(world.now, outcome.answer.lent[0]);
    let outcome = world.connect(&mut peer, "third");
    assert_eq!(outcome.replies[0]["data"], 1, "what was lent and not confirmed is still there");
    world.engine.confirm(world.now, outcome.answer.lent[0]);
    assert!(world.connect(&mut peer, "fourth").answer.held.is_some());
}

#[test]
fn bx_ws_4_over_a_socket_events_do_not_end_the_held_connect() {
    let mut world = World::new(Config::default());
    let mut peer = world.pusher();
    world.subscribe(&mut peer, json!("/a"));
    assert!(world.connect(&mut peer, "held").replies.is_empty());
    assert!(world.drain(&peer).is_empty());
    world.publish(&mut peer, "/a", json!(1));
    assert_eq!(channels(&world.drain(&peer)), ["/a"]);
    world.pass(SECOND * 21);
    let messages = world.drain(&peer);
    assert_eq!((channels(&messages), messages[0]["id"].as_str()), (vec!["/meta/connect"], Some("held")));
}

#[test]
fn bx_ws_3_over_a_socket_events_flow_from_the_handshake_on() {
    let mut world = World::new(Config::default());
    let mut peer = world.socket();
    world.handshake(&mut peer);
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    assert_eq!(channels(&world.drain(&peer)), ["/a"]);
}

#[test]
fn a_socket_without_connects_expires_and_is_closed() {
    let mut world = World::new(Config::default());
    let mut peer = world.socket();
    world.handshake(&mut peer);
    assert!(world.drain(&peer).is_empty());
    world.pass(SECOND * 11);
    assert_eq!(peer.wakes(), 1);
    assert!(matches!(world.take_raw(&peer, ticket(&peer)), Take::Close(CloseReason::SessionEnded)));
    assert_eq!(world.engine.connections(), 0);
}

#[test]
fn another_connection_takes_over_from_a_socket_and_back() {
    let mut world = World::new(Config::default());
    let mut socket = world.pusher();
    world.subscribe(&mut socket, json!("/a"));
    assert!(world.connect(&mut socket, "ws").replies.is_empty());
    assert!(world.drain(&socket).is_empty());
    let mut http = world.http();
    (http.id, http.origin.browser) = (socket.id.clone(), socket.origin.browser);
    let poll = world.hold(&mut http, "lp");
    world.publish(&mut http.clone(), "/a", json!(1));
    let Take::Frame { frame, last, .. } = world.take_raw(&socket, ticket(&socket)) else {
        panic!("the socket is answered")
    };
    let replies = crate::world::parse(&frame);
    assert_eq!(
        (replies[0]["id"].as_str(), replies[0]["advice"]["interval"].as_i64(), last),
        (Some("ws"), Some(2000), true)
    );
    assert_eq!(channels(&world.receive(&http, poll).expect("it receives now")), ["/a", "/meta/connect"]);
    socket.origin.carrier = bayeux_engine::Carrier::Socket { ticket: None, may_adopt: None };
    world.publish(&mut http.clone(), "/a", json!(2));
    let outcome = world.send(&mut socket, connect("back"));
    assert!(outcome.answer.attached.is_some());
    assert_eq!(world.drain(&socket)[0]["data"], 2);
}

#[test]
fn a_second_connect_on_one_socket_answers_the_first() {
    let mut world = World::new(Config::default());
    let mut peer = world.pusher();
    assert!(world.connect(&mut peer, "one").replies.is_empty());
    let replies = world.connect(&mut peer, "two").replies;
    assert_eq!((replies.len(), replies[0]["id"].as_str()), (1, Some("one")));
    assert_eq!(replies[0]["advice"]["interval"], 2000);
    world.pass(SECOND * 21);
    assert_eq!(world.drain(&peer)[0]["id"], "two");
}

#[test]
fn bx_dc_3_disconnect_answers_the_held_connect_first() {
    let mut world = World::new(Config::default());
    let mut peer = world.pusher();
    assert!(world.connect(&mut peer, "held").replies.is_empty());
    let replies = world.send(&mut peer, json!([{"channel": "/meta/disconnect", "id": "d"}])).replies;
    assert_eq!(channels(&replies), ["/meta/connect", "/meta/disconnect"]);
    assert_eq!(replies[0]["id"], "held");
    assert_eq!(replies[0]["advice"]["reconnect"], "none");
    assert!(matches!(world.take_raw(&peer, ticket(&peer)), Take::Released), "the socket may handshake again");
    assert_eq!((world.engine.sessions(), world.engine.patterns(), world.engine.connections()), (0, 0, 0));
}

#[test]
fn bx_dc_3_disconnect_releases_a_poll_held_elsewhere() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let hold = world.hold(&mut peer, "held");
    assert!(world.take(&peer, hold).is_none());
    let replies = world.send(&mut peer.clone(), json!([{"channel": "/meta/disconnect", "id": "d"}])).replies;
    assert_eq!(replies[0]["successful"], true);
    assert_eq!(peer.wakes(), 1);
    let messages = world.receive(&peer, hold).expect("released");
    assert_eq!(
        (messages[0]["successful"].as_bool(), messages[0]["advice"]["reconnect"].as_str()),
        (Some(true), Some("none"))
    );
}

#[test]
fn a_session_that_asks_for_empty_replies_in_a_loop_is_slowed_down() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let ask = json!([{"channel": "/meta/connect", "connectionType": "long-polling", "advice": {"timeout": 0}}]);
    let delayed = (0..1500).filter(|_| world.send(&mut peer, ask.clone()).answer.not_before.is_some()).count();
    assert_eq!(delayed, 501, "the first connect of the session counts too");
    assert_eq!(world.engine.stats().replies_delayed, 501);
    world.pass(SECOND);
    assert!(world.send(&mut peer, ask).answer.not_before.is_none());
}

#[test]
fn shutdown_answers_held_connects_with_a_jittered_interval() {
    let mut world = World::new(Config::default());
    let mut peers: Vec<_> = (0..20).map(|_| world.poller()).collect();
    let holds: Vec<_> = peers.iter_mut().map(|peer| world.hold(peer, "held")).collect();
    let mut socket = world.pusher();
    assert!(world.connect(&mut socket, "held").replies.is_empty());
    assert!(world.drain(&socket).is_empty());
    world.engine.leave(world.now);
    let mut intervals = std::collections::BTreeSet::new();
    for (peer, hold) in peers.iter().zip(holds) {
        let reply = world.receive(peer, hold).expect("answered").remove(0);
        assert_eq!((reply["successful"].as_bool(), reply["advice"]["reconnect"].as_str()), (Some(true), Some("retry")));
        intervals.insert(reply["advice"]["interval"].as_i64().expect("a number"));
    }
    assert!(intervals.len() > 10 && intervals.iter().all(|interval| (0..=5000).contains(interval)), "{intervals:?}");
    assert_eq!(channels(&world.receive(&socket, ticket(&socket)).expect("answered")), ["/meta/connect"]);
    assert!(matches!(world.take_raw(&socket, ticket(&socket)), Take::Close(CloseReason::ShuttingDown)));
    assert_eq!(world.engine.connections(), 0);
    let late = world.connect(&mut peers[0], "late");
    assert_eq!(late.replies[0]["advice"]["reconnect"], "retry");
    let mut newcomer = world.http();
    assert_eq!(world.handshake(&mut newcomer)["error"], "503::shutting_down");
}

#[test]
fn at_shutdown_what_waits_for_a_socket_without_a_connect_comes_first() {
    let mut world = World::new(Config::default());
    let mut socket = world.pusher();
    world.subscribe(&mut socket, json!("/a"));
    world.publish(&mut socket, "/a", json!(1));
    world.engine.leave(world.now);
    assert_eq!(channels(&world.receive(&socket, ticket(&socket)).expect("the event")), ["/a"]);
    assert!(matches!(world.take_raw(&socket, ticket(&socket)), Take::Close(CloseReason::ShuttingDown)));
}

#[test]
fn at_shutdown_events_are_lent_to_one_connection_only() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    let lent = world.connect(&mut peer, "older").answer.lent[0];
    let newer = world.hold(&mut peer, "newer");
    world.publish(&mut peer, "/a", json!(2));
    world.engine.leave(world.now);
    let messages = world.receive(&peer, newer).expect("an answer, though the older still writes");
    assert_eq!(channels(&messages), ["/meta/connect"]);
    world.engine.confirm(world.now, lent);
    assert_eq!(world.engine.connections(), 0);
}

#[test]
fn bx_dc_3_a_connect_that_waits_for_a_drain_is_answered_before_the_disconnect() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    let _lent = world.connect(&mut peer, "older").answer.lent[0];
    let mut socket = world.socket();
    (socket.id, socket.origin.browser) = (peer.id.clone(), peer.origin.browser);
    assert!(world.connect(&mut socket, "newer").replies.is_empty(), "it waits for the older's write");
    let replies = world.send(&mut socket, json!([{"channel": "/meta/disconnect"}])).replies;
    assert_eq!(channels(&replies), ["/meta/connect", "/meta/disconnect"]);
}

#[test]
fn connects_that_give_way_to_the_next_count_as_empty_replies() {
    let mut world = World::new(Config::default());
    let ask = |kind| json!([{"channel": "/meta/connect", "connectionType": kind}]);
    for (mut peer, kind) in [(world.poller(), "long-polling"), (world.pusher(), "websocket")] {
        let delayed = (0..1500).filter(|_| world.send(&mut peer, ask(kind)).answer.not_before.is_some()).count();
        assert_eq!(delayed, 500, "{kind}: the first of the session counts, the last is held");
    }
}
