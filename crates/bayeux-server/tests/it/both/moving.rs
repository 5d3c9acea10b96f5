//! A session moves between transports under traffic and loses nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use bayeux_engine::{ClientId, Time};
use serde_json::{Value, json};

use super::{FRONT, closing::closed_connections_take_nothing};
use crate::{
    client::{Http, Ws, closed_sockets_take_nothing},
    server::{Server, options},
    transport::{Receiver, STREAMS, TRANSPORTS, Transport},
};

fn numbers(messages: &[Value]) -> impl Iterator<Item = u64> {
    messages.iter().filter_map(|message| message["data"].as_u64())
}

/// Whoever exports a session delivers what waits in its shard, on another thread than the connections of the others.
#[test]
fn exports_beside_closed_connections_take_nothing_from_these() {
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
        closed_connections_take_nothing(&server, &STREAMS, 300);
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

/// Events published and not read yet, at most: less than a session's queue has room for.
const AHEAD: usize = 100;
/// Moves each way, unless BAYEUX_MOVES says how many.
const MOVES: usize = 20;

fn how_many() -> usize {
    std::env::var("BAYEUX_MOVES").map_or(MOVES, |moves| moves.parse().expect("BAYEUX_MOVES is a number"))
}

/// Publishes 1, 2, 3 and so on, as fast as they are read, until it is told to stop. Over a WebSocket: requests are counted.
fn publish(mut publisher: Ws, read: &AtomicUsize, stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !stop.load(Relaxed) {
        if sent as usize >= read.load(Relaxed) + AHEAD {
            std::thread::yield_now();
            continue;
        }
        let batch: Vec<_> = (1..=5).map(|n| json!({"channel": "/a", "data": sent + n})).collect();
        let replies = publisher.call(Value::Array(batch));
        assert!(replies.iter().all(|reply| reply["successful"] == true), "{replies:?}");
        sent += 5;
    }
    sent
}

/// Moves to and fro between two transports while somebody publishes; each time, the old connection is read to its end first.
fn moves(server: &Server, transports: [Transport; 2]) {
    let mut session = Http::session(server);
    session.subscribe("/a");
    let publisher = Ws::session(server);
    let (read, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (mut got, mut sent) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| publish(publisher, &read, &stop));
        let stopping = OnDrop(&stop);
        let mut old: Option<Receiver> = None;
        for n in 0..=2 * how_many() {
            let mut new = Receiver::served(server, &session, transports[n % 2], &format!("{n}"));
            if let Some(mut old) = old {
                while let Some(batch) = old.next() {
                    got.extend(numbers(&batch));
                }
            }
            read.store(got.len(), Relaxed);
            // Some are read on the new connection before the next one takes over.
            if n % 3 > 0 {
                got.extend(new.next().iter().flat_map(|batch| numbers(batch)));
            }
            old = Some(new);
        }
        drop(stopping);
        sent = publishing.join().expect("all was accepted");
        let mut last = old.expect("there were moves");
        while got.len() < sent as usize {
            match last.next() {
                Some(batch) => got.extend(numbers(&batch)),
                None => last = Receiver::open(server, &session, transports[0], "rest"),
            }
        }
    });
    let expected: Vec<u64> = (1..=sent).collect();
    assert_eq!(got, expected, "{transports:?}");
}

#[test]
fn bx_cn_16_twenty_moves_between_any_two_transports_lose_nothing() {
    let mut options = options();
    // No connect is answered by time: each end of an old connection says that the new one has taken over.
    options.engine.timeout = std::time::Duration::from_secs(60);
    let server = Server::with(FRONT, options);
    for (at, from) in TRANSPORTS.into_iter().enumerate() {
        for to in &TRANSPORTS[at + 1..] {
            moves(&server, [from, *to]);
        }
    }
}
