//! The programs that must be there before anything can be installed, and how old they may be.

use std::{fmt, process::Command};

use anyhow::{Result, bail};

use super::long;
use crate::process::probe;

/// A version as far as it matters here: major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32);

/// 20.14 brought `node --test-force-exit`.
const NODE: Version = Version(20, 14);
/// Node 20 comes with npm 9 or 10.
const NPM: Version = Version(9, 0);
/// The oldest for which all of requirements.txt is made.
const PYTHON: Version = Version(3, 11);

/// What is missing or too old, each in words. `python_may_lack`: if there is none, the Debian packages bring it.
pub(super) fn missing(python_may_lack: bool) -> Vec<String> {
    let found = |program| probe(program, &["--version"]).and_then(|text| Version::find(&text));
    let python = found("python3");
    let mut missing = Vec::new();
    missing.extend(complaint("Node.js", NODE, found("node")));
    missing.extend(complaint("npm", NPM, found("npm")));
    if python.is_some() || !python_may_lack {
        missing.extend(complaint("Python", PYTHON, python));
    }
    missing
}

/// rustfmt and clippy, where rustup can add them: its minimal profile leaves them out.
pub(super) fn add_cargo_components() -> Result<()> {
    let missing: Vec<&str> = [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")]
        .into_iter()
        .filter(|(program, _)| probe(program, &["--version"]).is_none())
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if probe("rustup", &["--version"]).is_none() {
        bail!("the tests need {} of this Rust toolchain; please install what brings them", missing.join(" and "));
    }
    long(&missing.join(" and "), Command::new("rustup").args(["component", "add"]).args(missing))
}

fn complaint(name: &str, least: Version, found: Option<Version>) -> Option<String> {
    match found {
        None => Some(format!("{name} {least} or newer (there is none)")),
        Some(found) if found < least => Some(format!("{name} {least} or newer (this is {found})")),
        Some(_) => None,
    }
}

impl Version {
    /// The first version in a text such as `v20.20.2` or `Python 3.11.7`.
    fn find(text: &str) -> Option<Self> {
        let start = text.find(|character: char| character.is_ascii_digit())?;
        let mut numbers = text[start..].split(|character: char| !character.is_ascii_digit());
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        assert_eq!(Version::find("v20.20.2"), Some(Version(20, 20)));
        assert_eq!(Version::find("Python 3.11.7"), Some(Version(3, 11)));
        assert_eq!(Version::find("11.19.1"), Some(Version(11, 19)));
        assert_eq!(Version::find("none"), None);
        assert!(Version(20, 9) < Version(20, 14) && Version(19, 99) < Version(20, 0));
    }

    #[test]
    fn what_is_missing_or_old_is_said() {
        assert_eq!(complaint("npm", NPM, Some(Version(11, 0))), None);
        assert_eq!(complaint("Python", PYTHON, Some(PYTHON)), None);
        let old = complaint("Node.js", NODE, Some(Version(18, 19)));
        assert_eq!(old.as_deref(), Some("Node.js 20.14 or newer (this is 18.19)"));
        assert_eq!(complaint("npm", NPM, None).as_deref(), Some("npm 9.0 or newer (there is none)"));
    }
}
