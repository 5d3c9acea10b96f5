//! `cargo xtask soak cuts`: stock CometD clients with their ack extension whose connections are cut, again and again.

use std::{process::Command, time::Duration};

use anyhow::{Result, ensure};
use clap::Args;

use super::BUILD_LIMIT;
use crate::{
    process::{self, How},
    setup, workspace,
};

#[derive(Args, Clone, Debug)]
pub(crate) struct Cuts {
    /// How often each client is cut off on each of its transports.
    #[arg(long, default_value_t = 1000)]
    cuts: u32,
    /// Only runs whose client or transport has this name, such as `java` or `websocket`.
    #[arg(long)]
    only: Option<String>,
}

/// Each client, and over what.
const RUNS: [(&str, &str); 7] = [
    ("node", "websocket"),
    ("node", "long-polling"),
    ("chromium", "websocket"),
    ("chromium", "long-polling"),
    ("chromium", "callback-polling"),
    ("java", "websocket"),
    ("java", "long-polling"),
];
/// A cut takes a client some 50 ms; on a slow machine five times that.
const OF_A_CUT: Duration = Duration::from_millis(250);
/// To start the client, and to fetch its packages the first time.
const TO_START: Duration = Duration::from_secs(5 * 60);

/// Tells whether every client got everything, once and in order.
pub(crate) fn run(what: &Cuts) -> Result<bool> {
    let chosen = |(client, transport): &&(&str, &str)| {
        what.only.as_deref().is_none_or(|only| only == *client || only == *transport)
    };
    let runs: Vec<_> = RUNS.iter().filter(chosen).collect();
    ensure!(!runs.is_empty(), "no run is of {:?}: {RUNS:?} are there", what.only.as_deref().unwrap_or_default());
    setup::run()?;
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--release", "--package", workspace::BINARY_CRATE]);
    ensure!(process::run(&mut build, BUILD_LIMIT)?.how == How::Success, "the server can't be built");
    let binary = workspace::metadata()?.target_directory.join("release/bayeux");
    let mut good = true;
    for (client, transport) in runs {
        let mut command = Command::new("node");
        command.args(["cuts.mjs", client, transport, &what.cuts.to_string()]).current_dir(workspace::peers());
        command.env("BAYEUX_BIN", &binary);
        good &= process::run(&mut command, TO_START + OF_A_CUT * what.cuts)?.how == How::Success;
    }
    Ok(good)
}
