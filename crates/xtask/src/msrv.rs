//! `cargo xtask msrv`: the crates that others build into programs of their own can be built by the oldest Rust that they state.
//!
//! Beside that, clippy finds in every test run what is newer than that.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result};

use crate::{
    process::{self, How},
    workspace,
};

const CRATES: [&str; 2] = ["bayeux-protocol", "bayeux-client"];
/// A download, and a check of all that they depend on.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Tells whether it could be built.
pub(crate) fn run() -> Result<bool> {
    let metadata = workspace::metadata()?;
    for name in CRATES {
        let package = metadata.packages.iter().find(|package| package.name == name);
        let version = package.and_then(|package| package.rust_version.as_deref());
        let version = version.with_context(|| format!("{name} does not say which Rust it needs"))?;
        println!("== {name} by Rust {version}");
        let mut install = Command::new("rustup");
        install.args(["toolchain", "install", version, "--profile", "minimal"]);
        let mut check = Command::new("rustup");
        check.args(["run", version, "cargo", "check", "--locked", "--package", name]).current_dir(workspace::root());
        // What this cargo told us is not meant for that one.
        check.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
        check.env("CARGO_TARGET_DIR", metadata.target_directory.join("msrv"));
        for command in [&mut install, &mut check] {
            if process::run(command, LIMIT)?.how != How::Success {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
