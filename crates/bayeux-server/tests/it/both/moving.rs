//! A session moves between long-polling and WebSocket under traffic and loses nothing.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bayeux_engine::{ClientId, Time};
use serde_json::{Value, json};

use super::FRONT;
use crate::{
    client::{Http, Ws, closed_sockets_take_nothing, connect},
    server::{Server, options, wait_until},
};

fn numbers(messages: &[Value]) -> impl Iterator<Item = u64> {
    messages.iter().filter_map(|message| message["data"].as_u64())
}

/// Whoever exports a session delivers what waits in its shard, on another thread than the connections of the others.
#[test]
fn exports_beside_closed_sockets_take_nothing_from_these() {
    let server = Server::start(FRONT);
    let others: Vec<_> = (0..8).map(|_| Http::session(&server)).collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| {
            let (engine, mut moved) = (server.bayeux.engine(), 0);
            while !over.load(Relaxed) || moved == 0 {
                for other in &others {
                    let id = ClientId::parse(&other.id).expect("an id");
                    if let Ok(record) = engine.export(Time::ZERO, &id) {
                        engine.adopt(Time::ZERO, &record).expect("there is room");
                        moved += 1;
                    }
                }
                std::thread::yield_now();
            }
        });
        let over = OnDrop(&over);
        closed_sockets_take_nothing(|| Http::open(&server), |_| {});
        drop(over);
        moving.join().expect("they were moved");
    });
}

/// Says that the test is over, also when it fails.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Reads an old connection to its connect's reply.
fn is_answered(messages: &[Value]) -> bool {
    messages.iter().any(|message| message["channel"] == "/meta/connect")
}

#[test]
fn bx_ws_1_twenty_moves_each_way_lose_nothing() {
    let mut options = options();
    // No connect is answered by time: each answer on an old connection says that the new one has taken over.
    options.engine.timeout = std::time::Duration::from_secs(60);
    let server = Server::with(FRONT, options);
    let mut http = Http::session(&server);
    http.subscribe("/a");
    let mut publisher = Http::session(&server);
    let mut sent = 0;
    let mut publish = || {
        for _ in 0..5 {
            sent += 1;
            publisher.post(json!([{"channel": "/a", "data": sent}]));
        }
        sent
    };
    let mut got = Vec::new();
    let mut last = 0;
    for _ in 0..20 {
        // Two connections have no order between them: each connect is known to have been served before the next is sent.
        let served = server.bayeux.stats().requests;
        http.ask_batch(connect("poll"));
        wait_until(|| server.bayeux.stats().requests > served);
        publish();
        let mut socket = Ws::upgrade(http.again(&server));
        socket.send(connect("socket"));
        socket.send(json!([]));
        let mut pushed = Vec::new();
        loop {
            let messages = socket.messages();
            pushed.extend(numbers(&messages));
            if messages.is_empty() {
                break;
            }
        }
        publish();
        got.extend(numbers(&http.answer().messages()));
        got.append(&mut pushed);
        publish();
        http.ask_batch(connect("back"));
        loop {
            let messages = socket.messages();
            got.extend(numbers(&messages));
            if is_answered(&messages) {
                break;
            }
        }
        last = publish();
        got.extend(numbers(&http.answer().messages()));
    }
    while got.len() < last as usize {
        got.extend(numbers(&http.post(connect("rest"))));
    }
    let expected: Vec<u64> = (1..=last).collect();
    assert_eq!(got, expected);
}
