//! `cargo xtask`: the tasks of this workspace, each a command; what CI runs is one of them.
#![allow(clippy::print_stdout, clippy::print_stderr)] // Reports are what these commands are for.

mod kill_matrix;
mod limits;
mod matrix;
mod msrv;
mod process;
mod setup;
mod soak;
mod spec_check;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of this workspace. CI runs `cargo xtask test`; so does everybody before sending a change.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what the tests need; quick when all is there.
    ///
    /// Needs Node.js, npm and Python 3. Installs the pinned npm packages and a Python virtual environment in
    /// crates/bayeux-cli/tests/peers, and Chromium, nginx, haproxy, openssl and what Python lacks as Debian packages if this is
    /// root and apt-get is there; otherwise it says which to install. Services that come with them are not started.
    Setup,
    /// Run every test and check, or some of them.
    ///
    /// Goes on after a failure, ends with a report, and last of all a line such as `412 passed, 0 failed`. A check that
    /// fails counts as one failure there. The exit code is 1 if anything failed.
    Test {
        /// What to run; everything if nothing is named.
        #[arg(value_enum)]
        what: Vec<test::What>,
    },
    /// Check this workspace's own rules: lengths of files, words, citations, purity, dependencies.
    Tidy,
    /// Write docs/limits.md, as the code says.
    Limits,
    /// Check the protocol-spec: its clauses against code, cases, vectors and what is generated of them.
    SpecCheck(spec_check::Options),
    /// Try the conformance suite on a server and a client with one defect at a time.
    ///
    /// Fails if a defect is found by none of the cases that are named for it, or changes others. Lists the binding cases
    /// that no defect makes fail.
    KillMatrix {
        /// These defects only; `--list` of bayeux-mutant-server and bayeux-mutant-client names them.
        defect: Vec<String>,
    },
    /// Build bayeux-client and bayeux-protocol by the oldest Rust that they state, which rustup installs.
    Msrv,
    /// Run the conformance suite against every implementation that is at hand, and write conformance-tests/RESULTS.
    ///
    /// Each is started by its script in conformance-tests/targets, which fetches it the first time.
    Matrix(matrix::Matrix),
    /// Run what finds more the longer it runs.
    #[command(subcommand)]
    Soak(soak::Soak),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = process::end_children_with_us().and_then(|()| match cli.task {
        Task::Setup => setup::run().map(|()| true),
        Task::Test { what } => test::run(&what),
        Task::Tidy => tidy::run(),
        Task::Limits => limits::run(),
        Task::SpecCheck(options) => spec_check::run(&options),
        Task::KillMatrix { defect } => kill_matrix::run(&defect).map(|matrix| matrix.is_fine()),
        Task::Msrv => msrv::run(),
        Task::Matrix(what) => matrix::run(&what),
        Task::Soak(what) => soak::run(&what),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
