//! `cargo xtask kill-matrix`: the conformance suite is tested by a small server with one defect at a time. The suite must find
//! nothing in the server without a defect, and each defect must make one of the cases not pass that are named for it.

mod report;
mod suite;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use self::suite::{Case, Programs, Row, Verdict};

/// Servers side by side: most of their cases wait most of the time.
const SIDE_BY_SIDE: usize = 6;

/// What came of all defects.
pub(crate) struct Matrix {
    pub(crate) killed: usize,
    /// Defects that no case found.
    pub(crate) survived: usize,
    /// Defects that changed cases of the smoke for which they are not named.
    pub(crate) imprecise: usize,
    /// Defects that no case found, while some of theirs do not exist yet.
    pub(crate) pending: usize,
}

/// One defect, and what came of it.
struct Trial<'a> {
    row: &'a Row,
    fate: Fate,
    took: Duration,
}

/// What came of a defect.
enum Fate {
    /// These cases did not pass, as they should not; these other ones changed, as they should not.
    Tried { killers: BTreeSet<String>, strays: BTreeSet<String> },
    /// The suite does not have all of its cases yet, and none of those it has found it.
    Pending,
    /// The server or the suite did not get to an end.
    Broken(String),
}

/// Runs the matrix for these defects, or for all, and prints it. The error says why there is none.
pub(crate) fn run(only: &[String]) -> Result<Matrix> {
    let programs = Programs::build()?;
    let catalogue = programs.catalogue()?;
    let cases = programs.cases()?;
    let begun = Instant::now();
    let sound = programs.try_all()?;
    let wrong: Vec<_> = sound.iter().filter(|(_, verdict)| !verdict.is_fine()).collect();
    ensure!(wrong.is_empty(), "the server without a defect: {}", report::verdicts(&wrong));
    println!("without a defect: {} cases, none failed, {:.1} s", sound.len(), begun.elapsed().as_secs_f64());

    let rows: Vec<_> = catalogue.defects.iter().filter(|row| only.is_empty() || only.contains(&row.name)).collect();
    ensure!(!rows.is_empty(), "no defect is called so; bayeux-mutant-server --list names them");
    let smoke: BTreeSet<_> = catalogue.smoke.iter().filter(|id| cases.contains_key(*id)).cloned().collect();
    let trials = side_by_side(&rows, |row| {
        let begun = Instant::now();
        let fate = fate(&programs, row, &cases, &smoke, &sound);
        Trial { row, fate, took: begun.elapsed() }
    });
    report::table(&trials);
    report::unknown(&catalogue, &cases);
    if only.is_empty() {
        report::idle(&trials, &cases);
    }
    let matrix = Matrix::of(&trials);
    println!(
        "\n{} killed, {} survived, {} imprecise, {} pending, smoke of {}, {:.1} s",
        matrix.killed,
        matrix.survived,
        matrix.imprecise,
        matrix.pending,
        smoke.len(),
        begun.elapsed().as_secs_f64()
    );
    Ok(matrix)
}

impl Matrix {
    fn of(trials: &[Trial<'_>]) -> Self {
        let count = |holds: fn(&Fate) -> bool| trials.iter().filter(|trial| holds(&trial.fate)).count();
        Self {
            killed: count(|fate| matches!(fate, Fate::Tried { killers, .. } if !killers.is_empty())),
            survived: count(|fate| match fate {
                Fate::Tried { killers, .. } => killers.is_empty(),
                Fate::Pending => false,
                Fate::Broken(_) => true,
            }),
            imprecise: count(|fate| matches!(fate, Fate::Tried { strays, .. } if !strays.is_empty())),
            pending: count(|fate| matches!(fate, Fate::Pending)),
        }
    }

    /// Whether the suite found what it must, and nothing else.
    pub(crate) const fn is_fine(&self) -> bool {
        self.survived == 0 && self.imprecise == 0
    }
}

fn fate(
    programs: &Programs,
    row: &Row,
    cases: &BTreeMap<String, Case>,
    smoke: &BTreeSet<String>,
    sound: &BTreeMap<String, Verdict>,
) -> Fate {
    let mapped: BTreeSet<_> = row.kills.iter().filter(|id| cases.contains_key(*id)).cloned().collect();
    if mapped.is_empty() {
        return Fate::Pending;
    }
    match programs.try_defect(&row.name, mapped.union(smoke)) {
        Err(error) => Fate::Broken(format!("{error:#}")),
        Ok(found) => {
            let id = |instance: &String| suite::case_of(instance).to_owned();
            // Some clauses tolerate what is not right: there a defect is found if the case says so.
            let failed = found
                .iter()
                .filter(|(_, verdict)| matches!(verdict, Verdict::Fail | Verdict::Nonstrict))
                .filter(|(instance, verdict)| sound.get(*instance) != Some(*verdict))
                .map(|(instance, _)| id(instance));
            let killers: BTreeSet<_> = failed.filter(|case| mapped.contains(case)).collect();
            if killers.is_empty() && mapped.len() < row.kills.len() {
                return Fate::Pending;
            }
            let named = |case: &String| row.kills.contains(case) || row.also.contains(case);
            let changed = found.iter().filter(|(instance, verdict)| sound.get(*instance) != Some(*verdict));
            let strays = changed.map(|(instance, _)| id(instance)).filter(|case| !named(case)).collect();
            Fate::Tried { killers, strays }
        }
    }
}

/// Does this for each item, several at a time, and returns the results in the items' order.
fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
