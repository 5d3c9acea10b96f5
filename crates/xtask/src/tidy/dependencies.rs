//! Every direct dependency has its reason in ARCHITECTURE.md.

use std::collections::BTreeSet;

use super::source::{Finding, Source};
use crate::workspace::Metadata;

/// Refuses a dependency that the table does not name, and a name in the table that is no dependency.
pub(super) fn check(architecture: &Source, metadata: &Metadata) -> Vec<Finding> {
    let Some(named) = table(architecture) else {
        return vec![architecture.finding(None, "has no table under `## Dependencies` that begins with `| crate |`")];
    };
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    for package in &metadata.packages {
        let foreign = package.dependencies.iter().map(|dependency| dependency.name.as_str()).collect::<BTreeSet<_>>();
        for name in foreign.difference(&ours) {
            used.insert(*name);
            if !named.iter().any(|(_, named)| named == name) {
                findings.push(architecture.finding(
                    None,
                    format!("{name}, on which {} depends, has no row under `## Dependencies`", package.name),
                ));
            }
        }
    }
    let unused = named.iter().filter(|(_, name)| !used.contains(name));
    findings.extend(unused.map(|(line, name)| architecture.finding(*line, format!("no crate depends on {name}"))));
    findings
}

/// The names in the first column, each with its line. `a, b (tests)` are two.
fn table(architecture: &Source) -> Option<Vec<(usize, &str)>> {
    let mut lines = architecture.lines().skip_while(|(_, line)| *line != "## Dependencies");
    lines.find(|(_, line)| line.starts_with("| crate |"))?;
    let rows = lines.skip(1).map_while(|(number, line)| Some((number, line.strip_prefix('|')?.split('|').next()?)));
    Some(
        rows.flat_map(|(number, cell)| {
            let names = cell.split(" (").next().unwrap_or_default().split(',');
            names.map(move |name| (number, name.trim()))
        })
        .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A\n\n| crate | x |\n| --- | --- |\n| elsewhere | x |\n\n## Dependencies\n\n\
        | crate | for |\n| --- | --- |\n| bytes | x |\n| serde, serde_json (tests) | y |\n\nmore | text\n";

    fn architecture(text: &str) -> Source {
        Source::new("ARCHITECTURE.md", text)
    }

    fn metadata(dependencies: &[&str]) -> Metadata {
        let dependencies: Vec<_> = dependencies.iter().map(|name| serde_json::json!({"name": name})).collect();
        let package = |name, dependencies| serde_json::json!({"name": name, "version": "0.1.0", "targets": [], "dependencies": dependencies});
        let value = serde_json::json!({
            "target_directory": "target",
            "packages": [package("one", dependencies), package("two", Vec::new())],
        });
        serde_json::from_value(value).expect("it has the form of cargo's")
    }

    fn found(text: &str, dependencies: &[&str]) -> Vec<String> {
        check(&architecture(text), &metadata(dependencies)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_dependency_has_its_row() {
        assert!(found(TEXT, &["bytes", "serde", "serde_json", "two"]).is_empty());
        assert_eq!(
            found(TEXT, &["bytes", "serde", "serde_json", "elsewhere"]),
            ["ARCHITECTURE.md: elsewhere, on which one depends, has no row under `## Dependencies`"]
        );
    }

    #[test]
    fn each_row_has_its_dependency() {
        assert_eq!(found(TEXT, &["bytes", "serde"]), ["ARCHITECTURE.md:12: no crate depends on serde_json"]);
    }

    #[test]
    fn without_the_table_nothing_is_right() {
        assert_eq!(found("# A\n", &[]).len(), 1);
    }
}
