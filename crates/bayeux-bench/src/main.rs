//! Measures a Bayeux server against the least that any server must do: the *floor*, a bare epoll loop that writes the same
//! bytes. Server and floor run in turn on one processor, the load on another, so their ratio comes from one run.

#![allow(clippy::print_stdout, clippy::print_stderr)] // The report, and progress: what this program is for.

mod answers;
mod args;
mod clients;
mod connection;
mod counted;
mod fanout;
mod flood;
mod floor;
mod frames;
mod healthy;
mod hostile;
mod http;
mod idle;
mod latency;
mod load;
mod message;
mod process;
mod report;
mod restart;
mod session;
mod stalled;
mod stream;
mod tally;
mod text;
mod transports;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

use crate::args::{Cli, Command};

/// Longest wait for anything: after that it is taken to be lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether what was measured is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Report(args) => report::run(&args),
        Command::Fanout(args) => fanout::run(&args),
        Command::Transports(args) => transports::run(&args),
        Command::Idle(args) => idle::run(&args),
        Command::Stalled(args) => stalled::run(&args),
        Command::Hostile(args) => hostile::run(&args),
        Command::Restart(args) => restart::run(&args),
        Command::Clients(args) => clients::run(&args),
        Command::Hold(args) => idle::hold(&args).map(|()| Verdict::Good),
        Command::Floor(answers) => floor::run(answers).map(|()| Verdict::Good),
    };
    match outcome {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bayeux-bench: {error}");
            ExitCode::from(2)
        }
    }
}
