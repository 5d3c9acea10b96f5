use std::time::Duration;

use bayeux_engine::{AdoptError, ClientId, Config, ExportError, Take};
use serde_json::json;

use crate::world::{Peer, World, channels, ticket};

pub(crate) fn id(peer: &Peer) -> ClientId {
    ClientId::parse(&peer.id).expect("the engine made it")
}

fn export(world: &World, peer: &Peer) -> Vec<u8> {
    world.engine.export(world.now, &id(peer)).expect("it is there and nothing is being written")
}

#[test]
fn an_exported_session_goes_on_in_another_engine_with_what_waited_for_it() {
    let (mut here, mut there) = (World::with_shards(Config::default(), 3), World::with_shards(Config::default(), 3));
    let mut peer = here.poller();
    here.subscribe(&mut peer, json!(["/a", "/b/**"]));
    here.publish(&mut peer, "/a", json!(1));
    here.publish(&mut peer, "/b/c", json!({"two": [2, "\u{1f600}"]}));
    let exported = export(&here, &peer);
    assert_eq!((here.engine.sessions(), here.engine.patterns(), here.engine.stats().sessions_exported), (0, 0, 1));
    assert_eq!(here.connect(&mut peer, "late").replies[0]["error"], "402::session_unknown");

    assert_eq!(there.engine.adopt(there.now, &exported), Ok(id(&peer)));
    assert_eq!((there.engine.sessions(), there.engine.patterns(), there.engine.stats().sessions_adopted), (1, 2, 1));
    let mut another = there.poller();
    there.publish(&mut another, "/b/d", json!(3));
    let outcome = there.connect(&mut peer, "next");
    assert_eq!(channels(&outcome.replies), ["/a", "/b/c", "/b/d", "/meta/connect"]);
    assert_eq!(outcome.replies[1]["data"], json!({"two": [2, "\u{1f600}"]}));
    there.engine.confirm(there.now, outcome.answer.lent[0]);
    there.publish(&mut another, "/a", json!(4));
    assert_eq!(there.connect(&mut peer, "more").replies[0]["data"], 4, "its numbers are behind those it came with");
    there.engine.audit(there.now).expect("it fits in");
}

#[test]
fn who_may_use_it_is_who_could_before() {
    let (mut here, mut there) = (World::new(Config::default()), World::new(Config::default()));
    let mut peer = here.poller();
    let exported = export(&here, &peer);
    there.engine.adopt(there.now, &exported).expect("it is a session");
    let mut thief = there.socket();
    thief.id = peer.id.clone();
    thief.origin.browser = None;
    assert_eq!(there.connect(&mut thief, "t").replies[0]["error"], "402::session_unknown");
    assert!(there.connect(&mut peer, "mine").answer.held.is_some());
}

#[test]
fn a_socket_without_a_cookie_owns_its_session_only_where_it_is_connected() {
    let (mut here, there) = (World::new(Config::default()), World::new(Config::default()));
    let mut peer = here.socket();
    peer.origin.browser = None;
    here.handshake(&mut peer);
    let exported = export(&here, &peer);
    here.engine.adopt(here.now, &exported).expect("it is not here any more");
    assert_eq!(here.connect(&mut peer, "back").replies[0]["successful"], true);
    let exported = export(&here, &peer);
    // An engine with another seed is another engine; connections are numbered anew there.
    let elsewhere = bayeux_engine::Engine::new(Config::default(), 1, [8; 32]);
    elsewhere.adopt(there.now, &exported).expect("it is a session");
    let mut there = World { engine: elsewhere.into(), ..there };
    assert_eq!(there.connect(&mut peer, "foreign").replies[0]["error"], "402::session_unknown");
}

#[test]
fn a_held_connect_is_answered_and_the_next_one_finds_the_session() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    let hold = world.hold(&mut peer, "held");
    assert!(world.take(&peer, hold).is_none());
    let exported = export(&world, &peer);
    assert_eq!(peer.wakes(), 1);
    let reply = world.receive(&peer, hold).expect("answered").remove(0);
    assert_eq!((reply["successful"].as_bool(), reply["advice"]["reconnect"].as_str()), (Some(true), Some("retry")));
    world.engine.adopt(world.now, &exported).expect("it is a session");
    assert!(world.connect(&mut peer, "next").answer.held.is_some());

    let mut socket = world.pusher();
    let exported = export(&world, &socket);
    assert!(matches!(world.take_raw(&socket, ticket(&socket)), Take::Released), "the socket stays open");
    world.engine.adopt(world.now, &exported).expect("it is a session");
    assert!(world.connect(&mut socket, "again").answer.attached.is_some());
}

#[test]
fn what_is_being_written_is_not_torn_off() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!("/a"));
    world.publish(&mut peer, "/a", json!(1));
    let lent = world.connect(&mut peer, "w").answer.lent[0];
    assert_eq!(world.engine.export(world.now, &id(&peer)), Err(ExportError::Writing));
    world.engine.confirm(world.now, lent);
    let exported = export(&world, &peer);
    assert_eq!(world.engine.export(world.now, &id(&peer)), Err(ExportError::Unknown));
    world.engine.adopt(world.now, &exported).expect("it is a session");
    assert_eq!(world.engine.adopt(world.now, &exported), Err(AdoptError::Present));
}

#[test]
fn it_expires_when_it_would_have() {
    let mut world = World::new(Config::default());
    let peer = world.poller();
    world.pass(Duration::from_secs(6));
    let exported = export(&world, &peer);
    world.engine.adopt(world.now, &exported).expect("it is a session");
    world.pass(Duration::from_secs(3));
    assert_eq!(world.engine.sessions(), 1);
    world.pass(Duration::from_secs(2));
    assert_eq!((world.engine.sessions(), world.engine.stats().sessions_expired), (0, 1));
}

#[test]
fn bytes_that_are_no_session_change_nothing() {
    let mut world = World::new(Config::default());
    let mut peer = world.poller();
    world.subscribe(&mut peer, json!(["/a", "/b/*"]));
    world.publish(&mut peer, "/a", json!(1));
    let exported = export(&world, &peer);
    for length in 0..exported.len() {
        assert_eq!(world.engine.adopt(world.now, &exported[..length]), Err(AdoptError::Malformed));
    }
    assert_eq!(world.engine.adopt(world.now, &[&exported[..], b"x"].concat()), Err(AdoptError::Malformed));
    for at in 0..exported.len() {
        let mut wrong = exported.clone();
        wrong[at] = !wrong[at];
        if let Ok(id) = world.engine.adopt(world.now, &wrong) {
            world.engine.export(world.now, &id).expect("what was adopted is there");
        }
        world.engine.audit(world.now).expect("whatever it was, all fits together");
    }
    let mut config = Config::default();
    config.max_queue = 0;
    let small = World::new(config);
    assert_eq!(small.engine.adopt(small.now, &exported), Err(AdoptError::OverLimit));
    assert_eq!((small.engine.sessions(), world.engine.sessions()), (0, 0));
}

#[test]
fn what_is_not_acknowledged_goes_with_the_session_under_its_numbers() {
    let (mut here, mut there) = (World::new(Config::default()), World::new(Config::default()));
    let mut peer = here.http();
    here.handshake_with(&mut peer, json!({"ack": true}));
    here.subscribe(&mut peer, json!("/a"));
    let connect =
        |ack: u64| json!([{"channel": "/meta/connect", "connectionType": "long-polling", "ext": {"ack": ack}}]);
    for n in 0..3 {
        here.publish(&mut peer, "/a", json!(n));
        let outcome = here.send(&mut peer, connect(0));
        outcome.answer.lent.iter().for_each(|ticket| here.engine.confirm(here.now, *ticket));
    }
    let exported = export(&here, &peer);
    there.engine.adopt(there.now, &exported).expect("it is a session");
    let replies = there.send(&mut peer, connect(2)).replies;
    assert_eq!((channels(&replies), &replies[1]["ext"]), (vec!["/a", "/meta/connect"], &json!({"ack": 4})));
    assert_eq!(replies[0]["data"], 2);
}
