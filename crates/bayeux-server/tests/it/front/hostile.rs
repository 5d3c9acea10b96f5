//! Peers that are slow on purpose, and one that is too quick: each is let go in its time, and counted.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use bayeux_server::FrontOptions;
use serde_json::json;
use socket2::SockRef;

use super::tls::Keys;
use crate::{
    client::{Http, connect},
    hostile::{Attack, Counter},
    server::{Front, Server, options},
    transport::{PUSHED, Receiver, TRANSPORTS, Transport},
};

const SHORT: Duration = Duration::from_millis(300);

fn impatient() -> FrontOptions {
    let mut limits = FrontOptions::default();
    (limits.head_timeout, limits.body_timeout) = (SHORT, SHORT);
    limits.send_buffer = 4096;
    limits
}

fn attack() -> Attack {
    let mut options = options();
    options.engine.write_timeout = SHORT;
    Attack::on(Server::with_limits(Front::Own, options, impatient()))
}

/// What a slow peer sends after its first bytes, one byte at a time, for as long as it is let.
struct Slow {
    name: &'static str,
    /// A whole request comes in front.
    second: bool,
    begins: &'static str,
    drips: &'static [u8],
    counter: Counter,
}

const HEAD: &str = "POST /bayeux HTTP/1.1\r\nHost: a\r\n";
const SIZED: &str = "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
const CHUNKED: &str = "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

const SLOW: &[Slow] = &[
    Slow {
        name: "the first byte of a head",
        second: false,
        begins: "P",
        drips: b"",
        counter: Counter::heads_timed_out,
    },
    Slow { name: "a head that stops", second: false, begins: HEAD, drips: b"", counter: Counter::heads_timed_out },
    Slow {
        name: "a head that drips",
        second: false,
        begins: HEAD,
        drips: b"X: y\r\n",
        counter: Counter::heads_timed_out,
    },
    Slow {
        name: "a second head that stops",
        second: true,
        begins: HEAD,
        drips: b"",
        counter: Counter::heads_timed_out,
    },
    Slow {
        name: "a second head that drips",
        second: true,
        begins: HEAD,
        drips: b"X: y\r\n",
        counter: Counter::heads_timed_out,
    },
    Slow {
        name: "a head in the trailing line end",
        second: false,
        begins: "GET /bayeux HTTP/1.1\r\nHost: a\r\n\r",
        drips: b"",
        counter: Counter::heads_timed_out,
    },
    Slow {
        name: "a body that does not begin",
        second: false,
        begins: SIZED,
        drips: b"",
        counter: Counter::bodies_timed_out,
    },
    Slow { name: "a body that drips", second: false, begins: SIZED, drips: b" ", counter: Counter::bodies_timed_out },
    Slow {
        name: "a second body that drips",
        second: true,
        begins: SIZED,
        drips: b" ",
        counter: Counter::bodies_timed_out,
    },
    Slow {
        name: "chunks that do not begin",
        second: false,
        begins: CHUNKED,
        drips: b"",
        counter: Counter::bodies_timed_out,
    },
    Slow {
        name: "chunks that drip",
        second: false,
        begins: CHUNKED,
        drips: b"1\r\n \r\n",
        counter: Counter::bodies_timed_out,
    },
    Slow {
        name: "a chunk's size that drips",
        second: true,
        begins: CHUNKED,
        drips: b"0",
        counter: Counter::bodies_timed_out,
    },
];

impl Slow {
    /// Is as slow as it can be until it is refused.
    fn run(&self, server: &Server) {
        let mut peer = if self.second { Http::session(server) } else { Http::open(server) };
        let begun = Instant::now();
        peer.write(self.begins);
        let stream = peer.stream().try_clone().expect("a socket");
        stream.set_read_timeout(Some(Duration::from_millis(10))).expect("a socket option");
        // A byte each time that nothing has come for a while.
        let mut drips = self.drips.iter().cycle();
        while stream.peek(&mut [0]).is_err() {
            assert!(begun.elapsed() < 20 * SHORT, "{}: it is not let go", self.name);
            if let Some(byte) = drips.next() {
                let _late = (&stream).write_all(&[*byte]);
            }
        }
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket option");
        assert_eq!(peer.answer().status, 408, "{}", self.name);
        assert!(begun.elapsed() >= SHORT, "{}", self.name);
    }
}

#[test]
fn slow_heads_and_bodies_are_let_go_in_their_time() {
    let mut attack = attack();
    for slow in SLOW {
        attack.case(slow.name, slow.counter, |server| slow.run(server));
    }
    for transport in TRANSPORTS {
        attack.case(transport.name(), Counter::writes_timed_out, |server| {
            let mut session = Http::session(server);
            session.subscribe("/slow");
            let publish = || {
                let mut publisher = Http::session(server);
                for _ in 0..50 {
                    publisher.post(json!([{"channel": "/slow", "data": "x".repeat(4000)}]));
                }
            };
            let slow = stalled(server, &session, transport, publish);
            reset(slow.http());
        });
    }
    attack.end("slow peers");
}

/// A connection that does not read what is published, before it connects or as it is published.
pub(super) fn stalled(server: &Server, session: &Http, transport: Transport, mut publish: impl FnMut()) -> Receiver {
    let pushed = PUSHED.contains(&transport);
    if !pushed {
        publish();
    }
    let connection = session.again(server);
    SockRef::from(connection.stream()).set_recv_buffer_size(2048).expect("a socket option");
    let stalled = Receiver::ask(connection, transport, &transport.connect("stalled"), &[]);
    if pushed {
        publish();
    }
    stalled
}

/// Waits, without reading, until the server has given the connection up.
fn reset(peer: &Http) {
    let until = Instant::now() + 20 * SHORT;
    while SockRef::from(peer.stream()).take_error().expect("it can be asked").is_none() {
        assert!(Instant::now() < until, "the write is not given up");
        std::thread::yield_now();
    }
}

#[test]
fn a_slow_tls_handshake_is_let_go_in_its_time() {
    let keys = Keys::make("slow");
    let server = Server::with_tls_and_limits(keys.config(), impatient());
    for (name, bytes) in [("nothing", &b""[..]), ("the beginning of a hello", b"\x16\x03\x01\x02\x00\x01")] {
        let before = server.bayeux.stats().handshakes_failed;
        let begun = Instant::now();
        let mut stream = TcpStream::connect(server.address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket option");
        stream.write_all(bytes).expect("written");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("an end");
        assert!(rest.is_empty() && (SHORT..20 * SHORT).contains(&begun.elapsed()), "{name}");
        crate::server::wait_until(|| server.bayeux.stats().handshakes_failed == before + 1);
    }
}

/// More than is read ahead waits in the peer's own system; then everything is served, in order.
#[test]
fn a_thousand_requests_behind_a_held_connect_wait_for_it() {
    let mut attack = attack();
    attack.case("pipelined", Counter::publishes, |server| {
        let mut peer = Http::session(server);
        let held = connect("held").to_string().replace('}', &format!(",\"clientId\":\"{}\"}}", peer.id));
        let cookie = peer.cookie.clone().unwrap_or_default();
        let post = |body: &str| {
            format!(
                "POST /bayeux HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let publish = |n| post(&format!(r#"[{{"channel":"/p","id":{n},"data":1,"clientId":"{}"}}]"#, peer.id));
        let requests: String = std::iter::once(post(&held)).chain((0..1000).map(publish)).collect();
        let mut stream = peer.stream().try_clone().expect("a socket");
        let writing = std::thread::spawn(move || stream.write_all(requests.as_bytes()).expect("the server reads"));
        assert_eq!(peer.answer().messages()[0]["id"], "held");
        for n in 0..1000 {
            assert_eq!(peer.answer().messages(), [json!({"channel": "/p", "id": n, "successful": true})]);
        }
        writing.join().expect("all is written");
    });
    attack.end("pipelined");
}
