//! `cargo xtask tidy`: the rules of this workspace that no other tool checks.

mod citations;
mod crate_count;
mod dependencies;
mod length;
mod limits;
mod purity;
mod quotes;
mod results;
pub(crate) mod source;
mod words;

use anyhow::Result;

use self::source::{Finding, Source};
use crate::{limits::PAGE, workspace};

/// Checks every file, and says what breaks a rule. Tells whether nothing does.
pub(crate) fn run() -> Result<bool> {
    let sources = source::read_all(workspace::root())?;
    let mut findings: Vec<Finding> = sources.iter().flat_map(of_one_file).collect();
    findings.extend(of_the_whole(&sources)?);
    for finding in &findings {
        println!("{finding}");
    }
    let notes: Vec<Finding> = sources.iter().filter_map(length::note).collect();
    for note in &notes {
        println!("note: {note}");
    }
    println!("tidy: {} files, {} findings", sources.len(), findings.len());
    Ok(findings.is_empty())
}

fn of_one_file(source: &Source) -> Vec<Finding> {
    let mut findings: Vec<Finding> = length::check(source).into_iter().collect();
    findings.extend(words::check(source));
    findings.extend(citations::check(source));
    findings.extend(purity::check(source));
    findings.extend(results::check(source, workspace::root()));
    findings
}

fn of_the_whole(sources: &[Source]) -> Result<Vec<Finding>> {
    let architecture = source::find(sources, "ARCHITECTURE.md")?;
    let mut findings = dependencies::check(architecture, &workspace::metadata()?);
    let crates = crate_count::count(&workspace::tree_of_the_binary()?, &workspace::metadata_of_all()?)?;
    findings.extend(crate_count::check(architecture, crates));
    findings.extend(limits::check(source::find(sources, PAGE)?, &workspace::limits()?));
    findings.extend(quotes::check(sources));
    Ok(findings)
}
