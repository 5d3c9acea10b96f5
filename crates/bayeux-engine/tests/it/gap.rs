//! `gap` (BX-GAP-*): a client that asks is told how many deliveries were handed over and did not arrive.

use bayeux_engine::{Carrier, Config, Take, Ticket};
use serde_json::{Value, json};

use crate::world::{Peer, World, channels, parse, ticket};

fn subscriber(world: &mut World, carrier: Carrier) -> Peer {
    let mut peer = world.peer(carrier);
    assert_eq!(world.handshake_with(&mut peer, json!({"gap": true}))["ext"], json!({"gap": true}));
    world.subscribe(&mut peer, json!("/a"));
    peer
}

fn open_stream(world: &mut World, peer: &Peer) -> (Peer, Ticket) {
    let mut stream = world.next_connection(peer, Carrier::Stream { last_event: None });
    let request = json!([{"channel": "/meta/connect", "connectionType": "eventsource", "ext": {"gap": 0}}]);
    let ticket = world.send(&mut stream, request).answer.stream.expect("a stream");
    (stream, ticket)
}

fn connect(received: u64) -> Value {
    json!([{"channel": "/meta/connect", "connectionType": "long-polling", "ext": {"gap": received}}])
}

fn socket() -> Carrier {
    Carrier::Socket { ticket: None, may_adopt: None }
}

#[test]
fn what_a_lost_socket_took_with_it_is_told_at_once_on_the_next_connection() {
    let mut world = World::new(Config::default());
    let (mut peer, mut publisher) = (subscriber(&mut world, socket()), world.poller());
    world.connect(&mut peer, "1");
    for n in 0..5 {
        world.publish(&mut publisher, "/a", json!(n));
    }
    world.pump();
    assert_eq!(world.drain(&peer).len(), 5);
    world.engine.cancel(world.now, ticket(&peer));
    let mut next = world.next_connection(&peer, Carrier::Http);
    let told = world.send(&mut next, connect(3)).replies;
    assert_eq!(told[0]["ext"], json!({"gap": {"missing": 2}}), "two of the five did not arrive");
    assert_eq!(world.engine.stats().deliveries_told_missing, 2);
    let held = world.send(&mut next, connect(5)).answer.held.expect("nothing is missing, so it is held");
    world.publish(&mut publisher, "/a", json!(5));
    world.pump();
    let messages = world.receive(&next, held).expect("an event");
    assert_eq!(messages[1]["ext"], json!({"gap": {"missing": 0}}), "events in front of the reply are no gap");
}

#[test]
fn what_an_older_connection_still_writes_is_settled_before_it_is_told() {
    for arrives in [true, false] {
        let mut world = World::new(Config::default());
        let (mut peer, mut publisher) = (subscriber(&mut world, socket()), world.poller());
        world.connect(&mut peer, "1");
        world.publish(&mut publisher, "/a", json!(1));
        world.pump();
        assert!(world.take(&peer, ticket(&peer)).is_some(), "lent");
        let mut next = world.next_connection(&peer, Carrier::Http);
        let held = world.send(&mut next, connect(0)).answer.held.expect("held");
        assert!(world.take(&next, held).is_none());
        if arrives {
            world.engine.confirm(world.now, ticket(&peer));
        } else {
            world.engine.cancel(world.now, ticket(&peer));
        }
        let messages = world.receive(&next, held).expect("an answer");
        let missing = messages.last().expect("a reply")["ext"]["gap"]["missing"].as_u64();
        assert_eq!((messages.len(), missing), if arrives { (1, Some(1)) } else { (2, Some(0)) });
    }
}

#[test]
fn bx_gap_2_deliveries_do_not_ride_on_other_replies_so_that_their_order_of_arrival_changes_no_count() {
    let mut config = Config::default();
    config.meta_connect_deliver_only = false;
    let mut world = World::new(config);
    let (mut peer, mut other) = (subscriber(&mut world, Carrier::Http), world.poller());
    world.send(&mut peer, connect(0));
    world.publish(&mut other, "/a", json!(1));
    world.pump();
    let publish = json!([{"channel": "/b", "data": 2}]);
    assert_eq!(channels(&world.send(&mut peer, publish).replies), ["/b"]);
    let outcome = world.send(&mut peer, connect(0));
    assert_eq!(channels(&outcome.replies), ["/a", "/meta/connect"]);
    assert_eq!(outcome.replies[1]["ext"], json!({"gap": {"missing": 0}}));
}

#[test]
fn bx_st_5_a_stream_begins_with_what_is_missing_and_ids_count_the_deliveries_up_to_them() {
    let mut world = World::new(Config::default());
    let (mut peer, mut publisher) = (subscriber(&mut world, socket()), world.poller());
    world.connect(&mut peer, "1");
    world.publish(&mut publisher, "/a", json!(1));
    world.pump();
    assert_eq!(world.drain(&peer).len(), 1);
    world.engine.cancel(world.now, ticket(&peer));
    world.publish(&mut publisher, "/a", json!(2));
    world.pump();
    let (stream, ticket) = open_stream(&mut world, &peer);
    let Take::Frame { frame, last: false, event_id: Some(1), .. } = world.take_raw(&stream, ticket) else {
        panic!("one is missing, which is told at once");
    };
    assert_eq!(parse(&frame)[0]["ext"], json!({"gap": {"missing": 1}}));
    let Take::Frame { frame, last: false, event_id: Some(2), .. } = world.take_raw(&stream, ticket) else {
        panic!("one is missing, and one is here");
    };
    assert_eq!(channels(&parse(&frame)), ["/a"]);
}

#[test]
fn bx_st_5_a_stream_that_is_not_told_what_is_missing_has_no_id_that_says_it_is_there() {
    let mut world = World::new(Config::default());
    let (mut peer, mut publisher) = (subscriber(&mut world, socket()), world.poller());
    world.connect(&mut peer, "1");
    for n in 0..2 {
        world.publish(&mut publisher, "/a", json!(n));
        world.pump();
        assert!(world.take(&peer, ticket(&peer)).is_some());
        if n == 0 {
            world.engine.confirm(world.now, ticket(&peer));
        }
    }
    // The socket still writes the second; the stream waits for that until the server goes.
    let (stream, waiting) = open_stream(&mut world, &peer);
    assert!(world.take(&stream, waiting).is_none());
    world.engine.leave(world.now);
    let Take::Frame { frame, last: true, event_id, .. } = world.take_raw(&stream, waiting) else {
        panic!("it is answered");
    };
    assert_eq!((&parse(&frame)[0]["ext"], event_id), (&Value::Null, None));
}

#[test]
fn bx_gap_2_what_a_socket_asked_is_told_by_a_later_reply_if_the_first_can_not() {
    // Two connects on the newer socket: the second takes the place of the first, or the first comes in company and is answered at once.
    let first = |company: bool| {
        let mut batch = connect(0);
        if company {
            batch.as_array_mut().expect("an array").push(json!({"channel": "/b", "data": 0}));
        }
        batch
    };
    for company in [false, true] {
        let mut world = World::new(Config::default());
        let (mut peer, mut publisher) = (subscriber(&mut world, socket()), world.poller());
        world.connect(&mut peer, "1");
        world.publish(&mut publisher, "/a", json!(1));
        world.pump();
        assert!(world.take(&peer, ticket(&peer)).is_some(), "lent");
        let mut next = world.next_connection(&peer, socket());
        let at_once = world.send(&mut next, first(company)).replies;
        assert_eq!(at_once.len(), if company { 2 } else { 0 });
        let second = world.connect(&mut next, "2").replies;
        assert_eq!(second.len(), usize::from(!company), "the first gives way");
        assert!(at_once.iter().chain(&second).all(|reply| reply["ext"] == Value::Null), "it is not known yet");
        world.engine.confirm(world.now, ticket(&peer));
        let told = world.drain(&next);
        assert_eq!((&told[0]["id"], &told[0]["ext"]), (&json!("2"), &json!({"gap": {"missing": 1}})));
        assert!(world.connect(&mut next, "3").replies.is_empty(), "told once: it is held");
    }
}

#[test]
fn who_did_not_ask_is_not_told() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let held = world.send(&mut peer, connect(9)).answer.held.expect("held");
    let mut other = world.next_connection(&peer, Carrier::Http);
    world.send(&mut other, connect(9));
    assert_eq!(world.receive(&peer, held).expect("superseded")[0]["ext"], Value::Null);
}

#[test]
fn a_socket_that_asks_for_no_hold_is_told_once_an_older_one_has_finished_its_write() {
    let mut world = World::new(Config::default());
    let (mut peer, mut publisher) = (subscriber(&mut world, socket()), world.poller());
    world.connect(&mut peer, "1");
    world.publish(&mut publisher, "/a", json!(1));
    world.pump();
    assert!(world.take(&peer, ticket(&peer)).is_some(), "lent, and it never arrives");
    let mut next = world.next_connection(&peer, socket());
    let mut request = connect(0);
    request[0]["advice"] = json!({"timeout": 0});
    assert!(world.send(&mut next, request).replies.is_empty(), "it is not known yet");
    world.engine.confirm(world.now, ticket(&peer));
    assert_eq!(world.drain(&next)[0]["ext"], json!({"gap": {"missing": 1}}));
}
