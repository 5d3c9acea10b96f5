//! A connection that closes takes nothing with it, whatever its transport; and a session that is over says so on each.

use std::{
    io::{Read, Write},
    net::Shutdown,
    time::Duration,
};

use serde_json::json;
use socket2::SockRef;

use super::FRONT;
use crate::{
    client::{Http, channels, connect},
    server::{Server, options, wait_until},
    transport::{Receiver, TRANSPORTS, Transport, is_answered},
};

/// How a peer closes.
#[derive(Clone, Copy, Debug)]
enum Close {
    Fin,
    Reset,
    /// Something that it sent was not read yet.
    Talking,
}

/// A connection that waits for events of the session.
fn waiting(server: &Server, session: &Http, transport: Transport) -> Receiver {
    let mut receiver = Receiver::served(server, session, transport, "gone");
    if transport.is_stream() {
        assert!(is_answered(&receiver.messages()));
    }
    receiver
}

/// Connections that close, each before an event is published: it goes to the session's next connection.
pub(super) fn closed_connections_take_nothing(server: &Server, transports: &[Transport], rounds: usize) {
    let mut publisher = Http::session(server);
    for transport in transports {
        let mut session = Http::session(server);
        session.subscribe("/a");
        for n in 0..rounds {
            let close = [Close::Fin, Close::Reset, Close::Talking][n % 3];
            let gone = waiting(server, &session, *transport);
            let mut stream = gone.http().stream();
            match close {
                Close::Fin => {}
                Close::Reset => {
                    let none = Some(Duration::ZERO);
                    SockRef::from(stream).set_linger(none).expect("a socket option");
                }
                Close::Talking if *transport == Transport::WebSocket => {}
                Close::Talking => stream.write_all(b"POST /bayeux HTTP/1.1\r\n").expect("the server reads"),
            }
            drop(gone);
            publisher.post(json!([{"channel": "/a", "data": n}]));
            let messages = session.post(connect("next"));
            let event = (channels(&messages), &messages[0]["data"]);
            assert_eq!(event, (vec!["/a", "/meta/connect"], &json!(n)), "{transport:?} {close:?}");
        }
    }
}

#[test]
fn bx_dl_8_a_peer_that_closed_before_a_publish_takes_nothing_with_it() {
    closed_connections_take_nothing(&Server::start(FRONT), &TRANSPORTS, 240);
}

#[test]
fn a_half_closed_connection_gives_its_session_up_at_once() {
    let server = Server::start(FRONT);
    for transport in TRANSPORTS {
        let mut session = Http::session(&server);
        session.subscribe("/a");
        let receiver = waiting(&server, &session, transport);
        if !transport.is_stream() && FRONT == crate::server::Front::Mounted {
            // actix has to have seen the request before the end: it writes the head of the reply.
            wait_until(|| receiver.http().stream().peek(&mut [0]).is_ok() || transport == Transport::WebSocket);
        }
        receiver.http().stream().shutdown(Shutdown::Write).expect("a socket");
        let mut rest = Vec::new();
        let _end_or_reset = receiver.http().stream().read_to_end(&mut rest);
        wait_until(|| server.bayeux.engine().connections() == 0);
        Http::session(&server).post(json!([{"channel": "/a", "data": 1}]));
        assert_eq!(channels(&session.again(&server).post(connect("next"))), ["/a", "/meta/connect"], "{transport:?}");
    }
    let stats = server.bayeux.stats();
    assert_eq!((stats.polls_abandoned, stats.streams_abandoned), (2, 3));
}

/// A session that expired while it had no connection.
#[test]
fn bx_cn_8_a_session_that_expired_is_refused_on_each_transport() {
    let mut options = options();
    options.engine.max_interval = Duration::from_millis(20);
    let server = Server::with(FRONT, options);
    for transport in TRANSPORTS {
        let session = Http::session(&server);
        drop(waiting(&server, &session, transport));
        wait_until(|| server.bayeux.engine().sessions() == 0);
        let refusal = Receiver::open(&server, &session, transport, "late").messages().remove(0);
        assert_eq!((&refusal["error"], &refusal["id"]), (&json!("402::session_unknown"), &json!("late")));
        assert_eq!(refusal["advice"]["reconnect"], "handshake", "{transport:?}");
    }
}

/// A stream is its session's connection for as long as it is open, and no longer.
#[test]
fn bx_cn_8_a_session_lives_as_long_as_its_stream() {
    let mut options = options();
    (options.engine.timeout, options.engine.max_interval) = (Duration::from_millis(50), Duration::from_millis(50));
    options.engine.stream_heartbeat = Duration::from_millis(20);
    let server = Server::with(FRONT, options);
    for transport in crate::transport::STREAMS {
        let session = Http::session(&server);
        let mut stream = waiting(&server, &session, transport);
        while stream.beats < 15 {
            stream.read();
        }
        assert_eq!(server.bayeux.engine().sessions(), 1, "{transport:?}");
        drop(stream);
        wait_until(|| server.bayeux.engine().sessions() == 0);
    }
}

/// What ends the session on one connection is told on the one that waits.
#[test]
fn bx_dc_3_a_disconnect_answers_the_connection_that_waits() {
    let server = Server::start(FRONT);
    for transport in TRANSPORTS {
        let mut session = Http::session(&server);
        let mut receiver = waiting(&server, &session, transport);
        session.post(json!([{"channel": "/meta/disconnect"}]));
        let reply = receiver.rest().pop().expect("a reply");
        assert_eq!((&reply["id"], &reply["advice"]["reconnect"]), (&json!("gone"), &json!("none")), "{transport:?}");
        wait_until(|| server.bayeux.engine().sessions() == 0);
    }
}
