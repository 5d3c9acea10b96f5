//! `bayeux-sim`: runs seeds, or one of them again with its trace.
#![allow(clippy::print_stdout)] // Reports are what this program is for.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use bayeux_sim::{Outcome, check, pair, run};
use clap::{Parser, Subcommand};

/// The Bayeux engine under a simulated network, in virtual time. The same seed gives the same run.
#[derive(Debug, Parser)]
#[command(name = "bayeux-sim", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one seed and print what happened, line by line.
    ///
    /// Times are virtual milliseconds; numbers at the beginning of a line are connections. The exit code is 1 if something
    /// was wrong; that is the last line then.
    Replay {
        /// The seed, as a failure printed it.
        seed: u64,
    },
    /// Run many seeds, each twice, until one fails.
    Sweep {
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many seeds; without it, until the time is over.
        #[arg(long)]
        seeds: Option<u64>,
        /// Minutes after which no further seed is begun.
        #[arg(long, default_value_t = 1)]
        minutes: u64,
    },
    /// Run the connection core of the Rust client against the engine, one seed after the other, until one fails.
    Clients {
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many seeds.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
    },
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Replay { seed } => report(&run(seed, true)),
        Command::Clients { from, seeds } => clients(from, seeds),
        Command::Sweep { from, seeds, minutes } => sweep(from, seeds, Duration::from_secs(60 * minutes)),
    }
}

fn clients(from: u64, seeds: u64) -> ExitCode {
    let begun = Instant::now();
    for seed in from..from.saturating_add(seeds) {
        if let Err(what) = pair(seed) {
            println!("wrong: {what}");
            return ExitCode::FAILURE;
        }
    }
    println!("{seeds} seeds from {from}: nothing wrong; {:.1} s", begun.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

fn report(outcome: &Outcome) -> ExitCode {
    for line in &outcome.trace {
        println!("{line}");
    }
    println!("seed {}: {} steps, trace {:016x}", outcome.seed, outcome.steps, outcome.hash);
    match &outcome.violation {
        None => ExitCode::SUCCESS,
        Some(what) => {
            println!("wrong: {what}\nrepeat it with: cargo run -p bayeux-sim -- replay {}", outcome.seed);
            ExitCode::FAILURE
        }
    }
}

fn sweep(from: u64, seeds: Option<u64>, limit: Duration) -> ExitCode {
    const PROGRESS: Duration = Duration::from_secs(10);
    let begun = Instant::now();
    let (mut told, mut count, mut steps) = (begun, 0, 0);
    while begun.elapsed() < limit && seeds.is_none_or(|seeds| count < seeds) {
        match check(from + count) {
            Ok(outcome) => steps += outcome.steps,
            Err(outcome) => return report(&run(outcome.seed, true)),
        }
        count += 1;
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            println!("{count} seeds, {:.0} a second", count as f64 / begun.elapsed().as_secs_f64());
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{count} seeds from {from}, each twice: nothing wrong; {steps} steps, {:.0} seeds a second",
        count as f64 / seconds
    );
    ExitCode::SUCCESS
}
