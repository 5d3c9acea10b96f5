//! Nobody holds a connection by being slow.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use bayeux_server::FrontOptions;
use serde_json::json;

use super::hostile::stalled;
use crate::{
    client::{Frame, Http, Ws, channels, connect},
    server::{Front, Server, options, wait_until},
    transport::{PUSHED, TRANSPORTS},
};

const SHORT: Duration = Duration::from_millis(300);

fn impatient() -> FrontOptions {
    let mut limits = FrontOptions::default();
    (limits.head_timeout, limits.body_timeout, limits.keep_alive) = (SHORT, SHORT, SHORT);
    limits
}

fn start(limits: FrontOptions) -> Server {
    Server::with_limits(Front::Own, options(), limits)
}

/// The peer closes; nothing else comes.
fn ends(peer: &mut Http) {
    let mut rest = Vec::new();
    peer.stream().read_to_end(&mut rest).expect("an end, not a reset");
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

#[test]
fn a_head_that_does_not_come_whole_is_refused_in_time() {
    let server = start(impatient());
    let begun = Instant::now();
    let mut first = Http::open(&server);
    first.write("POST /bayeux HTTP/1.1\r\nHost: a\r\n");
    let mut second = Http::session(&server);
    second.write("POST /bay");
    for peer in [&mut first, &mut second] {
        assert_eq!(peer.answer().status, 408);
        ends(peer);
    }
    assert!(begun.elapsed() >= SHORT);
    assert_eq!(server.bayeux.stats().heads_timed_out, 2);
}

#[test]
fn a_head_that_drips_gets_no_more_time_than_one_that_stops() {
    let server = start(impatient());
    let peer = Http::open(&server);
    let begun = Instant::now();
    let mut stream = peer.stream().try_clone().expect("a socket");
    let dripping = std::thread::spawn(move || while stream.write_all(b"\r\n").is_ok() {});
    peer.stream().set_read_timeout(Some(SHORT * 20)).expect("a socket option");
    let mut rest = [0; 1];
    let _end = peer.stream().read(&mut rest);
    assert!(begun.elapsed() < SHORT * 20, "blank lines in front of a request are no sign of life");
    drop(peer);
    drop(server);
    dripping.join().expect("the connection has ended");
}

#[test]
fn a_connection_without_a_request_is_closed_in_silence() {
    let server = start(impatient());
    let (mut fresh, mut kept) = (Http::open(&server), Http::session(&server));
    ends(&mut fresh);
    ends(&mut kept);
}

#[test]
fn a_body_that_does_not_come_whole_is_refused_in_time() {
    let server = start(impatient());
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut peer = Http::open(&server);
        peer.write(format!("POST /bayeux HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        assert_eq!(peer.answer().status, 408);
        ends(&mut peer);
    }
    assert_eq!(server.bayeux.stats().bodies_timed_out, 2);
}

/// A peer that does not read: its write is given up, and its events go to the session's next connection.
#[test]
fn a_reader_that_stalls_loses_its_connection_and_nothing_else() {
    for transport in TRANSPORTS {
        let mut options = options();
        options.engine.write_timeout = SHORT;
        let mut limits = FrontOptions::default();
        limits.send_buffer = 4096;
        let server = Server::with_limits(Front::Own, options, limits);
        let mut publisher = Http::session(&server);
        let mut next = Http::session(&server);
        next.subscribe("/a");
        let _stalled = stalled(&server, &next, transport, || {
            for n in 0..60 {
                publisher.post(json!([{"channel": "/a", "data": [n, "x".repeat(4000)]}]));
            }
        });
        wait_until(|| server.bayeux.stats().writes_timed_out == 1);
        // What the kernel had taken whole was handed over; the rest, without a gap, is here.
        let mut numbers = Vec::new();
        while numbers.last() != Some(&59) {
            let messages = next.post(connect("next"));
            let reply = messages.last().map(|reply| reply["successful"] == true);
            assert_eq!(reply, Some(true), "{transport:?}: {:?}", channels(&messages));
            numbers.extend(messages.iter().filter_map(|message| message["data"][0].as_u64()));
        }
        let whole = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
        // Where events are pushed, and the first came alone.
        assert!(whole && (numbers.len() == 60 || PUSHED.contains(&transport)), "{transport:?}: {numbers:?}");
    }
}

#[test]
fn one_connection_too_many_is_told_and_the_next_is_let_in_again() {
    let mut limits = FrontOptions::default();
    limits.max_connections = 2;
    let server = start(limits);
    let first = Http::session(&server);
    let _second = Http::session(&server);
    let mut third = Http::open(&server);
    let answer = third.answer();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(server.bayeux.stats().connections_refused, 1);
    drop(first);
    // The place is free once the server has seen the first one's end.
    wait_until(|| {
        let mut peer = Http::open(&server);
        peer.request("GET", "/bayeux", &[], b"").status == 200
    });
}

#[test]
fn a_close_frame_is_not_reset_away_by_what_the_peer_still_sends() {
    let server = Server::start(Front::Own);
    let mut socket = Ws::session(&server);
    // A frame that is refused, and much behind it that nobody reads.
    let mut bytes = Ws::masked(0x82, b"binary");
    bytes.resize(100_000, b'x');
    socket.http.write(&bytes);
    assert_eq!(socket.read(), Frame::Close(1003));
    let mut rest = Vec::new();
    let mut stream = socket.http.stream();
    let end = stream.read_to_end(&mut rest);
    assert!(matches!(end, Ok(0)), "the connection ends by a FIN: {end:?}");
    // And by nothing else.
    let error = stream.take_error().expect("it can be asked");
    assert!(error.is_none(), "{error:?}");
}
