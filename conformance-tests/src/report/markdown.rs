//! The matrix as tables for a repository: how each implementation fares at each level, and each case that somebody does not keep to.

use super::html::origin_of;
use crate::json::Json;
use crate::spec::Clause;
use crate::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What a row of the second table says in the place of a verdict.
const PASS: &str = "·";
const UNIMPLEMENTED: &str = "–";

/// The tables of these results, as [`super::result`] makes them: for servers, for clients, or for both.
pub fn markdown(results: &[Json], clauses: &dyn Fn(&str) -> Option<Clause>) -> String {
    let of = |role: &str| -> Vec<&Json> { results.iter().filter(|result| role_of(result) == role).collect() };
    let (servers, clients) = (of("server"), of("client"));
    match (servers.is_empty(), clients.is_empty()) {
        (false, false) => {
            format!("## Servers\n\n{}\n## Clients\n\n{}", tables(&servers, clauses), tables(&clients, clauses))
        }
        (_, true) => tables(&servers, clauses),
        (true, _) => tables(&clients, clauses),
    }
}

fn role_of(result: &Json) -> &str {
    result.get_str("role").unwrap_or("server")
}

fn tables(results: &[&Json], clauses: &dyn Fn(&str) -> Option<Clause>) -> String {
    format!("{}\n{}", totals(results), differences(results, clauses))
}

fn cases(result: &Json) -> &[Json] {
    result.get("cases").and_then(Json::as_array).unwrap_or_default()
}

/// Profile and level, in the order in which they matter.
fn group(case: &Json) -> (usize, usize, String) {
    let (profile, level) = (case.get_str("profile").unwrap_or("base"), case.get_str("level").unwrap_or_default());
    let rank = ["must", "should", "may"].iter().position(|name| *name == level).unwrap_or(3);
    let of_profile = ["base", "hardened"].iter().position(|name| *name == profile).unwrap_or(2);
    (of_profile, rank, if profile == "base" { level.to_owned() } else { format!("{level}, {profile}") })
}

/// A row for each implementation, a column for each level of each profile.
fn totals(results: &[&Json]) -> String {
    let groups: BTreeSet<_> = results.iter().flat_map(|result| cases(result)).map(group).collect();
    let names: Vec<&str> = groups.iter().map(|(_, _, name)| name.as_str()).collect();
    let mut out = format!("| | {} |\n| --- |{}\n", names.join(" | "), " --- |".repeat(names.len()));
    for result in results {
        let _ = write!(out, "| {} |", name_of(result));
        for wanted in &groups {
            let _ = write!(out, " {} |", counts(cases(result).iter().filter(|case| group(case) == *wanted)));
        }
        out.push('\n');
    }
    out
}

/// `210 pass, 2 fail`
fn counts<'a>(cases: impl Iterator<Item = &'a Json> + Clone) -> String {
    let of = |verdict: Verdict| cases.clone().filter(|case| verdict_of(case) == Some(verdict)).count();
    let counts = Verdict::ALL.into_iter().map(|verdict| (verdict, of(verdict))).filter(|(_, count)| *count > 0);
    counts.map(|(verdict, count)| format!("{count} {}", word(verdict))).collect::<Vec<_>>().join(", ")
}

/// A row for each case that someone does not keep to: the worst verdict over the transports that the implementation has.
fn differences(results: &[&Json], clauses: &dyn Fn(&str) -> Option<Clause>) -> String {
    let mut rows: BTreeMap<&str, (String, &str, Vec<Option<Verdict>>)> = BTreeMap::new();
    for (column, result) in results.iter().enumerate() {
        for case in cases(result) {
            let text = |name: &str| case.get_str(name).unwrap_or_default();
            let row = rows.entry(text("case")).or_insert_with(|| {
                let level = format!("{} | {}", group(case).2, origin_of(case, clauses));
                (level, text("title"), vec![None; results.len()])
            });
            row.2[column] = worse(row.2[column], verdict_of(case));
        }
    }
    let names: Vec<String> = results.iter().map(|result| name_of(result)).collect();
    let mut out = format!(
        "| case | level | origin | what is right | {} |\n| --- | --- | --- | --- |{}\n",
        names.join(" | "),
        " --- |".repeat(names.len())
    );
    let kept = [Verdict::Pass, Verdict::Unimplemented];
    for (id, (level, title, verdicts)) in rows {
        if verdicts.iter().flatten().all(|verdict| kept.contains(verdict)) {
            continue;
        }
        let cells: Vec<String> = verdicts.iter().map(|verdict| verdict.map_or_else(String::new, mark)).collect();
        let _ = writeln!(out, "| {id} | {level} | {} | {} |", cell(title), cells.join(" | "));
    }
    out
}

/// What is not there over one transport says nothing about the others.
fn worse(one: Option<Verdict>, other: Option<Verdict>) -> Option<Verdict> {
    match (one, other) {
        (Some(Verdict::Unimplemented), Some(known)) | (Some(known), Some(Verdict::Unimplemented)) => Some(known),
        _ => one.max(other),
    }
}

fn verdict_of(case: &Json) -> Option<Verdict> {
    case.get_str("verdict").and_then(Verdict::parse)
}

fn name_of(result: &Json) -> String {
    cell(result.get_str("name").unwrap_or_default())
}

fn mark(verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass => PASS.to_owned(),
        Verdict::Unimplemented => UNIMPLEMENTED.to_owned(),
        _ => word(verdict),
    }
}

fn word(verdict: Verdict) -> String {
    if verdict == Verdict::Fail { format!("**{verdict}**") } else { verdict.to_string() }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn result(name: &str, role: &str, cases: &[(&str, &str, &str)]) -> Json {
        let cases = cases.iter().map(|(id, profile, verdict)| {
            format!(r#"{{"case":"{id}","title":"right","level":"must","clauses":["{id}"],"profile":"{profile}","verdict":"{verdict}"}}"#)
        });
        let cases = cases.collect::<Vec<_>>().join(",");
        parse(format!(r#"{{"name":"{name}","role":"{role}","cases":[{cases}]}}"#).as_bytes()).expect("JSON").value
    }

    #[test]
    fn each_implementation_has_a_row_of_totals_and_each_case_that_is_not_kept_to_one_of_verdicts() {
        let one = result(
            "one",
            "server",
            &[("A-1", "base", "pass"), ("A-2", "base", "pass"), ("B-1", "hardened", "pass"), ("A-3", "base", "pass")],
        );
        let two = result(
            "two",
            "server",
            &[
                ("A-1", "base", "unimplemented"),
                ("A-1", "base", "fail"),
                ("A-2", "base", "pass"),
                ("A-3", "base", "unimplemented"),
            ],
        );
        let clause = |_: &str| Some(Clause { text: String::new(), level: "MUST".into(), origin: "published".into() });
        let text = markdown(&[one, two], &clause);
        assert!(text.starts_with("| | must | must, hardened |\n"), "{text}");
        assert!(text.contains("| one | 3 pass | 1 pass |\n"), "{text}");
        assert!(text.contains("| two | 1 pass, 1 **fail**, 2 unimplemented |  |\n"), "{text}");
        assert!(text.contains("| A-1 | must | published | right | · | **fail** |\n"), "{text}");
        assert!(!text.contains("A-2") && !text.contains("A-3") && !text.contains("B-1"), "{text}");
    }

    #[test]
    fn servers_and_clients_have_tables_of_their_own() {
        let text =
            markdown(&[result("c", "client", &[("C-1", "base", "pass")]), result("s", "server", &[])], &|_| None);
        let (servers, clients) = text.split_once("## Clients").expect("both");
        assert!(servers.starts_with("## Servers") && servers.contains("| s |") && !servers.contains("| c |"));
        assert!(clients.contains("| c | 1 pass |"));
    }
}
