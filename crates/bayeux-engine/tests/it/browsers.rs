//! Several sessions of one browser (BX-MC-2, BX-ADV-10), and sessions of script elements (BX-CP-*).

use std::net::{IpAddr, Ipv4Addr};

use bayeux_engine::{Carrier, Config};
use serde_json::{Value, json};

use crate::world::{Peer, World};

fn connect() -> Value {
    json!([{"channel": "/meta/connect", "connectionType": "long-polling"}])
}

fn crowd(world: &mut World, tabs: usize) -> Vec<Peer> {
    let first = world.poller();
    let mut all = vec![first];
    for _ in 1..tabs {
        let mut tab = world.next_connection(&all[0], Carrier::Http);
        world.handshake(&mut tab);
        world.connect(&mut tab, "first");
        all.push(tab);
    }
    all
}

#[test]
fn bx_mc_2_one_tab_too_many_is_not_held_but_told_until_another_goes() {
    let mut world = World::new(Config::default());
    let mut tabs = crowd(&mut world, 5);
    let mut last = tabs.pop().expect("five");
    let holds: Vec<_> = tabs.iter_mut().map(|tab| world.hold(tab, "h")).collect();
    let told = world.connect(&mut last, "t").replies.remove(0);
    let crowded = json!({"reconnect": "retry", "interval": 2000, "timeout": 20_000, "multiple-clients": true});
    assert_eq!((&told["successful"], &told["advice"]), (&json!(true), &crowded));
    assert_eq!(world.engine.stats().connects_crowded, 1);
    // A tab that polls again takes its own place.
    let again = world.hold(&mut tabs[0], "again");
    world.engine.cancel(world.now, holds[0]);
    assert_eq!(world.connect(&mut last, "t").replies.len(), 1);
    world.engine.cancel(world.now, again);
    let held = world.hold(&mut last, "held");
    world.publish(&mut tabs[1], "/none", json!(1));
    world.pass(std::time::Duration::from_secs(21));
    let reply = world.receive(&last, held).expect("its time has come").remove(0);
    assert_eq!(reply["advice"]["multiple-clients"], Value::Null, "it is released");
    holds.iter().for_each(|hold| world.engine.cancel(world.now, *hold));
    assert_eq!(world.engine.audit(world.now).expect("all fits together").browsers, 0);
}

#[test]
fn streams_count_and_sockets_and_programs_do_not() {
    let mut config = Config::default();
    config.max_sessions_per_browser = 1;
    let mut world = World::new(config);
    let tabs = crowd(&mut world, 3);
    let open = |world: &mut World, tab: &Peer| {
        let mut stream = world.next_connection(tab, Carrier::Stream { last_event: None });
        world.send(&mut stream, json!([{"channel": "/meta/connect", "connectionType": "eventsource"}]))
    };
    assert!(open(&mut world, &tabs[0]).answer.stream.is_some());
    let told = open(&mut world, &tabs[1]);
    let told = told.answer.stream.and_then(|stream| world.receive(&tabs[1], stream)).expect("a reply");
    assert_eq!(told[0]["advice"]["multiple-clients"], true);
    assert!(open(&mut world, &tabs[0]).answer.stream.is_some(), "its own takes over");
    let mut socket = world.next_connection(&tabs[2], Carrier::Socket { ticket: None, may_adopt: None });
    assert!(world.connect(&mut socket, "s").replies.is_empty(), "held");
    for _ in 0..3 {
        let mut program = world.peer(Carrier::Http);
        program.origin.browser = None;
        world.handshake(&mut program);
        assert!(world.connect(&mut program, "c").replies.len() == 1);
    }
}

#[test]
fn bx_mc_2_a_connect_that_waits_for_an_older_write_has_a_place_too() {
    let mut config = Config::default();
    config.max_sessions_per_browser = 1;
    let mut world = World::new(config);
    let mut tabs = crowd(&mut world, 2);
    let mut publisher = world.poller();
    world.subscribe(&mut tabs[0], json!("/a"));
    world.publish(&mut publisher, "/a", json!(1));
    world.pump();
    let writes = world.connect(&mut tabs[0], "writes").answer.lent;
    let mut next = world.next_connection(&tabs[0], Carrier::Http);
    let held = world.hold(&mut next, "waits");
    world.engine.confirm(world.now, writes[0]);
    assert!(world.receive(&next, held).is_none(), "it goes on to be held");
    assert_eq!(world.connect(&mut tabs[1], "t").replies[0]["advice"]["multiple-clients"], true);
}

#[test]
fn bx_mc_4_a_connect_whose_session_has_ended_takes_no_place_any_more() {
    let mut config = Config::default();
    config.max_sessions_per_browser = 1;
    let mut world = World::new(config);
    let mut tabs = crowd(&mut world, 2);
    let held = world.hold(&mut tabs[0], "h");
    // Its connection does not come to answer the connect.
    let exported = world.engine.export(world.now, &bayeux_engine::ClientId::parse(&tabs[0].id).expect("an id"));
    assert!(exported.is_ok());
    assert!(world.send(&mut tabs[1], connect()).answer.held.is_some(), "there is room");
    world.engine.cancel(world.now, held);
}

#[test]
fn bx_cp_5_a_foreign_script_uses_such_sessions_of_its_address_alone() {
    let script = Carrier::Script { cross_site: true };
    let mut world = World::new(Config::default());
    let mut foreign = world.peer(script);
    world.handshake(&mut foreign);
    assert_eq!(world.connect(&mut foreign, "1").replies[0]["successful"], true);
    let same_browser = world.poller();
    let connect = |world: &mut World, mut peer: Peer| {
        world.connect(&mut peer, "x").replies.first().map_or(Value::Null, |reply| reply["error"].clone())
    };
    let refused = json!("402::session_unknown");
    for (carrier, what) in [
        (Carrier::Http, "a POST that CORS lets through"),
        (Carrier::Script { cross_site: false }, "a script of the site"),
        (Carrier::Socket { ticket: None, may_adopt: Some(world.now) }, "a socket"),
    ] {
        let own = world.next_connection(&foreign, carrier);
        assert_eq!(connect(&mut world, own.clone()), Value::Null, "{what}");
        let mut elsewhere = own;
        elsewhere.origin.peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(connect(&mut world, elsewhere), refused, "{what}, from another address");
    }
    let mut elsewhere = world.next_connection(&foreign, script);
    elsewhere.origin.peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(connect(&mut world, elsewhere), refused, "another address");
    let thief = world.next_connection(&same_browser, script);
    assert_eq!(connect(&mut world, thief), refused, "a session with a cookie");
    let mut own = world.next_connection(&same_browser, Carrier::Script { cross_site: false });
    assert!(world.connect(&mut own, "3").answer.held.is_some(), "a script of the same site brings the cookie");
}

#[test]
fn a_session_outlasts_the_interval_that_it_is_told() {
    let mut config = Config::default();
    config.max_sessions_per_browser = 1;
    config.multi_session_interval = std::time::Duration::from_secs(15);
    let mut world = World::new(config);
    let mut tabs = crowd(&mut world, 2);
    world.hold(&mut tabs[0], "h");
    assert_eq!(world.connect(&mut tabs[1], "t").replies[0]["advice"]["interval"], 15_000);
    world.pass(std::time::Duration::from_secs(15));
    assert_eq!(world.connect(&mut tabs[1], "t").replies[0]["successful"], true);
}
