//! Long-polling and WebSocket: the way up, the way down, and who is to blame.

use bayeux_protocol::ConnectionType;

use super::*;

const OK: &str = r#""successful":true"#;

/// Connected, with a WebSocket that carries the session.
fn on_socket(config: Config) -> (World, ConnectionId, Sent) {
    let mut world = World::new(config);
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""clientId":"c1","successful":true,"ext":{"ack":true},"advice":{"timeout":20000}"#);
    let connect = world.sent("/meta/connect");
    let socket = world.opening();
    world.input(Input::Opened(socket));
    world.reply(&connect, OK);
    let connect = world.sent("/meta/connect");
    assert_eq!(connect.connection, socket);
    assert_eq!(connect.message.connection_type, Some(ConnectionType::WebSocket));
    world.reply(&connect, OK);
    assert_eq!(world.state(), &State::Connected { transport: ConnectionType::WebSocket });
    let connect = world.sent("/meta/connect");
    (world, socket, connect)
}

#[test]
fn bx_ws_1_a_session_begins_by_long_polling_and_moves_up_with_its_client_id() {
    let (mut world, socket, connect) = on_socket(Config::default());
    assert_eq!(connect.message.client_id.as_deref(), Some("c1"));
    world.input(Input::Publish(vec![publish(1, "/a")]));
    let sent = world.sent("/a");
    assert_eq!(sent.connection, socket);
    world.input(Input::Publish(vec![publish(2, "/a")]));
    assert_eq!(world.sent("/a").connection, socket, "nobody waits for the reply");
}

#[test]
fn bx_cn_3_the_connect_that_is_held_is_answered_before_the_next_goes_over_the_socket() {
    let (mut world, connect) = World::shaken(Config::default());
    let socket = world.opening();
    world.reply(&connect, OK);
    let held = world.sent("/meta/connect");
    assert_eq!(held.message.advice.as_ref().and_then(|advice| advice.timeout), Some(1000), "it is not held for long");
    world.input(Input::Opened(socket));
    assert!(world.is_quiet());
    world.reply(&held, OK);
    assert_eq!(world.sent("/meta/connect").connection, socket);
}

#[test]
fn bx_ws_7_a_lost_socket_is_not_a_lost_session() {
    let (mut world, socket, _connect) = on_socket(Config::default());
    world.input(Input::Publish(vec![publish(1, "/a")]));
    world.sent("/a");
    world.input(Input::Lost(socket, NetworkFault::SocketClosed(Some(1001))));
    assert!(matches!(world.outcome(1), Some(Err(Error::Network { .. }))));
    world.pass(ms(250));
    let connect = world.sent("/meta/connect");
    assert_eq!(connect.message.connection_type, Some(ConnectionType::LongPolling));
    assert_eq!(connect.message.client_id.as_deref(), Some("c1"));
    world.reply(&connect, OK);
    assert_eq!(world.state(), &State::Connected { transport: ConnectionType::LongPolling });
    world.sent("/meta/connect");
    world.opening();
}

#[test]
fn bx_op_3_a_socket_that_does_not_open_is_to_blame_when_polling_works_and_is_tried_later() {
    let (mut world, connect) = World::shaken(Config::default());
    let socket = world.opening();
    world.input(Input::Lost(socket, NetworkFault::Status(400)));
    world.reply(&connect, OK);
    assert_eq!(world.state(), &State::Degraded { why: NetworkFault::Status(400) });
    let held = world.sent("/meta/connect");
    assert_eq!(held.message.advice, None);
    assert!(world.is_quiet());
    world.pass(ms(9_000));
    assert!(world.is_quiet());
    world.reply(&held, OK);
    world.sent("/meta/connect");
    world.pass(ms(11_000));
    world.opening();
}

#[test]
fn bx_op_3_a_socket_is_not_to_blame_for_a_network_that_is_down() {
    let (mut world, socket, _connect) = on_socket(Config::default());
    world.lose(socket);
    for _ in 0..3 {
        while world.is_quiet() {
            world.pass(ms(10));
        }
        let connect = world.sent("/meta/connect");
        assert!(world.is_quiet(), "no socket is opened where nothing works");
        world.lose(connect.connection);
    }
    while world.is_quiet() {
        world.pass(ms(10));
    }
    let connect = world.sent("/meta/connect");
    world.reply(&connect, OK);
    world.sent("/meta/connect");
    world.opening();
}

#[test]
fn bx_cli_2_a_socket_that_opens_and_carries_nothing_is_given_up() {
    let (mut world, connect) = World::shaken(Config::default());
    let socket = world.opening();
    world.input(Input::Opened(socket));
    world.reply(&connect, OK);
    world.sent("/meta/connect");
    world.pass(ms(10_000));
    assert_eq!(world.abandoned(), socket);
    world.pass(ms(250));
    assert_eq!(world.sent("/meta/connect").message.connection_type, Some(ConnectionType::LongPolling));
}

#[test]
fn bx_cli_2_a_socket_may_not_take_for_ever_to_open() {
    let (mut world, connect) = World::shaken(Config::default());
    let socket = world.opening();
    world.reply(&connect, OK);
    world.sent("/meta/connect");
    world.pass(ms(10_000));
    assert_eq!(world.abandoned(), socket);
    world.input(Input::Opened(socket));
    assert_eq!(world.abandoned(), socket);
}

#[test]
fn bx_ws_1_a_client_that_wants_a_socket_first_falls_back_at_once() {
    let config = || Config { transports: Transports::WebSocketFirst, ..Config::default() };
    let mut world = World::new(config());
    world.input(Input::Open);
    let socket = world.opening();
    world.input(Input::Opened(socket));
    assert_eq!(world.sent("/meta/handshake").connection, socket);

    let mut world = World::new(config());
    world.input(Input::Open);
    let socket = world.opening();
    world.lose(socket);
    let handshake = world.sent("/meta/handshake");
    assert_ne!(handshake.connection, socket);
    world.lose(handshake.connection);
    world.pass(ms(250));
    world.opening();
}

#[test]
fn bx_cn_9_a_socket_that_is_not_offered_is_not_opened() {
    let mut world = World::new(Config::default());
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, r#""clientId":"c1","successful":true,"supportedConnectionTypes":["long-polling"]"#);
    let connect = world.sent("/meta/connect");
    world.reply(&connect, OK);
    world.sent("/meta/connect");
    assert!(world.is_quiet());
}

#[test]
fn bx_ack_3_with_ack_a_delivery_of_a_socket_waits_for_its_number() {
    let (mut world, socket, connect) = on_socket(Config { ack: true, ..Config::default() });
    world.subscribe(1, "/a");
    let subscribe = world.sent("/meta/subscribe");
    world.reply(&subscribe, OK);
    world.receive(socket, r#"[{"channel":"/a","data":1}]"#);
    assert!(world.delivered().is_empty());
    world.reply(&connect, r#""successful":true,"ext":{"ack":3}"#);
    assert_eq!(world.delivered(), [(1, "1".to_owned())]);
    let connect = world.sent("/meta/connect");
    assert_eq!(connect.message.ext.as_ref().map(Json::as_str), Some(r#"{"ack":3}"#));

    world.receive(socket, r#"[{"channel":"/a","data":2}]"#);
    world.lose(socket);
    world.receive(socket, r#"[{"channel":"/a","data":2}]"#);
    world.pass(ms(250));
    let connect = world.sent("/meta/connect");
    assert_eq!(connect.message.ext.as_ref().map(Json::as_str), Some(r#"{"ack":3}"#));
    let reply = text(&connect, r#""successful":true,"ext":{"ack":4}"#);
    world.receive(connect.connection, &format!(r#"[{{"channel":"/a","data":2}},{reply}]"#));
    assert_eq!(world.delivered(), [(1, "1".to_owned()), (1, "2".to_owned())], "once");
}

#[test]
fn bx_ack_3_what_comes_on_a_connection_that_was_given_up_is_ignored() {
    let (mut world, connect) = World::connected(Config { ack: true, ..polling() });
    world.subscribe(1, "/a");
    let subscribe = world.sent("/meta/subscribe");
    world.reply(&subscribe, OK);
    world.pass(ms(30_000));
    assert_eq!(world.abandoned(), connect.connection);
    let reply = text(&connect, r#""successful":true,"ext":{"ack":9}"#);
    world.receive(connect.connection, &format!(r#"[{{"channel":"/a","data":1}},{reply}]"#));
    assert!(world.delivered().is_empty());
}

#[test]
fn bx_adv_8_after_a_negative_interval_what_comes_over_a_socket_is_still_read() {
    let (mut world, socket, connect) = on_socket(Config::default());
    world.subscribe(1, "/a");
    let subscribe = world.sent("/meta/subscribe");
    world.reply(&subscribe, OK);
    world.reply(&connect, r#""successful":true,"advice":{"interval":-1}"#);
    world.receive(socket, r#"[{"channel":"/a","data":1}]"#);
    assert_eq!(world.delivered(), [(1, "1".to_owned())]);
    world.pass(ms(100_000));
    assert!(world.is_quiet());
}
