use std::{
    net::{IpAddr, Ipv4Addr},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bayeux_engine::Carrier;
use bytes::Bytes;

use super::Socket;
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

#[test]
fn a_message_has_to_fit_where_it_may_have_to_wait() {
    let mut options = Options::default();
    options.limits.max_bytes = 1024 * 1024;
    let refused = Bayeux::new(options.clone()).err().expect("it does not fit an outbox");
    assert!(matches!(refused, StartError::NoRoomForAMessage { option: "max_queue_bytes", .. }), "{refused}");
    options.engine.max_queue_bytes = 2 * 1024 * 1024;
    assert!(Bayeux::new(options).is_ok());
}
