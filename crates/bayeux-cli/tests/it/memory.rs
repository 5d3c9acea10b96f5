//! What is refused from its declared length costs no memory, however much of it is sent; and what many sessions and messages
//! cost together is bounded by the budget.

use std::io::Write;

use serde_json::{Value, json};

use crate::{
    binary::{Binary, command},
    client::{Frame, Http, Ws, connect},
};

/// How much is thrown behind each header, and how much of that may stay: KiB.
const THROWN: usize = 8 * 1024;
const STAYS: usize = 1024;

/// 1 GiB, declared in a head, in a chunk's size, in a frame's header.
const BODIES: [&str; 3] = [
    "Content-Length: 1073741824\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n40000000\r\n",
    "Transfer-Encoding: chunked\r\n\r\n2\r\n[ \r\n40000000;x=y\r\n",
];
const FRAMES: [&[u8]; 4] = [
    b"\x81\xff\0\0\0\0\x40\0\0\0mask",
    b"\x01\xff\0\0\0\0\x40\0\0\0mask",
    b"\x01\x81\0\0\0\0[\x80\xff\0\0\0\0\x40\0\0\0mask",
    b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask",
];

/// As much of it as the server takes.
fn throw(peer: &Http) {
    let kib = [b' '; 1024];
    let mut stream = peer.stream();
    let _refused = (0..THROWN).try_for_each(|_| stream.write_all(&kib));
}

fn attack(server: &Binary) -> (Vec<Http>, Vec<Ws>) {
    let (mut posts, mut sockets) = (Vec::new(), Vec::new());
    for body in BODIES {
        let mut peer = Http::open(server);
        peer.write(format!("POST /bayeux HTTP/1.1\r\nHost: app.example\r\n{body}"));
        throw(&peer);
        assert_eq!(peer.answer().status, 413, "{body}");
        posts.push(peer);
    }
    for frame in FRAMES {
        let mut peer = Ws::open(server);
        peer.http.write(frame);
        throw(&peer.http);
        assert_eq!(peer.read(), Frame::Close(1009), "{frame:?}");
        sockets.push(peer);
    }
    (posts, sockets)
}

#[test]
fn a_gibibyte_that_is_declared_costs_less_than_a_mebibyte() {
    let server = Binary::start(&mut command(&["serve", "--listen", "127.0.0.1:0", "--workers", "1"]));
    // What is allocated once, such as the buffer that a worker reads into, is there after a first time.
    drop(attack(&server));
    let before = server.resident();
    for _ in 0..5 {
        let peers = attack(&server);
        let risen = server.resident().saturating_sub(before);
        assert!(risen < STAYS, "{risen} KiB more");
        drop(peers);
    }
}

/// The budget, and how many get how many messages at once: their places in the queues alone would take nine budgets.
const BUDGET_KIB: usize = 8 * 1024;
const SUBSCRIBERS: usize = 3000;
const MESSAGES: usize = 800;

#[test]
fn one_batch_for_thousands_stays_within_the_budget() {
    let args = ["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--max-interval", "10m"];
    let server = Binary::start(command(&args).args(["--max-memory", "8MiB", "--max-message-size", "128KiB"]));
    let mut http = Http::open(&server);
    for _ in 0..SUBSCRIBERS {
        http.id.clear();
        http.handshake().subscribe("/room");
    }
    let before = server.resident();
    let batch: Vec<Value> =
        (0..MESSAGES).map(|n| json!({"channel": "/room", "data": n, "id": n.to_string()})).collect();
    let replies = http.post(Value::Array(batch));
    let accepted = replies.iter().filter(|reply| reply["successful"] == true).count();
    let mut risen = server.resident().saturating_sub(before);
    let refused = replies.iter().filter(|reply| reply["error"] == "503::server_overloaded").count();
    assert_eq!(accepted + refused, MESSAGES);
    assert!(accepted > 10 && refused > 0, "{accepted} accepted");
    // Who subscribed last gets each message last.
    let mut got = 0;
    while got < accepted {
        got += http.post(connect("drain")).iter().filter(|message| message["channel"] == "/room").count();
        risen = risen.max(server.resident().saturating_sub(before));
    }
    assert!(risen < BUDGET_KIB, "{risen} KiB more, {accepted} accepted");
}
