use serde_json::json;

use super::FRONT;
use crate::{
    client::{Frame, Http, Ws, connect},
    server::{Front, Server, wait_until},
    transport::{Receiver, TRANSPORTS, Transport, is_answered},
};

#[test]
fn every_client_is_told() {
    let server = Server::start(FRONT);
    let mut polls: Vec<_> = (0..5).map(|_| Http::session(&server)).collect();
    for poll in &mut polls {
        poll.ask_batch(connect("held"));
    }
    let mut others: Vec<_> = TRANSPORTS[1..]
        .iter()
        .filter(|transport| **transport != Transport::WebSocket)
        .map(|transport| (transport, Receiver::open(&server, &Http::session(&server), *transport, "held")))
        .collect();
    for (_, stream) in others.iter_mut().filter(|(transport, _)| transport.is_stream()) {
        assert!(is_answered(&stream.messages()));
    }
    let mut socket = Ws::session(&server);
    socket.send(connect("held"));
    // Frames are handled in order: once this is answered, the connect before it is held.
    assert_eq!(socket.call(json!([{"channel": "/a", "data": 1}]))[0]["successful"], true);
    let mut homeless = Ws::open(&server);
    wait_until(|| server.bayeux.engine().connections() == 10 && server.bayeux.stats().sockets_opened == 2);
    server.shut_down();
    for mut poll in polls {
        let answer = poll.answer();
        if FRONT == Front::Own {
            assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
            assert_eq!(poll.rest(), "");
        }
        let reply = answer.messages().remove(0);
        assert_eq!((reply["successful"].as_bool(), reply["advice"]["reconnect"].as_str()), (Some(true), Some("retry")));
        assert!((0..=5000).contains(&reply["advice"]["interval"].as_i64().expect("a number")));
    }
    for (transport, mut receiver) in others {
        let last = receiver.messages();
        assert_eq!((last.len(), &last[0]["id"], &last[0]["successful"]), (1, &json!("held"), &json!(true)));
        assert!((0..=5000).contains(&last[0]["advice"]["interval"].as_i64().expect("a number")), "{transport:?}");
        assert_eq!(receiver.next(), None);
        if FRONT == Front::Own {
            assert_eq!(receiver.into_http().rest(), "", "{transport:?}: it ends with its connection");
        }
    }
    let reply = socket.messages().remove(0);
    assert_eq!((reply["id"].as_str(), reply["successful"].as_bool()), (Some("held"), Some(true)));
    assert_eq!(socket.read(), Frame::Close(1001));
    assert_eq!(homeless.read(), Frame::Close(1001), "a socket without a session is told too");
    let mut late = Http::open(&server);
    let refused = late
        .post(json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}]));
    assert_eq!(refused[0]["error"], "503::shutting_down");
}
