//! The matrix as a table for a repository: the counts of each implementation, and what each did not pass.

use crate::json::Json;
use crate::verdict::Verdict;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The tables of these results, as [`super::result`] makes them.
pub fn markdown(results: &[Json]) -> String {
    let mut out = String::from("| level, verdict |");
    for result in results {
        let _ = write!(out, " {} |", cell(result.get_str("name").unwrap_or_default()));
    }
    let _ = write!(out, "\n| --- |{}\n", " ---: |".repeat(results.len()));
    for level in ["must", "should", "may"] {
        for verdict in Verdict::ALL {
            let counts: Vec<usize> = results.iter().map(|result| count(result, level, &verdict.to_string())).collect();
            if counts.iter().any(|count| *count > 0) {
                let cells: Vec<String> = counts.iter().map(ToString::to_string).collect();
                let _ = writeln!(out, "| {level}, {verdict} | {} |", cells.join(" | "));
            }
        }
    }
    out.push_str(&differences(results));
    out
}

fn cases(result: &Json) -> &[Json] {
    result.get("cases").and_then(Json::as_array).unwrap_or_default()
}

fn count(result: &Json, level: &str, verdict: &str) -> usize {
    cases(result)
        .iter()
        .filter(|case| case.get_str("level") == Some(level) && case.get_str("verdict") == Some(verdict))
        .count()
}

/// A row for each case that someone did not pass: the worst verdict over its transports.
fn differences(results: &[Json]) -> String {
    let mut rows: BTreeMap<&str, (&str, &str, Vec<Option<Verdict>>)> = BTreeMap::new();
    for (column, result) in results.iter().enumerate() {
        for case in cases(result) {
            let text = |name: &str| case.get_str(name).unwrap_or_default();
            let row =
                rows.entry(text("case")).or_insert_with(|| (text("level"), text("title"), vec![None; results.len()]));
            row.2[column] = row.2[column].max(Verdict::parse(text("verdict")));
        }
    }
    let names: Vec<String> = results.iter().map(|result| cell(result.get_str("name").unwrap_or_default())).collect();
    let mut out = format!(
        "\n| case | level | what is right | {} |\n| --- | --- | --- |{}\n",
        names.join(" | "),
        " --- |".repeat(names.len())
    );
    for (id, (level, title, verdicts)) in rows {
        if verdicts.iter().flatten().all(|verdict| *verdict == Verdict::Pass) {
            continue;
        }
        let cells: Vec<String> = verdicts.iter().map(|verdict| verdict.map_or_else(String::new, word)).collect();
        let _ = writeln!(out, "| {id} | {level} | {} | {} |", cell(title), cells.join(" | "));
    }
    out
}

fn word(verdict: Verdict) -> String {
    if verdict == Verdict::Fail { format!("**{verdict}**") } else { verdict.to_string() }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
