use std::{task::Waker, time::Duration};

use bayeux_engine::{Config, Frame, Framing, Pumper, PumperId, ShardSet, Take};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    transfer::id,
    world::{Peer, World, ticket},
};

#[test]
fn bx_hrd_5_one_that_does_not_poll_ends_alone() {
    let mut world = World::new(Config::default());
    let (mut stalled, mut healthy, mut publisher) = (world.poller(), world.pusher(), world.pusher());
    world.subscribe(&mut stalled, json!("/a"));
    world.subscribe(&mut healthy, json!("/a"));
    let mut got = 0;
    for n in 0..10_000 {
        assert_eq!(world.publish(&mut publisher, "/a", json!(n))["successful"], true);
        if n % 500 == 499 {
            let events = world.drain(&healthy);
            assert!(events.iter().zip(got..).all(|(event, n)| event["data"] == n));
            got += events.len();
        }
    }
    assert_eq!(got, 10_000);
    assert_eq!(world.engine.stats().sessions_overflowed, 1);
    let reply = world.connect(&mut stalled, "late").replies.remove(0);
    assert_eq!(
        (reply["error"].as_str(), reply["advice"]["reconnect"].as_str()),
        (Some("402::session_unknown"), Some("handshake"))
    );
}

#[test]
fn bx_hrd_6_an_outbox_is_bounded_in_bytes() {
    let mut config = Config::default();
    config.max_queue_bytes = 13_000;
    let mut world = World::new(config);
    let (mut stalled, mut publisher) = (world.poller(), world.pusher());
    world.subscribe(&mut stalled, json!("/a"));
    for n in 0..10 {
        world.publish(&mut publisher, "/a", json!("x".repeat(1000)));
        assert_eq!(world.engine.sessions(), 2, "{n}");
    }
    world.publish(&mut publisher, "/a", json!("x".repeat(1000)));
    assert_eq!(world.engine.sessions(), 1);
}

#[test]
fn a_long_channel_counts_with_all_the_patterns_that_match_it() {
    let mut config = Config::default();
    config.max_queue_bytes = 13_000;
    let mut world = World::new(config);
    let (mut stalled, mut publisher) = (world.poller(), world.pusher());
    world.subscribe(&mut stalled, json!("/**"));
    let channel = "/0123456789abcde".repeat(15);
    let lived = (0..20).take_while(|n| {
        world.publish(&mut publisher, &channel, json!(n));
        world.engine.sessions() == 2
    });
    assert!((2..4).contains(&lived.count()), "each takes some 4 KiB");
}

#[test]
fn a_socket_whose_outbox_overflows_is_told() {
    let mut config = Config::default();
    config.max_queue = 10;
    let mut world = World::new(config);
    let (mut slow, mut publisher) = (world.pusher(), world.pusher());
    world.subscribe(&mut slow, json!("/a"));
    assert!(world.connect(&mut slow, "held").replies.is_empty());
    for n in 0..11 {
        world.publish(&mut publisher, "/a", json!(n));
    }
    let Take::Frame { frame, last, .. } = world.take_raw(&slow, ticket(&slow)) else { panic!("it is told") };
    let reply = &crate::world::parse(&frame)[0];
    assert_eq!(
        (reply["id"].as_str(), reply["error"].as_str(), last),
        (Some("held"), Some("402::session_unknown"), true)
    );
    assert_eq!(reply["advice"]["reconnect"], "handshake");
}

#[test]
fn a_reader_too_slow_for_a_batch_is_given_less_at_a_time() {
    let mut config = Config::default();
    config.max_batch_bytes = 9000;
    let mut world = World::new(config);
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    for _ in 0..40 {
        world.publish(&mut peer, "/a", json!("x".repeat(1000)));
    }
    let mut given = Vec::new();
    for taken in [false, false, false, false, false, true, true, true, true, true] {
        let outcome = world.connect(&mut peer, "c");
        given.push(outcome.replies.len() - 1);
        let ticket = outcome.answer.lent[0];
        if taken { world.engine.confirm(world.now, ticket) } else { world.engine.cancel(world.now, ticket) }
    }
    assert_eq!(given, [8, 4, 2, 1, 1, 1, 1, 1, 2, 4], "half as much after each failure, and back again");
}

#[test]
fn events_given_back_come_again_and_as_many() {
    let mut config = Config::default();
    config.max_batch_bytes = 3000;
    let mut world = World::new(config);
    let mut peer = world.pusher();
    world.subscribe(&mut peer, json!("/a"));
    let mut publisher = world.poller();
    for n in 0..4 {
        world.publish(&mut publisher, "/a", json!([n, "x".repeat(1000)]));
    }
    let memory = world.engine.memory();
    let ticket = ticket(&peer);
    let first = world.take(&peer, ticket).expect("events wait");
    assert!(world.engine.give_back(world.now, ticket));
    assert!(!world.engine.give_back(world.now, ticket), "nothing is lent any more");
    assert_eq!(world.engine.memory(), memory);
    assert_eq!(world.take(&peer, ticket), Some(first));
    world.engine.confirm(world.now, ticket);
    assert!(!world.engine.give_back(world.now, ticket), "they were taken over");
    assert_eq!(world.take(&peer, ticket).expect("the rest").0.len(), 2);
}

#[test]
fn a_batch_is_cut_at_its_size_and_goes_on_in_the_next() {
    let mut config = Config::default();
    config.max_batch_bytes = 3000;
    let mut world = World::new(config);
    let mut peer = world.pusher();
    world.subscribe(&mut peer, json!("/a"));
    for _ in 0..7 {
        world.publish(&mut peer, "/a", json!("x".repeat(1000)));
    }
    let sizes: Vec<_> = std::iter::from_fn(|| world.receive(&peer, ticket(&peer)).map(|events| events.len())).collect();
    assert_eq!(sizes, [2, 2, 2, 1]);
}

#[test]
fn bx_lm_1_a_full_server_refuses_handshakes() {
    let mut config = Config::default();
    config.max_sessions = 3;
    let mut world = World::new(config);
    let mut peers: Vec<_> = (0..3).map(|_| world.poller()).collect();
    let mut excess = world.http();
    let reply = world.handshake(&mut excess);
    assert_eq!(
        (reply["error"].as_str(), reply["advice"]["reconnect"].as_str()),
        (Some("503::server_overloaded"), Some("handshake"))
    );
    assert!(reply["advice"]["interval"].as_i64() >= Some(1000));
    world.send(&mut peers[0], json!([{"channel": "/meta/disconnect"}]));
    assert_eq!(world.handshake(&mut excess)["successful"], true);
}

#[test]
fn bx_lm_1_at_the_memory_budget_nothing_new_comes_and_what_is_there_goes_on() {
    let mut config = Config::default();
    config.max_memory = 256 * 1024;
    let mut world = World::with_shards(config, 2);
    let (mut stalled, mut publisher) = (world.poller(), world.pusher());
    world.subscribe(&mut stalled, json!("/a"));
    let mut accepted = 0;
    let refused = loop {
        let reply = world.publish(&mut publisher, "/a", json!("x".repeat(4000)));
        if reply["successful"] != true {
            break reply;
        }
        accepted += 1;
        assert!(accepted < 100, "it is bounded");
    };
    assert_eq!(refused["error"], "503::server_overloaded");
    assert!(accepted > 50 && world.engine.memory() <= 256 * 1024, "{accepted}: {}", world.engine.memory());
    // A message of 4,000 bytes has no room; some small things still have.
    while newcomer(&mut world)["successful"] == true {}
    let reply = newcomer(&mut world);
    assert_eq!(
        (reply["error"].as_str(), reply["advice"]["reconnect"].as_str()),
        (Some("503::server_overloaded"), Some("handshake"))
    );
    assert!(reply["advice"]["interval"].as_i64() >= Some(1000));
    let patterns: Vec<_> = (0..100).map(|n| format!("/pattern/{n}")).collect();
    let reply = world.subscribe(&mut publisher, json!(patterns));
    assert_eq!(reply["error"], "503::server_overloaded");
    assert_eq!(world.subscribe(&mut stalled, json!("/a"))["successful"], true, "what it has already takes nothing");
    let stats = world.engine.stats();
    assert_eq!((stats.publishes_refused, stats.subscriptions_refused), (1, 1));
    assert_eq!((stats.handshakes_refused, stats.memory_refused), (2, 4));
    // The stalled session gets what it was promised, and with that there is room again.
    let mut got = 0;
    while got < accepted {
        let outcome = world.connect(&mut stalled, "drain");
        got += outcome.replies.len() - 1;
        outcome.answer.lent.iter().for_each(|ticket| world.engine.confirm(world.now, *ticket));
    }
    assert!(world.engine.memory() < 128 * 1024, "{}", world.engine.memory());
    assert_eq!(newcomer(&mut world)["successful"], true);
    assert_eq!(world.subscribe(&mut publisher, json!(patterns))["successful"], true);
    assert_eq!(world.publish(&mut publisher, "/a", json!("x".repeat(4000)))["successful"], true);
    assert_eq!(world.engine.stats().memory_refused, 4);
    world.pass(Duration::from_secs(40));
    assert_eq!((world.engine.sessions(), world.engine.memory()), (0, 0));
}

#[test]
fn a_delivery_counts_once_however_many_wait_for_it() {
    let mut world = World::with_shards(Config::default(), 4);
    let mut peers: Vec<_> = (0..50).map(|_| world.poller()).collect();
    for peer in &mut peers {
        world.subscribe(peer, json!(["/a", "/*"]));
    }
    let before = world.engine.memory();
    world.publish(&mut peers[0], "/a", json!("x".repeat(10_000)));
    let grown = world.engine.memory() - before;
    assert!((10_000..15_000).contains(&grown), "{grown}: the message, and a place in each outbox");
    let audit = world.engine.audit(world.now).expect("it fits together");
    assert_eq!(audit.memory, world.engine.memory());
    world.engine.break_shard(0, world.now);
    assert_eq!(
        world.engine.audit(world.now).map(|audit| audit.memory),
        Ok(world.engine.memory()),
        "a lost shard's too"
    );
    world.pass(Duration::from_secs(40));
    assert_eq!(world.engine.memory(), 0);
}

#[test]
fn places_in_outboxes_are_reserved_before_a_publish_is_accepted() {
    let mut config = Config::default();
    config.max_memory = 2 * 1024 * 1024;
    let mut world = World::with_shards(config, 2);
    let mut peers: Vec<_> = (0..400).map(|_| world.poller()).collect();
    for peer in &mut peers {
        world.subscribe(peer, json!("/a"));
    }
    // Who has two patterns that match may need two places, as far as a publish can tell, and takes one.
    world.subscribe(&mut peers[0], json!("/*"));
    let mut publisher = world.pusher();
    // From here on nobody delivers unless told.
    let pumper = Pumper::register(world.engine.clone());
    let before = world.engine.memory();
    let mut accepted = 0;
    while world.publish(&mut publisher, "/a", json!(1))["successful"] == true {
        accepted += 1;
        assert!(accepted < 1000, "it is bounded");
    }
    let reserved = world.engine.memory();
    assert!(reserved <= 2 * 1024 * 1024 && accepted > 20, "{accepted} accepted: {reserved}");
    assert!(reserved - before > accepted * 401 * 32, "{accepted} accepted: {}", reserved - before);
    assert_eq!(world.engine.audit(world.now).map(|audit| audit.memory), Ok(reserved));
    // A fan-out that is cut in the middle has turned some of it into places.
    for shard in 0..2 {
        assert!(pumper.pump_shard(shard, world.now, 30, Waker::noop()).more);
        assert_eq!(world.engine.audit(world.now).map(|audit| audit.memory), Ok(world.engine.memory()));
        assert_eq!(world.engine.memory(), reserved);
    }
    for shard in 0..2 {
        while pumper.pump_shard(shard, world.now, 1000, Waker::noop()).more {}
    }
    // What nobody took is free again: one place of each message.
    assert_eq!(world.engine.memory(), reserved - accepted * 32);
    // What is lost with a shard is free too, wherever it was.
    drop(world.publish(&mut publisher, "/a", json!(1)));
    let mut poller = world.poller();
    world.engine.break_shard(0, world.now);
    world.engine.break_shard(1, world.now);
    assert_eq!(world.connect(&mut poller, "lost").replies[0]["error"], "402::session_unknown");
    assert_eq!(world.engine.audit(world.now).map(|audit| audit.memory), Ok(world.engine.memory()));
    drop(pumper);
    world.pass(Duration::from_secs(40));
    assert_eq!((world.engine.sessions(), world.engine.memory()), (0, 0));
}

#[test]
fn frames_count_as_long_as_they_are_written_and_are_short_where_memory_is() {
    let mut config = Config::default();
    config.max_memory = 128 * 1024;
    let mut world = World::new(config);
    let (mut stalled, mut publisher) = (world.poller(), world.pusher());
    world.subscribe(&mut stalled, json!("/a"));
    let mut accepted = 0;
    while world.publish(&mut publisher, "/a", json!("x".repeat(1000)))["successful"] == true {
        accepted += 1;
    }
    let before = world.engine.memory();
    let outcome = world.connect(&mut stalled, "short");
    let messages = outcome.replies.len() - 1;
    assert!((2..=4).contains(&messages), "{messages} of {accepted}: there is room for a short frame only");
    assert!(world.engine.memory() > before + 2000, "the frame is under way");
    assert_eq!(world.engine.audit(world.now).map(|audit| audit.memory), Ok(world.engine.memory()));
    outcome.answer.lent.iter().for_each(|ticket| world.engine.confirm(world.now, *ticket));
    assert!(world.engine.memory() < before - 2000, "it is written");
}

#[test]
fn a_shared_frame_counts_until_the_last_socket_has_written_it() {
    let mut world = World::new(Config::default());
    let (mut peers, mut publisher) = ([world.pusher(), world.pusher(), world.pusher()], world.pusher());
    for peer in &mut peers {
        world.subscribe(peer, json!("/a"));
    }
    world.publish(&mut publisher, "/a", json!("x".repeat(20_000)));
    let [held, others @ ..] = framed(&mut world, &peers);
    assert!(others.iter().all(|bytes| bytes.as_ptr() == held.as_ptr()), "they write the same bytes");
    let (length, shared) = (held.len(), world.engine.memory());
    drop(others);
    assert_eq!(world.engine.memory(), shared, "one is still written");
    // Another batch is what is shared from now on.
    world.publish(&mut publisher, "/a", json!("short"));
    drop(framed(&mut world, &peers));
    let replaced = world.engine.memory();
    assert_eq!(world.engine.audit(world.now).map(|audit| audit.memory), Ok(replaced));
    drop(held);
    let given_back = replaced - world.engine.memory();
    assert!((length..length + 200).contains(&given_back), "{given_back}: the frame of {length} bytes was held");
    assert!(replaced + length < shared + 2000, "{replaced} of {shared}: what it was made of was not");
}

/// What the sockets write of a frame that they share. The engine is told that they have taken it over.
fn framed<const N: usize>(world: &mut World, peers: &[Peer; N]) -> [Bytes; N] {
    let frames = peers.each_ref().map(|peer| match world.take_raw(peer, ticket(peer)) {
        Take::Frame { frame: Frame::Shared(frame), .. } => frame.framed(Framing::Message, Bytes::copy_from_slice),
        other => panic!("it is not shared: {other:?}"),
    });
    peers.iter().for_each(|peer| world.engine.confirm(world.now, ticket(peer)));
    frames
}

#[test]
fn no_memory_budget_is_none() {
    let mut config = Config::default();
    config.max_memory = 0;
    let mut world = World::new(config);
    assert_eq!(newcomer(&mut world)["successful"], true);
    let mut config = Config::default();
    config.max_memory = 1;
    let mut world = World::new(config);
    assert_eq!(newcomer(&mut world)["error"], "503::server_overloaded");
}

#[test]
fn a_full_inbox_refuses_the_publish_and_pauses_publishers() {
    let mut config = Config::default();
    (config.max_inbox_bytes, config.inbox_pause_bytes) = (6000, 2000);
    let mut world = World::with_shards(config, 2);
    let mut peers: Vec<_> = (0..8).map(|_| world.pusher()).collect();
    for peer in &mut peers {
        world.subscribe(peer, json!("/a"));
    }
    // A pumper that does not run: inboxes fill.
    let pumper = Pumper::register(world.engine.clone());
    let waker = Waker::from(peers[0].woken.clone());
    let publish = json!([{"channel": "/a", "data": "x".repeat(1000)}]);
    let outcomes: Vec<_> = (0..6).map(|_| world.send(&mut peers[0], publish.clone())).collect();
    let published = outcomes[3].answer.published;
    let replies: Vec<_> = outcomes.into_iter().map(|mut outcome| outcome.replies.remove(0)).collect();
    let accepted: Vec<_> = replies.iter().map(|reply| reply["successful"].as_bool() == Some(true)).collect();
    assert_eq!(accepted, [true, true, true, true, false, false]);
    assert_eq!(replies[4]["error"], "503::server_overloaded");
    assert_eq!(world.engine.stats().publishes_refused, 2);
    assert!(world.engine.is_paused(published, &waker));
    let other = world.subscribe(&mut peers[1], json!("/b"));
    assert_eq!(other["successful"], true);
    assert!(!world.engine.is_paused(ShardSet::default(), &waker), "who did not publish is not held up");
    peers[0].wakes();
    while pumper.pump(world.now, Waker::noop()).more {}
    assert!(peers[0].wakes() > 0, "publishers go on");
    assert!(!world.engine.is_paused(published, &waker));
    assert!(peers.iter().all(|peer| world.drain(peer).len() == 4), "what was accepted reached all shards");
}

#[test]
fn shards_are_shared_out_among_pumpers() {
    let mut world = World::with_shards(Config::default(), 4);
    let mut peers: Vec<_> = (0..16).map(|_| world.pusher()).collect();
    for peer in &mut peers {
        world.subscribe(peer, json!("/a"));
    }
    let one = Pumper::register(world.engine.clone());
    let woken = peers[0].woken.clone();
    one.pump(world.now, &Waker::from(woken));
    peers[0].wakes();
    let other = Pumper::register(world.engine.clone());
    assert!(peers[0].wakes() > 0, "the first is told that it has fewer");
    world.publish(&mut peers[1], "/a", json!(1));
    while one.pump(world.now, Waker::noop()).more {}
    let reached = peers.iter().filter(|peer| !world.drain(peer).is_empty()).count();
    assert!((1..16).contains(&reached), "only its own shards: {reached}");
    drop(one);
    while other.pump(world.now, Waker::noop()).more {}
    assert_eq!(reached + peers.iter().filter(|peer| !world.drain(peer).is_empty()).count(), 16);
    drop(other);
    world.publish(&mut peers[1], "/a", json!(2));
    assert!(peers.iter().all(|peer| world.drain(peer).len() == 1), "nobody pumps: the publisher does");
}

#[test]
fn a_pumper_delivers_nothing_younger_than_its_mark() {
    let mut world = World::with_shards(Config::default(), 1);
    let (mut one, mut other) = (world.pusher(), world.pusher());
    world.subscribe(&mut one, json!("/a"));
    let pumper = Pumper::register(world.engine.clone());
    assert!(!pumper.mark(), "nothing waits");
    world.publish(&mut other, "/a", json!(1));
    assert!(pumper.mark());
    world.publish(&mut other, "/a", json!(2));
    assert!(pumper.pump(world.now, Waker::noop()).more, "the second waits");
    assert_eq!(marked(&mut world, &one), Some(pumper.id()));
    assert_eq!(world.drain(&one).len(), 1);
    assert!(!pumper.pump(world.now, Waker::noop()).more);
    assert_eq!(marked(&mut world, &one), None, "pumped without a mark");
    assert_eq!(world.drain(&one).len(), 1);
    // Whoever exports a session delivers what waits in its shard, at once.
    world.publish(&mut other, "/a", json!(3));
    world.engine.export(world.now, &id(&other)).expect("it is there");
    assert_eq!(marked(&mut world, &one), None);
    assert!(!pumper.mark());
    pumper.pump(world.now, Waker::noop());
    assert_eq!(marked(&mut world, &one), None, "nothing waited, so nobody had to look");
    assert_eq!(world.drain(&one).len(), 1);
}

/// Who had marked what `peer` is to be given; it is given back.
fn marked(world: &mut World, peer: &Peer) -> Option<PumperId> {
    let Take::Frame { marked, .. } = world.take_raw(peer, ticket(peer)) else { panic!("something is there") };
    assert!(world.engine.give_back(world.now, ticket(peer)));
    marked
}

/// What a new peer is told to its handshake.
fn newcomer(world: &mut World) -> Value {
    let mut peer = world.http();
    world.handshake(&mut peer)
}

#[test]
fn memory_of_sessions_is_given_back() {
    let mut world = World::new(Config::default());
    for _ in 0..3000 {
        let mut peer = world.pusher();
        world.subscribe(&mut peer, json!("/a"));
    }
    world.pass(Duration::from_secs(11));
    assert_eq!((world.engine.sessions(), world.engine.patterns(), world.engine.memory()), (0, 0, 0));
}
