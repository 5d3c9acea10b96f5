//! What the fuzzer did for one target, read from what it prints, and the table of all.

use std::path::PathBuf;

use crate::process::{Ended, How};

/// One target's result.
#[derive(Debug)]
pub(super) struct Tally {
    target: String,
    pub(super) how: How,
    executions: Option<u64>,
    each_second: Option<u64>,
    /// Edges that were reached, and inputs that were needed for it.
    edges: Option<u64>,
    inputs: Option<u64>,
    /// Where the inputs are that failed.
    pub(super) crashes: Vec<PathBuf>,
}

impl Tally {
    pub(super) fn read(target: &str, ended: &Ended, crashes: Vec<PathBuf>) -> Self {
        let stat = |name: &str| {
            let line = ended.stdout.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
            line?.trim_start_matches(':').trim().parse().ok()
        };
        // `#4096  pulse  cov: 12 ft: 30 corp: 7/50b …`: the last such line counts.
        let progress = ended.stdout.lines().rfind(|line| line.starts_with('#') && line.contains(" cov: "));
        let number = |name: &str| {
            let rest = progress?.split_once(name)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        Self {
            target: target.to_owned(),
            how: ended.how.clone(),
            executions: stat("number_of_executed_units"),
            each_second: stat("average_exec_per_sec"),
            edges: number(" cov: "),
            inputs: number(" corp: "),
            crashes,
        }
    }
}

/// A line for each target.
pub(super) fn table(tallies: &[Tally]) -> String {
    let mut table = format!(
        "{:<10} {:>13} {:>9} {:>6} {:>7} {:>8}  ended",
        "target", "executions", "per s", "edges", "inputs", "crashes"
    );
    let shown = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    for tally in tallies {
        let ended = match &tally.how {
            How::Success => "in time".to_owned(),
            How::Failure(status) => status.clone(),
            How::TimedOut(limit) => format!("not after {} s", limit.as_secs()),
        };
        table.push_str(&format!(
            "\n{:<10} {:>13} {:>9} {:>6} {:>7} {:>8}  {ended}",
            tally.target,
            shown(tally.executions),
            shown(tally.each_second),
            shown(tally.edges),
            shown(tally.inputs),
            tally.crashes.len(),
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fuzzer_prints_becomes_a_line_of_the_table() {
        let stdout = "#2\tINITED cov: 8 ft: 9 corp: 1/1b exec/s: 0 rss: 27Mb\n\
            #524\tDONE   cov: 90 ft: 100 corp: 21/10b lim: 11 exec/s: 248 rss: 27Mb\nDone 524 runs in 2 second(s)\n\
            stat::number_of_executed_units: 524\nstat::average_exec_per_sec:     248\n"
            .to_owned();
        let well = Tally::read("json", &Ended { how: How::Success, stdout }, Vec::new());
        let how = How::Failure("signal: 6 (SIGABRT)".to_owned());
        let badly = Tally::read("form", &Ended { how, stdout: "panicked".to_owned() }, vec!["crash-1".into()]);
        assert_eq!(
            table(&[well, badly]),
            "target        executions     per s  edges  inputs  crashes  ended\n\
             json                 524       248     90      21        0  in time\n\
             form                   ?         ?      ?       ?        1  signal: 6 (SIGABRT)"
        );
    }
}
