//! Connects whose responses go on.

use super::*;

const KIND: ConnectionType = ConnectionType::EventSource;
const RETRY: &str = r#""successful":true,"advice":{"reconnect":"retry","interval":0,"timeout":20000}"#;
const GONE: &str = r#""successful":false,"error":"402::gone","advice":{"reconnect":"handshake","interval":0}"#;

fn streaming() -> Config {
    Config { transports: Transports::EventSource, ..Config::default() }
}

/// A session whose stream is open.
fn streams(offered: &str) -> (World, Sent) {
    let mut world = World::new(streaming());
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    let types = handshake.message.supported_connection_types.clone();
    assert_eq!(types, Some(vec![KIND, ConnectionType::LongPolling]));
    world.reply(&handshake, &format!(r#""clientId":"c1","supportedConnectionTypes":{offered},{RETRY}"#));
    let connect = world.stream(&KIND);
    (world, connect)
}

fn open() -> (World, Sent) {
    let (mut world, connect) = streams(r#"["eventsource","long-polling"]"#);
    world.reply(&connect, RETRY);
    assert_eq!(*world.state(), State::Connected { transport: KIND });
    (world, connect)
}

#[test]
fn bx_st_10_a_stream_is_one_connect_until_its_end_and_the_next_comes_after_the_interval() {
    let (mut world, connect) = open();
    world.subscribe(1, "/a");
    let subscribe = world.sent("/meta/subscribe");
    world.reply(&subscribe, r#""successful":true"#);
    for number in 0..3 {
        world.pass(ms(25_000));
        world.receive(connect.connection, &format!(r#"[{{"channel":"/a","data":{number}}}]"#));
    }
    assert_eq!(world.delivered().len(), 3);
    assert!(world.is_quiet(), "no other connect");
    world.reply(&connect, r#""successful":true,"advice":{"reconnect":"retry","interval":700}"#);
    assert!(world.is_quiet(), "it may go on: a batch with a number looks the same");
    world.input(Input::Ended(connect.connection));
    world.pass(ms(699));
    assert!(world.is_quiet());
    world.pass(ms(1));
    world.stream(&KIND);
}

#[test]
fn bx_st_3_beats_keep_a_stream_and_silence_ends_it() {
    let (mut world, connect) = open();
    for _ in 0..10 {
        world.pass(ms(39_000));
        world.input(Input::Heard(connect.connection));
    }
    assert!(world.is_quiet());
    world.pass(ms(40_000));
    assert_eq!(world.abandoned(), connect.connection);
    world.pass(ms(300));
    let next = world.stream(&KIND);
    world.reply(&next, RETRY);
    assert_eq!(*world.state(), State::Connected { transport: KIND });
}

#[test]
fn bx_st_10_a_stream_that_is_kept_back_is_blamed_once_long_polling_has_worked() {
    let (mut world, connect) = streams(r#"["eventsource","long-polling"]"#);
    world.pass(ms(10_000));
    assert_eq!(world.abandoned(), connect.connection);
    world.pass(ms(300));
    let polled = world.sent("/meta/connect");
    assert_eq!(polled.message.connection_type, Some(ConnectionType::LongPolling));
    world.reply(&polled, RETRY);
    assert_eq!(*world.state(), State::Degraded { why: NetworkFault::Timeout });
    world.pass(ms(29_000));
    let polled = world.sent("/meta/connect");
    world.reply(&polled, RETRY);
    let polled = world.sent("/meta/connect");
    world.pass(ms(1500));
    world.reply(&polled, RETRY);
    let again = world.stream(&KIND);
    world.reply(&again, RETRY);
    assert_eq!(*world.state(), State::Connected { transport: KIND });
}

#[test]
fn a_stream_that_fails_with_everything_else_is_not_blamed() {
    let (mut world, connect) = streams(r#"["eventsource","long-polling"]"#);
    world.lose(connect.connection);
    world.pass(ms(300));
    let polled = world.sent("/meta/connect");
    world.lose(polled.connection);
    world.pass(ms(600));
    world.stream(&KIND);
}

#[test]
fn bx_cn_9_a_server_without_streams_is_polled() {
    let mut world = World::new(streaming());
    world.input(Input::Open);
    let handshake = world.sent("/meta/handshake");
    world.reply(&handshake, &format!(r#""clientId":"c1","supportedConnectionTypes":["long-polling"],{RETRY}"#));
    let connect = world.sent("/meta/connect");
    world.reply(&connect, RETRY);
    assert_eq!(*world.state(), State::Connected { transport: ConnectionType::LongPolling });
}

#[test]
fn bx_st_12_a_session_that_is_gone_ends_its_stream() {
    let (mut world, connect) = open();
    world.reply(&connect, GONE);
    assert_eq!(world.abandoned(), connect.connection);
    let handshake = world.sent("/meta/handshake");
    world.input(Input::Ended(connect.connection));
    world.reply(&handshake, &format!(r#""clientId":"c2","supportedConnectionTypes":["eventsource"],{RETRY}"#));
    let next = world.stream(&KIND);
    assert_eq!(next.message.client_id.as_deref(), Some("c2"));
}

#[test]
fn bx_dc_1_a_disconnect_goes_beside_the_stream_and_ends_it() {
    let (mut world, connect) = open();
    world.input(Input::Close);
    let disconnect = world.sent("/meta/disconnect");
    world.reply(&disconnect, r#""successful":true"#);
    assert_eq!(world.abandoned(), connect.connection);
    assert!(world.core.deadline().is_none());
}
