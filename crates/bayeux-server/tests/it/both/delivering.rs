//! What subscribers get is `channel` and `data`, whatever was published and however the two are connected.

use serde_json::{Value, json};

use super::FRONT;
use crate::{
    client::{Http, Ws},
    server::Server,
    transport::{PUSHED, Receiver, TRANSPORTS, call_by_script, is_answered},
};

/// A publish with every field that a message can have, and some that none has.
fn publish(data: &Value) -> Value {
    json!([{
        "channel": "/a",
        "data": data,
        "id": "7",
        "advice": {"reconnect": "none", "interval": 1_000_000, "timeout": 0, "hosts": ["evil.example"]},
        "successful": false,
        "authSuccessful": true,
        "error": "402::session_unknown",
        "ext": {"ack": 1, "gap": {"missing": 1}, "token": "secret"},
        "timestamp": "1970-01-01T00:00:00",
        "version": "1.0",
        "minimumVersion": "1.0",
        "supportedConnectionTypes": ["iframe"],
        "connectionType": "iframe",
        "subscription": "/**",
        "connectionId": "/",
        "json-comment-filtered": true,
        "__proto__": {"successful": true},
        "x": 1,
    }])
}

/// What could end a line, an event, a script or a page, or be taken for one.
const DATA: &[&str] = &[
    "\n\n",
    "\r\n\r\n0\r\n\r\n",
    "data: []\n\nid: 9\nretry: 1\n\n",
    "</script><script>d([])</script>",
    "<!--<script>",
    "-->",
    "]]>",
    "\u{2028}\u{2029}\u{85}\u{0}\u{feff}",
    "\\\"');alert(1);//",
    "*/",
    "\u{1f600}é",
    "__proto__",
    "\u{1f}",
];

#[test]
fn bx_hrd_10_a_delivery_is_channel_and_data_on_each_transport() {
    let server = Server::start(FRONT);
    let (mut post, mut script, mut socket) = (Http::session(&server), Http::session(&server), Ws::session(&server));
    for transport in TRANSPORTS {
        let mut session = Http::session(&server);
        session.subscribe("/a");
        let mut receiver = None;
        if PUSHED.contains(&transport) {
            let mut opened = Receiver::served(&server, &session, transport, "c");
            if transport.is_stream() {
                assert!(is_answered(&opened.messages()));
            }
            receiver = Some(opened);
        }
        for (n, text) in DATA.iter().enumerate() {
            let data = json!({*text: [*text, n]});
            let acks = match n % 3 {
                0 => post.post(publish(&data)),
                1 => call_by_script(&mut script, &publish(&data)),
                _ => socket.call(publish(&data)),
            };
            assert_eq!(acks, [json!({"channel": "/a", "id": "7", "successful": true})]);
            let messages = match &mut receiver {
                Some(receiver) => receiver.messages(),
                None => Receiver::open(&server, &session, transport, "c").messages(),
            };
            assert_eq!(messages[0], json!({"channel": "/a", "data": data}), "{transport:?}");
            let replies = usize::from(receiver.is_none());
            assert_eq!(messages.len(), 1 + replies, "{transport:?}: {messages:?}");
        }
    }
}
