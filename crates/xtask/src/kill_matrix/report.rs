//! What the matrix prints: a line for each defect, and the cases that are never seen failing.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Fate, Kill, Subject, Trial,
    suite::{Case, Verdict},
};

/// A line for each defect of a program.
pub(super) fn table(subject: &Subject, trials: &[&Trial<'_>]) {
    println!("\n{}:", subject.role.name());
    let width = trials.iter().map(|trial| trial.row.name.len()).max().unwrap_or_default();
    for Trial { row, fate, took, .. } in trials {
        println!("{:<width$}  {:>5.1} s  {}", row.name, took.as_secs_f64(), words(fate));
    }
}

fn words(fate: &Fate) -> String {
    let (killers, strays) = match fate {
        Fate::Tried { killers, strays } => (killers, strays),
        Fate::Broken(why) => return format!("BROKEN: {why}"),
    };
    let killer = |(case, kill): (&String, &Kill)| match kill {
        Kill::Fail => case.clone(),
        Kill::Nonstrict => format!("{case} (nonstrict)"),
    };
    let found = if killers.is_empty() { "SURVIVED".to_owned() } else { list(killers.iter().map(killer)) };
    if strays.is_empty() { found } else { format!("{found}; CHANGED TOO: {}", list(strays.iter().cloned())) }
}

/// Cases of level must that no defect made fail.
pub(super) fn idle(trials: &[&Trial<'_>], cases: &BTreeMap<String, Case>) {
    let killers = trials.iter().filter_map(|trial| match &trial.fate {
        Fate::Tried { killers, .. } => Some(killers),
        Fate::Broken(_) => None,
    });
    let killers: BTreeSet<_> = killers.flat_map(BTreeMap::keys).map(String::as_str).collect();
    let musts: Vec<_> = cases.iter().filter(|(_, case)| case.level == "must").map(|(id, _)| id).collect();
    let idle: Vec<_> = musts.iter().filter(|id| !killers.contains(id.as_str())).map(|id| (*id).clone()).collect();
    println!("{} of {} cases of level must kill nothing: {}", idle.len(), musts.len(), list(idle.into_iter()));
}

fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(" ")
}

/// Some verdicts, in a line.
pub(super) fn verdicts(found: &[(&String, &Verdict)]) -> String {
    found.iter().map(|(id, verdict)| format!("{id} {verdict:?}")).collect::<Vec<_>>().join(", ").to_lowercase()
}
