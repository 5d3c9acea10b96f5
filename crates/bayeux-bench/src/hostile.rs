//! Hostile input at full speed, beside a publisher and its subscriber: what these two notice of it.

use std::{io, time::Duration};

use serde::Serialize;

use crate::{
    Verdict,
    args::Hostile,
    counted::Counted,
    flood::{Done, Flood},
    healthy::{Comparison, Healthy, STRETCHES},
    process::{FREE_PORT, Server, allow_files},
    text::thousands,
};

const PER_SECOND: u32 = 200;
const PAYLOAD: usize = 100;
const STRETCH: Duration = Duration::from_secs(3);
/// The 99th percentile may rise by so much.
pub(crate) const MOST_RATIO: f64 = 2.0;
/// What the server counts of the flood.
const REFUSED: [&str; 7] = [
    "bodies_malformed",
    "bodies_too_large",
    "sockets_refused",
    "frames_refused",
    "heads_malformed",
    "heads_timed_out",
    "connections_refused",
];

pub(crate) fn run(args: &Hostile) -> io::Result<Verdict> {
    let outcome = measure(&args.program.server)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        outcome.print()?;
    }
    let good = outcome.is_good() && outcome.healthy.ratio()?.median <= MOST_RATIO;
    Ok(if good { Verdict::Good } else { Verdict::Bad })
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) healthy: Comparison,
    flood: Done,
    attacks_per_second: f64,
    counted: Counted,
}

/// Measures `program`, quiet and under a flood in turn.
pub(crate) fn measure(program: &str) -> io::Result<Outcome> {
    allow_files(1000)?;
    let mut server = Server::serve(program, FREE_PORT, &[])?;
    match beside(&server) {
        Ok((healthy, flood)) => {
            let seconds = STRETCH.as_secs_f64() * STRETCHES as f64;
            let counted = server.stop()?;
            Ok(Outcome { healthy, flood, attacks_per_second: flood.attacks as f64 / seconds, counted })
        }
        Err(error) => Err(server.explain(&error)),
    }
}

fn beside(server: &Server) -> io::Result<(Comparison, Done)> {
    let mut healthy = Healthy::open(server, 1, PER_SECOND, PAYLOAD)?;
    healthy.give_way();
    let (flood, mut comparison) = (Flood::new(&server.url), Comparison::default());
    for number in 1..=STRETCHES {
        eprintln!("hostile: {number} of {STRETCHES} …");
        comparison.quiet(healthy.stretch(server, STRETCH)?);
        flood.attack(true);
        let noticed = healthy.stretch(server, STRETCH);
        flood.attack(false);
        comparison.beside(noticed?);
    }
    Ok((comparison, flood.end()?))
}

impl Outcome {
    /// Nothing of the healthy ones was lost, every attack was answered or ended, and the server counted refusals.
    pub(crate) fn is_good(&self) -> bool {
        let refused: u64 = REFUSED.iter().map(|name| self.counted.of(name)).sum();
        self.healthy.faults() == 0 && self.flood.unanswered == 0 && refused > 0
    }

    /// The flood in one line.
    pub(crate) fn flood(&self) -> String {
        format!(
            "{} attacks a second, {} without an answer or an end",
            thousands(self.attacks_per_second as u64),
            self.flood.unanswered
        )
    }

    fn print(&self) -> io::Result<()> {
        println!(
            "a publisher of {PER_SECOND} messages of {PAYLOAD} bytes a second and its subscriber, beside hostile input"
        );
        println!();
        self.healthy.print("hostile");
        println!();
        println!("{}", self.flood());
        println!("refused: {}", self.counted.told(&REFUSED));
        println!("p99 to quiet: {}, target <= {MOST_RATIO:.1}x", self.healthy.ratio()?);
        Ok(())
    }
}
