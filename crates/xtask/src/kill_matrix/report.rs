//! What the matrix prints: a line for each defect, and the cases that are never seen failing.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Fate, Trial,
    suite::{Case, Catalogue, Verdict},
};

/// A line for each defect.
pub(super) fn table(trials: &[Trial<'_>]) {
    let width = trials.iter().map(|trial| trial.row.name.len()).max().unwrap_or_default();
    for Trial { row, fate, took } in trials {
        println!("{:<width$}  {:>5.1} s  {}", row.name, took.as_secs_f64(), words(fate));
    }
}

fn words(fate: &Fate) -> String {
    let list = |cases: &BTreeSet<String>| cases.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    match fate {
        Fate::Pending => "pending: no case of its own that exists found it".to_owned(),
        Fate::Broken(why) => format!("BROKEN: {why}"),
        Fate::Tried { killers, strays } => {
            let found = if killers.is_empty() { "SURVIVED".to_owned() } else { list(killers) };
            if strays.is_empty() { found } else { format!("{found}; CHANGED TOO: {}", list(strays)) }
        }
    }
}

/// Cases that the server names and the suite does not have.
pub(super) fn unknown(catalogue: &Catalogue, cases: &BTreeMap<String, Case>) {
    let named = catalogue.defects.iter().flat_map(|row| row.kills.iter().chain(&row.also)).chain(&catalogue.smoke);
    let missing: BTreeSet<_> = named.filter(|id| !cases.contains_key(*id)).map(String::as_str).collect();
    if !missing.is_empty() {
        println!("\nnamed, but not in the suite: {}", missing.into_iter().collect::<Vec<_>>().join(" "));
    }
}

/// Cases of level must that no defect made fail.
pub(super) fn idle(trials: &[Trial<'_>], cases: &BTreeMap<String, Case>) {
    let killers = trials.iter().filter_map(|trial| match &trial.fate {
        Fate::Tried { killers, .. } => Some(killers),
        Fate::Pending | Fate::Broken(_) => None,
    });
    let killers: BTreeSet<_> = killers.flatten().map(String::as_str).collect();
    let musts = cases.iter().filter(|(_, case)| case.level == "must").map(|(id, _)| id.as_str());
    let idle: Vec<_> = musts.filter(|id| !killers.contains(id)).collect();
    println!("\n{} cases of level must kill nothing: {}", idle.len(), idle.join(" "));
}

/// Some verdicts, in a line.
pub(super) fn verdicts(found: &[(&String, &Verdict)]) -> String {
    found.iter().map(|(id, verdict)| format!("{id} {verdict:?}")).collect::<Vec<_>>().join(", ").to_lowercase()
}
