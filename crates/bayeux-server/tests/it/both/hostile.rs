//! Hostile input on every transport. Each case gets what the table says, is counted, and is noticed by nobody else.

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use serde_json::{Value, json};

use super::FRONT;
use crate::{
    client::{Frame, Http, Ws, connect},
    hostile::{
        Attack, Counter,
        frames::bad_frames,
        asks::{ASKS, TOO_LARGE},
        heads::{REQUESTS, SMUGGLED},
        messages::{BadMessage, channels, client_ids, wrong_fields},
        texts::bad_texts,
    },
    server::{Front, Server, options},
    transport::{Transport, call_by_script, encoded},
};

/// More is no head that either front reads.
const QUERY_BYTES: usize = 12_000;

/// A server whose sessions live as long as the test.
fn attack() -> Attack {
    let mut options = options();
    options.engine.max_interval = std::time::Duration::from_secs(120);
    Attack::on(Server::with(FRONT, options))
}

/// Writes what the server may not want to read.
fn throw(peer: &Http, bytes: &[u8]) {
    let _refused_early = peer.stream().write_all(bytes);
}

/// The socket ends with this code, and nothing else but pongs comes before.
fn closes(socket: &mut Ws, code: u16, name: &str) {
    loop {
        match socket.read() {
            Frame::Pong(_) => {}
            other => break assert_eq!(other, Frame::Close(code), "{name}"),
        }
    }
    // As clients do; actix otherwise waits for that, a second long.
    let _closed_by_now = socket.http.stream().shutdown(Shutdown::Write);
    let mut rest = Vec::new();
    let _end_or_reset = socket.http.stream().read_to_end(&mut rest);
    assert_eq!(rest, b"", "{name}: more behind the close frame");
}

#[test]
fn bx_hrd_1_texts_that_are_no_batch_are_refused_whole_by_post_query_and_socket() {
    let mut attack = attack();
    let mut watcher = Http::session(&attack.server);
    watcher.subscribe("/h");
    let texts = bad_texts(&watcher.id);
    for bad in &texts {
        let (body, socket) = bad.counters();
        attack.case(&bad.name, body, |server| {
            let mut peer = watcher.again(server);
            let head = format!("POST /bayeux HTTP/1.1\r\nHost: app.example\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCookie: {}\r\n\r\n", bad.text.len(), peer.cookie.clone().unwrap_or_default());
            throw(&peer, &[head.as_bytes(), &bad.text].concat());
            assert_eq!(peer.answer().status, bad.status, "{}", bad.name);
        });
        attack.case(&bad.name, socket, |server| {
            let mut peer = Ws::upgrade(watcher.again(server));
            let frame = Ws::masked(0x81, &bad.text);
            throw(&peer.http, &frame);
            closes(&mut peer, bad.close, &bad.name);
        });
        let query = format!("/bayeux?jsonp=cb&message={}", encoded(&bad.text));
        if query.len() < QUERY_BYTES {
            attack.case(&bad.name, Counter::bodies_malformed, |server| {
                assert_eq!(watcher.again(server).request("GET", &query, &[], b"").status, 400, "{}", bad.name);
            });
        }
    }
    let mut watcher = watcher.again(&attack.server);
    assert_eq!(watcher.post(connect("after")).len(), 1, "nothing took effect");
    assert!(attack.end("texts") >= 600);
}

#[test]
fn bx_lm_1_a_hundred_thousand_messages_are_too_many_where_the_bytes_are_not() {
    let mut options = options();
    options.limits.max_bytes = 1024 * 1024;
    options.engine.max_queue_bytes = 2 * 1024 * 1024;
    let mut attack = Attack::on(Server::with(FRONT, options));
    for message in ["{}", "{\"a\":1}"] {
        let batch = format!("[{}{message}]", format!("{message},").repeat(99_999));
        attack.case(message, Counter::bodies_malformed, |server| {
            let answer = Http::open(server).request("POST", "/bayeux", &[], batch.as_bytes());
            assert_eq!(answer.status, 400);
        });
        attack.case(message, Counter::sockets_refused, |server| {
            let mut peer = Ws::open(server);
            peer.frame(0x81, batch.as_bytes());
            closes(&mut peer, 1008, message);
        });
    }
    assert_eq!(attack.end("batches"), 4);
}

/// The reply to the batch's last message has the error, cut and clean.
fn refuses(replies: &[Value], bad: &BadMessage) {
    let reply = replies.last().unwrap_or_else(|| panic!("{:.80}: no reply", bad.name));
    let error = reply["error"].as_str().unwrap_or_else(|| panic!("{:.80}: {reply}", bad.name));
    let (code, text) = bad.error;
    let as_told = error.starts_with(&format!("{code}:")) && error.ends_with(&format!(":{text}"));
    assert!(as_told && reply["successful"] == false, "{:.80}: {error}", bad.name);
    assert!(error.len() <= 4 + 64 + 1 + text.len() && !error.contains(char::is_control), "{:.80}: {error}", bad.name);
}

#[test]
fn bx_fld_12_messages_that_are_wrong_are_refused_one_by_one_by_post_query_and_socket() {
    let mut attack = attack();
    let (mut http, mut socket) = (Http::session(&attack.server), Ws::session(&attack.server));
    let mut script = Http::session(&attack.server);
    script.subscribe("/mine");
    let mut watcher = Http::session(&attack.server);
    watcher.subscribe("/h");
    http.subscribe("/mine");
    socket.call(json!([{"channel": "/meta/subscribe", "subscription": "/mine"}]));
    let expired = Http::session(&attack.server);
    expired.again(&attack.server).post(json!([{"channel": "/meta/disconnect"}]));
    let stray = client_ids(&expired.id, &watcher.id);
    for bad in wrong_fields().into_iter().chain(channels()).chain(stray) {
        attack.case(&bad.name, bad.counter, |_| refuses(&http.post(bad.batch.clone()), &bad));
        attack.case(&bad.name, bad.counter, |_| refuses(&socket.call(bad.batch.clone()), &bad));
        if encoded(bad.batch.to_string().as_bytes()).len() < QUERY_BYTES {
            attack.case(&bad.name, bad.counter, |_| refuses(&call_by_script(&mut script, &bad.batch), &bad));
        }
    }
    // Neither session was ended, unsubscribed or given something that it did not ask for; nobody was sent anything.
    assert_eq!(watcher.post(connect("after")).len(), 1);
    watcher.post(json!([{"channel": "/h", "data": 1}, {"channel": "/mine", "data": 2}]));
    assert_eq!(http.post(connect("after"))[0], json!({"channel": "/mine", "data": 2}));
    assert_eq!(socket.messages(), [json!({"channel": "/mine", "data": 2})]);
    let event = call_by_script(&mut script, &Transport::CallbackPolling.connect("after")).remove(0);
    assert_eq!(event, json!({"channel": "/mine", "data": 2}));
    assert_eq!(watcher.post(connect("after"))[0], json!({"channel": "/h", "data": 1}));
    assert!(attack.end("messages") >= 600);
}

#[test]
fn bx_ws_6_frames_that_may_not_be_close_the_socket_with_their_code() {
    let mut attack = attack();
    for bad in bad_frames() {
        attack.case(&bad.name, bad.counter, |server| {
            let mut peer = Ws::open(server);
            throw(&peer.http, &bad.bytes);
            closes(&mut peer, bad.close, &bad.name);
        });
    }
    assert!(attack.end("frames") >= 100);
}

/// Where a request ends is never a matter of opinion, and what is refused is the connection's last.
#[test]
fn requests_that_could_be_read_in_two_ways_are_refused_and_nothing_behind_them_is_served() {
    let mut attack = attack();
    for bad in REQUESTS {
        // What actix refuses never comes to us: it is not ours to count.
        let (status, counter) = match FRONT {
            Front::Own => (bad.status.0, bad.counter),
            Front::Mounted => (bad.status.1, Counter::publishes),
        };
        attack.case(bad.name, counter, |server| {
            let mut peer = Http::open(server);
            throw(&peer, format!("{}\r\n{}{SMUGGLED}", bad.head, bad.body).as_bytes());
            let answer = peer.answer();
            assert_eq!(answer.status, status, "{}", bad.name);
            if FRONT == Front::Own {
                assert_eq!(answer.header("connection"), Some("close"), "{}", bad.name);
            }
            let _closed_by_now = peer.stream().shutdown(Shutdown::Write);
            let rest = peer.rest();
            assert!(rest.is_empty() || status == 200, "{}: {rest}", bad.name);
        });
    }
    assert!(attack.end("requests") >= 70);
}

#[test]
fn what_the_endpoint_does_not_serve_is_refused_with_the_status_that_says_why() {
    let mut attack = attack();
    for (method, headers, body, status, counter) in ASKS {
        let name = format!("{method} {headers:?} {body:?}");
        attack.case(&name, *counter, |server| {
            let answer = Http::open(server).request(method, "/bayeux", headers, body);
            assert_eq!(answer.status, *status, "{name}");
        });
    }
    for (head, body, counter) in TOO_LARGE {
        attack.case(head, *counter, |server| {
            let mut peer = Http::open(server);
            throw(&peer, format!("POST /bayeux HTTP/1.1\r\nHost: app.example\r\n{head}{body}").as_bytes());
            let answer = peer.answer();
            assert_eq!((answer.status, answer.header("connection")), (413, Some("close")), "{head}");
        });
    }
    assert!(attack.end("asks") >= 60);
}

#[test]
fn half_closed_connections_give_up_what_they_wait_for() {
    let mut attack = attack();
    attack.case("a held connect", Counter::polls_abandoned, |server| {
        let mut peer = Http::session(server);
        peer.ask_batch(connect("held"));
        if FRONT == Front::Mounted {
            // actix has to have seen the request before the end: it writes the head of the reply.
            peer.stream().peek(&mut [0]).expect("a reply begins");
        }
        peer.stream().shutdown(Shutdown::Write).expect("a socket");
        assert!(!peer.rest().contains("held"));
    });
    attack.case("a socket", Counter::sockets_closed, |server| {
        let peer = Ws::session(server);
        peer.http.stream().shutdown(Shutdown::Write).expect("a socket");
        let mut http = peer.http;
        assert_eq!(http.rest(), "");
    });
    attack.case("a socket inside a frame", Counter::sockets_closed, |server| {
        let mut peer = Ws::session(server);
        peer.http.write([0x81, 0xfe, 0x40]);
        peer.http.stream().shutdown(Shutdown::Write).expect("a socket");
        assert_eq!(peer.http.rest(), "");
    });
    attack.end("half-closed");
}
