//! More connections than there are places, or open files: who is too many is told so at once, and places come back.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    binary::{Binary, command},
    client::Http,
};

/// How long one too many may wait for its answer, and everybody for a place that has come free.
const SOON: Duration = Duration::from_secs(1);
const RECOVERED: Duration = Duration::from_secs(5);
/// Connections beyond the last place, all at the same time: more than there are files left for them.
const TOO_MANY: usize = 500;

const FILES: usize = 300;
/// What the server, of one worker, keeps for everything but connections, and for those that it refuses.
const RESERVED_FILES: usize = 64 + 5;

/// The binary under a limit of open files.
fn limited(args: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!(r#"ulimit -n {FILES}; exec "$0" "$@""#), env!("CARGO_BIN_EXE_bayeux")]).args(args);
    shell.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

fn ask(peer: &mut Http) -> u16 {
    peer.request("GET", "/bayeux", &[], b"").status
}

/// Takes all places, has others come, and then lets all go.
fn crowd(mut server: Command, places: usize) {
    let server = Binary::start(&mut server);
    let mut inside: Vec<Http> = (0..places).map(|_| Http::open(&server)).collect();
    for peer in &mut inside {
        assert_eq!(ask(peer), 200);
    }
    let outside: Vec<(Http, Instant)> = (0..TOO_MANY).map(|_| (Http::open(&server), Instant::now())).collect();
    let mut slowest = Duration::ZERO;
    for (mut peer, since) in outside {
        assert_eq!(peer.answer().status, 503);
        slowest = slowest.max(since.elapsed());
    }
    assert!(slowest < SOON, "one too many waited {slowest:?}");
    assert_eq!(ask(&mut inside[0]), 200, "who was inside is served on");
    drop(inside);
    let until = Instant::now() + RECOVERED;
    // Each place is free once the server has seen the end of who had it.
    let mut inside = Vec::new();
    while inside.len() < places {
        let mut peer = Http::open(&server);
        match ask(&mut peer) {
            200 => inside.push(peer),
            status => assert_eq!(status, 503),
        }
        assert!(Instant::now() < until, "only {} of {places} places came back", inside.len());
    }
    server.signal(Signal::TERM);
    let (status, log) = server.end();
    assert!(status.success(), "{status}: {log}");
    let counted = log.split_whitespace().find_map(|word| word.strip_prefix("connections_refused="));
    let counted: usize = counted.and_then(|count| count.parse().ok()).expect("it is counted");
    assert!(counted >= TOO_MANY, "{counted}");
}

#[test]
fn more_connections_than_files_are_refused_at_once_and_places_come_back() {
    crowd(limited(&["serve", "--listen", "127.0.0.1:0", "--workers", "1"]), FILES - RESERVED_FILES);
}

#[test]
fn more_connections_than_were_allowed_are_refused_at_once_and_places_come_back() {
    crowd(command(&["serve", "--listen", "127.0.0.1:0", "--max-connections", "50"]), 50);
}
