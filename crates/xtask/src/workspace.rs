//! Where things are in this workspace, and what cargo knows about it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The crate of the binary, which is what `cargo run --release` builds.
pub(crate) const BINARY_CRATE: &str = "bayeux-cli";

/// The platform for which crates are counted; other ones need others.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What `cargo metadata` tells of the crates here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// A crate.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The oldest Rust that it needs.
    pub(crate) rust_version: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// A direct dependency.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev` or `build`; none if it is an ordinary one.
    pub(crate) kind: Option<String>,
}

/// What a crate builds: a library, a program, a build script.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
}

/// The directory of the whole workspace: as cargo says when it starts this program, since checkouts may share what they build.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        PathBuf::from(here).ancestors().nth(2).expect("this crate is in crates/xtask").to_owned()
    })
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
    ask_metadata(&["--no-deps"])
}

/// The crates of this workspace and all that they depend on, on the platform that is counted for.
pub(crate) fn metadata_of_all() -> Result<Metadata> {
    ask_metadata(&["--filter-platform", PLATFORM])
}

/// The tree of what the binary depends on, each line `depth name version ...`, with every repetition.
pub(crate) fn tree_of_the_binary() -> Result<String> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--package", BINARY_CRATE, "--target", PLATFORM]);
    tree.args(["--edges", "normal,build", "--no-dedupe", "--prefix", "depth", "--format", " {p}"]);
    ask(&mut tree)
}

/// The table of limits in Markdown, which the binary prints.
pub(crate) fn limits() -> Result<String> {
    ask(cargo().args(["run", "--quiet", "--locked", "--package", BINARY_CRATE, "--", "limits"]))
}

/// The cases of the conformance suite, as it lists them.
pub(crate) fn cases() -> Result<String> {
    ask(cargo().args(["run", "--quiet", "--locked", "--package", "bayeux-conformance", "--", "list", "--json"]))
}

fn ask_metadata(arguments: &[&str]) -> Result<Metadata> {
    let text = ask(cargo().args(["metadata", "--locked", "--format-version", "1"]).args(arguments))?;
    serde_json::from_str(&text).context("cargo metadata printed something else than expected")
}

fn ask(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim_end());
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} printed something that is no UTF-8"))
}
