//! Hostile input at full speed: one connection after the other, each with something that a server must refuse or outlast.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::setpriority_process;
use serde::Serialize;

use crate::{args::Url, frames, session::Session};

/// Longer without an answer, and the next attack begins.
const PATIENCE: Duration = Duration::from_secs(2);
/// Heads that are never finished and whose connections are open at a time.
const HALF_HEADS: usize = 64;
/// What is sent of a body or frame that is declared to be larger.
const SENT_BYTES: usize = 256 * 1024;
/// A server reads 64 KiB of a batch.
const FULL_BATCH_BYTES: usize = 65_000;
const HUGE_BATCH_MESSAGES: usize = 100_000;
/// Over twice what a server takes in a second, so that one second has too many wherever it ends. Small enough for the buffers of
/// both sides: else the server waits until its pongs are read.
const PINGS: usize = 2100;
/// The flood takes what the load leaves of their processor.
const NICE: i32 = 19;

const ATTACKS: [Attack; 7] = [
    Attack::MalformedJson,
    Attack::OversizedBody,
    Attack::OversizedFrame,
    Attack::PingFlood,
    Attack::HugeBatch,
    Attack::FullBatch,
    Attack::HalfHead,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attack {
    /// As much as a server reads, and wrong at its end.
    MalformedJson,
    /// 1 GiB is declared.
    OversizedBody,
    OversizedFrame,
    PingFlood,
    /// A batch of 100,000 messages.
    HugeBatch,
    /// As many messages as there is room for.
    FullBatch,
    /// The connection stays for a while.
    HalfHead,
}

/// A thread that attacks, or else only keeps its processor awake, so that a quiet stretch differs by nothing but the attacks.
pub(crate) struct Flood {
    attacking: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<Done>>>,
}

/// How many attacks there were, and how many of them got neither an answer nor an end in time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Done {
    pub(crate) attacks: u64,
    pub(crate) unanswered: u64,
}

impl Flood {
    /// Quiet at first.
    pub(crate) fn new(server: &Url) -> Self {
        let (attacking, ended) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (server, flags) = (server.clone(), (attacking.clone(), ended.clone()));
        let thread = std::thread::spawn(move || run(&server, &flags.0, &flags.1));
        Self { attacking, ended, thread: Some(thread) }
    }

    pub(crate) fn attack(&self, attacking: bool) {
        self.attacking.store(attacking, Relaxed);
    }

    pub(crate) fn end(mut self) -> io::Result<Done> {
        self.ended.store(true, Relaxed);
        let thread = self.thread.take().ok_or(io::ErrorKind::NotFound)?;
        thread.join().map_err(|_| io::Error::other("the flood panicked"))?
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
    }
}

fn run(server: &Url, attacking: &AtomicBool, ended: &AtomicBool) -> io::Result<Done> {
    // On Linux this is the priority of the thread.
    setpriority_process(None, NICE)?;
    let (bodies, mut half_heads, mut done) = (Bodies::new(server), VecDeque::new(), Done::default());
    let mut attacks = ATTACKS.iter().cycle();
    while !ended.load(Relaxed) {
        if !attacking.load(Relaxed) {
            half_heads.clear();
            std::hint::spin_loop();
            continue;
        }
        let attack = attacks.next().copied().unwrap_or(Attack::HalfHead);
        let stream = TcpStream::connect(&server.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        done.attacks += 1;
        if attack == Attack::HalfHead {
            write_some(&stream, bodies.of(attack));
            half_heads.push_back(stream);
            if half_heads.len() > HALF_HEADS {
                half_heads.pop_front();
            }
        } else if !bodies.throw(server, attack, stream) {
            done.unanswered += 1;
        }
    }
    Ok(done)
}

/// The bytes of each attack, made once.
struct Bodies(Vec<(Attack, Vec<u8>)>);

impl Bodies {
    fn new(server: &Url) -> Self {
        Self(ATTACKS.into_iter().map(|attack| (attack, bytes(server, attack))).collect())
    }

    fn of(&self, attack: Attack) -> &[u8] {
        self.0.iter().find(|(other, _)| *other == attack).map_or(&[], |(_, bytes)| bytes)
    }

    /// Sends it and waits for an answer or an end. Whether one of them came.
    fn throw(&self, server: &Url, attack: Attack, stream: TcpStream) -> bool {
        if matches!(attack, Attack::OversizedFrame | Attack::PingFlood) {
            let Ok(session) = Session::upgraded_on(stream, server) else {
                return false;
            };
            write_some(&session.stream, self.of(attack));
            return until_end(&session.stream);
        }
        write_some(&stream, self.of(attack));
        answered((&stream).read(&mut [0; 4096]))
    }
}

/// As much of it as the server takes.
fn write_some(mut stream: &TcpStream, bytes: &[u8]) {
    let _refused = stream.write_all(bytes);
}

/// Whether the server ends the connection in time; pongs are read until then.
fn until_end(mut stream: &TcpStream) -> bool {
    let mut scratch = [0; 4096];
    loop {
        match stream.read(&mut scratch) {
            Ok(length) if length > 0 => {}
            end => return answered(end),
        }
    }
}

/// An answer, an end or a reset, rather than silence.
fn answered(read: io::Result<usize>) -> bool {
    !matches!(read, Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
}

fn bytes(server: &Url, attack: Attack) -> Vec<u8> {
    let messages = |count: usize| format!("[{}{{}}]", "{},".repeat(count - 1));
    let huge = |mut head: Vec<u8>| {
        head.resize(head.len() + SENT_BYTES, b' ');
        head
    };
    match attack {
        Attack::MalformedJson => {
            let message = r#"{"channel":"/a/b","data":{"text":"hello"},"id":"1"},"#;
            post(server, &format!("[{}", message.repeat(FULL_BATCH_BYTES / message.len())))
        }
        Attack::OversizedBody => huge(head(server, 1 << 30)),
        Attack::OversizedFrame => huge(b"\x81\xff\0\0\0\0\x40\0\0\0mask".to_vec()),
        Attack::PingFlood => {
            let mut bytes = Vec::new();
            (0..PINGS).for_each(|_| frames::client(frames::Kind::Ping, b"flood", &mut bytes));
            bytes
        }
        Attack::HugeBatch => post(server, &messages(HUGE_BATCH_MESSAGES)),
        Attack::FullBatch => post(server, &messages(FULL_BATCH_BYTES / "{},".len())),
        Attack::HalfHead => {
            format!("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Ty", server.path, server.address).into_bytes()
        }
    }
}

fn head(server: &Url, length: usize) -> Vec<u8> {
    let Url { address, path } = server;
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    format!("{head}Content-Length: {length}\r\n\r\n").into_bytes()
}

fn post(server: &Url, body: &str) -> Vec<u8> {
    [head(server, body.len()), body.as_bytes().to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[test]
    fn each_attack_is_what_its_name_says() {
        let server = Url::parse("http://127.0.0.1:1/bayeux").expect("a URL");
        let bodies = Bodies::new(&server);
        for attack in [Attack::HugeBatch, Attack::FullBatch] {
            let post = http::next(bodies.of(attack)).expect("well-formed").expect("complete");
            assert_eq!(post.end, bodies.of(attack).len());
            let batch: Vec<serde_json::Value> = serde_json::from_slice(&post.body).expect("a batch");
            match attack {
                Attack::HugeBatch => assert_eq!(batch.len(), HUGE_BATCH_MESSAGES),
                _ => assert!(post.body.len() <= 65_536 && batch.len() > 20_000, "{}", batch.len()),
            }
        }
        let malformed = http::next(bodies.of(Attack::MalformedJson)).expect("well-formed").expect("complete");
        assert!((60_000..=65_536).contains(&malformed.body.len()));
        assert!(serde_json::from_slice::<serde_json::Value>(&malformed.body).is_err());
        assert!(bodies.of(Attack::OversizedBody).starts_with(&head(&server, 1 << 30)));
        assert_eq!(http::next(bodies.of(Attack::HalfHead)).expect("well-formed"), None);
    }
}
