//! Subscriptions, over one session and several.

use super::*;
use crate::{
    core::Interruption,
    extension::{MemoryStore, Replay, ReplayStore},
};

const OK: &str = r#""successful":true"#;
const GONE: &str = r#""successful":false,"error":"402::gone","advice":{"reconnect":"handshake","interval":0}"#;

fn subscribed(world: &mut World, subscription: u64, pattern: &str) {
    world.subscribe(subscription, pattern);
    let sent = world.sent("/meta/subscribe");
    world.reply(&sent, OK);
    assert!(world.told.contains(&Action::Subscribed(SubscriptionId(subscription))));
}

fn interruptions(world: &World) -> Vec<(u64, Interruption)> {
    let interruptions = world.told.iter().filter_map(|action| match action {
        Action::Interrupted(subscription, interruption) => Some((subscription.0, interruption.clone())),
        _ => None,
    });
    interruptions.collect()
}

#[test]
fn bx_sb_1_a_pattern_is_asked_for_once_and_each_subscription_gets_its_copy() {
    let (mut world, connect) = World::connected(polling());
    subscribed(&mut world, 1, "/a/*");
    world.subscribe(2, "/a/*");
    assert!(world.is_quiet() && world.told.contains(&Action::Subscribed(SubscriptionId(2))));
    subscribed(&mut world, 3, "/a/**");
    let reply = text(&connect, OK);
    let events = r#"{"channel":"/a/b","data":1},{"channel":"/a/b/c","data":2},{"channel":"/x","data":3},{"channel":"//","data":4}"#;
    world.receive(connect.connection, &format!("[{events},{reply}]"));
    let mut delivered = world.delivered();
    delivered.sort();
    assert_eq!(delivered, [(1, "1".to_owned()), (2, "1".to_owned()), (3, "1".to_owned()), (3, "2".to_owned())]);
}

#[test]
fn bx_us_1_the_last_one_to_leave_tells_the_server() {
    let (mut world, connect) = World::connected(polling());
    subscribed(&mut world, 1, "/a");
    world.subscribe(2, "/a");
    world.input(Input::Unsubscribe { subscription: SubscriptionId(1), request: None });
    assert!(world.is_quiet());
    world.input(Input::Unsubscribe { subscription: SubscriptionId(2), request: Some(RequestId(9)) });
    let sent = world.sent("/meta/unsubscribe");
    assert_eq!(sent.message.client_id.as_deref(), Some("c1"));
    world.reply(&sent, OK);
    assert!(matches!(world.outcome(9), Some(Ok(_))));
    world.receive(connect.connection, &format!(r#"[{{"channel":"/a","data":1}},{}]"#, text(&connect, OK)));
    assert!(world.delivered().is_empty());
}

#[test]
fn bx_sb_4_a_refused_subscription_is_reported_and_gets_nothing() {
    let (mut world, connect) = World::connected(polling());
    world.subscribe(1, "/a");
    let sent = world.sent("/meta/subscribe");
    world.reply(&sent, r#""successful":false,"error":"403:/a:subscribe_denied""#);
    assert!(world.told.iter().any(|action| matches!(action, Action::NotSubscribed(_, Error::Server { .. }))));
    world.receive(connect.connection, &format!(r#"[{{"channel":"/a","data":1}},{}]"#, text(&connect, OK)));
    assert!(world.delivered().is_empty());
}

#[test]
fn bx_cli_4_subscriptions_are_renewed_and_answered_before_anything_queued_is_sent() {
    let (mut world, connect) = World::connected(polling());
    subscribed(&mut world, 1, "/a");
    subscribed(&mut world, 2, "/b");
    world.reply(&connect, GONE);
    world.input(Input::Publish(vec![publish(1, "/a")]));
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""successful":true,"clientId":"c2""#);
    world.sent("/meta/connect");
    let renewals = world.batch();
    assert!(renewals.iter().all(|sent| sent.message.channel.as_deref() == Some("/meta/subscribe")));
    assert!(renewals.iter().all(|sent| sent.message.client_id.as_deref() == Some("c2")));
    assert_eq!(renewals.len(), 2);
    assert!(world.is_quiet());
    let refused = text(&renewals[1], r#""successful":false,"error":"403::not any more""#);
    world.receive(renewals[0].connection, &format!("[{},{refused}]", text(&renewals[0], OK)));
    world.sent("/a");
    let told = interruptions(&world);
    assert_eq!(told[..2], [(1, Interruption::NewSession), (2, Interruption::NewSession)]);
    assert!(matches!(&told[2], (2, Interruption::Refused(refusal)) if &*refusal.text == "not any more"));
    assert!(told.len() == 3 && told[2].1.is_end() && !told[0].1.is_end());
}

#[test]
fn bx_cli_4_a_new_session_is_told_once_and_before_its_first_message() {
    let (mut world, connect) = World::connected(polling());
    subscribed(&mut world, 1, "/a");
    world.reply(&connect, GONE);
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""successful":true,"clientId":"c2""#);
    let connect = world.sent("/meta/connect");
    let renewal = world.sent("/meta/subscribe");
    assert_eq!(interruptions(&world), [(1, Interruption::NewSession)]);
    world.told.clear();
    // The reply to the renewal is lost, and it is asked again; its message has come by another connection meanwhile.
    world.receive(connect.connection, &format!(r#"[{{"channel":"/a","data":1}},{}]"#, text(&connect, OK)));
    assert_eq!(world.delivered(), [(1, "1".to_owned())]);
    assert!(interruptions(&world).is_empty(), "it was told before");
    world.sent("/meta/connect");
    world.lose(renewal.connection);
    world.pass(ms(1000));
    let again = world.sent("/meta/subscribe");
    world.reply(&again, OK);
    assert!(interruptions(&world).is_empty(), "it is told once");
}

#[test]
fn bx_cli_2_a_subscription_without_an_answer_is_asked_for_again() {
    let (mut world, _connect) = World::connected(polling());
    world.subscribe(1, "/a");
    let sent = world.sent("/meta/subscribe");
    world.lose(sent.connection);
    assert!(world.is_quiet());
    world.pass(ms(250));
    let again = world.sent("/meta/subscribe");
    world.reply(&again, OK);
    assert!(world.told.contains(&Action::Subscribed(SubscriptionId(1))));
    assert!(interruptions(&world).is_empty());
}

#[test]
fn a_reply_to_an_earlier_subscribe_says_nothing_of_a_later_one() {
    let (mut world, _connect) = World::connected(polling());
    world.subscribe(1, "/a");
    let first = world.sent("/meta/subscribe");
    world.input(Input::Unsubscribe { subscription: SubscriptionId(1), request: None });
    world.subscribe(2, "/a");
    world.reply(&first, OK);
    assert!(!world.told.contains(&Action::Subscribed(SubscriptionId(2))));
    let batch = world.batch();
    let channels: Vec<_> = batch.iter().map(|sent| sent.message.channel.as_deref().unwrap_or_default()).collect();
    assert_eq!(channels, ["/meta/unsubscribe", "/meta/subscribe"]);
    world.receive(batch[0].connection, &format!("[{},{}]", text(&batch[0], OK), text(&batch[1], OK)));
    assert!(world.told.contains(&Action::Subscribed(SubscriptionId(2))));
}

#[test]
fn what_an_old_session_is_refused_does_not_end_the_new_one() {
    let (mut world, connect) = World::connected(polling());
    world.input(Input::Publish(vec![publish(1, "/a")]));
    let old = world.sent("/a");
    world.reply(&connect, GONE);
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""successful":true,"clientId":"c2""#);
    world.sent("/meta/connect");
    world.reply(&old, GONE);
    let again = world.sent("/a");
    assert_eq!(again.message.client_id.as_deref(), Some("c2"));
}

#[test]
fn bx_cli_4_what_an_old_session_confirms_is_not_in_force_in_the_new_one() {
    for is_before_handshake in [true, false] {
        let (mut world, connect) = World::connected(polling());
        world.subscribe(1, "/a");
        let old = world.sent("/meta/subscribe");
        world.reply(&connect, GONE);
        let handshake = world.sent("/meta/handshake");
        if is_before_handshake {
            world.reply(&old, OK);
        }
        world.reply(&handshake, r#""successful":true,"clientId":"c2""#);
        world.sent("/meta/connect");
        if !is_before_handshake {
            world.reply(&old, OK);
        }
        assert!(!world.told.contains(&Action::Subscribed(SubscriptionId(1))));
        let again = world.sent("/meta/subscribe");
        assert_eq!(again.message.client_id.as_deref(), Some("c2"));
        world.reply(&again, OK);
        assert!(world.told.contains(&Action::Subscribed(SubscriptionId(1))));
    }
}

#[test]
fn bx_cli_4_behind_sessions_that_came_to_nothing_the_connect_has_to_succeed_first() {
    let (mut world, mut connect) = World::connected(polling());
    subscribed(&mut world, 1, "/a");
    for lost in 1..4 {
        world.reply(&connect, GONE);
        while world.is_quiet() {
            world.pass(ms(10));
        }
        let handshake = world.sent("/meta/handshake");
        world.reply(&handshake, r#""successful":true,"clientId":"c""#);
        connect = world.sent("/meta/connect");
        if lost == 1 {
            let sent = world.sent("/meta/subscribe");
            world.reply(&sent, OK);
        }
        assert!(world.is_quiet());
    }
    world.reply(&connect, OK);
    world.sent("/meta/connect");
    world.sent("/meta/subscribe");
}

/// A world with `replay`, where the number of /a is known.
fn replaying() -> World {
    let mut store = MemoryStore::default();
    store.put("/a", 7);
    let mut world = World::with(polling(), vec![Box::new(Replay::new(store))]);
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""clientId":"c1","successful":true,"ext":{"replay":true}"#);
    let connect = world.sent("/meta/connect");
    world.reply(&connect, OK);
    world
}

#[test]
fn a_subscription_that_replays_is_not_interrupted_by_a_new_session() {
    let mut world = replaying();
    let connect = world.sent("/meta/connect");
    world.subscribe(1, "/a");
    let sent = world.sent("/meta/subscribe");
    assert_eq!(sent.message.ext.as_ref().map(Json::as_str), Some(r#"{"replay":{"/a":7}}"#));
    world.reply(&sent, OK);
    let event = r#"{"channel":"/a","data":{"event":{"replayId":9}}}"#;
    world.receive(connect.connection, &format!("[{event},{}]", text(&connect, GONE)));
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""clientId":"c2","successful":true,"ext":{"replay":true}"#);
    world.sent("/meta/connect");
    let sent = world.sent("/meta/subscribe");
    assert_eq!(sent.message.ext.as_ref().map(Json::as_str), Some(r#"{"replay":{"/a":9}}"#));
    world.reply(&sent, OK);
    assert_eq!(interruptions(&world), []);
}

#[test]
fn what_a_server_has_not_kept_is_told_and_the_subscription_goes_on() {
    let mut world = replaying();
    world.sent("/meta/connect");
    world.subscribe(1, "/a");
    let sent = world.sent("/meta/subscribe");
    world.reply(&sent, r#""successful":false,"error":"400::The replayId {7} you provided was invalid.""#);
    let again = world.sent("/meta/subscribe");
    assert_eq!(again.message.ext.as_ref().map(Json::as_str), Some(r#"{"replay":{"/a":-1}}"#));
    world.reply(&again, OK);
    assert_eq!(interruptions(&world), [(1, Interruption::NotKept)]);
    assert!(world.told.contains(&Action::Subscribed(SubscriptionId(1))));
}
