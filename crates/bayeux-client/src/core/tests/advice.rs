//! Advice, obeyed to the letter.

use super::*;
use crate::error::StopReason;

const GONE: &str =
    r#""successful":false,"error":"402::session_unknown","advice":{"reconnect":"handshake","interval":0}"#;

#[test]
fn bx_adv_8_the_interval_is_counted_from_the_end_of_the_response() {
    let (mut world, connect) = World::connected(polling());
    world.pass(ms(500));
    world.reply(&connect, r#""successful":true,"advice":{"reconnect":"retry","interval":700}"#);
    world.pass(ms(699));
    assert!(world.is_quiet());
    world.pass(ms(1));
    world.sent("/meta/connect");
}

#[test]
fn bx_adv_8_the_interval_counts_after_a_failure_as_well() {
    let (mut world, connect) = World::connected(polling());
    world.reply(&connect, r#""successful":false,"error":"500::broken","advice":{"reconnect":"retry","interval":1500}"#);
    world.pass(ms(1499));
    assert!(world.is_quiet());
    world.pass(ms(1));
    let connect = world.sent("/meta/connect");
    world.lose(connect.connection);
    world.pass(ms(1499));
    assert!(world.is_quiet());
    world.pass(ms(1));
    world.sent("/meta/connect");
}

#[test]
fn bx_adv_8_the_interval_of_a_handshake_reply_counts_too() {
    let mut world = World::new(polling());
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""successful":true,"clientId":"c","advice":{"interval":300}"#);
    world.pass(ms(299));
    assert!(world.is_quiet());
    world.pass(ms(1));
    world.sent("/meta/connect");
}

#[test]
fn bx_adv_8_a_negative_interval_ends_connects_and_nothing_else() {
    let (mut world, connect) = World::connected(polling());
    world.reply(&connect, r#""successful":true,"advice":{"reconnect":"retry","interval":-1}"#);
    assert_eq!(world.state(), &State::Stopped(StopReason::NegativeInterval));
    world.pass(ms(100_000));
    assert!(world.is_quiet());
    world.input(Input::Publish(vec![publish(1, "/a")]));
    let published = world.sent("/a");
    world.reply(&published, r#""successful":true"#);
    assert!(matches!(world.outcome(1), Some(Ok(_))));
}

#[test]
fn bx_adv_2_a_later_advice_takes_the_place_of_an_earlier_one() {
    let (mut world, connect) = World::connected(polling());
    world.reply(&connect, r#""successful":true,"advice":{"reconnect":"retry","interval":2000}"#);
    world.pass(ms(2000));
    let connect = world.sent("/meta/connect");
    world.reply(&connect, r#""successful":true,"advice":{"timeout":5000}"#);
    world.sent("/meta/connect");
    world.pass(ms(14_999));
    assert!(world.is_quiet());
    world.pass(ms(1));
    world.abandoned();
}

#[test]
fn bx_adv_4_handshake_means_a_new_session_whatever_the_error_says() {
    for error in ["402::session_unknown", "401::No client ID", "403::Unknown client", "gone", ""] {
        let (mut world, connect) = World::connected(polling());
        world.reply(
            &connect,
            &format!(r#""successful":false,"error":"{error}","advice":{{"reconnect":"handshake","interval":0}}"#),
        );
        let handshake = world.sent("/meta/handshake");
        assert_eq!(handshake.message.client_id, None);
        world.reply(&handshake, r#""successful":true,"clientId":"c2""#);
        assert_eq!(world.sent("/meta/connect").message.client_id.as_deref(), Some("c2"));
    }
}

#[test]
fn bx_adv_4_an_error_text_alone_asks_for_nothing() {
    for error in ["402::session_unknown", "403::Unknown client"] {
        let (mut world, connect) = World::connected(polling());
        world.reply(&connect, &format!(r#""successful":false,"error":"{error}""#));
        world.pass(ms(250));
        assert_eq!(world.sent("/meta/connect").message.client_id.as_deref(), Some("c1"));
    }
}

#[test]
fn bx_adv_9_handshakes_that_lead_to_nothing_are_no_tight_loop() {
    let (mut world, mut connect) = World::connected(polling());
    let (begin, mut handshakes) = (world.now, 0);
    while world.now < begin + ms(60_000) {
        world.reply(&connect, GONE);
        while world.is_quiet() {
            world.pass(ms(10));
        }
        let handshake = world.sent("/meta/handshake");
        world.reply(&handshake, r#""successful":true,"clientId":"c""#);
        connect = world.sent("/meta/connect");
        handshakes += 1;
    }
    assert!((3..40).contains(&handshakes), "{handshakes} in a minute");
}

#[test]
fn bx_hs_11_a_refused_handshake_is_tried_again_after_the_interval() {
    let mut world = World::new(polling());
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.reply(
        &handshake,
        r#""successful":false,"error":"503::full","advice":{"reconnect":"handshake","interval":600}"#,
    );
    world.pass(ms(599));
    assert!(world.is_quiet());
    world.pass(ms(1));
    world.sent("/meta/handshake");
}

#[test]
fn bx_hs_12_a_handshake_that_is_refused_for_good_is_not_tried_again() {
    let mut world = World::new(polling());
    world.subscribe(1, "/a");
    world.input(Input::Publish(vec![publish(1, "/a")]));
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""successful":false,"error":"403::not you","advice":{"reconnect":"none"}"#);
    let State::Stopped(StopReason::Advised(Some(refusal))) = world.state() else { panic!("{:?}", world.state()) };
    assert_eq!((refusal.code, &*refusal.text), (Some(403), "not you"));
    assert!(matches!(world.outcome(1), Some(Err(Error::Application { .. }))));
    assert!(world.told.iter().any(|action| matches!(action, Action::NotSubscribed(SubscriptionId(1), _))));
    world.pass(ms(100_000));
    assert!(world.is_quiet());
}

#[test]
fn bx_adv_5_none_ends_it_and_bx_adv_6_so_does_any_other_value() {
    for reconnect in ["none", "x-later"] {
        let (mut world, connect) = World::connected(polling());
        world.reply(&connect, &format!(r#""successful":true,"advice":{{"reconnect":"{reconnect}"}}"#));
        assert!(matches!(world.state(), State::Stopped(StopReason::Advised(_))));
        world.pass(ms(100_000));
        assert!(world.is_quiet());
    }
}

#[test]
fn bx_hrd_10_the_advice_of_a_delivery_means_nothing() {
    let (mut world, connect) = World::connected(polling());
    let reply = text(&connect, r#""successful":true"#);
    let delivery = r#"{"channel":"/a","data":1,"advice":{"reconnect":"none","interval":9000}}"#;
    world.receive(connect.connection, &format!("[{delivery},{reply}]"));
    world.sent("/meta/connect");
}

#[test]
fn bx_se_3_a_publish_that_is_refused_for_its_session_is_sent_again_in_the_next() {
    let (mut world, connect) = World::connected(polling());
    world.input(Input::Publish(vec![publish(1, "/a"), publish(2, "/a")]));
    let batch = world.batch();
    let replies = [text(&batch[0], GONE), text(&batch[1], GONE)].join(",");
    world.receive(batch[0].connection, &format!("[{replies}]"));
    assert_eq!(world.abandoned(), connect.connection, "the connect of a session that is gone");
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""successful":true,"clientId":"c2""#);
    world.sent("/meta/connect");
    let again = world.batch();
    let data: Vec<_> = again.iter().map(|sent| sent.message.data.as_ref().expect("it has data").as_str()).collect();
    assert_eq!(data, ["1", "2"]);
    assert!(again.iter().all(|sent| sent.message.client_id.as_deref() == Some("c2")));
    let replies = [text(&again[0], GONE), text(&again[1], r#""successful":true"#)].join(",");
    world.receive(again[0].connection, &format!("[{replies}]"));
    assert!(matches!(world.outcome(1), Some(Err(Error::Server { .. }))), "once is enough");
    assert!(matches!(world.outcome(2), Some(Ok(_))));
}

#[test]
fn bx_adv_11_the_hosts_are_tried_in_their_order() {
    let host = |world: &mut World| {
        while world.is_quiet() {
            world.pass(ms(10));
        }
        let Some(Action::Post { connection, host, .. }) = world.wire.pop_front() else { panic!("nothing was posted") };
        world.lose(connection);
        host
    };
    let (mut world, connect) = World::connected(polling());
    world.reply(
        &connect,
        r#""successful":false,"advice":{"reconnect":"handshake","interval":0,"hosts":["one.example","two.example:81"]}"#,
    );
    let tried: Vec<_> = (0..4).map(|_| host(&mut world)).collect();
    let names: Vec<_> = tried.iter().map(|host| host.as_deref()).collect();
    assert_eq!(names, [Some("one.example"), Some("two.example:81"), None, Some("one.example")]);
}

#[test]
fn bx_adv_5_a_session_whose_token_is_revoked_is_followed_by_another_where_there_are_tokens() {
    for (renews_tokens, error, goes_on) in [
        (true, "401::Authentication invalid", true),
        (true, "403::Handshake denied", true),
        (true, "404::x", false),
        (false, "401::Authentication invalid", false),
    ] {
        let (mut world, connect) = World::connected(Config { renews_tokens, ..polling() });
        let refused = format!(r#""successful":false,"error":"{error}","advice":{{"reconnect":"none","interval":0}}"#);
        world.reply(&connect, &refused);
        assert_eq!(matches!(world.state(), State::Stopped(_)), !goes_on, "{renews_tokens} {error}");
        if goes_on {
            let handshake = world.sent("/meta/handshake");
            // The token of the handshake is not believed either, and there is no other.
            world.reply(&handshake, &refused);
            assert!(matches!(world.state(), State::Stopped(_)));
        }
    }
}
