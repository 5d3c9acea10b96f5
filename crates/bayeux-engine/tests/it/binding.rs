use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bayeux_engine::{Carrier, Config, Time};
use serde_json::{Value, json};

use crate::world::{Peer, World};

fn unknown(reply: &Value) -> bool {
    reply["error"] == "402::session_unknown"
}

/// A socket that was upgraded without a cookie at `upgraded`.
fn stranger(world: &mut World, upgraded: Time) -> Peer {
    let mut socket = world.socket();
    socket.origin.carrier = Carrier::Socket { ticket: None, may_adopt: Some(upgraded) };
    socket
}

#[test]
fn bx_sec_3_a_session_is_used_only_with_its_cookie() {
    let mut world = World::new(Config::default());
    let victim = world.poller();
    for mut thief in [world.http(), world.socket()] {
        thief.id = victim.id.clone();
        for browser in [thief.origin.browser, None] {
            thief.origin.browser = browser;
            let replies =
                world.send(&mut thief, json!([{"channel": "/a", "data": 1}, {"channel": "/meta/disconnect"}])).replies;
            for reply in &replies {
                assert!(unknown(reply));
                assert_eq!(reply["advice"], json!({"reconnect": "handshake", "interval": 1000, "timeout": 20_000}));
            }
        }
    }
    assert_eq!(world.engine.sessions(), 1, "the victim is undisturbed");
    assert_eq!(world.engine.stats().sessions_foreign, 8);
}

#[test]
fn bx_sec_3_one_foreign_message_is_refused_alone() {
    let mut world = World::new(Config::default());
    let (victim, mut peer) = (world.poller(), world.poller());
    let batch = json!([{"channel": "/a", "data": 1}, {"channel": "/a", "data": 2, "clientId": victim.id}, {"channel": "/a", "data": 3}]);
    let refused: Vec<_> = world.send(&mut peer, batch).replies.iter().map(unknown).collect();
    assert_eq!(refused, [false, true, false]);
}

#[test]
fn trust_client_session_needs_no_cookie() {
    let mut config = Config::default();
    config.trust_client_session = true;
    let mut world = World::new(config);
    let victim = world.poller();
    let mut other = world.socket();
    other.id = victim.id;
    assert_eq!(world.publish(&mut other, "/a", json!(1))["successful"], true);
}

#[test]
fn the_socket_of_the_handshake_needs_no_cookie() {
    let mut world = World::new(Config::default());
    let mut peer = world.socket();
    peer.origin.browser = None;
    world.handshake(&mut peer);
    assert_eq!(world.publish(&mut peer, "/a", json!(1))["successful"], true);
}

#[test]
fn a_socket_without_a_cookie_adopts_one_session_once() {
    let mut world = World::new(Config::default());
    let mut socket = {
        let now = world.now;
        stranger(&mut world, now)
    };
    world.now = world.now + Duration::from_secs(1);
    let (first, second) = (world.poller(), world.poller());
    socket.id = first.id.clone();
    assert_eq!(world.publish(&mut socket, "/a", json!(1))["successful"], true);
    assert_eq!(world.publish(&mut socket, "/a", json!(1))["successful"], true, "and is at home there");
    socket.id = second.id;
    assert!(unknown(&world.publish(&mut socket, "/a", json!(1))), "one session for a socket");
    let now = world.now;
    let mut late = stranger(&mut world, now);
    late.id = first.id;
    assert!(unknown(&world.publish(&mut late, "/a", json!(1))), "one socket for a session");
}

#[test]
fn adoption_needs_the_window_the_address_and_an_http_handshake() {
    for (age, window, address, by_socket, allowed) in [
        (1, 2, 1, false, true),
        (3, 2, 1, false, false),
        (1, 0, 1, false, false),
        (1, 2, 9, false, false),
        (1, 2, 1, true, false),
    ] {
        let mut config = Config::default();
        config.adopt_window = Duration::from_secs(window);
        let mut world = World::new(config);
        let victim = if by_socket { world.pusher() } else { world.poller() };
        world.now = world.now + Duration::from_secs(age);
        let now = world.now;
        let mut socket = stranger(&mut world, now);
        socket.id = victim.id;
        socket.origin.peer = IpAddr::V4(Ipv4Addr::new(127, 0, 0, address));
        let reply = world.publish(&mut socket, "/a", json!(1));
        assert_eq!(reply["successful"], allowed, "{age} {window} {address} {by_socket}");
    }
}

/// npm faye opens its socket while it handshakes over HTTP. The 101 may come later than the handshake's reply, and its cookie
/// then replaces that one's in the client.
#[test]
fn the_cookie_of_the_101_opens_the_session_that_its_socket_may_adopt() {
    for (age, allowed) in [(1, true), (3, false)] {
        let mut world = World::new(Config::default());
        let mut peer = world.poller();
        let own = peer.origin.browser;
        world.now = world.now + Duration::from_secs(age);
        let now = world.now;
        let mut socket = stranger(&mut world, now);
        socket.id = peer.id.clone();
        (peer.origin.browser, peer.origin.browser_upgraded) = (socket.origin.browser, Some(now));
        assert_eq!(world.publish(&mut peer, "/a", json!(1))["successful"], allowed, "by HTTP, {age} s old");
        assert_eq!(world.publish(&mut socket, "/a", json!(1))["successful"], allowed, "then by the socket");
        peer.origin.browser = own;
        assert_eq!(world.publish(&mut peer, "/a", json!(1))["successful"], true, "what was sent with the first cookie");
        let mut other = world.http();
        (other.id, other.origin.browser_upgraded) = (peer.id.clone(), Some(now));
        assert!(unknown(&world.publish(&mut other, "/a", json!(1))), "one adoption for a session");
    }
}

#[test]
fn a_session_that_its_socket_adopted_can_go_back_to_http() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let now = world.now;
    let mut socket = stranger(&mut world, now);
    socket.id = peer.id.clone();
    assert_eq!(world.publish(&mut socket, "/a", json!(1))["successful"], true);
    peer.origin.browser = socket.origin.browser;
    assert_eq!(world.publish(&mut peer, "/a", json!(1))["successful"], true);
}

#[test]
fn one_cookie_of_a_101_adopts_one_session_and_not_for_ever() {
    let mut world = World::new(Config::default());
    let (first, second, third) = (world.poller(), world.poller(), world.poller());
    let now = world.now;
    let mut stranger = world.http();
    stranger.origin.browser_upgraded = Some(now);
    for (victim, allowed) in [(&first, true), (&second, false), (&first, true)] {
        stranger.id = victim.id.clone();
        assert_eq!(world.publish(&mut stranger, "/a", json!(1))["successful"], allowed);
    }
    let mut late = world.http();
    (late.id, late.origin.browser_upgraded) = (third.id.clone(), Some(now));
    for _ in 0..3 {
        world.pass(Duration::from_secs(8));
        let mut third = third.clone();
        world.publish(&mut third, "/b", json!("a sign of life"));
    }
    assert!(unknown(&world.publish(&mut late, "/a", json!(1))), "its time has passed");
}

#[test]
fn a_socket_with_a_session_of_its_own_adopts_none() {
    let mut world = World::new(Config::default());
    let victim = world.poller();
    let now = world.now;
    let mut socket = stranger(&mut world, now);
    world.handshake(&mut socket);
    socket.id = victim.id;
    assert!(unknown(&world.publish(&mut socket, "/a", json!(1))));
}
