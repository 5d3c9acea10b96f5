//! `cargo xtask setup`: everything the tests need is there when it is done; quick when it was there before.

mod debian;
mod tools;

use std::{
    fs,
    io::ErrorKind,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{self, How},
    workspace,
};

/// For one installation; a slow network needs minutes.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Holds, inside of what was installed, what it was installed from.
const STAMP: &str = ".installed-from";

/// Installs what is missing.
pub(crate) fn run() -> Result<()> {
    let may_install = debian::may_install();
    let packages = debian::missing();
    let mut needs = tools::missing(true);
    if !may_install && !packages.is_empty() {
        needs.push(format!("{} (on Debian, as root: apt-get install {0})", packages.join(" ")));
    }
    complain(&needs)?;
    debian::install(&packages)?;
    complain(&tools::missing(false))?;
    tools::add_cargo_components()?;
    npm_packages()?;
    python_environment()
}

/// The C++ compiler that the fuzzer is built with; no test needs it.
pub(crate) fn cpp_compiler() -> Result<()> {
    if process::probe("c++", &["--version"]).is_some() {
        return Ok(());
    }
    if !debian::may_install() {
        bail!("fuzzing needs a C++ compiler, c++ (on Debian, as root: apt-get install g++); please install that first");
    }
    debian::install(&["g++"])
}

/// Says in one sentence what has to be installed by hand.
fn complain(needs: &[String]) -> Result<()> {
    let Some((last, others)) = needs.split_last() else { return Ok(()) };
    let and = if others.is_empty() { "" } else { " and " };
    bail!("the tests need {}{and}{last}; please install that first", others.join(", "))
}

fn npm_packages() -> Result<()> {
    let peers = workspace::peers();
    let modules = peers.join("node_modules");
    let lock = read(&peers.join("package-lock.json"))?;
    if is_installed(&modules, &lock)? {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&peers);
    long("npm packages", &mut npm)?;
    stamp(&modules, &lock)
}

fn python_environment() -> Result<()> {
    let peers = workspace::peers();
    let environment = peers.join(".venv");
    let python = workspace::python();
    let version = process::probe("python3", &["--version"]).context("python3 is there, and tells no version")?;
    let wanted = [version, read(&peers.join("requirements.txt"))?, read(&peers.join("patch_aiocometd.py"))?].join("\n");
    // The interpreter may have gone, with the system's Python or when the checkout was moved.
    if is_installed(&environment, &wanted)? && process::probe(&python, &["-c", ""]).is_some() {
        return Ok(());
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&environment);
    long("Python virtual environment", &mut make)?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
        "--only-binary",
        ":all:",
    ]);
    pip.arg("--requirement").arg(peers.join("requirements.txt"));
    long("Python packages", &mut pip)?;
    long("aiocometd for this Python", Command::new(&python).arg(peers.join("patch_aiocometd.py")))?;
    stamp(&environment, &wanted)
}

/// Runs one installation, with a line before and one after it.
fn long(what: &str, command: &mut Command) -> Result<()> {
    println!("setup: {what} ...");
    let begun = Instant::now();
    match process::run_quietly(command, LIMIT)?.how {
        How::Success => println!("setup: {what}: done in {:.1} s", begun.elapsed().as_secs_f64()),
        How::Failure(status) => bail!("{what}: {command:?} failed ({status}); its own words are above"),
        How::TimedOut(limit) => bail!("{what}: {command:?} was not done after {} minutes", limit.as_secs() / 60),
    }
    Ok(())
}

fn is_installed(directory: &Path, from: &str) -> Result<bool> {
    match fs::read_to_string(directory.join(STAMP)) {
        Ok(stamp) => Ok(stamp == from),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", directory.join(STAMP).display())),
    }
}

fn stamp(directory: &Path, from: &str) -> Result<()> {
    let path = directory.join(STAMP);
    fs::write(&path, from).with_context(|| format!("cannot write {}", path.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_be_installed_by_hand_is_one_sentence() {
        assert!(complain(&[]).is_ok());
        let said = |needs: &[&str]| {
            let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
            complain(&needs).expect_err("something is missing").to_string()
        };
        assert_eq!(said(&["npm"]), "the tests need npm; please install that first");
        assert_eq!(
            said(&["Node.js", "npm", "chromium"]),
            "the tests need Node.js, npm and chromium; please install that first"
        );
    }
}
