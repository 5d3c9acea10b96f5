//! The options that runs against servers and against clients have in common.

use super::{Stopped, usage};
use crate::case::Profile;
use crate::peer::Transport;
use crate::run::Choice;
use crate::verdict::Level;
use clap::Args;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Which cases are run, and how.
#[derive(Args)]
pub(super) struct ChoiceArgs {
    /// Only these transports: long-polling, websocket, callback-polling
    #[arg(long, value_name = "NAME", value_parser = transport)]
    pub(super) transport: Vec<Transport>,
    /// Only these cases or clauses; * stands for anything
    #[arg(long, value_name = "PATTERN")]
    pub(super) only: Vec<String>,
    /// Not these cases or clauses
    #[arg(long, value_name = "PATTERN")]
    pub(super) skip: Vec<String>,
    /// Only cases of this level or a stricter one: may, should, must
    #[arg(long, value_name = "LEVEL", default_value = "may", value_parser = level)]
    pub(super) level: Level,
    /// What to conform to, beside the published text: base, cometd, faye, hardened, or all
    #[arg(long, value_name = "NAME", default_value = "base", value_delimiter = ',')]
    pub(super) profile: Vec<String>,
    /// How many cases run side by side: 24 against a server, 12 against a client
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// The seed of their order; chosen and printed if none is given
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Print the selected cases and run none
    #[arg(long)]
    pub(super) list: bool,
}

/// What is told of a run.
#[derive(Args)]
pub(super) struct ToldArgs {
    /// The implementation's name and version, for the reports
    #[arg(long, value_name = "NAME", default_value = "the implementation")]
    pub(super) name: String,
    /// Files to write: html=FILE, json=FILE, junit=FILE, markdown=FILE
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',', value_parser = report)]
    pub(super) report: Vec<(String, PathBuf)>,
    /// A file of findings that are known, each with its reason
    #[arg(long, value_name = "FILE")]
    pub(super) expect: Option<PathBuf>,
    /// Print what went over the wire in each case that did not pass
    #[arg(short, long)]
    pub(super) verbose: bool,
}

impl ChoiceArgs {
    pub(super) fn choice(&self, jobs: usize) -> Result<Choice, Stopped> {
        Ok(Choice {
            only: self.only.clone(),
            skip: self.skip.clone(),
            level: self.level,
            profiles: profiles(&self.profile)?,
            transports: self.transport.iter().copied().collect(),
            jobs,
            seed: self.seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
        })
    }
}

fn transport(name: &str) -> Result<Transport, String> {
    Transport::parse(name).ok_or_else(|| format!("the suite speaks {}", Transport::ALL.map(Transport::name).join(", ")))
}

fn level(name: &str) -> Result<Level, String> {
    Level::parse(name).ok_or_else(|| "it is one of may, should, must".into())
}

fn report(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((kind @ ("html" | "json" | "junit" | "markdown"), file)) if !file.is_empty() => {
            Ok((kind.to_owned(), file.into()))
        }
        _ => Err("it is html=FILE, json=FILE, junit=FILE or markdown=FILE".into()),
    }
}

fn profiles(names: &[String]) -> Result<BTreeSet<Profile>, Stopped> {
    if names.iter().any(|name| name == "all") {
        return Ok(Profile::ALL.into());
    }
    names
        .iter()
        .map(|name| {
            Profile::parse(name).ok_or_else(|| {
                usage(format!("no profile is called {name:?}: {}, all", Profile::ALL.map(|p| p.to_string()).join(", ")))
            })
        })
        .collect()
}
