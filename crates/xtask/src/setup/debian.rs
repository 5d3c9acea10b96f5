//! What comes as Debian packages: which of it is missing, and how it is installed.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};

use super::long;
use crate::process::probe;

/// What Debian asks before it starts a service that was just installed.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// The answer: none is started.
const NONE_IS_STARTED: &str = "#!/bin/sh\nexit 101\n";

/// Whether packages can be installed: this is root, on a system that has apt-get.
pub(super) fn may_install() -> bool {
    rustix::process::geteuid().is_root() && probe("apt-get", &["--version"]).is_some()
}

/// The packages of what is missing.
pub(super) fn missing() -> Vec<&'static str> {
    let python = |code| probe("python3", &["-c", code]).is_some();
    // Where the tests look, unless the variable names another.
    let there = |path, variable| std::env::var_os(variable).is_some() || Path::new(path).exists();
    packages_for(&[
        ("python3", python("")),
        // `venv` and `ensurepip`, which Debian packs apart from Python.
        ("python3-venv", python("import venv, ensurepip")),
        ("chromium", there("/usr/bin/chromium", "BAYEUX_CHROMIUM")),
        ("nginx", there("/usr/sbin/nginx", "BAYEUX_NGINX")),
        ("haproxy", there("/usr/sbin/haproxy", "BAYEUX_HAPROXY")),
        // Makes the certificates of the two above.
        ("openssl", probe("openssl", &["version"]).is_some()),
    ])
}

/// Installs packages. Services among them are not started: the tests run their own.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let _quiet = Quiet::start(Path::new(POLICY))?;
    long("list of Debian packages", apt_get().arg("update"))?;
    let what = format!("Debian packages {}", packages.join(", "));
    long(&what, apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

/// Each package, and whether what is in it is there already.
fn packages_for(found: &[(&'static str, bool)]) -> Vec<&'static str> {
    found.iter().filter(|(_, there)| !there).map(|(package, _)| *package).collect()
}

/// Keeps services from being started until it is dropped.
struct Quiet<'p> {
    /// Unless somebody else has a policy.
    policy: Option<&'p Path>,
}

impl<'p> Quiet<'p> {
    fn start(policy: &'p Path) -> Result<Self> {
        match OpenOptions::new().write(true).create_new(true).mode(0o755).open(policy) {
            Ok(mut file) => {
                let quiet = Self { policy: Some(policy) };
                file.write_all(NONE_IS_STARTED.as_bytes())
                    .with_context(|| format!("cannot write {}", policy.display()))?;
                Ok(quiet)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Self { policy: None }),
            Err(error) => Err(error).with_context(|| format!("cannot make {}", policy.display())),
        }
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // What can't be removed could not be made either.
        let _ = self.policy.map(fs::remove_file);
    }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-qq", "-o", "Dpkg::Use-Pty=0"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        assert!(packages_for(&[("python3", true), ("chromium", true)]).is_empty());
        assert_eq!(packages_for(&[("python3", true), ("nginx", false), ("haproxy", true)]), ["nginx"]);
        assert_eq!(packages_for(&[("python3", false), ("nginx", false)]), ["python3", "nginx"]);
    }

    #[test]
    fn services_are_kept_from_starting_while_they_are_installed() {
        let policy = std::env::temp_dir().join(format!("policy-{}", std::process::id()));
        let quiet = Quiet::start(&policy).expect("it can be made");
        let status = Command::new("sh").arg(&policy).args(["nginx", "start"]).status().expect("it runs");
        assert_eq!(status.code(), Some(101));
        assert_ne!(fs::metadata(&policy).expect("it is there").permissions().mode() & 0o100, 0);
        // Somebody else's stays.
        drop(Quiet::start(&policy).expect("it is there"));
        assert!(policy.exists());
        drop(quiet);
        assert!(!policy.exists());
    }
}
