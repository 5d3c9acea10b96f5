//! A session on each transport that publishes to itself as long as an attack lasts, and is served within a second.

use std::{
    fmt,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    client::Http,
    server::Server,
    transport::{Receiver, TRANSPORTS},
};

/// How long one round may take, from the publish to its event.
const SOON: Duration = Duration::from_secs(1);
/// Between two rounds: the attack is to have the processors too.
const PAUSE: Duration = Duration::from_millis(15);

pub(super) struct Healthy {
    stop: Vec<Sender<()>>,
    threads: Vec<JoinHandle<Served>>,
}

/// How they were served.
#[derive(Default)]
pub(super) struct Served {
    rounds: u32,
    slowest: Duration,
}

impl Healthy {
    pub(super) fn start(server: &Server) -> Self {
        let mut healthy = Self { stop: Vec::new(), threads: Vec::new() };
        for transport in TRANSPORTS {
            let mut session = Http::session(server);
            let channel = format!("/healthy/{}", transport.name());
            session.subscribe(&channel);
            let mut publisher = session.again(server);
            let mut receiver = Receiver::open(server, &session, transport, "healthy");
            healthy.run(move |n| {
                publisher.post(json!([{"channel": channel, "data": n}]));
                loop {
                    match receiver.next() {
                        Some(messages) if messages.iter().any(|message| carries(message, n)) => break,
                        Some(_) => {}
                        None => receiver.connect("healthy"),
                    }
                }
            });
        }
        healthy
    }

    fn run(&mut self, round: impl FnMut(u32) + Send + 'static) {
        let (stop, stopped) = mpsc::channel();
        self.stop.push(stop);
        self.threads.push(std::thread::spawn(move || rounds(round, &stopped)));
    }

    pub(super) fn end(self) -> Served {
        drop(self.stop);
        let mut all = Served::default();
        for thread in self.threads {
            let served = thread.join().expect("a healthy session is served");
            assert!(served.rounds > 0);
            all = Served { rounds: all.rounds + served.rounds, slowest: all.slowest.max(served.slowest) };
        }
        assert!(all.slowest < SOON, "a healthy session had to wait {:?}", all.slowest);
        all
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rounds of healthy sessions, the slowest {:?}", self.rounds, self.slowest)
    }
}

fn rounds(mut round: impl FnMut(u32), stopped: &mpsc::Receiver<()>) -> Served {
    let mut served = Served::default();
    loop {
        let begun = Instant::now();
        round(served.rounds);
        served = Served { rounds: served.rounds + 1, slowest: served.slowest.max(begun.elapsed()) };
        if stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected) {
            return served;
        }
    }
}

/// Whether a message is the event of round `n`; nothing else may come in its place.
fn carries(message: &Value, n: u32) -> bool {
    let Some(data) = message.get("data") else {
        return false;
    };
    assert_eq!(*data, json!(n), "an event that nobody published");
    true
}
