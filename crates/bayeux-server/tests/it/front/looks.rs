//! What was published after a peer had closed is not written to it, although its connection does not ask the kernel: the runtime
//! looks between publish and delivery. One worker, which the test holds up where it wants to.

use std::sync::Arc;

use bayeux_engine::{Delivery, Time};
use bayeux_protocol::{ChannelName, DecodeLimits, decode_batch};
use serde_json::json;

use crate::{
    client::{Http, Ws, connect},
    server::{Front, Server, options, wait_until},
};

/// A session that is to get two events of which the second is published once its connection is closed.
struct Gone {
    session: Http,
    connection: Box<dyn FnOnce()>,
}

fn socket(server: &Server) -> Gone {
    let mut ws = Ws::session(server);
    ws.call(json!([{"channel": "/meta/subscribe", "subscription": "/a"}]));
    let session = ws.http.again(server);
    Gone { session, connection: Box::new(move || drop(ws)) }
}

fn poll(server: &Server) -> Gone {
    let mut session = Http::session(server);
    session.subscribe("/a");
    let mut held = session.again(server);
    held.ask_batch(connect("gone"));
    wait_until(|| server.bayeux.engine().connections() == 1);
    Gone { session, connection: Box::new(move || drop(held)) }
}

#[test]
fn a_publish_between_the_look_and_the_delivery_waits_for_the_next_look() {
    for gone in [socket, poll] {
        let mut options = options();
        options.shards = 1;
        let server = Server::with(Front::Own, options);
        let Gone { mut session, connection } = gone(&server);
        let gate = &server.gate;
        Http::open(&server).ask("GET", "/gate", &[], b"");
        gate.entered.wait();
        // Once the worker goes on, the pump marks this one, and the runtime looks: it finds the next request for the gate.
        deliver(&server, 1);
        Http::open(&server).ask("GET", "/gate", &[], b"");
        gate.left.wait();
        gate.entered.wait();
        connection();
        deliver(&server, 2);
        gate.left.wait();
        let events = session.post(connect("next"));
        assert!(events.iter().any(|event| event["data"] == 2), "{events:?}");
    }
}

fn deliver(server: &Server, data: u64) {
    let text = format!(r#"[{{"channel":"/a","data":{data}}}]"#);
    let message = decode_batch(text.as_bytes(), &DecodeLimits::default()).expect("a message").remove(0);
    let channel = ChannelName::parse("/a", &server.bayeux.options().engine.channels).expect("a channel");
    let delivery = Arc::new(Delivery::new(&channel, message.data.as_ref().expect("data")));
    server.bayeux.engine().deliver(Time::ZERO, &delivery).expect("there is room");
}
