//! Measures a Bayeux server against the least that any server must do: the *floor*, a bare epoll loop that writes the same
//! bytes. Server and floor run in turn on one processor, the load on another, so their ratio comes from one run.

#![allow(clippy::print_stdout)] // The report is what this program is for.

mod fanout;
mod floor;
mod frames;
mod http;
mod idle;
mod process;
mod session;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures CPU per delivery, latency and memory of a Bayeux server, against a bare epoll loop that writes the same bytes.
#[derive(Debug, Parser)]
#[command(name = "bayeux-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One publisher to many subscribers, closed loop: the next round begins when everybody has got this one.
    Fanout(Fanout),
    /// Resident memory of sessions that wait.
    Idle(Idle),
    /// The floor itself, on a free port (started by the other commands).
    #[command(hide = true)]
    Floor,
}

#[derive(Debug, Args)]
struct Fanout {
    #[command(flatten)]
    common: Common,
    /// Publishes sent in one write before anything is waited for.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Bytes of `data` in each publish.
    #[arg(long, default_value_t = 100)]
    payload: usize,
    /// Seconds of each measured stretch.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Pairs of stretches, floor and server in turn.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

#[derive(Debug, Args)]
struct Idle {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// The server to start: it is given `serve --listen 127.0.0.1:0 --workers 1 --timeout 10m` and prints
    /// `listening on URL` when it is ready.
    #[arg(long, default_value = "target/release/bayeux")]
    server: String,
    /// How subscribers connect.
    #[arg(long, value_enum, default_value_t = Transport::Websocket)]
    transport: Transport,
    /// Subscribers.
    #[arg(long, default_value_t = 1000)]
    sessions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    Websocket,
    LongPolling,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Fanout(args) => fanout::run(&args),
        Command::Idle(args) => idle::run(&args),
        Command::Floor => floor::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bayeux-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
