//! Subscribers that stop reading, beside others that read: what they cost the server, how their sessions end, and what the
//! others notice of it.

use std::{io, time::Duration};

use serde::Serialize;

use crate::{
    Verdict,
    args::{Stalled, Transport},
    counted::Counted,
    healthy::{Comparison, Healthy, STRETCHES},
    message,
    process::{FREE_PORT, Server, allow_files},
    session::Session,
    text::thousands,
};

/// Subscribers that read, and what is published to them.
const HEALTHY: usize = 100;
const PER_SECOND: u32 = 100;
const PAYLOAD: usize = 1024;
const QUIET: Duration = Duration::from_secs(2);
/// Five of these are longer than a write may take, and than a session lives without a connect: each has ended by then.
const BESIDE: Duration = Duration::from_secs(3);
/// The resident memory of the server may rise by so much for each reader that stopped.
const MOST_KIB: f64 = 40.0 * 1024.0 / 2000.0;
/// And the 99th percentile of the others by so much.
pub(crate) const MOST_RATIO: f64 = 1.2;
/// How a session can have ended, by the counters of the server.
const ENDS: [&str; 4] = ["sessions_overflowed", "sessions_expired", "sessions_disconnected", "sessions_lost"];
/// And how its connection can have.
const CONNECTIONS: [&str; 3] = ["writes_timed_out", "writes_cut", "polls_abandoned"];

pub(crate) fn run(args: &Stalled) -> io::Result<Verdict> {
    let outcome = measure(&args.program.server, args.transport, args.readers)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        outcome.print()?;
    }
    outcome.verdict()
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) transport: Transport,
    pub(crate) readers: u32,
    /// Resident memory of the server, in KiB: before the readers came, when all were there, and at most since then.
    before_kib: u64,
    with_readers_kib: u64,
    most_kib: u64,
    pub(crate) healthy: Comparison,
    counted: Counted,
}

/// Measures `program` with so many readers that stop.
pub(crate) fn measure(program: &str, transport: Transport, readers: u32) -> io::Result<Outcome> {
    allow_files(u64::from(readers) + HEALTHY as u64)?;
    let mut server = Server::serve(program, FREE_PORT, &[])?;
    let measured = beside(&server, transport, readers);
    match measured {
        Ok(mut outcome) => {
            outcome.counted = server.stop()?;
            Ok(outcome)
        }
        Err(error) => Err(server.explain(&error)),
    }
}

fn beside(server: &Server, transport: Transport, readers: u32) -> io::Result<Outcome> {
    let mut healthy = Healthy::open(server, HEALTHY, PER_SECOND, PAYLOAD)?;
    let mut comparison = Comparison::default();
    eprintln!("stalled, {transport}: {STRETCHES} quiet stretches …");
    for _ in 0..STRETCHES {
        comparison.quiet(healthy.stretch(server, QUIET)?);
    }
    let before_kib = server.resident_kib()?;
    eprintln!("stalled, {transport}: {} readers come and stop …", thousands(u64::from(readers)));
    server.forget_peak()?;
    let channel = message::channel(0);
    let stopped =
        (0..readers).map(|_| Session::open_small(&server.url, transport, &channel)).collect::<io::Result<Vec<_>>>()?;
    let with_readers_kib = server.resident_kib()?;
    for _ in 0..STRETCHES {
        comparison.beside(healthy.stretch(server, BESIDE)?);
    }
    let most_kib = server.peak_kib()?;
    // The healthy leave first: whoever ended until now did not end by leaving.
    drop((healthy, stopped));
    let counted = Counted::default();
    Ok(Outcome { transport, readers, before_kib, with_readers_kib, most_kib, healthy: comparison, counted })
}

impl Outcome {
    pub(crate) fn kib_per_reader(&self) -> f64 {
        self.most_kib.saturating_sub(self.before_kib) as f64 / f64::from(self.readers)
    }

    pub(crate) fn risen_mib(&self) -> f64 {
        self.most_kib.saturating_sub(self.before_kib) as f64 / 1024.0
    }

    /// By how much it may have risen.
    pub(crate) fn most_mib(&self) -> f64 {
        MOST_KIB * f64::from(self.readers) / 1024.0
    }

    /// Sessions that ended with a counter that says why, and their names.
    pub(crate) fn ended(&self) -> (u64, String) {
        (ENDS.iter().map(|name| self.counted.of(name)).sum(), self.counted.told(&ENDS))
    }

    /// Whether all readers' sessions ended with a reason, and no other's.
    pub(crate) fn all_ended(&self) -> bool {
        self.ended().0 == u64::from(self.readers)
    }

    fn verdict(&self) -> io::Result<Verdict> {
        let good = self.healthy.faults() == 0
            && self.all_ended()
            && self.risen_mib() <= self.most_mib()
            && self.healthy.ratio()?.median <= MOST_RATIO;
        Ok(if good { Verdict::Good } else { Verdict::Bad })
    }

    fn print(&self) -> io::Result<()> {
        let readers = thousands(u64::from(self.readers));
        println!(
            "{readers} readers over {} that stop, {HEALTHY} that read, {PER_SECOND} messages of {PAYLOAD} bytes a second",
            self.transport
        );
        println!();
        self.healthy.print("stalled");
        println!();
        println!("resident before         {:>9} KiB", thousands(self.before_kib));
        println!("with all readers        {:>9} KiB", thousands(self.with_readers_kib));
        println!("at most since they came {:>9} KiB", thousands(self.most_kib));
        println!(
            "risen by {:.1} MiB, target <= {:.1}; {:.1} KiB for each reader",
            self.risen_mib(),
            self.most_mib(),
            self.kib_per_reader()
        );
        let (ended, how) = self.ended();
        println!("sessions ended: {} of {readers}: {how}", thousands(ended));
        println!("connections: {}", self.counted.told(&CONNECTIONS));
        println!("p99 of those that read, to quiet: {}, target <= {MOST_RATIO:.1}x", self.healthy.ratio()?);
        Ok(())
    }
}
