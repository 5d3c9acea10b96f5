//! `cargo xtask soak`: what finds more the longer it runs.

mod client;
mod cuts;
mod fuzz;
mod half_open;

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::{
    process::{self, How},
    workspace,
};

/// What can be left running.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Soak {
    /// Simulate the engine with one seed after the other, until one fails or the time is over.
    ///
    /// Each seed is run twice. A failure prints its trace and how to repeat it. Other seeds than the last time, unless told
    /// where to begin.
    Sim {
        /// For how long.
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// The first seed; the current time if it is not given.
        #[arg(long)]
        from: Option<u64>,
    },
    /// Fuzz what reads bytes of a peer, one target after the other, guided by the code that is reached.
    ///
    /// Needs a C++ compiler; installs one as a Debian package if this is root and apt-get is there. An input that breaks a
    /// promise ends its target; it is kept in crates/bayeux-fuzz/regressions, where every later test run repeats it.
    Fuzz(fuzz::Fuzz),
    /// Cut the connections of stock CometD clients with ack at random points, and see that nothing is lost or comes twice.
    ///
    /// npm cometd in Node and in Chromium, and CometD's Java client, each over each of its transports; needs what the tests need,
    /// and a JDK and Maven for the last. A minute for 1,000 cuts of one client over one transport.
    Cuts(cuts::Cuts),
    /// Run the long tests of the Rust client: cuts at random bytes with ack, 100,000 messages over each transport, and the servers
    /// of others.
    ///
    /// npm faye, npm cometd-nodejs-server and the Java server of CometD are killed and started again in mid-traffic; the last needs a
    /// JDK and Maven. Eight minutes.
    Client(client::Client),
    /// Move a session to and fro between any two of six transports under traffic, on both fronts, and see that nothing is lost.
    Moves {
        /// How often, between any two and each way.
        #[arg(long, default_value_t = 1000)]
        moves: u32,
    },
    /// Cut a client off without a word, and see when the server notices, over each transport.
    ///
    /// Needs root, and the programs unshare, nsenter and ip: server and client are in network namespaces of their own, which
    /// are gone with them. Takes half a minute.
    HalfOpen(half_open::HalfOpen),
}

/// Long enough for a cold build on one slow core.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Tells whether nothing was found.
pub(crate) fn run(what: &Soak) -> Result<bool> {
    match what {
        Soak::Sim { minutes, from } => simulate(*minutes, *from),
        Soak::Fuzz(what) => fuzz::run(what),
        Soak::Client(what) => client::run(what),
        Soak::Cuts(what) => cuts::run(what),
        Soak::Moves { moves } => move_about(*moves),
        Soak::HalfOpen(what) => half_open::run(what),
    }
}

fn move_about(moves: u32) -> Result<bool> {
    /// For each move each way between two of the six, and on each of the fronts.
    const OF_A_MOVE: Duration = Duration::from_millis(20 * 30 * 2);
    let mut command = workspace::cargo();
    command.args([
        "test",
        "--locked",
        "--release",
        "--package",
        "bayeux-server",
        "--test",
        "it",
        "--",
        "--nocapture",
        "twenty_moves",
    ]);
    command.env("BAYEUX_MOVES", moves.to_string());
    Ok(process::run(&mut command, BUILD_LIMIT + OF_A_MOVE * moves)?.how == How::Success)
}

fn simulate(minutes: u64, from: Option<u64>) -> Result<bool> {
    let from = match from {
        Some(from) => from,
        None => SystemTime::UNIX_EPOCH.elapsed().context("the clock is before 1970")?.as_secs() * 1000,
    };
    let run = ["run", "--locked", "--release", "--package", "bayeux-sim", "--", "sweep"];
    let mut command = workspace::cargo();
    command.args(run).args(["--from", &from.to_string(), "--minutes", &minutes.to_string()]);
    let ended = process::run(&mut command, BUILD_LIMIT + Duration::from_secs(minutes * 60))?;
    Ok(ended.how == How::Success)
}
