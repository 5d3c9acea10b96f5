use serde_json::json;

use super::FRONT;
use crate::{
    client::{Frame, Http, UPGRADE, Ws, channels, closed_sockets_take_nothing, connect, handshake},
    server::{Server, options, wait_until},
};

#[test]
fn bx_ws_1_handshake_subscribe_publish_over_one_socket() {
    let server = Server::start(FRONT);
    let mut peer = Ws::session(&server);
    assert!(peer.response.header("set-cookie").is_some_and(|cookie| cookie.starts_with("BAYEUX_BROWSER=")));
    peer.call(json!([{"channel": "/meta/subscribe", "subscription": "/a"}]));
    peer.send(connect("held"));
    peer.send(json!([{"channel": "/a", "data": 1, "id": 1}]));
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(peer.messages());
    }
    assert!(seen.contains(&json!({"channel": "/a", "id": 1, "successful": true})));
    assert!(seen.contains(&json!({"channel": "/a", "data": 1})));
    assert_eq!(peer.messages()[0]["id"], "held", "answered at its timeout");
    peer.send(connect("held again"));
    let replies = peer.call(json!([{"channel": "/meta/disconnect", "id": "d"}]));
    assert_eq!(channels(&replies), ["/meta/connect", "/meta/disconnect"]);
    let reply = peer.call(handshake()).remove(0);
    assert_eq!(reply["successful"], true, "the socket may handshake again");
}

#[test]
fn bx_ws_6_pings_are_answered_and_faye_pings_too() {
    let server = Server::start(FRONT);
    let mut peer = Ws::open(&server);
    peer.frame(0x89, b"hello");
    assert_eq!(peer.read(), Frame::Pong(b"hello".to_vec()));
    peer.frame(0x81, b"[]");
    assert_eq!(peer.read(), Frame::Text(vec![]));
    peer.frame(0x88, &1000_u16.to_be_bytes());
    assert_eq!(peer.read(), Frame::Close(1000));
    assert_eq!(peer.read(), Frame::End);
}

#[test]
fn bx_ws_5_bad_input_closes_with_a_code() {
    let server = Server::start(FRONT);
    let many = format!("[{}{{}}]", "{},".repeat(1024));
    let deep = format!("[{{\"x\":{}", "[".repeat(40));
    for (first, payload, code) in [
        (0x81, &b"x"[..], 1007),
        (0x81, b"[{\"a\":\"\xff\"}]", 1007),
        (0x81, b"[{\"channel\":\"/a\",\"channel\":\"/b\"}]", 1007),
        (0x81, many.as_bytes(), 1008),
        (0x81, deep.as_bytes(), 1008),
        (0x81, &[b' '; 65_537], 1009),
        (0x82, b"[]", 1003),
        (0xc1, b"[]", 1002),
        (0x80, b"[]", 1002),
    ] {
        let mut peer = Ws::open(&server);
        peer.frame(first, payload);
        assert_eq!(peer.read(), Frame::Close(code), "{first:#x} {code}");
    }
    let mut unmasked = Ws::open(&server);
    unmasked.http.write([0x81, 0x02, b'[', b']']);
    assert_eq!(unmasked.read(), Frame::Close(1002));
    let mut huge = Ws::open(&server);
    huge.http.write([&[0x81, 0xff][..], &(1_u64 << 30).to_be_bytes(), &[0; 4]].concat());
    assert_eq!(huge.read(), Frame::Close(1009), "from the header alone");
    assert_eq!(server.bayeux.stats().sockets_refused, 11);
}

#[test]
fn bad_upgrades_are_told_why() {
    let server = Server::start(FRONT);
    let mut peer = Http::open(&server);
    let mut headers = UPGRADE;
    headers[2].1 = "8";
    let response = peer.request("GET", "/bayeux", &headers, b"");
    assert_eq!((response.status, response.header("sec-websocket-version")), (426, Some("13")));
    let mut headers = UPGRADE;
    headers[3].1 = "short";
    let refused = Http::open(&server).request("GET", "/bayeux", &headers, b"");
    assert_eq!(refused.status, 400);
}

#[test]
fn a_socket_without_a_session_is_closed() {
    let mut options = options();
    options.handshake_timeout = std::time::Duration::from_millis(50);
    let server = Server::with(FRONT, options);
    let mut peer = Ws::open(&server);
    assert_eq!(peer.read(), Frame::Close(1008));
    assert_eq!(server.bayeux.stats().sockets_without_session, 1);
}

#[test]
fn a_socket_closed_by_its_peer_keeps_the_session_and_its_events() {
    let server = Server::start(FRONT);
    let mut peer = Ws::session(&server);
    peer.call(json!([{"channel": "/meta/subscribe", "subscription": "/a"}]));
    let mut http = Http::open(&server);
    (http.id, http.cookie) = (peer.http.id.clone(), peer.http.cookie.clone());
    drop(peer);
    wait_until(|| server.bayeux.engine().connections() == 0);
    http.post(json!([{"channel": "/a", "data": 1}]));
    assert_eq!(channels(&http.post(connect("1"))), ["/a", "/meta/connect"]);
}

#[test]
fn a_socket_that_closed_before_a_publish_takes_nothing_with_it() {
    let server = Server::start(FRONT);
    let lasts: [fn(&mut Ws); 4] = [
        |_| {},
        |gone| gone.frame(0x88, &1000_u16.to_be_bytes()),
        |gone| gone.frame(0x89, b"ping"),
        |gone| gone.send(json!([{"channel": "/b", "data": 1}])),
    ];
    for last in lasts {
        closed_sockets_take_nothing(|| Http::open(&server), last);
    }
}

#[test]
fn npm_faye_a_socket_opened_during_the_http_handshake_may_adopt_its_session() {
    let server = Server::start(FRONT);
    let mut socket = Ws::open(&server);
    let mut http = Http::open(&server);
    http.handshake();
    socket.http.id = http.id.clone();
    assert_eq!(socket.call(connect("1"))[0]["successful"], true);
    let mut late = Http::session(&server);
    late.subscribe("/a");
    socket.http.id = late.id.clone();
    assert_eq!(socket.call(connect("2"))[0]["error"], "402::session_unknown", "one session for a socket");
}

#[test]
fn messages_that_come_with_the_upgrade_are_not_forgotten() {
    let server = Server::start(FRONT);
    let mut peer = Http::open(&server);
    let mut bytes = b"GET /bayeux HTTP/1.1\r\nHost: app.example\r\n".to_vec();
    for (name, value) in UPGRADE {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n\x81\x82\0\0\0\0[]");
    peer.write(bytes);
    let response = peer.answer();
    assert_eq!(response.status, 101);
    let mut ws = Ws { http: peer, response };
    assert_eq!(ws.read(), Frame::Text(vec![]));
}

#[test]
fn bx_cn_5_a_connect_held_for_a_session_is_answered_when_its_socket_takes_another() {
    let mut options = options();
    options.engine.timeout = std::time::Duration::from_secs(60);
    let server = Server::with(FRONT, options);
    let mut socket = Ws::session(&server);
    socket.send(connect("held"));
    let first = socket.http.id.clone();
    let replies = [socket.call(handshake()), socket.messages()].concat();
    assert_eq!(channels(&replies), ["/meta/connect", "/meta/handshake"]);
    assert_eq!((&replies[0]["id"], &replies[0]["clientId"]), (&json!("held"), &json!(first)));
}
