//! The programs: the server and the client with their defects, and the suite that is run against them.

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

/// Which of the two programs with defects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Server,
    Client,
}

/// The defects, as their program lists them.
#[derive(Debug, Deserialize)]
pub(super) struct Catalogue {
    /// Cases that run with each defect, to show that nothing else is broken.
    pub(super) smoke: BTreeSet<String>,
    pub(super) defects: Vec<Row>,
}

/// A defect.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    /// Cases of which one must fail.
    pub(super) kills: BTreeSet<String>,
    /// Cases that may change too.
    pub(super) also: BTreeSet<String>,
}

/// A case, as the suite lists it.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    id: String,
    role: Role,
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
    /// With the names of the binaries.
    target: PathBuf,
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

impl Role {
    pub(super) const ALL: [Self; 2] = [Self::Server, Self::Client];

    /// Its name, as the command line of the suite has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

impl Catalogue {
    /// All cases that it names.
    pub(super) fn named(&self) -> impl Iterator<Item = &String> {
        self.defects.iter().flat_map(|row| row.kills.iter().chain(&row.also)).chain(&self.smoke)
    }
}

impl Verdict {
    /// Whether a correct program may have it: it passes, or does not have what the case is about.
    pub(super) const fn is_fine(self) -> bool {
        matches!(self, Self::Pass | Self::Unimplemented)
    }
}

/// The id of the case of `HS-006[websocket]`.
pub(super) fn case_of(instance: &str) -> &str {
    instance.split('[').next().unwrap_or(instance)
}

impl Programs {
    /// Builds them.
    pub(super) fn build() -> Result<Self> {
        let mut cargo = workspace::cargo();
        cargo.args(["build", "--locked", "--package", "bayeux-mutants", "--package", "bayeux-conformance"]);
        let built = process::run(&mut cargo, BUILD_LIMIT)?;
        ensure!(built.how == How::Success, "the programs could not be built");
        let target = workspace::metadata()?.target_directory;
        let directory = target.join("kill-matrix");
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Self { target: target.join("debug"), directory: Directory(directory) })
    }

    fn mutant(&self, role: Role) -> PathBuf {
        self.target.join(format!("bayeux-mutant-{}", role.name()))
    }

    fn suite(&self) -> Command {
        Command::new(self.target.join("bayeux-conformance"))
    }

    /// The list of a program with defects.
    pub(super) fn catalogue(&self, role: Role) -> Result<Catalogue> {
        ask(Command::new(self.mutant(role)).args(["--list", "--json"]))
    }

    /// The suite's list of cases about such programs, by id.
    pub(super) fn cases(&self, role: Role) -> Result<BTreeMap<String, Case>> {
        let cases: Vec<Case> = ask(self.suite().args(["list", "--json"]))?;
        let of_role = cases.into_iter().filter(|case| case.role == role);
        Ok(of_role.map(|case| (case.id.clone(), case)).collect())
    }

    /// These cases, or all, against the program with this defect, or none.
    pub(super) fn judge<'a>(
        &self,
        role: Role,
        defect: Option<&str>,
        only: impl Iterator<Item = &'a String>,
    ) -> Result<BTreeMap<String, Verdict>> {
        let report = self.directory.0.join(format!("{}-{}.json", role.name(), defect.unwrap_or("none")));
        let mut suite = self.suite();
        suite.args([role.name(), "--profile", "all", "--report"]).arg(format!("json={}", report.display()));
        suite.args(only.flat_map(|id| ["--only", id]));
        let ended = match role {
            Role::Server => self.against_server(defect, &mut suite)?,
            Role::Client => {
                let defect = defect.map(|name| format!("--defect {name} ")).unwrap_or_default();
                let command = format!("exec '{}' {defect}{{url}} {{transport}}", self.mutant(role).display());
                process::run_unseen(suite.args(["--exec", &command]), SUITE_LIMIT)?
            }
        };
        // It fails whenever a case does; what counts is whether it came to an end.
        let text = std::fs::read_to_string(&report)
            .with_context(|| format!("the suite left no report: {:?}\n{}", ended.how, ended.stdout))?;
        let report: Report =
            serde_json::from_str(&text).context("the suite's report is something else than expected")?;
        Ok(report.cases.into_iter().map(|finding| (finding.id, finding.verdict)).collect())
    }

    fn against_server(&self, defect: Option<&str>, suite: &mut Command) -> Result<process::Ended> {
        let mut command = Command::new(self.mutant(Role::Server));
        let mut server = Background::start(command.args(defect.iter().flat_map(|name| ["--defect", name])))?;
        let mut url = String::new();
        BufReader::new(server.stdout()).read_line(&mut url).context("the server does not say where it listens")?;
        process::run_unseen(suite.arg(url.trim_end()), SUITE_LIMIT)
    }
}

fn ask<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let ended = process::run_unseen(command, SUITE_LIMIT)?;
    ensure!(ended.how == How::Success, "{} failed", command.get_program().display());
    serde_json::from_str(&ended.stdout).with_context(|| format!("{} printed no list", command.get_program().display()))
}
