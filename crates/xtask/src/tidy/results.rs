//! What is published of the conformance suite's runs holds no paths of the machine on which it was made.

use std::{path::Path, sync::LazyLock};

use regex::Regex;

use super::source::{Finding, Source};

/// The pages and tables, whatever their kind.
const RESULTS: &str = "conformance-tests/RESULTS.";

static PLACES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"/(?:home|root|tmp)/[\w.-]*").expect("the pattern is well formed"));

/// Refuses each line with a path in somebody's home, among temporary files, or in the checkout.
pub(super) fn check(source: &Source, checkout: &Path) -> Vec<Finding> {
    if !source.path.starts_with(RESULTS) {
        return Vec::new();
    }
    let checkout = checkout.to_str().filter(|path| path.len() > 1);
    let of_machine = |line: &str| {
        let known = checkout.filter(|path| line.contains(path)).map(str::to_owned);
        known.or_else(|| PLACES.find(line).map(|found| found.as_str().to_owned()))
    };
    let found = source.lines().filter_map(|(number, line)| Some((number, of_machine(line)?)));
    found.map(|(number, path)| source.finding(number, format!("`{path}` is a path of one machine"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_with_paths_of_a_machine_are_refused() {
        let found = |path: &str, text: &str| -> Vec<String> {
            check(&Source::new(path, text), Path::new("/srv/checkout")).iter().map(ToString::to_string).collect()
        };
        let page = "conformance-tests/RESULTS.html";
        for path in ["/home/me", "/root/.npm", "/tmp/x", "/srv/checkout"] {
            let text = format!("fine\n{{\"text\":\"at file://{path}/a.js:1\"}}");
            assert_eq!(found(page, &text), [format!("{page}:2: `{path}` is a path of one machine")]);
        }
        assert!(found("conformance-tests/RESULTS.md", "| /conformance/x | ~/a | …/b.js |").is_empty());
        assert!(found("docs/a.md", "/tmp/x").is_empty());
    }
}
