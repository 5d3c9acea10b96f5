//! What was published after a peer had closed is not written to it, although its connection does not ask the kernel: the runtime
//! looks between publish and delivery. One worker, which the test holds up where it wants to.

use std::{sync::Arc, time::Duration};

use bayeux_engine::{Delivery, Time};
use bayeux_protocol::{ChannelName, DecodeLimits, decode_batch};

use crate::{
    client::{Http, connect},
    server::{Front, Server, options},
    transport::{Receiver, TRANSPORTS, Transport, is_answered},
};

/// A connection of the session that waits for events.
fn waiting(server: &Server, session: &Http, transport: Transport) -> Receiver {
    let mut receiver = Receiver::served(server, session, transport, "gone");
    if transport.is_stream() {
        assert!(is_answered(&receiver.messages()));
    }
    receiver
}

#[test]
fn a_publish_between_the_look_and_the_delivery_waits_for_the_next_look() {
    for transport in TRANSPORTS {
        let mut options = options();
        (options.shards, options.engine.timeout) = (1, Duration::from_secs(60));
        let server = Server::with(Front::Own, options);
        let mut session = Http::session(&server);
        session.subscribe("/a");
        let gone = waiting(&server, &session, transport);
        let gate = &server.gate;
        Http::open(&server).ask("GET", "/gate", &[], b"");
        gate.entered.wait();
        // Once the worker goes on, the pump marks this one, and the runtime looks: it finds the next request for the gate.
        deliver(&server, 1);
        Http::open(&server).ask("GET", "/gate", &[], b"");
        gate.left.wait();
        gate.entered.wait();
        drop(gone);
        deliver(&server, 2);
        gate.left.wait();
        let events = session.post(connect("next"));
        assert!(events.iter().any(|event| event["data"] == 2), "{transport:?}: {events:?}");
    }
}

fn deliver(server: &Server, data: u64) {
    let text = format!(r#"[{{"channel":"/a","data":{data}}}]"#);
    let message = decode_batch(text.as_bytes(), &DecodeLimits::default()).expect("a message").remove(0);
    let channel = ChannelName::parse("/a", &server.bayeux.options().engine.channels).expect("a channel");
    let delivery = Arc::new(Delivery::new(&channel, message.data.as_ref().expect("data")));
    server.bayeux.engine().deliver(Time::ZERO, &delivery).expect("there is room");
}
