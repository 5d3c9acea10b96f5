//! `ack` (BX-ACK-*): deliveries are kept until the client names their number.

use std::time::Duration;

use bayeux_engine::{Carrier, Config, Take, Ticket};
use serde_json::{Value, json};

use crate::world::{Peer, World, channels, parse, ticket};

const SECOND: Duration = Duration::from_secs(1);

fn subscriber(world: &mut World, carrier: Carrier) -> Peer {
    let mut peer = world.peer(carrier);
    let reply = world.handshake_with(&mut peer, json!({"ack": true}));
    assert_eq!(reply["ext"], json!({"ack": true}));
    world.subscribe(&mut peer, json!("/a"));
    peer
}

fn connect(ack: Value) -> Value {
    json!([{"channel": "/meta/connect", "connectionType": "long-polling", "ext": {"ack": ack}}])
}

/// Sends a connect; returns what it is answered with at once.
fn poll(world: &mut World, peer: &mut Peer, ack: Value) -> Option<Vec<Value>> {
    let outcome = world.send(peer, connect(ack));
    outcome.answer.lent.iter().for_each(|ticket| world.engine.confirm(world.now, *ticket));
    (!outcome.replies.is_empty()).then_some(outcome.replies)
}

fn publish(world: &mut World, publisher: &mut Peer, data: Value) {
    world.publish(publisher, "/a", data);
    world.pump();
}

/// The data of the events, and the number of the reply that ends them.
fn read(messages: &[Value]) -> (Vec<i64>, Option<u64>) {
    let (reply, events) = messages.split_last().expect("a reply");
    assert_eq!(reply["channel"], "/meta/connect");
    (events.iter().map(|event| event["data"].as_i64().expect("a number")).collect(), reply["ext"]["ack"].as_u64())
}

#[test]
fn bx_ack_3_what_is_not_acknowledged_is_sent_again_and_what_is_never() {
    let mut world = World::new(Config::default());
    let (mut peer, mut publisher) = (subscriber(&mut world, Carrier::Http), world.poller());
    assert_eq!(read(&poll(&mut world, &mut peer, json!(0)).expect("the first")), (vec![], Some(1)));
    publish(&mut world, &mut publisher, json!(1));
    publish(&mut world, &mut publisher, json!(2));
    assert_eq!(read(&poll(&mut world, &mut peer, json!(1)).expect("events")), (vec![1, 2], Some(2)));
    publish(&mut world, &mut publisher, json!(3));
    assert_eq!(read(&poll(&mut world, &mut peer, json!(1)).expect("again")), (vec![1, 2, 3], Some(3)));
    assert_eq!(read(&poll(&mut world, &mut peer, json!("x")).expect("no number")), (vec![1, 2, 3], Some(4)));
    assert_eq!(read(&poll(&mut world, &mut peer, json!(2)).expect("in part")), (vec![3], Some(5)));
    assert_eq!(world.engine.stats().deliveries_repeated, 6, "two, three and one");
    assert_eq!(poll(&mut world, &mut peer, json!(99)), None, "clamped: all of it is acknowledged, so it is held");
    world.engine.audit(world.now).expect("all fits together");
}

#[test]
fn bx_ack_2_every_reply_has_a_number_but_that_of_a_superseded_connect() {
    let mut world = World::new(Config::default());
    let mut peer = subscriber(&mut world, Carrier::Http);
    poll(&mut world, &mut peer, json!(0));
    let held = world.send(&mut peer, connect(json!(1))).answer.held.expect("held");
    world.pass(SECOND * 21);
    assert_eq!(read(&world.receive(&peer, held).expect("its time has come")), (vec![], Some(2)));
    let held = world.send(&mut peer, connect(json!(2))).answer.held.expect("held");
    let newer = world.send(&mut peer, connect(json!(2))).answer.held.expect("held");
    assert_eq!(read(&world.receive(&peer, held).expect("it gives way")), (vec![], None));
    let mut publisher = world.poller();
    publish(&mut world, &mut publisher, json!(1));
    assert_eq!(read(&world.receive(&peer, newer).expect("an event")), (vec![1], Some(3)));
}

#[test]
fn bx_ack_4_over_a_socket_events_come_with_the_reply_to_a_connect_in_one_frame() {
    let mut world = World::new(Config::default());
    let (mut peer, mut publisher) =
        (subscriber(&mut world, Carrier::Socket { ticket: None, may_adopt: None }), world.poller());
    publish(&mut world, &mut publisher, json!(1));
    assert!(world.drain(&peer).is_empty(), "no connect is open");
    assert!(world.send(&mut peer, connect(json!(0))).replies.is_empty());
    assert_eq!(read(&world.drain(&peer)), (vec![1], Some(1)));
    world.send(&mut peer, connect(json!(1)));
    assert!(world.drain(&peer).is_empty());
    publish(&mut world, &mut publisher, json!(2));
    publish(&mut world, &mut publisher, json!(3));
    let (messages, lent) = world.take(&peer, ticket(&peer)).expect("events end the connect");
    assert_eq!((read(&messages), lent), ((vec![2, 3], Some(2)), true));
    world.engine.confirm(world.now, ticket(&peer));
    // The socket breaks before the client has read that: the next connection brings it again.
    world.engine.cancel(world.now, ticket(&peer));
    let mut next = world.next_connection(&peer, Carrier::Http);
    assert_eq!(read(&poll(&mut world, &mut next, json!(1)).expect("again")), (vec![2, 3], Some(3)));
}

#[test]
fn a_connect_in_company_is_answered_in_its_place_without_events_and_number() {
    let mut world = World::new(Config::default());
    let (mut peer, mut publisher) =
        (subscriber(&mut world, Carrier::Socket { ticket: None, may_adopt: None }), world.poller());
    publish(&mut world, &mut publisher, json!(1));
    let mut batch = connect(json!(0));
    batch.as_array_mut().expect("an array").push(json!({"channel": "/meta/subscribe", "subscription": "/b"}));
    let replies = world.send(&mut peer, batch).replies;
    assert_eq!((channels(&replies), &replies[0]["ext"]), (vec!["/meta/connect", "/meta/subscribe"], &Value::Null));
}

#[test]
fn bx_ack_5_what_waits_for_an_acknowledgement_counts_and_ends_the_session_at_its_limit() {
    let mut config = Config::default();
    config.max_queue = 8;
    let mut world = World::new(config);
    let (mut peer, mut publisher) = (subscriber(&mut world, Carrier::Http), world.poller());
    for n in 0..8 {
        publish(&mut world, &mut publisher, json!(n));
        poll(&mut world, &mut peer, json!(0));
    }
    assert_eq!(world.engine.audit(world.now).expect("all fits together").outbox_messages, 8);
    publish(&mut world, &mut publisher, json!(8));
    assert_eq!(poll(&mut world, &mut peer, json!(0)).expect("an answer")[0]["error"], "402::session_unknown");
}

fn open(world: &mut World, peer: &Peer, last_event: Option<u64>) -> (Peer, Ticket) {
    let mut stream = world.next_connection(peer, Carrier::Stream { last_event });
    let request = json!([{"channel": "/meta/connect", "connectionType": "eventsource", "ext": {"ack": 0}}]);
    let ticket = world.send(&mut stream, request).answer.stream.expect("a stream");
    let Take::Frame { event_id: Some(_), lent: false, .. } = world.take_raw(&stream, ticket) else {
        panic!("the first reply has a number");
    };
    (stream, ticket)
}

fn batch(world: &mut World, stream: &(Peer, Ticket)) -> (Vec<i64>, Option<u64>) {
    let Take::Frame { frame, event_id, .. } = world.take_raw(&stream.0, stream.1) else {
        panic!("there are events");
    };
    world.engine.confirm(world.now, stream.1);
    let read = read(&parse(&frame));
    assert_eq!(read.1, event_id, "the event's id is the number");
    read
}

#[test]
fn on_a_stream_each_batch_ends_in_a_reply_and_the_last_event_acknowledges() {
    let mut world = World::new(Config::default());
    let (peer, mut publisher) = (subscriber(&mut world, Carrier::Http), world.poller());
    let stream = open(&mut world, &peer, None);
    publish(&mut world, &mut publisher, json!(1));
    let (first, number) = batch(&mut world, &stream);
    assert_eq!(first, [1]);
    publish(&mut world, &mut publisher, json!(2));
    assert_eq!(batch(&mut world, &stream).0, [2], "what went on this stream goes no second time");
    // The client has read the first batch alone.
    world.engine.cancel(world.now, stream.1);
    let stream = open(&mut world, &peer, number);
    assert_eq!(batch(&mut world, &stream).0, [2]);
    world.engine.cancel(world.now, stream.1);
    let stream = open(&mut world, &peer, None);
    assert_eq!(batch(&mut world, &stream).0, [2], "who names nothing acknowledges nothing");
    world.engine.audit(world.now).expect("all fits together");
}

#[test]
fn a_stream_ends_when_half_of_the_queue_is_unacknowledged_and_a_connect_beside_it_frees() {
    let mut config = Config::default();
    config.max_queue = 8;
    let mut world = World::new(config);
    let (peer, mut publisher) = (subscriber(&mut world, Carrier::Http), world.poller());
    let stream = open(&mut world, &peer, None);
    for n in 0..20 {
        publish(&mut world, &mut publisher, json!(n));
        let (_, number) = batch(&mut world, &stream);
        let mut beside = world.next_connection(&peer, Carrier::Http);
        let request = json!([{"channel": "/meta/connect", "connectionType": "eventsource", "ext": {"ack": number}}]);
        world.send(&mut beside, request);
    }
    assert_eq!(world.engine.audit(world.now).expect("all fits together").outbox_messages, 0);
    for n in 0..4 {
        publish(&mut world, &mut publisher, json!(n));
        let Take::Frame { last, .. } = world.take_raw(&stream.0, stream.1) else { panic!("an event") };
        world.engine.confirm(world.now, stream.1);
        assert_eq!(last, n == 3);
    }
}

#[test]
fn bx_st_14_the_replies_that_carry_numbers_make_a_stream_long_too() {
    let mut config = Config::default();
    config.max_stream_bytes = 1000;
    let mut world = World::new(config);
    let (peer, mut publisher) = (subscriber(&mut world, Carrier::Http), world.poller());
    let mut stream = world.next_connection(&peer, Carrier::Http);
    let request = json!([{"channel": "/meta/connect", "connectionType": "xhr-streaming", "ext": {"ack": 0}}]);
    let ticket = world.send(&mut stream, request).answer.stream.expect("a stream");
    world.take_raw(&stream, ticket);
    let mut bytes = 0;
    loop {
        publish(&mut world, &mut publisher, json!(1));
        let Take::Frame { frame, last, .. } = world.take_raw(&stream, ticket) else { panic!("an event") };
        world.engine.confirm(world.now, ticket);
        bytes += frame.len();
        if last {
            break;
        }
    }
    assert!((1000..1500).contains(&bytes), "{bytes}");
    world.engine.audit(world.now).expect("all fits together");
}

#[test]
fn who_does_not_ask_gets_no_number_and_other_forms_are_no_wish() {
    for ext in [json!({}), json!({"ack": false}), json!({"ack": "yes"}), json!({"ack": 1}), json!({"ack": null})] {
        let mut world = World::new(Config::default());
        let mut peer = world.http();
        assert_eq!(world.handshake_with(&mut peer, ext)["ext"], Value::Null);
        assert_eq!(world.connect(&mut peer, "1").replies[0]["ext"], Value::Null);
    }
    let mut world = World::new(Config::default());
    let mut peer = world.http();
    assert_eq!(
        world.handshake_with(&mut peer, json!({"ack": {"enabled": true}, "gap": true}))["ext"],
        json!({"ack": true})
    );
}

#[test]
fn whose_connections_break_gets_less_at_a_time_until_something_arrives() {
    let mut world = World::new(Config::default());
    let (mut peer, mut publisher) = (subscriber(&mut world, Carrier::Http), world.poller());
    poll(&mut world, &mut peer, json!(0));
    for n in 0..50 {
        world.publish(&mut publisher, "/a", json!({"n": n, "fill": "x".repeat(5000)}));
    }
    world.pump();
    let mut sizes = Vec::new();
    for _ in 0..12 {
        sizes.push(poll(&mut world, &mut peer, json!(1)).expect("again").len() - 1);
    }
    assert!(sizes.is_sorted_by(|one, next| one >= next) && sizes[11] == 1 && sizes[0] > 20, "{sizes:?}");
    let numbers = 14..;
    let grown: Vec<_> =
        numbers.take(8).map_while(|n| Some(poll(&mut world, &mut peer, json!(n - 1))?.len() - 1)).collect();
    assert!(grown.is_sorted() && grown[7] > 1, "{grown:?}");
}

#[test]
fn the_number_of_a_streams_last_reply_stands_for_all_that_it_carried() {
    let mut world = World::new(Config::default());
    let (peer, mut publisher) = (subscriber(&mut world, Carrier::Http), world.poller());
    let mut stream = world.next_connection(&peer, Carrier::Stream { last_event: None });
    let request = json!([{"channel": "/meta/connect", "connectionType": "eventsource", "advice": {"timeout": 5000}}]);
    let ticket = world.send(&mut stream, request).answer.stream.expect("a stream");
    world.receive(&stream, ticket).expect("the first reply");
    for n in 1..=2 {
        publish(&mut world, &mut publisher, json!(n));
        assert_eq!(batch(&mut world, &(stream.clone(), ticket)).0, [n]);
    }
    world.pass(SECOND * 6);
    let (events, number) = read(&world.receive(&stream, ticket).expect("it ends"));
    assert!(events.is_empty());
    let mut next = world.next_connection(&peer, Carrier::Http);
    assert_eq!(poll(&mut world, &mut next, json!(number)), None, "nothing is owed");
    assert_eq!(world.engine.audit(world.now).expect("all fits together").outbox_messages, 0);
}

#[test]
fn bx_hrd_6_connects_that_bring_nothing_new_are_delayed_over_a_socket_too() {
    let mut world = World::new(Config::default());
    let mut peer = subscriber(&mut world, Carrier::Socket { ticket: None, may_adopt: None });
    let mut publisher = world.poller();
    for (n, waits) in [false, true].into_iter().enumerate() {
        if waits {
            world.pass(SECOND * 2);
            publish(&mut world, &mut publisher, json!(1));
        }
        for _ in 0..3000 {
            let mut request = connect(json!(0));
            request[0]["advice"] = json!({"timeout": 0});
            world.send(&mut peer, request);
            world.drain(&peer);
        }
        assert!(world.engine.stats().replies_delayed > 1000 * (n as u64 + 1), "{waits}");
    }
}

#[test]
fn numbers_of_an_engine_before_free_nothing_that_came_in_the_next() {
    let mut config = Config::default();
    config.max_batch_bytes = 150;
    let (mut here, mut there) = (World::new(config), World::new(Config::default()));
    let (mut peer, mut publisher) = (subscriber(&mut here, Carrier::Http), here.poller());
    poll(&mut here, &mut peer, json!(0));
    for n in 0..4 {
        publish(&mut here, &mut publisher, json!(n));
    }
    // The second time it gets less.
    assert_eq!(read(&poll(&mut here, &mut peer, json!(1)).expect("all")).1, Some(2));
    assert_eq!(read(&poll(&mut here, &mut peer, json!(1)).expect("less")).1, Some(3));
    assert_eq!(poll(&mut here, &mut peer, json!(2)), None, "all of it is acknowledged");
    let exported = here.engine.export(here.now, &crate::transfer::id(&peer)).expect("it is there");
    there.engine.adopt(there.now, &exported).expect("it is a session");
    let mut publisher = there.poller();
    publish(&mut there, &mut publisher, json!(9));
    assert_eq!(read(&poll(&mut there, &mut peer, json!(3)).expect("the new one")).0, [9]);
}
