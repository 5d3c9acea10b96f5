//! Where a request ends is never a matter of opinion.

use std::io::Read;

use serde_json::json;

use crate::{
    client::{Http, channels, connect, handshake, with_id},
    server::{Front, Server},
    transport::{Receiver, STREAMS, Transport, encoded},
};

/// Heads that a proxy and a server might take differently, each followed by what would be smuggled.
const SMUGGLING: &[&str] = &[
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2x\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\n Content-Length: 2\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nX: y\r\n\tContent-Length: 2\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: 2\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer\0Encoding: chunked\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n",
    "POST /bayeux HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 2\r\n\r\n",
    "POST /bayeux HTTP/1.1\r\nContent-Length: 2\r\n\r\n",
    "POST  /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
    "POST /bayeux HTTP/1.1 x\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
    "POST /bayeux HTTP/9.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
    "POST /bayeux\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
];

#[test]
fn what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read() {
    let server = Server::start(Front::Own);
    for head in SMUGGLING {
        let mut peer = Http::open(&server);
        peer.write(format!("{head}{}", "GET /other HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = peer.answer();
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{head:?} {answer:?}");
        let mut rest = String::new();
        peer.stream().read_to_string(&mut rest).expect("an end, not a reset");
        assert_eq!(rest, "", "{head:?}");
    }
    assert_eq!(server.bayeux.stats().heads_malformed, SMUGGLING.len() as u64);
}

#[test]
fn a_chunk_behind_the_last_one_is_no_request() {
    let server = Server::start(Front::Own);
    let mut peer = Http::open(&server);
    for chunks in ["2\r\n[]x\r\n0\r\n\r\n", "-1\r\n", "2;\n[]\r\n0\r\n\r\n", "fffffffffffffffffx\r\n"] {
        peer = peer.again(&server);
        peer.write(format!("POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"));
        let answer = peer.answer();
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{chunks:?}");
    }
    peer = peer.again(&server);
    peer.write("POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n");
    assert_eq!(peer.answer().status, 413);
}

#[test]
fn requests_that_came_together_are_answered_in_order() {
    let server = Server::start(Front::Own);
    let mut peer = Http::open(&server);
    let body = handshake().to_string();
    let one = format!("POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    peer.write(format!(
        "{one}{chunked}\r\n{one}HEAD /bayeux HTTP/1.1\r\nHost: a\r\n\r\n\
         GET /bayeux HTTP/1.1\r\nHost: a\r\n\r\nGET /other HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    for _ in 0..3 {
        assert_eq!(peer.answer().messages()[0]["successful"], true);
    }
    let head = peer.answer_to("HEAD");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), peer.answer().header("content-length"), "as long as what a GET brings");
    assert_eq!(peer.answer().body, b"other", "the last is the application's");
}

#[test]
fn what_is_sent_behind_a_held_connect_waits_for_its_turn() {
    let server = Server::start(Front::Own);
    let mut peer = Http::session(&server);
    peer.subscribe("/a");
    peer.ask_batch(connect("held"));
    peer.ask_batch(json!([{"channel": "/a", "data": 1, "id": "behind"}]));
    let held = peer.answer().messages();
    assert_eq!(channels(&held), ["/meta/connect"], "answered when its time has come");
    assert_eq!(peer.answer().messages()[0]["id"], "behind");
}

#[test]
fn a_body_is_asked_for_where_that_is_expected() {
    let server = Server::start(Front::Own);
    let mut peer = Http::open(&server);
    peer.write("POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(peer.answer().status, 100);
    peer.write("[]");
    assert_eq!((peer.answer().status, peer.request("GET", "/bayeux", &[("Expect", "x")], b"").status), (200, 417));
}

#[test]
fn a_client_of_http_1_0_is_told_whether_the_connection_stays() {
    let server = Server::start(Front::Own);
    let mut peer = Http::open(&server);
    for (header, expected) in [("Connection: keep-alive\r\n", "keep-alive"), ("", "close")] {
        peer.write(format!("POST /bayeux HTTP/1.0\r\nContent-Length: 2\r\n{header}\r\n[]"));
        let answer = peer.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some(expected)));
    }
}

/// Chunks are not known there: the stream ends with its connection.
#[test]
fn a_stream_to_a_client_of_http_1_0_is_not_in_chunks() {
    let server = Server::start(Front::Own);
    for transport in STREAMS {
        let mut session = Http::session(&server);
        session.subscribe("/a");
        let mut peer = session.again(&server);
        let mut connect = with_id(transport.connect("c"), &session.id);
        connect[0]["advice"] = json!({"timeout": 300});
        let connect = connect.to_string();
        let cookie = session.cookie.clone().expect("a cookie");
        let lines = format!("Cookie: {cookie}\r\nConnection: keep-alive\r\n");
        if transport == Transport::XhrStreaming {
            let length = connect.len();
            peer.write(format!("POST /bayeux HTTP/1.0\r\n{lines}Content-Length: {length}\r\n\r\n{connect}"));
        } else {
            let message = encoded(connect.as_bytes());
            peer.write(format!("GET /bayeux?message={message} HTTP/1.0\r\n{lines}\r\n"));
        }
        let head = peer.answer_head();
        assert_eq!((head.status, head.header("connection")), (200, Some("close")), "{transport:?}");
        assert_eq!((head.header("transfer-encoding"), head.header("content-length")), (None, None));
        session.post(json!([{"channel": "/a", "data": 1}]));
        let rest = peer.rest();
        let (before, behind) = rest.split_once(r#"[{"channel":"/a","data":1}]"#).unwrap_or_else(|| panic!("{rest}"));
        assert!(before.contains(r#""id":"c""#) && behind.contains(r#""id":"c""#), "{transport:?}: {rest}");
        assert!(!rest.contains('\r'), "{rest:?}");
    }
}

#[test]
fn what_is_sent_behind_a_stream_waits_for_its_end() {
    let server = Server::start(Front::Own);
    for transport in STREAMS {
        let mut session = Http::session(&server);
        let mut connect = transport.connect("c");
        connect[0]["advice"] = json!({"timeout": 100});
        let mut stream = Receiver::ask(session.again(&server), transport, &connect, &[]);
        stream.http_mut().ask_batch(json!([{"channel": "/a", "data": 1, "id": "behind"}]));
        assert_eq!(channels(&stream.rest()), ["/meta/connect", "/meta/connect"], "{transport:?}");
        assert_eq!(stream.into_http().answer().messages()[0]["id"], "behind");
        session.post(json!([{"channel": "/meta/disconnect"}]));
    }
}

#[test]
fn a_head_has_its_limits() {
    let server = Server::start(Front::Own);
    for head in [
        format!("GET /bayeux HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(16 * 1024)),
        format!("GET /bayeux HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(64)),
        "x".repeat(64 * 1024),
    ] {
        let mut peer = Http::open(&server);
        peer.write(&head);
        assert_eq!(peer.answer().status, 431, "{} bytes", head.len());
    }
    assert_eq!(server.bayeux.stats().heads_malformed, 3);
}

#[test]
fn a_malformed_head_request_is_refused_without_a_body() {
    let server = Server::start(Front::Own);
    for (rest, status) in [("\r\n", "400"), ("Host: a\r\nExpect: x\r\n\r\n", "417"), ("Host: a\n\r\n\r\n", "400")] {
        let mut peer = Http::open(&server);
        peer.write(format!("HEAD /bayeux HTTP/1.1\r\n{rest}"));
        let (mut stream, mut all) = (peer.stream(), String::new());
        stream.read_to_string(&mut all).expect("it ends");
        assert!(all.starts_with(&format!("HTTP/1.1 {status} ")) && all.ends_with("\r\n\r\n"), "{all:?}");
    }
}
