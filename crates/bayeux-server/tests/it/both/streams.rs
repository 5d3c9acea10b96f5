//! What is the streams' own: how they open, go on, beat, roll over and end.

use std::time::Duration;

use serde_json::json;

use super::FRONT;
use crate::{
    client::{Http, channels},
    server::{Server, options, wait_until},
    transport::{Receiver, STREAMS, Transport, TRANSPORTS, call_by_script},
};

#[test]
fn bx_st_2_the_reply_comes_first_and_then_each_event_as_it_is_published() {
    let server = Server::start(FRONT);
    let mut publisher = Http::session(&server);
    for transport in STREAMS {
        let mut session = Http::session(&server);
        session.subscribe("/a");
        let mut stream = Receiver::open(&server, &session, transport, "c");
        let opening = stream.messages();
        assert_eq!((opening.len(), &opening[0]["id"], &opening[0]["successful"]), (1, &json!("c"), &json!(true)));
        let head = stream.head.as_ref().expect("a head");
        assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        for n in 0..5 {
            publisher.post(json!([{"channel": "/a", "data": [n, "</script>\u{2028}"]}]));
            assert_eq!(stream.messages(), [json!({"channel": "/a", "data": [n, "</script>\u{2028}"]})], "{transport:?}");
        }
        session.post(json!([{"channel": "/meta/disconnect"}]));
        let last = stream.messages();
        assert_eq!((&last[0]["id"], &last[0]["advice"]["reconnect"]), (&json!("c"), &json!("none")), "{transport:?}");
        assert_eq!(stream.next(), None);
        // The connection has another request in it.
        let mut http = stream.into_http();
        assert_eq!(http.request("GET", "/bayeux", &[], b"").status, 200);
    }
}
