//! `cargo xtask spec-check`: protocol-spec, the code and the cases say the same, and nothing of it goes by unnoticed.

mod cases;
mod chapter;
mod clause;
mod expectations;
mod generated;
mod grammar;
mod lock;
mod machine;
mod mentions;
mod order;
mod results;
mod schema;
#[cfg(test)]
mod tests;
mod vectors;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context, Result, bail};

use self::{
    cases::Case,
    chapter::Chapter,
    clause::{Clause, ClauseId},
    generated::Generated,
    machine::Machine,
};
use crate::{
    tidy::source::{self, Finding, Source},
    workspace,
};

/// What to do besides checking.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Options {
    /// Write what is generated anew: clauses.json, the tables of README.md, machines/*.md.
    #[arg(long)]
    write: bool,
    /// Say that the cases of these clauses were read with the text that the clauses have now. Enters new ones.
    #[arg(long, value_name = "CLAUSE", num_args = 1..)]
    stamp: Vec<String>,
}

/// The specification as it was read.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    clauses: BTreeMap<ClauseId, Clause>,
    /// Path and content of each chapter, in reading order.
    chapters: Vec<(String, Chapter)>,
    machines: Vec<(String, Machine)>,
}

/// What came of a check.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    /// What was left out, and why.
    notes: Vec<String>,
    generated: Vec<Generated>,
    sum: String,
}

/// Checks the workspace, and writes first what is asked for. Tells whether nothing is wrong.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = workspace::root();
    let mut sources = source::read_all(root)?;
    if !options.stamp.is_empty() {
        let stamped = stamp(&sources, &options.stamp)?;
        fs::write(root.join(lock::PATH), &stamped).with_context(|| format!("cannot write {}", lock::PATH))?;
        sources = source::read_all(root)?;
    }
    let listed =
        if sources.iter().any(|source| source.path == cases::CRATE) { Some(workspace::cases()?) } else { None };
    let mut report = check(&sources, listed.as_deref());
    if options.write {
        for generated in report.generated.iter().filter(|generated| !generated.is_current(&sources)) {
            fs::write(root.join(&generated.path), &generated.text)
                .with_context(|| format!("cannot write {}", generated.path))?;
            println!("wrote {}", generated.path);
        }
        report = check(&source::read_all(root)?, listed.as_deref());
    }
    for finding in &report.findings {
        println!("{finding}");
    }
    for note in &report.notes {
        println!("note: {note}");
    }
    println!("spec-check: {}, {} findings", report.sum, report.findings.len());
    Ok(report.findings.is_empty())
}

/// Checks files. `listed` is what the suite lists of its cases, as JSON.
pub(crate) fn check(sources: &[Source], listed: Option<&str>) -> Report {
    let (spec, mut findings) = read(sources);
    let mut notes = Vec::new();
    findings.extend(lock::check(sources, &spec));
    findings.extend(mentions::check_known(sources, &spec));
    findings.extend(mentions::check_cited(sources, &spec));
    let (cases, of_cases) = cases::read(sources, listed);
    findings.extend(of_cases);
    let generated = generated::all(sources, &spec);
    if cases::are_there(sources) {
        findings.extend(cases::check(&cases, &spec));
        findings.extend(cases::check_coverage(&cases, &spec));
        findings.extend(order::check(sources));
        findings.extend(expectations::check(sources, &cases, &spec));
        if listed.is_some() {
            let (of_results, older) = results::check(sources, &cases);
            findings.extend(of_results);
            notes.extend(older);
        }
    } else {
        notes.push(format!("{} is not there yet: that each clause has a case is not checked", cases::FOLDER));
    }
    findings.extend(vectors::check(sources, &spec));
    findings.extend(schema::check(sources, &spec));
    findings.extend(grammar::check(sources, &spec));
    findings.extend(generated.iter().filter_map(|generated| generated.check(sources)));
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    let sum = sum(&spec, &cases);
    Report { findings, notes, generated, sum }
}

/// Reads chapters and machines, and says what is wrong with their form.
fn read(sources: &[Source]) -> (Spec, Vec<Finding>) {
    let (mut spec, mut findings) = (Spec::default(), Vec::new());
    for source in sources.iter().filter(|source| chapter::is_chapter(source)) {
        let mut chapter = chapter::read(source);
        findings.append(&mut chapter.findings);
        for clause in &chapter.clauses {
            if let Some(other) = spec.clauses.insert(clause.id.clone(), clause.clone()) {
                let what = format!("{} is at {}:{} already; ids are given once", clause.id, other.file, other.line);
                findings.push(source.finding(clause.line, what));
            }
        }
        spec.chapters.push((source.path.clone(), chapter));
    }
    for source in sources.iter().filter(|source| machine::is_machine(source)) {
        match machine::read(source) {
            Ok(machine) => {
                findings.extend(machine::check(source, &machine));
                spec.machines.push((source.path.clone(), machine));
            }
            Err(finding) => findings.push(finding),
        }
    }
    (spec, findings)
}

/// ids.lock with these clauses as they are now.
fn stamp(sources: &[Source], ids: &[String]) -> Result<String> {
    let (spec, findings) = read(sources);
    if let Some(finding) = findings.first() {
        bail!("{finding}");
    }
    let known = |text: &String| {
        let id = ClauseId::parse(text).filter(|id| spec.clauses.contains_key(id));
        id.with_context(|| format!("there is no clause {text}"))
    };
    let ids = ids.iter().map(known).collect::<Result<BTreeSet<_>>>()?;
    lock::stamp(sources, &spec, &ids)
}

fn sum(spec: &Spec, cases: &[Case]) -> String {
    let active = spec.clauses.values().filter(|clause| clause.is_active()).count();
    let chapters = spec.chapters.len();
    format!("{chapters} chapters, {} clauses, {active} of them active, {} cases", spec.clauses.len(), cases.len())
}
