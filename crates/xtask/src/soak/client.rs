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

/// The longest pause after a cut, on four transports, and as long for what comes between.
const OF_A_CUT: Duration = Duration::from_secs(4);

/// Tells whether nothing was found.
pub(crate) fn run(what: &Client) -> Result<bool> {
    let seed = match what.seed {
        Some(seed) => seed,
        None => SystemTime::UNIX_EPOCH.elapsed().context("the clock is before 1970")?.as_secs(),
    };
    let test = |target: &str| {
        let mut command = workspace::cargo();
        command.args(["test", "--locked", "--release", "--package", "bayeux-client", "--test", target, "--"]);
        command.args(["--nocapture", "--test-threads", "1"]);
        command
    };
    let mut long = test("it");
    long.args(["bx_ack_3", "bx_dl_4_many"]).env("BAYEUX_MESSAGES", "100000");
    long.env("BAYEUX_CUTS", what.cuts.to_string()).env("BAYEUX_SEED", seed.to_string());
    let long = process::run(&mut long, BUILD_LIMIT + OF_A_CUT * what.cuts)?.how;
    let foreign = process::run(&mut test("foreign"), BUILD_LIMIT)?.how;
    Ok(long == How::Success && foreign == How::Success)
}
