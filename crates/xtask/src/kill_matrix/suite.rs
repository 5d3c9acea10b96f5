//! The two programs: the server with its defects, and the suite that is run against it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    process::{self, Background, How},
    workspace,
};

/// Long enough for a cold build.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Far more than one run of the suite takes.
const SUITE_LIMIT: Duration = Duration::from_secs(180);

/// The defects, as the server lists them.
#[derive(Debug, Deserialize)]
pub(super) struct Catalogue {
    /// Cases that run with each defect, to show that nothing else is broken.
    pub(super) smoke: Vec<String>,
    pub(super) defects: Vec<Row>,
}

/// A defect.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    /// Cases of which one must fail.
    pub(super) kills: Vec<String>,
    /// Cases that may change too.
    pub(super) also: Vec<String>,
}

/// A case, as the suite lists it.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    id: String,
    role: String,
    pub(super) level: String,
}

/// What the suite says of a case over one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Pass,
    Nonstrict,
    Fail,
    Unimplemented,
    Blocked,
    Inconclusive,
    Error,
}

#[derive(Deserialize)]
struct Report {
    cases: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    id: String,
    verdict: Verdict,
}

/// Where the programs are.
pub(super) struct Programs {
    server: PathBuf,
    suite: PathBuf,
    /// Of reports; removed in the end.
    directory: Directory,
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // Whatever is left is in the target directory, and written over by the next run.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Verdict {
    /// Whether a correct server may have it: it passes, or does not have what the case is about.
    pub(super) const fn is_fine(self) -> bool {
        matches!(self, Self::Pass | Self::Unimplemented)
    }
}

/// The id of the case of `HS-006[websocket]`.
pub(super) fn case_of(instance: &str) -> &str {
    instance.split('[').next().unwrap_or(instance)
}

impl Programs {
    /// Builds both.
    pub(super) fn build() -> Result<Self> {
        let mut cargo = workspace::cargo();
        cargo.args(["build", "--locked", "--package", "bayeux-mutants", "--package", "bayeux-conformance"]);
        let built = process::run(&mut cargo, BUILD_LIMIT)?;
        ensure!(built.how == How::Success, "the programs could not be built");
        let target = workspace::metadata()?.target_directory;
        let directory = target.join("kill-matrix");
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let program = |name| target.join("debug").join(name);
        Ok(Self {
            server: program("bayeux-mutant-server"),
            suite: program("bayeux-conformance"),
            directory: Directory(directory),
        })
    }

    /// The server's list.
    pub(super) fn catalogue(&self) -> Result<Catalogue> {
        ask(Command::new(&self.server).args(["--list", "--json"]))
    }

    /// The suite's list of cases about servers, by id.
    pub(super) fn cases(&self) -> Result<BTreeMap<String, Case>> {
        let cases: Vec<Case> = ask(Command::new(&self.suite).args(["list", "--json"]))?;
        let of_servers = cases.into_iter().filter(|case| case.role == "server");
        Ok(of_servers.map(|case| (case.id.clone(), case)).collect())
    }

    /// Every case against the server without a defect.
    pub(super) fn try_all(&self) -> Result<BTreeMap<String, Verdict>> {
        self.run("without", &[], &BTreeSet::new())
    }

    /// These cases against the server with this defect.
    pub(super) fn try_defect<'a>(
        &self,
        defect: &str,
        cases: impl Iterator<Item = &'a String>,
    ) -> Result<BTreeMap<String, Verdict>> {
        self.run(defect, &["--defect", defect], &cases.map(String::as_str).collect())
    }

    fn run(&self, name: &str, server: &[&str], only: &BTreeSet<&str>) -> Result<BTreeMap<String, Verdict>> {
        let mut command = Command::new(&self.server);
        let mut server = Background::start(command.args(server))?;
        let mut url = String::new();
        BufReader::new(server.stdout()).read_line(&mut url).context("the server does not say where it listens")?;
        let report = self.directory.0.join(format!("{name}.json"));
        let mut suite = Command::new(&self.suite);
        suite.args(["server", url.trim_end(), "--profile", "all", "--report"]);
        suite.arg(format!("json={}", report.display())).args(only.iter().flat_map(|id| ["--only", id]));
        let ended = process::run_unseen(&mut suite, SUITE_LIMIT)?;
        // It fails whenever a case does; what counts is whether it came to an end.
        let text = std::fs::read_to_string(&report)
            .with_context(|| format!("the suite left no report: {:?}\n{}", ended.how, ended.stdout))?;
        let report: Report =
            serde_json::from_str(&text).context("the suite's report is something else than expected")?;
        Ok(report.cases.into_iter().map(|finding| (finding.id, finding.verdict)).collect())
    }
}

fn ask<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let ended = process::run_unseen(command, SUITE_LIMIT)?;
    ensure!(ended.how == How::Success, "{} failed", command.get_program().display());
    serde_json::from_str(&ended.stdout).with_context(|| format!("{} printed no list", command.get_program().display()))
}
