//! A reader that stops for a while and goes on in time has lost nothing.

use std::time::Duration;

use bayeux_server::Options;
use serde_json::{Value, json};
use socket2::SockRef;

use super::FRONT;
use crate::{
    client::{Http, connect},
    server::{Server, options, wait_until},
    transport::{PUSHED, Receiver},
};

/// Together 8 MB, more than the kernel keeps for a peer that does not read: what is missing there waits in the server.
const EVENTS: u64 = 2000;
const BYTES: usize = 4000;
const IN_ONE_POST: u64 = 10;
/// What the system keeps on the reader's side. Less, and it would read 8 MB in crumbs.
const RECEIVED: usize = 256 * 1024;
/// Published while an answer is not read.
const LATER: u64 = 50;

/// Room for all of it, and time enough on a slow machine.
fn patient() -> Options {
    let mut options = options();
    (options.engine.write_timeout, options.engine.max_interval) = (Duration::from_secs(60), Duration::from_secs(60));
    (options.engine.max_queue, options.engine.max_queue_bytes) = (10_000, 64 << 20);
    options
}

/// Publishes these numbers, and waits until the subscriber's session has them.
fn publish(server: &Server, numbers: std::ops::Range<u64>) {
    let mut publisher = Http::session(server);
    let mut next = numbers.clone();
    loop {
        let batch: Vec<Value> = next
            .by_ref()
            .take(IN_ONE_POST as usize)
            .map(|n| json!({"channel": "/a", "data": [n, "x".repeat(BYTES)]}))
            .collect();
        if batch.is_empty() {
            break;
        }
        let replies = publisher.post(Value::Array(batch));
        assert!(replies.iter().all(|reply| reply["successful"] == true), "{replies:?}");
    }
    wait_until(|| server.bayeux.engine().stats().deliveries == numbers.end);
}

fn numbers(messages: &[Value]) -> impl Iterator<Item = u64> {
    messages.iter().filter_map(|message| message["data"][0].as_u64())
}

fn all_in_order(got: &[u64]) {
    let wrong = got.iter().zip(0..).find(|(got, expected)| **got != *expected);
    assert_eq!(wrong, None, "an event that came where another was due");
}

#[test]
fn what_is_pushed_and_not_read_for_a_while_comes_in_order() {
    for transport in PUSHED {
        let mut options = patient();
        options.engine.max_stream_bytes = 64 << 20;
        // Nothing is answered by time.
        options.engine.timeout = Duration::from_secs(60);
        let server = Server::with(FRONT, options);
        let mut session = Http::session(&server);
        session.subscribe("/a");
        let mut receiver = Receiver::served(&server, &session, transport, "not read");
        let socket = SockRef::from(receiver.http().stream());
        socket.set_recv_buffer_size(RECEIVED).expect("a socket option");
        publish(&server, 0..EVENTS);
        let mut got = Vec::new();
        while got.len() < EVENTS as usize {
            got.extend(numbers(&receiver.messages()));
        }
        all_in_order(&got);
        // Nothing comes a second time: the next is the reply to the connect.
        session.post(json!([{"channel": "/meta/disconnect"}]));
        assert_eq!(receiver.rest().len(), 1, "{transport:?}");
        assert_eq!(server.bayeux.engine().stats().sessions_overflowed, 0);
    }
}

#[test]
fn an_answer_that_is_not_read_for_a_while_comes_whole_and_what_came_meanwhile_after_it() {
    let mut options = patient();
    options.engine.max_batch_bytes = 64 << 20;
    let server = Server::with(FRONT, options);
    let mut poll = Http::session(&server);
    SockRef::from(poll.stream()).set_recv_buffer_size(RECEIVED).expect("a socket option");
    poll.subscribe("/a");
    publish(&server, 0..EVENTS);
    let served = server.bayeux.stats().requests;
    poll.ask_batch(connect("not read"));
    wait_until(|| server.bayeux.stats().requests > served);
    publish(&server, EVENTS..EVENTS + LATER);
    let mut got: Vec<u64> = numbers(&poll.answer().messages()).collect();
    assert!(got.len() >= EVENTS as usize, "one answer with all that waited");
    while got.len() < (EVENTS + LATER) as usize {
        let messages = poll.post(connect("next"));
        assert!(numbers(&messages).count() > 0, "{} events, and no more", got.len());
        got.extend(numbers(&messages));
    }
    all_in_order(&got);
    assert_eq!(numbers(&poll.post(connect("last"))).count(), 0, "nothing comes a second time");
}
