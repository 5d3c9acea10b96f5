//! What comes as Debian packages: which of it is missing, and how it is installed.

use std::{path::Path, process::Command};

use anyhow::Result;

use super::long;
use crate::process::probe;

/// Where the tests look for the browser, unless BAYEUX_CHROMIUM names another.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Whether packages can be installed: this is root, on a system that has apt-get.
pub(super) fn may_install() -> bool {
    rustix::process::geteuid().is_root() && probe("apt-get", &["--version"]).is_some()
}

/// The packages of what is missing.
pub(super) fn missing() -> Vec<&'static str> {
    packages_for(Found::look())
}

/// Installs packages.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    long("list of Debian packages", apt_get().arg("update"))?;
    let what = format!("Debian packages {}", packages.join(", "));
    long(&what, apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

/// Which of the needed things are there.
#[derive(Clone, Copy, Debug)]
struct Found {
    python: bool,
    /// `venv` and `ensurepip`, which Debian packs apart from Python.
    venv: bool,
    chromium: bool,
}

impl Found {
    fn look() -> Self {
        let python = |code| probe("python3", &["-c", code]).is_some();
        Self {
            python: python(""),
            venv: python("import venv, ensurepip"),
            chromium: std::env::var_os("BAYEUX_CHROMIUM").is_some() || Path::new(CHROMIUM).exists(),
        }
    }
}

fn packages_for(found: Found) -> Vec<&'static str> {
    let mut packages = Vec::new();
    if !found.python {
        packages.push("python3");
    }
    if !found.venv {
        packages.push("python3-venv");
    }
    if !found.chromium {
        packages.push("chromium");
    }
    packages
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-qq", "-o", "Dpkg::Use-Pty=0"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        let all = Found { python: true, venv: true, chromium: true };
        assert!(packages_for(all).is_empty());
        assert_eq!(packages_for(Found { chromium: false, ..all }), ["chromium"]);
        assert_eq!(packages_for(Found { venv: false, ..all }), ["python3-venv"]);
        let none = Found { python: false, venv: false, chromium: false };
        assert_eq!(packages_for(none), ["python3", "python3-venv", "chromium"]);
    }
}
