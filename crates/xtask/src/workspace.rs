//! Where things are in this workspace, and what cargo knows about it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The crate of the binary, which is what `cargo run --release` builds.
pub(crate) const BINARY_CRATE: &str = "bayeux-cli";

/// What `cargo metadata` tells of the crates here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// A crate of this workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A direct dependency, of any kind.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
}

/// The directory of the whole workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate is in crates/xtask")
}

/// The directory of the tests with real clients.
pub(crate) fn peers() -> PathBuf {
    root().join("crates").join(BINARY_CRATE).join("tests/peers")
}

/// The Python of the virtual environment that `setup` makes.
pub(crate) fn python() -> PathBuf {
    peers().join(".venv/bin/python")
}

/// The cargo that runs us, in the root directory.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The crates of this workspace, without what they depend on.
pub(crate) fn metadata() -> Result<Metadata> {
    let text = ask(cargo().args(["metadata", "--locked", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("cargo metadata printed something else than expected")
}

/// How many crates `cargo run --release` builds on 64-bit Linux, our own among them.
pub(crate) fn crates_of_the_binary() -> Result<usize> {
    let text = ask(cargo().args([
        "tree",
        "--locked",
        "--package",
        BINARY_CRATE,
        "--edges",
        "normal,build",
        "--target",
        "x86_64-unknown-linux-gnu",
        "--prefix",
        "none",
        "--no-dedupe",
    ]))?;
    Ok(text.lines().collect::<std::collections::BTreeSet<_>>().len())
}

fn ask(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim_end());
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} printed something that is no UTF-8"))
}
