//! Handshake, the loop of connects, their failures, the end.

use bayeux_protocol::ConnectionType;

use super::*;
use crate::error::StopReason;

#[test]
fn bx_hs_2_a_handshake_says_version_and_transports_and_is_alone() {
    let mut world = World::new(Config::default());
    world.input(Input::Publish(vec![publish(1, "/a")]));
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake").message;
    assert_eq!(handshake.version.as_deref(), Some("1.0"));
    let types = handshake.supported_connection_types.expect("they are listed");
    assert_eq!(types, [ConnectionType::WebSocket, ConnectionType::LongPolling]);
    assert_eq!(handshake.client_id, None);
    assert!(world.is_quiet());
}

#[test]
fn bx_cn_1_a_connect_has_client_id_and_transport_and_the_first_asks_for_an_answer_at_once() {
    let (mut world, connect) = World::shaken(polling());
    assert_eq!(connect.message.client_id.as_deref(), Some("c1"));
    assert_eq!(connect.message.connection_type, Some(ConnectionType::LongPolling));
    assert_eq!(connect.message.advice.as_ref().and_then(|advice| advice.timeout), Some(0));
    assert_eq!(world.state(), &State::Connecting);
    world.reply(&connect, r#""successful":true"#);
    assert_eq!(world.state(), &State::Connected { transport: ConnectionType::LongPolling });
    assert_eq!(world.sent("/meta/connect").message.advice, None);
}

#[test]
fn bx_fld_6_ids_are_not_used_twice() {
    let (mut world, mut connect) = World::connected(polling());
    let mut ids = std::collections::HashSet::new();
    for _ in 0..10 {
        assert!(ids.insert(connect.message.id.clone()));
        world.reply(&connect, r#""successful":true"#);
        connect = world.sent("/meta/connect");
    }
}

#[test]
fn bx_cn_3_a_reply_that_comes_twice_is_followed_by_one_connect() {
    let (mut world, connect) = World::connected(polling());
    let reply = text(&connect, r#""successful":true"#);
    world.receive(connect.connection, &format!("[{reply},{reply}]"));
    world.sent("/meta/connect");
    world.pass(ms(1000));
    assert!(world.is_quiet());
}

#[test]
fn bx_fld_7_a_server_that_does_not_repeat_the_id_of_a_connect_is_understood() {
    let (mut world, mut connect) = World::shaken(Config::default());
    let socket = world.opening();
    world.input(Input::Opened(socket));
    for id in [r#""id":"nobody","#, r#""id":99999,"#, ""] {
        world.receive(connect.connection, &format!(r#"[{{{id}"channel":"/meta/connect","successful":true}}]"#));
        let next = world.sent("/meta/connect");
        let old = text(&connect, r#""successful":true"#);
        world.receive(next.connection, &format!("[{old}]"));
        assert_eq!(next.connection, socket);
        assert!(world.is_quiet(), "that was a reply to an earlier one");
        connect = next;
    }
}

#[test]
fn bx_cli_1_a_response_without_the_reply_is_a_failure() {
    let (mut world, connect) = World::connected(polling());
    world.receive(connect.connection, r#"[{"channel":"/meta/subscribe","id":"nobody","successful":true}]"#);
    assert!(world.is_quiet(), "it waits before it tries again");
    assert!(matches!(world.state(), State::Retrying { .. }));
    world.pass(ms(250));
    let again = world.sent("/meta/connect").message;
    assert_eq!(again.client_id.as_deref(), Some("c1"));
    assert_eq!(again.advice.and_then(|advice| advice.timeout), Some(0), "to see soon whether all is well");
}

#[test]
fn bx_cli_2_a_connect_is_given_up_when_timeout_and_allowance_are_over() {
    let (mut world, connect) = World::connected(polling());
    world.pass(ms(29_999));
    assert!(world.is_quiet());
    world.pass(ms(1));
    assert_eq!(world.abandoned(), connect.connection);
    world.pass(ms(250));
    world.sent("/meta/connect");
}

#[test]
fn bx_cli_2_a_handshake_is_given_up_too() {
    let mut world = World::new(polling());
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.pass(ms(10_000));
    assert_eq!(world.abandoned(), handshake.connection);
    world.pass(ms(250));
    world.sent("/meta/handshake");
}

#[test]
fn bx_adv_9_pauses_grow_while_nobody_answers_and_there_are_at_most_ten_attempts_a_second() {
    let (mut world, mut connect) = World::connected(polling());
    let (mut attempts, begin) = (0, world.now);
    while world.now < begin + ms(60_000) {
        world.lose(connect.connection);
        while world.is_quiet() {
            world.pass(ms(10));
        }
        connect = world.sent("/meta/connect");
        attempts += 1;
    }
    assert!((4..40).contains(&attempts), "{attempts} attempts in a minute");
    world.reply(&connect, r#""successful":true"#);
    connect = world.sent("/meta/connect");
    world.lose(connect.connection);
    world.pass(ms(250));
    world.sent("/meta/connect");
}

#[test]
fn bx_cid_5_a_handshake_without_a_text_as_client_id_has_failed() {
    for client_id in [r#""successful":true"#, r#""successful":true,"clientId":5"#, r#""successful":true,"clientId":"""#]
    {
        let mut world = World::new(polling());
        world.input(Input::Open);
        let handshake = world.sent("/meta/handshake");
        world.reply(&handshake, client_id);
        world.pass(ms(250));
        world.sent("/meta/handshake");
    }
}

#[test]
fn bx_cn_9_without_a_common_transport_nothing_is_connected() {
    let mut world = World::new(Config::default());
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""successful":true,"clientId":"c","supportedConnectionTypes":["callback-polling"]"#);
    assert_eq!(world.state(), &State::Stopped(StopReason::NoCommonTransport));
    world.pass(ms(100_000));
    assert!(world.is_quiet());
}

#[test]
fn bx_dc_1_the_end_is_told_beside_the_held_connect_and_nothing_follows() {
    let (mut world, connect) = World::connected(polling());
    world.input(Input::Publish(vec![publish(1, "/a")]));
    let published = world.sent("/a");
    world.input(Input::Close);
    assert!(world.is_quiet(), "what was asked for before goes first");
    world.reply(&published, r#""successful":true"#);
    let disconnect = world.sent("/meta/disconnect");
    assert_eq!(disconnect.message.client_id.as_deref(), Some("c1"));
    world.input(Input::Publish(vec![publish(2, "/a")]));
    assert!(matches!(world.outcome(2), Some(Err(Error::Application { .. }))));
    world.reply(&connect, r#""successful":true,"advice":{"reconnect":"none"}"#);
    world.reply(&disconnect, r#""successful":true"#);
    assert_eq!(world.state(), &State::Stopped(StopReason::Disconnected));
    world.pass(ms(100_000));
    assert!(world.is_quiet());
}

#[test]
fn bx_dc_4_a_client_that_is_closed_while_nobody_answers_ends_in_time() {
    let (mut world, connect) = World::connected(polling());
    world.lose(connect.connection);
    world.input(Input::Publish(vec![publish(1, "/a")]));
    world.input(Input::Close);
    assert!(matches!(world.outcome(1), Some(Err(Error::Application { .. }))));
    world.sent("/meta/disconnect");
    world.pass(ms(10_000));
    assert_eq!(world.state(), &State::Stopped(StopReason::Disconnected));
    world.wire.clear();
    world.pass(ms(100_000));
    assert!(world.is_quiet());
}

#[test]
fn bx_dc_4_a_client_that_is_closed_without_a_session_sends_nothing_more() {
    let mut world = World::new(polling());
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.input(Input::Close);
    assert_eq!(world.abandoned(), handshake.connection);
    world.reply(&handshake, r#""successful":true,"clientId":"c""#);
    world.pass(ms(100_000));
    assert!(world.is_quiet());
}

#[test]
fn a_farewell_of_the_server_means_that_it_is_over() {
    let (mut world, connect) = World::connected(polling());
    world.receive(connect.connection, r#"[{"channel":"/meta/disconnect"}]"#);
    assert_eq!(world.state(), &State::Stopped(StopReason::Advised(None)));
    world.input(Input::Open);
    world.sent("/meta/handshake");
}

#[test]
fn bx_gap_4_what_was_lost_on_the_way_is_told_once() {
    let mut world = World::new(polling());
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    assert_eq!(handshake.message.ext.as_ref().map(Json::as_str), Some(r#"{"gap":true}"#));
    world.reply(&handshake, r#""clientId":"c1","successful":true,"ext":{"gap":true}"#);
    let connect = world.sent("/meta/connect");
    let said = |sent: &Sent| sent.message.ext.as_ref().map(|ext| ext.as_str().to_owned());
    assert_eq!(said(&connect).as_deref(), Some(r#"{"gap":0}"#));
    world.subscribe(1, "/a");
    let subscribe = world.sent("/meta/subscribe");
    world.reply(&subscribe, r#""successful":true,"subscription":"/a""#);
    let two = r#"{"channel":"/a","data":1},{"channel":"/a","data":2}"#;
    world.receive(connect.connection, &format!("[{two},{}]", text(&connect, r#""successful":true"#)));
    let connect = world.sent("/meta/connect");
    assert_eq!(said(&connect).as_deref(), Some(r#"{"gap":2}"#));
    world.lose(connect.connection);
    world.pass(ms(1000));
    let connect = world.sent("/meta/connect");
    assert_eq!(said(&connect).as_deref(), Some(r#"{"gap":2}"#));
    world.told.clear();
    let reply = text(&connect, r#""successful":true,"ext":{"gap":{"missing":3}}"#);
    world.receive(connect.connection, &format!(r#"[{{"channel":"/a","data":6}},{reply}]"#));
    let told: Vec<_> = world.told.iter().filter(|action| !matches!(action, Action::State(_))).collect();
    assert_eq!(*told[0], Action::Interrupted(SubscriptionId(1), crate::Interruption::Missing(3)), "it comes first");
    assert!(told.len() == 2 && matches!(told[1], Action::Deliver { .. }));
    assert_eq!(said(&world.sent("/meta/connect")).as_deref(), Some(r#"{"gap":6}"#));
}

#[test]
fn bx_gap_1_a_server_without_gap_is_told_nothing() {
    let (mut world, connect) = World::connected(polling());
    world.receive(
        connect.connection,
        &format!(r#"[{{"channel":"/a","data":1}},{}]"#, text(&connect, r#""successful":true"#)),
    );
    assert_eq!(world.sent("/meta/connect").message.ext, None);
}
