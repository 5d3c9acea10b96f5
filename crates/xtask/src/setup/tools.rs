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

/// Says in one sentence what is missing or too old.
pub(super) fn check() -> Result<()> {
    let wanted = [("Node.js", "node", NODE), ("npm", "npm", NPM), ("Python", "python3", PYTHON)];
    let found = wanted.map(|(_, program, _)| probe(program, &["--version"]).and_then(|text| Version::find(&text)));
    match complaint(&wanted.map(|(name, _, least)| (name, least)), &found) {
        Some(complaint) => bail!("{complaint}"),
        None => Ok(()),
    }
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

fn complaint(wanted: &[(&str, Version)], found: &[Option<Version>]) -> Option<String> {
    let missing: Vec<String> = wanted
        .iter()
        .zip(found)
        .filter_map(|((name, least), found)| match found {
            None => Some(format!("{name} {least} or newer (there is none)")),
            Some(found) if found < least => Some(format!("{name} {least} or newer (this is {found})")),
            Some(_) => None,
        })
        .collect();
    (!missing.is_empty()).then(|| format!("the tests need {}; please install that first", missing.join(" and ")))
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
    fn what_is_missing_or_old_is_said_in_one_sentence() {
        let wanted = [("Node.js", NODE), ("npm", NPM), ("Python", PYTHON)];
        assert_eq!(complaint(&wanted, &[Some(Version(24, 0)), Some(NPM), Some(Version(3, 12))]), None);
        assert_eq!(
            complaint(&wanted, &[Some(Version(18, 19)), None, Some(Version(3, 11))]).as_deref(),
            Some(
                "the tests need Node.js 20.14 or newer (this is 18.19) and npm 9.0 or newer (there is none); \
                 please install that first"
            )
        );
    }
}
