//! Resident memory of sessions that wait: WebSockets with a held connect, or held long-polls.

use std::{io, thread, time::Duration};

use serde::Serialize;

use crate::{
    Verdict,
    args::{Hold, Idle, Target, Transport},
    process::{Server, allow_files},
    session::Session,
    text::thousands,
};

/// Sessions between two lines of progress.
const PROGRESS: u32 = 1000;

pub(crate) fn run(args: &Idle) -> io::Result<Verdict> {
    let outcome = measure(&args.target, args.transport, args.sessions, args.leave)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        outcome.print();
    }
    Ok(Verdict::Good)
}

/// Opens one session, says `held` when its connect is sent, and keeps it until standard input ends.
pub(crate) fn hold(args: &Hold) -> io::Result<()> {
    let _held = Session::open(&args.url, args.transport, Some("/bench/idle"))?;
    println!("held");
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}

/// Resident memory of the server, in KiB.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    transport: Transport,
    sessions: u32,
    before_kib: u64,
    with_sessions_kib: u64,
    pub(crate) kib_per_session: f64,
    pub(crate) left: Option<Left>,
}

/// What came back after all connections were closed.
#[derive(Debug, Serialize)]
pub(crate) struct Left {
    seconds: u64,
    kib: u64,
    /// Of what the sessions had taken.
    returned_percent: f64,
    pub(crate) above_start_percent: f64,
}

pub(crate) fn measure(target: &Target, transport: Transport, sessions: u32, leave: Option<u64>) -> io::Result<Outcome> {
    measure_at(Server::of(target)?, transport, sessions, leave)
}

/// The same on a server that runs.
pub(crate) fn measure_at(
    mut server: Server,
    transport: Transport,
    sessions: u32,
    leave: Option<u64>,
) -> io::Result<Outcome> {
    allow_files(u64::from(sessions))?;
    match at(&server, transport, sessions, leave) {
        Ok(outcome) => Ok(outcome),
        Err(error) => Err(server.explain(&error)),
    }
}

fn at(server: &Server, transport: Transport, sessions: u32, leave: Option<u64>) -> io::Result<Outcome> {
    let before_kib = server.resident_kib()?;
    let mut held = Vec::new();
    for number in 0..sessions {
        if number % PROGRESS == 0 {
            eprintln!(
                "idle, {transport}: {} of {} sessions …",
                thousands(u64::from(number)),
                thousands(u64::from(sessions))
            );
        }
        held.push(Session::open(&server.url, transport, Some("/bench/idle"))?);
    }
    let with_sessions_kib = server.resident_kib()?;
    drop(held);
    let taken = with_sessions_kib as f64 - before_kib as f64;
    let left = match leave {
        None => None,
        Some(seconds) => {
            eprintln!("idle, {transport}: all connections closed, waiting {seconds} s …");
            thread::sleep(Duration::from_secs(seconds));
            let kib = server.resident_kib()?;
            Some(Left {
                seconds,
                kib,
                returned_percent: (with_sessions_kib as f64 - kib as f64) / taken * 100.0,
                above_start_percent: (kib as f64 / before_kib as f64 - 1.0) * 100.0,
            })
        }
    };
    let kib_per_session = taken / f64::from(sessions);
    Ok(Outcome { transport, sessions, before_kib, with_sessions_kib, kib_per_session, left })
}

impl Outcome {
    fn print(&self) {
        println!("{} idle sessions over {}", thousands(u64::from(self.sessions)), self.transport);
        println!();
        println!("resident before        {:>9} KiB", thousands(self.before_kib));
        println!("with all sessions      {:>9} KiB", thousands(self.with_sessions_kib));
        println!("each session           {:>9.1} KiB", self.kib_per_session);
        if let Some(left) = &self.left {
            println!(
                "{:>3} s after all left   {:>9} KiB ({:.0} % came back; {:.0} % above the start)",
                left.seconds,
                thousands(left.kib),
                left.returned_percent,
                left.above_start_percent
            );
        }
    }
}
