//! `cargo xtask soak fuzz`: builds the targets with libFuzzer and the compiler's coverage counters, which a stable toolchain
//! has, runs each for its time, and ends with a table.

mod corpus;
mod tally;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use self::{corpus::Corpus, tally::Tally};
use super::BUILD_LIMIT;
use crate::{
    process::{self, How},
    setup, workspace,
};

/// What to fuzz, and for how long.
#[derive(Args, Clone, Debug)]
pub(crate) struct Fuzz {
    /// For how long, each target.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// The target; all of them, one after the other, if none is named.
    #[arg(long)]
    target: Option<String>,
    /// Replace the corpus in the repository by the fewest inputs that reach all that the old and the new ones do.
    /// Those with a name that says what they are stay.
    #[arg(long)]
    keep: bool,
}

/// Counters of each edge, and of what is compared, as libFuzzer reads them.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-sanitizer-coverage-stack-depth \
    -Cdebug-assertions";

/// Longer inputs are slower and show no more: the limits that the targets set are reached far below.
const MAX_INPUT_BYTES: usize = 4096;
/// An input that takes so many seconds, or a program of so many MiB, is a defect.
const TIMEOUT: usize = 10;
const MEMORY: usize = 1024;
/// For starting and ending: the corpus is read, results are written.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// Tells whether nothing was found.
pub(crate) fn run(what: &Fuzz) -> Result<bool> {
    let all = targets()?;
    let chosen: Vec<&String> = all.iter().filter(|name| what.target.as_ref().is_none_or(|one| one == *name)).collect();
    ensure!(!chosen.is_empty(), "there is no such target; there are {}", all.join(", "));
    setup::cpp_compiler()?;
    let program = build()?;
    let mut tallies = Vec::new();
    for name in chosen {
        println!("fuzz: {name}, {} min", what.minutes);
        let target = Target { program: &program, name, corpus: Corpus::of(name)? };
        let tally = target.fuzz(what.minutes)?;
        if what.keep && tally.crashes.is_empty() {
            target.keep()?;
        }
        tallies.push(tally);
    }
    println!("\n{}", tally::table(&tallies));
    let crashes: Vec<&PathBuf> = tallies.iter().flat_map(|tally| &tally.crashes).collect();
    for crash in &crashes {
        println!("found: {}", crash.display());
    }
    if !crashes.is_empty() {
        println!("to repeat: cargo test --package bayeux-fuzz");
    }
    Ok(tallies.iter().all(|tally| tally.crashes.is_empty() && tally.how == How::Success))
}

/// The names of the targets: each has a dictionary.
fn targets() -> Result<Vec<String>> {
    let directory = corpus::root().join("dictionaries");
    let names = corpus::files(&directory)?;
    let mut names: Vec<String> =
        names.iter().filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    ensure!(!names.is_empty(), "there are no targets in {}", directory.display());
    Ok(names)
}

/// Builds the program of all targets, apart from other builds, whose flags differ. Returns its path.
fn build() -> Result<PathBuf> {
    let directory = workspace::metadata()?.target_directory.join("fuzz");
    let version = process::probe("rustc", &["-vV"]).context("rustc is not there")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc tells no host")?;
    let mut build = workspace::cargo();
    build.args(["build", "--locked", "--release", "--package", "bayeux-fuzz", "--features", "engine"]);
    // Named, the host is a target: build scripts and macros, which run while building, are then not instrumented.
    build.args(["--target", host]).arg("--target-dir").arg(&directory).env("RUSTFLAGS", INSTRUMENTATION);
    match process::run(&mut build, BUILD_LIMIT)?.how {
        How::Success => Ok(directory.join(host).join("release/bayeux-fuzz")),
        How::Failure(status) => bail!("the fuzz targets can't be built ({status}); why is said above"),
        How::TimedOut(limit) => bail!("the fuzz targets were not built after {} minutes", limit.as_secs() / 60),
    }
}

/// One target, built.
struct Target<'a> {
    program: &'a Path,
    name: &'a str,
    corpus: Corpus,
}

impl Target<'_> {
    fn fuzz(&self, minutes: u64) -> Result<Tally> {
        let before = corpus::files(&self.corpus.regressions)?;
        let mut command = self.command();
        command.arg(format!("-max_total_time={}", minutes * 60)).arg("-print_final_stats=1");
        command.arg(format!("-artifact_prefix={}/", self.corpus.regressions.display()));
        command.arg(format!("-dict={}", self.corpus.dictionary.display()));
        // What is new goes into the first directory; the others are only read.
        command.args([&self.corpus.working, &self.corpus.kept, &self.corpus.regressions]);
        let ended = process::run(&mut command, Duration::from_secs(minutes * 60) + MARGIN)?;
        let crashes = corpus::files(&self.corpus.regressions)?.into_iter().filter(|path| !before.contains(path));
        Ok(Tally::read(self.name, &ended, crashes.collect()))
    }

    fn keep(&self) -> Result<()> {
        let fewest = self.corpus.prepare_fewest()?;
        let mut command = self.command();
        // How often an edge is taken makes no difference here: it would keep several times as many.
        command
            .args(["-set_cover_merge=1", "-use_counters=0"])
            .arg(&fewest)
            .args([&self.corpus.kept, &self.corpus.working]);
        match process::run_quietly(&mut command, MARGIN)?.how {
            How::Success => self.corpus.replace_by_fewest(),
            How::Failure(status) => bail!("the corpus of {} can't be reduced ({status})", self.name),
            How::TimedOut(_) => bail!("the corpus of {} is too large to be reduced", self.name),
        }
    }

    /// libFuzzer writes to standard error; a shell turns that to where it is read.
    fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 2>&1"#]).arg(self.program).env("BAYEUX_FUZZ_TARGET", self.name);
        command.args([
            format!("-max_len={MAX_INPUT_BYTES}"),
            format!("-timeout={TIMEOUT}"),
            format!("-rss_limit_mb={MEMORY}"),
        ]);
        command
    }
}
