//! `cargo xtask soak client`: the tests of the Rust client that take long, or need servers of others.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Args;

use super::BUILD_LIMIT;
use crate::{
    process::{self, How},
    workspace,
};

#[derive(Args, Clone, Debug)]
pub(crate) struct Client {
    /// How often the connection is cut, for each transport.
    #[arg(long, default_value_t = 1000)]
    cuts: u32,
    /// What chooses where it is cut; the current time if it is not given.
    #[arg(long)]
    seed: Option<u64>,
}

/// The cuts, a hundred thousand messages over each transport, and the servers of others.
const TESTS: [&str; 3] = ["bx_ack_3", "bx_dl_4_a_hundred_thousand", "foreign"];
/// The longest pause after a cut, on four transports, and as long for what comes between.
const OF_A_CUT: Duration = Duration::from_secs(4);

/// Tells whether nothing was found.
pub(crate) fn run(what: &Client) -> Result<bool> {
    let seed = match what.seed {
        Some(seed) => seed,
        None => SystemTime::UNIX_EPOCH.elapsed().context("the clock is before 1970")?.as_secs(),
    };
    let mut command = workspace::cargo();
    command.args(["test", "--locked", "--release", "--package", "bayeux-client", "--test", "it", "--"]);
    command.args(["--include-ignored", "--nocapture", "--test-threads", "1"]).args(TESTS);
    command.env("BAYEUX_CUTS", what.cuts.to_string()).env("BAYEUX_SEED", seed.to_string());
    Ok(process::run(&mut command, BUILD_LIMIT + OF_A_CUT * what.cuts)?.how == How::Success)
}
