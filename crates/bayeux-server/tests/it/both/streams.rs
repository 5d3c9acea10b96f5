//! What is the streams' own: how they open, go on, beat, roll over and end.

use std::time::Duration;

use serde_json::json;

use super::FRONT;
use crate::{
    client::{Http, connect, handshake},
    server::{Server, options, wait_until},
    transport::{Receiver, STREAMS, Transport, ask_by_get, encoded, is_answered},
};

#[test]
fn bx_st_10_the_reply_comes_first_and_then_each_event_as_it_is_published() {
    let server = Server::start(FRONT);
    let mut publisher = Http::session(&server);
    for transport in STREAMS {
        let mut session = Http::session(&server);
        session.subscribe("/a");
        let mut stream = Receiver::open(&server, &session, transport, "c");
        let opening = stream.messages();
        assert_eq!((opening.len(), &opening[0]["id"], &opening[0]["successful"]), (1, &json!("c"), &json!(true)));
        let head = stream.head.as_ref().expect("a head");
        assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        for n in 0..5 {
            publisher.post(json!([{"channel": "/a", "data": [n, "</script>\u{2028}"]}]));
            assert_eq!(stream.messages(), [json!({"channel": "/a", "data": [n, "</script>\u{2028}"]})], "{transport:?}");
        }
        session.post(json!([{"channel": "/meta/disconnect"}]));
        let last = stream.messages();
        assert_eq!((&last[0]["id"], &last[0]["advice"]["reconnect"]), (&json!("c"), &json!("none")), "{transport:?}");
        assert_eq!(stream.next(), None);
        // The connection has another request in it.
        let mut http = stream.into_http();
        assert_eq!(http.request("GET", "/bayeux", &[], b"").status, 200);
    }
}

#[test]
fn bx_st_3_a_silent_stream_beats() {
    let mut options = options();
    options.engine.stream_heartbeat = Duration::from_millis(20);
    let server = Server::with(FRONT, options);
    for transport in STREAMS {
        let mut session = Http::session(&server);
        session.subscribe("/a");
        let mut stream = Receiver::open(&server, &session, transport, "c");
        assert!(is_answered(&stream.messages()));
        while stream.beats < 3 {
            stream.read();
        }
        // What means something still does.
        session.post(json!([{"channel": "/a", "data": 1}]));
        assert_eq!(stream.messages(), [json!({"channel": "/a", "data": 1})], "{transport:?}");
    }
}

/// A page keeps what it has read of a response; an event source does not.
#[test]
fn bx_st_14_a_stream_rolls_over_at_its_size_and_the_next_goes_on() {
    let mut options = options();
    options.engine.max_stream_bytes = 5000;
    let server = Server::with(FRONT, options);
    let mut publisher = Http::session(&server);
    for transport in STREAMS {
        let mut session = Http::session(&server);
        session.subscribe("/a");
        let mut stream = Receiver::open(&server, &session, transport, "c");
        let (mut got, mut streams) = (Vec::new(), 1);
        for n in 0..40 {
            publisher.post(json!([{"channel": "/a", "data": [n, "x".repeat(500)]}]));
            while got.last() != Some(&n) {
                match stream.next() {
                    Some(messages) => got.extend(messages.iter().filter_map(|message| message["data"][0].as_u64())),
                    None => {
                        stream = Receiver::open(&server, &session, transport, "c");
                        streams += 1;
                    }
                }
            }
        }
        assert_eq!(got, (0..40).collect::<Vec<_>>(), "{transport:?}");
        assert_eq!(streams > 1, transport != Transport::EventSource, "{transport:?}: {streams}");
    }
}

#[test]
fn bx_st_13_a_stream_ends_when_it_was_asked_to() {
    let server = Server::start(FRONT);
    for transport in STREAMS {
        let mut session = Http::session(&server);
        session.subscribe("/a");
        for (timeout, batches) in [(0, 1), (30, 2)] {
            let mut connect = transport.connect("c");
            connect[0]["advice"] = json!({"timeout": timeout});
            let mut stream = Receiver::ask(session.again(&server), transport, &connect, &[]);
            let replies = stream.rest();
            assert_eq!(replies.len(), batches, "{transport:?} {replies:?}");
            for reply in replies {
                assert_eq!((&reply["id"], &reply["successful"]), (&json!("c"), &json!(true)));
                assert_eq!(reply["advice"], json!({"reconnect": "retry", "interval": 0, "timeout": 400}));
            }
        }
        let delivered = server.bayeux.engine().stats().deliveries;
        session.post(json!([{"channel": "/a", "data": 1}]));
        wait_until(|| server.bayeux.engine().stats().deliveries > delivered);
        let mut connect = transport.connect("c");
        connect[0]["advice"] = json!({"timeout": 0});
        let mut stream = Receiver::ask(session.again(&server), transport, &connect, &[]);
        let messages = stream.rest();
        assert_eq!((messages.len(), &messages[0]["data"]), (2, &json!(1)), "{transport:?} {messages:?}");
    }
}

#[test]
fn bx_st_12_a_stream_of_nobodys_session_is_one_refusal() {
    let server = Server::start(FRONT);
    let gone = Http::session(&server);
    gone.again(&server).post(json!([{"channel": "/meta/disconnect"}]));
    for transport in STREAMS {
        let mut stream = Receiver::open(&server, &gone, transport, "c");
        let refusal = stream.rest().remove(0);
        assert_eq!((&refusal["error"], &refusal["id"]), (&json!("402::session_unknown"), &json!("c")));
        assert_eq!(refusal["advice"]["reconnect"], "handshake");
        assert_eq!(stream.into_http().request("GET", "/bayeux", &[], b"").status, 200, "the connection goes on");
    }
}

/// Faye's way: the session is in the URL, and there is no connect.
#[test]
fn bx_st_1_bx_st_4_an_event_source_may_name_its_session_in_the_path() {
    let server = Server::start(FRONT);
    let mut session = Http::session(&server);
    session.subscribe("/a");
    let mut http = session.again(&server);
    http.ask("GET", &format!("/bayeux/{}", session.id), &[("Accept", "text/event-stream")], b"");
    let mut stream = Receiver::of(http, Transport::EventSource);
    let opening = stream.messages().remove(0);
    assert_eq!((opening.get("id"), &opening["successful"], &opening["clientId"]), (None, &json!(true), &json!(session.id)));
    // A connect that is posted beside it is its heartbeat, and takes nothing over.
    let beside = session.post(Transport::EventSource.connect("beside")).remove(0);
    assert_eq!(beside["advice"], json!({"reconnect": "retry", "interval": 400, "timeout": 0}));
    session.post(json!([{"channel": "/a", "data": 1}]));
    assert_eq!(stream.messages(), [json!({"channel": "/a", "data": 1})]);
    // Whoever asks for anything else gets the page.
    for (path, accept) in [
        (format!("/bayeux/{}", session.id), "text/html"),
        (format!("/bayeux/{}", session.id), "text/event-streams"),
        ("/bayeux".to_owned(), "text/event-stream"),
        ("/bayeux/".to_owned(), "text/event-stream"),
    ] {
        let page = session.request("GET", &path, &[("Accept", accept)], b"");
        assert_eq!(page.header("content-type"), Some("text/html;charset=UTF-8"), "{path} {accept}");
    }
}

#[test]
fn a_head_opens_nothing() {
    let server = Server::start(FRONT);
    let session = Http::session(&server);
    let served = server.bayeux.stats().requests;
    for transport in [Transport::EventSource, Transport::Iframe, Transport::CallbackPolling] {
        let mut connect = transport.connect("c");
        connect[0]["clientId"] = json!(session.id);
        let query = format!("message={}&jsonp=cb", encoded(connect.to_string().as_bytes()));
        for path in [format!("/bayeux?{query}"), format!("/bayeux/{}", session.id)] {
            let mut http = session.again(&server);
            let head = http.request("HEAD", &path, &[("Accept", "text/event-stream")], b"");
            assert_eq!(head.status, 200);
            assert_eq!(http.request("GET", "/bayeux", &[], b"").status, 200, "nothing came behind the head");
        }
    }
    assert_eq!(server.bayeux.stats().requests, served);
    assert_eq!(server.bayeux.engine().connections(), 0);
}

#[test]
fn bx_st_5_an_event_source_goes_on_behind_the_last_event_that_it_had() {
    let server = Server::start(FRONT);
    let mut session = Http::open(&server);
    let mut handshake = handshake();
    handshake[0]["ext"] = json!({"ack": true});
    let reply = session.post(handshake).remove(0);
    assert_eq!(reply["ext"]["ack"], true);
    session.id = reply["clientId"].as_str().expect("a session").to_owned();
    session.post(connect("first"));
    session.subscribe("/a");
    let mut stream = Receiver::open(&server, &session, Transport::EventSource, "c");
    let opening = stream.messages();
    let number = |messages: &[serde_json::Value]| messages.last().map(|reply| reply["ext"]["ack"].to_string());
    assert_eq!(number(&opening), stream.event_id);
    session.post(json!([{"channel": "/a", "data": 1}]));
    let first = stream.messages();
    assert_eq!((first.len(), &first[0]["data"]), (2, &json!(1)), "each batch ends with a reply: {first:?}");
    assert_eq!(number(&first), stream.event_id);
    let had = stream.event_id.clone().expect("a number");
    session.post(json!([{"channel": "/a", "data": 2}]));
    // Cut off before the second was read.
    drop(stream);
    let headers = [("Last-Event-ID", had.as_str())];
    let again = Transport::EventSource.connect("d");
    let mut stream = Receiver::ask(session.again(&server), Transport::EventSource, &again, &headers);
    let rest: Vec<_> = std::iter::from_fn(|| stream.next()).flatten().take(3).collect();
    let data: Vec<_> = rest.iter().filter_map(|message| message["data"].as_u64()).collect();
    assert_eq!(data, [2], "{rest:?}");
}

#[test]
fn bx_st_5_an_event_without_ack_or_gap_has_no_number() {
    let server = Server::start(FRONT);
    let mut session = Http::session(&server);
    session.subscribe("/a");
    let mut stream = Receiver::open(&server, &session, Transport::EventSource, "c");
    session.post(json!([{"channel": "/a", "data": 1}]));
    assert_eq!((stream.messages().len(), stream.messages().len(), stream.event_id.clone()), (1, 1, None));
}

#[test]
fn bx_mc_4_a_stream_too_many_of_one_browser_ends_at_once() {
    let mut options = options();
    options.engine.max_sessions_per_browser = 2;
    let server = Server::with(FRONT, options);
    let mut browser = Http::open(&server);
    browser.handshake();
    for transport in STREAMS {
        let mut sessions: Vec<_> = (0..3).map(|_| browser.again(&server).with_session()).collect();
        let held: Vec<_> = sessions[..2].iter().map(|it| Receiver::served(&server, it, transport, "c")).collect();
        let mut crowded = Receiver::open(&server, &sessions[2], transport, "c");
        let reply = crowded.rest().remove(0);
        let advice = json!({"reconnect": "retry", "interval": 2000, "timeout": 400, "multiple-clients": true});
        assert_eq!(reply["advice"], advice, "{transport:?}");
        assert_eq!(crowded.retry, (transport == Transport::EventSource).then_some(2000), "also one that does not read it");
        drop(held);
        wait_until(|| server.bayeux.engine().connections() == 0);
        let opening = Receiver::open(&server, &sessions[2], transport, "c").messages().remove(0);
        assert_eq!(opening["advice"].get("multiple-clients"), None, "{transport:?}");
        for session in &mut sessions {
            session.post(json!([{"channel": "/meta/disconnect"}]));
        }
    }
}

/// A browser comes back by itself, whatever the last reply says.
#[test]
fn bx_st_5_an_event_source_whose_session_is_over_comes_back_late() {
    let mut options = options();
    options.engine.timeout = Duration::from_secs(7);
    let server = Server::with(FRONT, options);
    let mut session = Http::session(&server);
    let mut stream = Receiver::open(&server, &session, Transport::EventSource, "c");
    stream.messages();
    assert_eq!(stream.retry, Some(1000));
    session.post(json!([{"channel": "/meta/disconnect"}]));
    assert_eq!((stream.rest().len(), stream.retry), (1, Some(7000)));
    let mut refused = Receiver::open(&server, &session, Transport::EventSource, "c");
    assert_eq!((refused.rest()[0]["successful"].as_bool(), refused.retry), (Some(false), Some(7000)));
}

/// What opens a stream is one connect of its type, and nothing else does.
#[test]
fn bx_st_7_a_get_that_opens_no_stream_is_refused_whole() {
    let mut options = options();
    options.engine.connection_types.retain(|kind| *kind != bayeux_protocol::ConnectionType::CallbackPolling);
    let server = Server::with(FRONT, options);
    let mut session = Http::session(&server);
    session.subscribe("/a");
    let publish = json!({"channel": "/a", "data": 1});
    for kind in [Transport::EventSource, Transport::Iframe] {
        let connect = kind.connect("c")[0].clone();
        for batch in [
            json!([]),
            json!([publish]),
            json!([connect, publish]),
            json!([publish, connect]),
            json!([connect, connect]),
            json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["eventsource"]}]),
            json!([{"channel": "/meta/connect", "connectionType": "long-polling"}]),
            json!([{"channel": "/meta/connect", "connectionType": "xhr-streaming"}]),
            json!([{"channel": "/meta/connect"}]),
            json!([{"channel": "/a", "connectionType": kind.name(), "data": 1}]),
            json!("connect"),
        ] {
            let before = server.bayeux.stats().bodies_malformed;
            let mut peer = session.again(&server);
            ask_by_get(&mut peer, &batch, "", &[]);
            assert_eq!(peer.answer().status, 400, "{batch}");
            assert_eq!(server.bayeux.stats().bodies_malformed, before + 1);
        }
    }
    for query in ["message=", "message=%5B", "message=x&message=[]", "message=%FF", "origin=x&message=[{]"] {
        let answer = session.again(&server).request("GET", &format!("/bayeux?{query}"), &[], b"");
        assert_eq!(answer.status, 400, "{query}");
    }
    let after = session.again(&server).post(connect("after"));
    assert_eq!(after.len(), 1, "nothing took effect: {after:?}");
}

/// With a slash behind the channel it is the same request, whoever decides what the answer looks like.
#[test]
fn a_connect_with_a_trailing_slash_leaves_no_link_behind() {
    let server = Server::start(FRONT);
    let session = Http::session(&server);
    for _ in 0..10 {
        let mut stream = session.again(&server);
        stream.ask_batch(json!([{"channel": "/meta/connect/", "connectionType": "xhr-streaming", "clientId": session.id}]));
        assert_eq!(stream.answer_head().status, 200);
    }
    session.again(&server).post(json!([{"channel": "/meta/disconnect"}]));
    wait_until(|| server.bayeux.engine().connections() == 0);
}

#[test]
fn bx_st_5_an_event_source_that_finds_no_place_gets_its_events_with_their_number() {
    let mut options = options();
    options.engine.max_sessions_per_browser = 1;
    let server = Server::with(FRONT, options);
    let first = Http::session(&server);
    let mut stream = Receiver::open(&server, &first, Transport::EventSource, "c");
    stream.messages();
    let mut session = first.again(&server);
    let mut ask = handshake();
    ask[0]["ext"] = json!({"ack": true});
    session.id = session.post(ask).remove(0)["clientId"].as_str().expect("a session").to_owned();
    session.subscribe("/a");
    let delivered = server.bayeux.engine().stats().deliveries;
    session.post(json!([{"channel": "/a", "data": 1}]));
    wait_until(|| server.bayeux.engine().stats().deliveries > delivered);
    let mut query = Transport::EventSource.connect("c");
    query[0]["clientId"] = json!(session.id);
    let path = format!("/bayeux?message={}", encoded(query.to_string().as_bytes()));
    let response = session.again(&server).request("GET", &path, &[("Accept", "text/event-stream")], b"");
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(text.contains("multiple-clients") && text.contains("\"ack\":1") && text.contains("id: 1\n"), "{text}");
}
