//! ARCHITECTURE.md says how many crates `cargo run --release` builds, and it is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use anyhow::{Context, Result};
use regex::Regex;

use super::source::{Finding, Source};
use crate::workspace::{Metadata, Package};

static CLAIM: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"`cargo run --release` builds (\S+) crates").expect("the pattern is well formed"));

/// Refuses a wrong number of crates.
pub(super) fn check(architecture: &Source, crates: usize) -> Option<Finding> {
    let claim = architecture.lines().find_map(|(line, text)| Some((line, CLAIM.captures(text)?.extract::<1>().1[0])));
    match claim {
        None => Some(architecture.finding(None, "does not say how many crates `cargo run --release` builds")),
        Some((_, claimed)) if claimed == crates.to_string() => None,
        Some((line, claimed)) => Some(architecture.finding(line, format!("says {claimed} crates; it is {crates}"))),
    }
}

/// How many crates are built, by the tree of `cargo tree`. It also shows what build scripts would need of crates that
/// have no build script; that is not built.
pub(super) fn count(tree: &str, metadata: &Metadata) -> Result<usize> {
    let packages: BTreeMap<(&str, &str), &Package> =
        metadata.packages.iter().map(|package| ((package.name.as_str(), package.version.as_str()), package)).collect();
    let mut built = BTreeSet::new();
    let mut above: Vec<&Package> = Vec::new();
    let mut skipped_below = usize::MAX;
    for line in tree.lines() {
        let (depth, name, version) = read(line).with_context(|| format!("cargo tree printed {line:?}"))?;
        let package =
            packages.get(&(name, version)).with_context(|| format!("cargo metadata tells nothing of {name}"))?;
        if depth > skipped_below {
            continue;
        }
        above.truncate(depth);
        let is_needed = above.last().is_none_or(|parent| needs(parent, name));
        skipped_below = if is_needed { usize::MAX } else { depth };
        if is_needed {
            built.insert((name, version));
        }
        above.push(package);
    }
    Ok(built.len())
}

fn read(line: &str) -> Option<(usize, &str, &str)> {
    let mut words = line.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?, words.next()?.strip_prefix('v')?))
}

fn needs(parent: &Package, name: &str) -> bool {
    let has_build_script = parent.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "custom-build"));
    let mut kinds =
        parent.dependencies.iter().filter(|dependency| dependency.name == name).map(|one| one.kind.as_deref());
    kinds.any(|kind| kind.is_none() || (kind == Some("build") && has_build_script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claim_is_the_true_number() {
        let of = |text: &str| check(&Source::new("ARCHITECTURE.md", text), 153);
        assert_eq!(of("# A\n\nAll in all, `cargo run --release` builds 153 crates.\n"), None);
        let finding = of("# A\n\n`cargo run --release` builds 152 crates.\n").expect("it is wrong");
        assert_eq!(finding.to_string(), "ARCHITECTURE.md:3: says 152 crates; it is 153");
        assert!(of("`cargo run --release` builds CRATES crates").is_some());
        assert!(of("# A\n").is_some());
    }

    #[test]
    fn what_only_a_missing_build_script_would_need_is_not_built() {
        let package = |name: &str, kinds: &[&str], dependencies: &[(&str, Option<&str>)]| {
            let targets: Vec<_> = kinds.iter().map(|kind| serde_json::json!({"kind": [kind]})).collect();
            let dependencies: Vec<_> =
                dependencies.iter().map(|(name, kind)| serde_json::json!({"name": name, "kind": kind})).collect();
            serde_json::json!({"name": name, "version": "1.0.0", "targets": targets, "dependencies": dependencies})
        };
        let mut packages = vec![
            package("ours", &["bin"], &[("scripted", None), ("plain", None)]),
            package("scripted", &["lib", "custom-build"], &[("cc", Some("build"))]),
            package("plain", &["lib"], &[("rustc", Some("build")), ("last", None)]),
            package("rustc", &["lib"], &[("semver", None)]),
        ];
        packages.extend(["cc", "semver", "last"].map(|name| package(name, &["lib"], &[])));
        let value = serde_json::json!({"target_directory": "target", "packages": packages});
        let metadata: Metadata = serde_json::from_value(value).expect("it has the form of cargo's");

        let tree = "0 ours v1.0.0 (/here)\n1 plain v1.0.0\n2 last v1.0.0\n2 rustc v1.0.0\n3 semver v1.0.0\n\
            1 scripted v1.0.0\n2 cc v1.0.0\n";
        assert_eq!(count(tree, &metadata).expect("it can be read"), 5);
        assert!(count("something else", &metadata).is_err());
        assert!(count("0 unknown v1.0.0", &metadata).is_err());
    }
}
