//! What comes as Debian packages: installed where this may, else named in one sentence.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use super::long;
use crate::process::probe;

/// Where the tests look for the browser, unless BAYEUX_CHROMIUM names another.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Installs the packages of what is missing, with apt-get if this is root on a system that has it.
pub(super) fn install_missing() -> Result<()> {
    let packages = missing_packages(Found::look());
    if packages.is_empty() {
        return Ok(());
    }
    let may_install = rustix::process::geteuid().is_root() && probe("apt-get", &["--version"]).is_some();
    if !may_install {
        bail!("{}", advice(&packages));
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

fn missing_packages(found: Found) -> Vec<&'static str> {
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

fn advice(packages: &[&str]) -> String {
    format!(
        "please install {} first (on Debian, as root: apt-get install {})",
        packages.join(" and "),
        packages.join(" ")
    )
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
        assert!(missing_packages(all).is_empty());
        assert_eq!(missing_packages(Found { chromium: false, ..all }), ["chromium"]);
        assert_eq!(missing_packages(Found { venv: false, ..all }), ["python3-venv"]);
        let none = Found { python: false, venv: false, chromium: false };
        assert_eq!(missing_packages(none), ["python3", "python3-venv", "chromium"]);
    }

    #[test]
    fn the_advice_is_one_sentence_with_the_command() {
        assert_eq!(
            advice(&["python3-venv", "chromium"]),
            "please install python3-venv and chromium first (on Debian, as root: apt-get install python3-venv chromium)"
        );
    }
}
