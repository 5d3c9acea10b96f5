//! Connects that are answered by a stream (BX-ST-*), and connects beside it.

use std::time::Duration;

use bayeux_engine::{Carrier, Config, Take, Ticket};
use serde_json::{Value, json};

use crate::world::{Outcome, Peer, World, channels, parse};

const SECOND: Duration = Duration::from_secs(1);
const EVENT_SOURCE: Carrier = Carrier::Stream { last_event: None };

fn ask(kind: &str, id: &str, advice: Value) -> Value {
    json!([{"channel": "/meta/connect", "connectionType": kind, "id": id, "advice": advice}])
}

/// A session that is subscribed to /a, and its stream.
fn streamer(world: &mut World, kind: &str) -> (Peer, Ticket) {
    let mut peer = world.http();
    world.handshake(&mut peer);
    world.subscribe(&mut peer, json!("/a"));
    let (stream, outcome) = open(world, &peer, kind, json!({}));
    (stream, outcome.answer.stream.expect("a stream was opened"))
}

fn open(world: &mut World, peer: &Peer, kind: &str, advice: Value) -> (Peer, Outcome) {
    let carrier = if kind == "xhr-streaming" { Carrier::Http } else { EVENT_SOURCE };
    let mut stream = world.next_connection(peer, carrier);
    let outcome = world.send(&mut stream, ask(kind, "c", advice));
    (stream, outcome)
}

#[test]
fn bx_st_2_the_reply_comes_first_and_batches_follow_while_it_stays_open() {
    for kind in ["eventsource", "iframe", "xhr-streaming"] {
        let mut world = World::new(Config::default());
        let (peer, stream) = streamer(&mut world, kind);
        let mut publisher = world.poller();
        let first = world.receive(&peer, stream).expect("the reply");
        assert_eq!((channels(&first), &first[0]["id"]), (vec!["/meta/connect"], &json!("c")), "{kind}");
        assert_eq!(first[0]["advice"], json!({"reconnect": "retry", "interval": 0, "timeout": 20_000}));
        for n in 0..3 {
            assert!(world.take(&peer, stream).is_none());
            world.publish(&mut publisher, "/a", json!(n));
            world.pump();
            assert_eq!(peer.wakes(), 1);
            assert_eq!(world.receive(&peer, stream), Some(vec![json!({"channel": "/a", "data": n})]));
        }
        // Far beyond the timeout of a poll, and the time after which a session without a connect ends.
        for _ in 0..100 {
            world.pass(SECOND * 5);
            while let Take::Beat = world.take_raw(&peer, stream) {}
        }
        assert_eq!(world.engine.sessions(), 1, "{kind}: the publisher is gone, the stream's session is not");
        world.engine.audit(world.now).expect("all fits together");
    }
}

#[test]
fn bx_st_3_a_silent_stream_beats_and_one_that_nobody_asks_any_more_ends_its_session() {
    let mut world = World::new(Config::default());
    let (peer, stream) = streamer(&mut world, "eventsource");
    world.receive(&peer, stream).expect("the reply");
    for _ in 0..5 {
        assert!(matches!(world.take_raw(&peer, stream), Take::Pending));
        world.pass(SECOND * 9);
        assert_eq!(peer.wakes(), 0, "not yet");
        world.pass(SECOND * 2);
        assert_eq!(peer.wakes(), 1);
        assert!(matches!(world.take_raw(&peer, stream), Take::Beat));
    }
    world.pass(SECOND * 25);
    assert_eq!(world.engine.sessions(), 0, "its connection takes nothing any more");
}

#[test]
fn bx_st_13_a_stream_ends_with_a_reply_when_the_client_asked_for_that() {
    let mut world = World::new(Config::default());
    let mut peer = world.http();
    world.handshake(&mut peer);
    let (stream, outcome) = open(&mut world, &peer, "eventsource", json!({"timeout": 5000}));
    let ticket = outcome.answer.stream.expect("a stream");
    world.receive(&stream, ticket).expect("the reply");
    world.pass(SECOND * 4);
    assert!(world.take(&stream, ticket).is_none());
    world.pass(SECOND * 2);
    let Take::Frame { frame, lent: false, last: true, .. } = world.take_raw(&stream, ticket) else {
        panic!("it ends");
    };
    assert_eq!(parse(&frame)[0]["id"], "c");
    assert!(matches!(world.take_raw(&stream, ticket), Take::Close(_)), "it is over");
    let (stream, at_once) = open(&mut world, &peer, "eventsource", json!({"timeout": 0}));
    let ticket = at_once.answer.stream.expect("a stream of one batch");
    let Take::Frame { frame, last: true, .. } = world.take_raw(&stream, ticket) else { panic!("it ends at once") };
    assert_eq!(parse(&frame)[0]["successful"], true);
}

#[test]
fn a_newer_connection_takes_over_and_what_was_not_handed_over_arrives_there() {
    let mut world = World::new(Config::default());
    let (peer, stream) = streamer(&mut world, "xhr-streaming");
    let mut publisher = world.poller();
    world.receive(&peer, stream).expect("the reply");
    world.publish(&mut publisher, "/a", json!(1));
    world.pump();
    let (begun, lent) = world.take(&peer, stream).expect("an event");
    assert!(lent && begun[0]["data"] == 1);
    world.publish(&mut publisher, "/a", json!(2));
    world.pump();
    // The first is still being written: the newer one waits for that.
    let mut poll = world.next_connection(&peer, Carrier::Http);
    let held = world.connect(&mut poll, "2").answer.held.expect("held");
    assert!(world.take(&poll, held).is_none());
    let Take::Frame { frame, last: true, .. } = world.engine.take(world.now, stream, true, std::task::Waker::noop())
    else {
        panic!("the stream ends with a reply");
    };
    let end = parse(&frame);
    assert_eq!((channels(&end), &end[0]["advice"]["interval"]), (vec!["/meta/connect"], &json!(2000)));
    let rest = world.receive(&poll, held).expect("what is left");
    assert_eq!((channels(&rest), &rest[0]["data"]), (vec!["/a", "/meta/connect"], &json!(2)));
    world.engine.audit(world.now).expect("all fits together");
}

#[test]
fn what_was_lent_to_a_stream_that_broke_goes_to_the_next() {
    let mut world = World::new(Config::default());
    let (peer, stream) = streamer(&mut world, "eventsource");
    let mut publisher = world.poller();
    world.receive(&peer, stream).expect("the reply");
    world.publish(&mut publisher, "/a", json!(1));
    world.pump();
    assert!(world.take(&peer, stream).is_some());
    world.engine.cancel(world.now, stream);
    let (next, outcome) = open(&mut world, &peer, "eventsource", json!({}));
    let ticket = outcome.answer.stream.expect("a stream");
    assert_eq!(channels(&world.receive(&next, ticket).expect("the reply")), ["/meta/connect"]);
    assert_eq!(channels(&world.receive(&next, ticket).expect("the event")), ["/a"]);
}

#[test]
fn bx_st_14_a_stream_that_the_browser_keeps_rolls_over_and_an_event_source_does_not() {
    for (kind, rolls) in [("xhr-streaming", true), ("iframe", true), ("eventsource", false)] {
        let mut config = Config::default();
        config.max_stream_bytes = 1000;
        let mut world = World::new(config);
        let (peer, stream) = streamer(&mut world, kind);
        let mut publisher = world.poller();
        world.receive(&peer, stream).expect("the reply");
        let mut ended = false;
        for _ in 0..20 {
            world.publish(&mut publisher, "/a", json!("x".repeat(100)));
            world.pump();
            match world.take_raw(&peer, stream) {
                Take::Frame { frame, last, lent, .. } => {
                    assert!(lent);
                    world.engine.confirm(world.now, stream);
                    let messages = parse(&frame);
                    assert_eq!(last, channels(&messages).contains(&"/meta/connect"));
                    ended |= last;
                }
                Take::Close(_) if ended => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(ended, rolls, "{kind}");
        world.engine.audit(world.now).expect("all fits together");
    }
}

#[test]
fn bx_st_5_the_last_reply_says_when_an_event_source_comes_again() {
    let mut config = Config::default();
    config.timeout = SECOND * 25;
    let mut world = World::new(config);
    let (peer, stream) = streamer(&mut world, "eventsource");
    let last = |world: &mut World, peer: &Peer, stream| match world.take_raw(peer, stream) {
        Take::Frame { retry, last: true, .. } => retry,
        other => panic!("it ends: {other:?}"),
    };
    let (short, outcome) = open(&mut world, &peer, "eventsource", json!({"timeout": 0}));
    assert_eq!(last(&mut world, &peer, stream), Some(SECOND * 2), "superseded");
    let stream = outcome.answer.stream.expect("a stream");
    assert_eq!(last(&mut world, &short, stream), None, "as usual");
    let (peer, outcome) = open(&mut world, &peer, "eventsource", json!({}));
    let mut other = world.next_connection(&peer, Carrier::Http);
    world.send(&mut other, json!([{"channel": "/meta/disconnect"}]));
    let stream = outcome.answer.stream.expect("a stream");
    assert_eq!(last(&mut world, &peer, stream), Some(SECOND * 25), "there is nothing to come for");
}

#[test]
fn bx_st_4_a_connect_beside_the_stream_is_answered_at_once_and_takes_nothing_over() {
    let mut world = World::new(Config::default());
    let (peer, stream) = streamer(&mut world, "eventsource");
    let mut publisher = world.poller();
    world.receive(&peer, stream).expect("the reply");
    for kind in ["eventsource", "iframe"] {
        let mut beside = world.next_connection(&peer, Carrier::Http);
        let reply = world.send(&mut beside, ask(kind, "b", json!({}))).replies.remove(0);
        assert_eq!((&reply["successful"], &reply["id"]), (&json!(true), &json!("b")));
        assert_eq!(reply["advice"], json!({"reconnect": "retry", "interval": 20_000, "timeout": 0}));
    }
    world.publish(&mut publisher, "/a", json!(1));
    world.pump();
    assert_eq!(channels(&world.receive(&peer, stream).expect("the stream goes on")), ["/a"]);
}

#[test]
fn bx_st_4_without_a_stream_such_connects_keep_the_session() {
    let mut world = World::new(Config::default());
    let mut peer = world.http();
    world.handshake(&mut peer);
    for _ in 0..5 {
        assert_eq!(world.send(&mut peer, ask("eventsource", "b", json!({}))).replies.len(), 1);
        world.pass(SECOND * 21);
        assert_eq!(world.engine.sessions(), 1);
    }
    world.pass(SECOND * 31);
    assert_eq!(world.engine.sessions(), 0);
}

#[test]
fn the_end_of_its_session_and_of_the_server_are_told_on_the_stream() {
    let mut world = World::new(Config::default());
    let (peer, stream) = streamer(&mut world, "eventsource");
    world.receive(&peer, stream).expect("the reply");
    let mut other = world.next_connection(&peer, Carrier::Http);
    world.send(&mut other, json!([{"channel": "/meta/disconnect"}]));
    let end = world.receive(&peer, stream).expect("an end");
    assert_eq!(end[0]["advice"]["reconnect"], "none");

    let (peer, stream) = streamer(&mut world, "eventsource");
    let mut publisher = world.poller();
    world.receive(&peer, stream).expect("the reply");
    world.publish(&mut publisher, "/a", json!(1));
    world.engine.leave(world.now);
    let Take::Frame { frame, lent: true, last: true, .. } = world.take_raw(&peer, stream) else {
        panic!("what waits and the reply");
    };
    assert_eq!(channels(&parse(&frame)), ["/a", "/meta/connect"]);
    world.engine.confirm(world.now, stream);
    let (late, outcome) = open(&mut world, &peer, "eventsource", json!({}));
    let ticket = outcome.answer.stream.expect("a stream of one batch");
    let Take::Frame { last: true, .. } = world.take_raw(&late, ticket) else { panic!("it ends at once") };
    assert_eq!(world.engine.connections(), 0);
}

#[test]
fn an_overflow_is_told_on_the_stream() {
    let mut config = Config::default();
    config.max_queue = 3;
    let mut world = World::new(config);
    let (peer, stream) = streamer(&mut world, "eventsource");
    let mut publisher = world.poller();
    world.receive(&peer, stream).expect("the reply");
    for n in 0..4 {
        world.publish(&mut publisher, "/a", json!(n));
    }
    world.pump();
    let end = world.receive(&peer, stream).expect("an end");
    assert_eq!(
        (&end[0]["error"], &end[0]["advice"]["reconnect"]),
        (&json!("402::session_unknown"), &json!("handshake"))
    );
}

#[test]
fn streams_that_are_opened_in_a_loop_are_delayed() {
    let mut config = Config::default();
    config.max_empty_replies = 10;
    let mut world = World::new(config);
    let mut peer = world.http();
    world.handshake(&mut peer);
    let delayed = (0..20).filter(|_| open(&mut world, &peer, "eventsource", json!({})).1.answer.not_before.is_some());
    assert!(delayed.count() >= 9);
}

#[test]
fn those_that_get_the_same_write_the_same_bytes() {
    let mut world = World::new(Config::default());
    let streams: Vec<_> = (0..3).map(|_| streamer(&mut world, "eventsource")).collect();
    let mut publisher = world.poller();
    for (peer, stream) in &streams {
        world.receive(peer, *stream).expect("the reply");
    }
    world.publish(&mut publisher, "/a", json!(1));
    world.pump();
    let mut frames = streams.iter().map(|(peer, stream)| match world.take_raw(peer, *stream) {
        Take::Frame { frame, event_id: None, .. } => frame.as_ptr(),
        other => panic!("{other:?}"),
    });
    let first = frames.next().expect("there are three");
    assert!(frames.all(|frame| frame == first));
}

#[test]
fn a_stream_behind_an_older_connection_says_that_it_is_open_unless_it_is_to_be_one_reply() {
    for (timeout, opens) in [(5000, true), (0, false)] {
        let mut world = World::new(Config::default());
        let (peer, stream) = streamer(&mut world, "eventsource");
        let mut publisher = world.poller();
        world.receive(&peer, stream).expect("the reply");
        world.publish(&mut publisher, "/a", json!(1));
        world.pump();
        assert!(world.take(&peer, stream).is_some(), "lent");
        let (next, outcome) = open(&mut world, &peer, "eventsource", json!({"timeout": timeout}));
        let ticket = outcome.answer.stream.expect("a stream");
        assert_eq!(world.take(&next, ticket).is_some(), opens);
        world.engine.cancel(world.now, stream);
        assert_eq!(channels(&world.receive(&next, ticket).expect("the event"))[0], "/a");
    }
}
