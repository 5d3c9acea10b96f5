use std::{
    future::poll_fn,
    net::{IpAddr, Ipv4Addr},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bayeux_engine::Carrier;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Socket, Timer};
use crate::{Bayeux, Options, StartError};

#[actix_rt::test]
async fn nothing_is_said_behind_a_close_frame() {
    let bayeux = Bayeux::new(Options::default()).expect("the options are sound");
    let carrier = Carrier::Socket { ticket: None, may_adopt: None };
    let origin = bayeux.origin(IpAddr::V4(Ipv4Addr::LOCALHOST), carrier, None);
    let mut socket = Socket::new(bayeux.clone(), origin, Bytes::new());
    let mut context = Context::from_waker(Waker::noop());
    // A masked close frame, code 1000.
    let mut input = Some(Bytes::from_static(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
    let said = socket.poll_next(&mut context, |_| input.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(bytes))));
    assert!(matches!(said, Poll::Ready(Some(bytes)) if bytes[..] == [0x88, 2, 0x03, 0xe8]));
    bayeux.shutdown(Duration::ZERO).await;
    assert!(matches!(socket.poll_next(&mut context, |_| Poll::Pending), Poll::Ready(None)));
}

/// Polls the socket once with a text message to read, if there is one; returns the messages it says.
fn say(socket: &mut Socket, message: Option<Value>) -> Vec<Value> {
    let mut input = message.map(|message| {
        // Long enough for a length of two bytes.
        let text = format!("{:<126}", message.to_string());
        let length = u16::try_from(text.len()).expect("a short message");
        Bytes::from([&[0x81, 0xfe], &length.to_be_bytes()[..], &[0; 4], text.as_bytes()].concat())
    });
    let mut context = Context::from_waker(Waker::noop());
    match socket.poll_next(&mut context, |_| input.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(bytes)))) {
        Poll::Pending => Vec::new(),
        Poll::Ready(said) => {
            let said = said.expect("an open socket");
            let start = if said[1] == 126 { 4 } else { 2 };
            serde_json::from_slice(&said[start..]).unwrap_or_else(|_| panic!("one text frame: {said:?}"))
        }
    }
}

#[actix_rt::test]
async fn what_was_taken_over_before_a_delayed_reply_does_not_come_again() {
    let mut options = Options::default();
    (options.shards, options.engine.max_empty_replies) = (1, 1);
    let bayeux = Bayeux::new(options).expect("the options are sound");
    let carrier = Carrier::Socket { ticket: None, may_adopt: None };
    let origin = bayeux.origin(IpAddr::V4(Ipv4Addr::LOCALHOST), carrier, None);
    let mut socket = Socket::new(bayeux.clone(), origin.clone(), Bytes::new());
    let handshake =
        json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]}]);
    let id = say(&mut socket, Some(handshake))[0]["clientId"].clone();
    let connect = || json!({"channel": "/meta/connect", "connectionType": "websocket", "clientId": id.clone()});
    let subscribe = json!({"channel": "/meta/subscribe", "subscription": "/a", "clientId": id.clone()});
    assert_eq!(say(&mut socket, Some(json!([subscribe, connect()]))).len(), 2);
    // The second empty reply in this second is delayed; the event is not.
    let publish = json!({"channel": "/a", "data": 1, "clientId": id.clone()});
    let said = say(&mut socket, Some(json!([connect(), publish])));
    assert_eq!(said, [json!({"channel": "/a", "data": 1})]);
    poll_fn(|cx| match &mut socket.timer {
        Some(Timer::Delay(sleep, _)) => sleep.as_mut().poll(cx),
        _ => panic!("nothing is delayed"),
    })
    .await;
    assert_eq!(say(&mut socket, None)[0]["successful"], true);
    // Its peer is gone. Whoever comes next for the session gets a reply, and no event in front of it.
    drop(socket);
    let mut next = Socket::new(bayeux.clone(), origin, Bytes::new());
    let mut said = say(&mut next, Some(json!([connect()])));
    said.extend(say(&mut next, None));
    assert!(said.iter().all(|message| message["channel"] == "/meta/connect"), "{said:?}");
}

#[test]
fn a_message_has_to_fit_where_it_may_have_to_wait() {
    let mut options = Options::default();
    options.limits.max_bytes = 1024 * 1024;
    let refused = Bayeux::new(options.clone()).err().expect("it does not fit an outbox");
    assert!(matches!(refused, StartError::NoRoomForAMessage { option: "max_queue_bytes", .. }), "{refused}");
    options.engine.max_queue_bytes = 2 * 1024 * 1024;
    assert!(Bayeux::new(options).is_ok());
}
