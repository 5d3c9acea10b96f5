//! `cargo xtask kill-matrix`: the conformance suite is tested by a small server and a small client with one defect at a time. The
//! suite must find nothing in them without a defect, and each defect must make one of the cases not pass that are named for it.

mod report;
mod suite;

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use self::suite::{Case, Catalogue, Programs, Role, Row, Verdict};

/// Defects tried side by side: most of their cases wait most of the time.
const SIDE_BY_SIDE: usize = 6;

/// What came of all defects.
pub(crate) struct Matrix {
    pub(crate) killed: usize,
    /// Defects that no case found.
    pub(crate) survived: usize,
    /// Defects that changed cases of the smoke for which they are not named.
    pub(crate) imprecise: usize,
}

/// A program with defects, and what the suite says of it without one.
struct Subject {
    role: Role,
    catalogue: Catalogue,
    cases: BTreeMap<String, Case>,
    sound: BTreeMap<String, Verdict>,
}

/// One defect, and what came of it.
struct Trial<'a> {
    role: Role,
    row: &'a Row,
    fate: Fate,
    took: Duration,
}

/// What came of a defect.
enum Fate {
    /// These cases did not pass, as they should not; these other ones changed, as they should not.
    Tried { killers: BTreeMap<String, Kill>, strays: BTreeSet<String> },
    /// The program or the suite did not get to an end.
    Broken(String),
}

/// How a case found a defect. Some clauses tolerate what is not right: there it is found if the case says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kill {
    Nonstrict,
    Fail,
}

/// How often a defect is tried again at most. What a case finds half of the time would else survive one run in sixteen.
const MORE_TRIES: usize = 11;

/// Runs the matrix for these defects, or for all, and prints it. The error says why there is none.
pub(crate) fn run(only: &[String]) -> Result<Matrix> {
    let programs = Programs::build()?;
    let begun = Instant::now();
    let subjects = Role::ALL.map(|role| Subject::new(&programs, role));
    let subjects = subjects.into_iter().collect::<Result<Vec<_>>>()?;
    // The client's first: some of its cases wait long.
    let rows = subjects.iter().rev().flat_map(|subject| iter::repeat(subject).zip(&subject.catalogue.defects));
    let rows: Vec<_> = rows.filter(|(_, row)| only.is_empty() || only.contains(&row.name)).collect();
    ensure!(!rows.is_empty(), "no defect is called so; --list of the mutants names them");
    let trials = side_by_side(&rows, |(subject, row)| {
        let begun = Instant::now();
        Trial { role: subject.role, row, fate: subject.fate(&programs, row), took: begun.elapsed() }
    });
    for subject in &subjects {
        let trials: Vec<_> = trials.iter().filter(|trial| trial.role == subject.role).collect();
        report::table(subject, &trials);
        if only.is_empty() {
            report::idle(&trials, &subject.cases);
        }
    }
    let matrix = Matrix::of(&trials);
    let (Matrix { killed, survived, imprecise }, took) = (&matrix, begun.elapsed().as_secs_f64());
    println!("\n{} defects: {killed} killed, {survived} survived, {imprecise} imprecise, {took:.1} s", trials.len());
    Ok(matrix)
}

impl Matrix {
    fn of(trials: &[Trial<'_>]) -> Self {
        let count = |holds: fn(&Fate) -> bool| trials.iter().filter(|trial| holds(&trial.fate)).count();
        let killed = count(|fate| matches!(fate, Fate::Tried { killers, .. } if !killers.is_empty()));
        Self {
            killed,
            survived: trials.len() - killed,
            imprecise: count(|fate| matches!(fate, Fate::Tried { strays, .. } if !strays.is_empty())),
        }
    }

    /// Whether the suite found what it must, and nothing else.
    pub(crate) const fn is_fine(&self) -> bool {
        self.survived == 0 && self.imprecise == 0
    }
}

impl Subject {
    /// Runs all cases against the program without a defect.
    fn new(programs: &Programs, role: Role) -> Result<Self> {
        let (catalogue, cases) = (programs.catalogue(role)?, programs.cases(role)?);
        let unknown: BTreeSet<_> = catalogue.named().filter(|id| !cases.contains_key(*id)).cloned().collect();
        ensure!(unknown.is_empty(), "the {} names cases that the suite does not have: {unknown:?}", role.name());
        let begun = Instant::now();
        let mut sound = programs.judge(role, None, iter::empty())?;
        let odd = sound.iter().filter(|(_, verdict)| !verdict.is_fine()).map(|(instance, _)| suite::case_of(instance));
        let odd: BTreeSet<_> = odd.map(str::to_owned).collect();
        if !odd.is_empty() {
            // A machine that is busy with other things may have kept it waiting: once more, without the crowd.
            println!("{} without a defect: tried again: {odd:?}", role.name());
            sound.extend(programs.judge(role, None, odd.iter())?);
        }
        let wrong: Vec<_> = sound.iter().filter(|(_, verdict)| !verdict.is_fine()).collect();
        ensure!(wrong.is_empty(), "the {} without a defect: {}", role.name(), report::verdicts(&wrong));
        let took = begun.elapsed().as_secs_f64();
        println!("{} without a defect: {} cases, none failed, {took:.1} s", role.name(), sound.len());
        Ok(Self { role, catalogue, cases, sound })
    }

    /// Tries a defect; again where it did not come out as it should, since the machine may have been busy, and some cases go by chance.
    fn fate(&self, programs: &Programs, row: &Row) -> Fate {
        let tried = |cases: BTreeSet<&String>| programs.judge(self.role, Some(&row.name), cases.into_iter());
        let again = |mut found: BTreeMap<String, Verdict>| {
            for _ in 0..MORE_TRIES {
                let (killers, strays) = self.compare(row, &found);
                if !killers.is_empty() && strays.is_empty() {
                    break;
                }
                found.extend(tried(row.kills.union(&strays).collect())?);
            }
            Ok(self.compare(row, &found))
        };
        match tried(row.kills.union(&self.catalogue.smoke).collect()).and_then(again) {
            Ok((killers, strays)) => Fate::Tried { killers, strays },
            Err(error) => Fate::Broken(format!("{error:#}")),
        }
    }

    /// Which cases found the defect, and which others changed.
    fn compare(&self, row: &Row, found: &BTreeMap<String, Verdict>) -> (BTreeMap<String, Kill>, BTreeSet<String>) {
        let changed = found.iter().filter(|(instance, verdict)| self.sound.get(*instance) != Some(*verdict));
        let (mut killers, mut strays) = (BTreeMap::new(), BTreeSet::new());
        for (instance, verdict) in changed {
            let case = suite::case_of(instance).to_owned();
            let kill = match verdict {
                Verdict::Fail => Some(Kill::Fail),
                Verdict::Nonstrict => Some(Kill::Nonstrict),
                _ => None,
            };
            if let Some(kill) = kill.filter(|_| row.kills.contains(&case)) {
                let worst = killers.entry(case).or_insert(kill);
                *worst = kill.max(*worst);
            } else if !row.kills.contains(&case) && !row.also.contains(&case) {
                strays.insert(case);
            }
        }
        (killers, strays)
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
