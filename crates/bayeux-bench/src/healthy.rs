//! Subscribers that read, beside peers that are slow or hostile: their latency is compared with the one in quiet stretches
//! of the same run, and nothing of theirs may be lost.

use std::{fmt, io, time::Duration};

use serde::Serialize;

use crate::{
    args::{Plan, Transport},
    fanout::{DISTURBED_PERCENT, Ratio},
    load::{Load, Pace},
    message::{self, Template},
    process::{Server, Usage},
    session::Session,
    text::thousands,
};

/// Quiet stretches, and as many that are not.
pub(crate) const STRETCHES: usize = 5;

pub(crate) struct Healthy {
    load: Load,
    pace: Pace,
}

/// What the healthy ones noticed in one stretch. Latency counts from the time at which a publish was due.
#[derive(Debug, Serialize)]
pub(crate) struct Noticed {
    deliveries: u64,
    p50_micros: u64,
    pub(crate) p99_micros: u64,
    most_micros: u64,
    lost: u64,
    duplicated: u64,
    late: u64,
    /// The part of the stretch in which something else ran on the server's processor though it was ready.
    waited_percent: f64,
}

/// Quiet stretches and others, and how the latter compare.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Comparison {
    quiet: Vec<Noticed>,
    beside: Vec<Noticed>,
}

impl Healthy {
    /// `members` subscribers over WebSocket in room 0, to which `rate` messages of `payload` bytes are published a second.
    pub(crate) fn open(server: &Server, members: usize, rate: u32, payload: usize) -> io::Result<Self> {
        let (transport, pace) = (Transport::Websocket, Pace::PerSecond(rate));
        let plan = Plan { transport, ack: false, rooms: 1, members, pace, payload, pairs: 0, seconds: 0.0 };
        let publisher = Session::open(&server.url, transport, None)?;
        let template = Template::new(payload, Some(&publisher.client_id));
        let mut load = Load::new(&plan, template, publisher, |room| {
            Session::open(&server.url, transport, Some(&message::channel(room)))
        })?;
        load.warm_up(pace)?;
        Ok(Self { load, pace })
    }

    /// See [`Load::give_way`].
    pub(crate) fn give_way(&mut self) {
        self.load.give_way();
    }

    pub(crate) fn stretch(&mut self, server: &Server, length: Duration) -> io::Result<Noticed> {
        let before = server.usage()?.unwrap_or_default();
        let stretch = self.load.stretch(self.pace, length)?;
        let waited = server.usage()?.unwrap_or_default().since(before);
        let Usage { waited, .. } = waited;
        Ok(Noticed {
            deliveries: stretch.deliveries,
            p50_micros: stretch.latencies.percentile(50),
            p99_micros: stretch.latencies.percentile(99),
            most_micros: stretch.latencies.percentile(100),
            lost: stretch.lost,
            duplicated: stretch.duplicated,
            late: stretch.late,
            waited_percent: waited as f64 / stretch.wall.as_nanos() as f64 * 100.0,
        })
    }
}

/// In one line.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(ratio) = self.ratio() {
            write!(f, "{:.2} to {:.2}; ", ratio.least, ratio.most)?;
        }
        write!(f, "lost, twice or late: {}", self.faults())?;
        match self.disturbed() {
            Some(percent) => write!(f, "; disturbed: something else ran for {percent:.0} % of a stretch"),
            None => Ok(()),
        }
    }
}

impl Noticed {
    fn faults(&self) -> u64 {
        self.lost + self.duplicated + self.late
    }

    fn print(&self, number: usize, name: &str, ratio: Option<f64>) {
        let ratio = ratio.map(|ratio| format!("{ratio:.2}x")).unwrap_or_default();
        let line = format!(
            "{number:>4}  {name:<8} {:>10} {:>9} {:>9} {:>9} {:>6} {:>6} {:>6}  {ratio}",
            thousands(self.deliveries),
            thousands(self.p50_micros),
            thousands(self.p99_micros),
            thousands(self.most_micros),
            self.lost,
            self.duplicated,
            self.late
        );
        println!("{}", line.trim_end());
    }
}

impl Comparison {
    pub(crate) fn quiet(&mut self, noticed: Noticed) {
        self.quiet.push(noticed);
    }

    pub(crate) fn beside(&mut self, noticed: Noticed) {
        self.beside.push(noticed);
    }

    fn ratios(&self) -> impl Iterator<Item = f64> {
        let pairs = self.quiet.iter().zip(&self.beside);
        pairs.map(|(quiet, beside)| beside.p99_micros as f64 / quiet.p99_micros as f64)
    }

    /// The 99th percentile beside such peers to the quiet one.
    pub(crate) fn ratio(&self) -> io::Result<Ratio> {
        Ratio::of(self.ratios().collect()).ok_or_else(|| io::Error::other("nothing was measured"))
    }

    /// Deliveries that were lost, came twice or came late.
    pub(crate) fn faults(&self) -> u64 {
        self.quiet.iter().chain(&self.beside).map(Noticed::faults).sum()
    }

    /// How much else ran on the server's processor, if it was enough to spoil a stretch.
    pub(crate) fn disturbed(&self) -> Option<f64> {
        let worst = self.quiet.iter().chain(&self.beside).map(|noticed| noticed.waited_percent).fold(0.0, f64::max);
        (worst > DISTURBED_PERCENT).then_some(worst)
    }

    pub(crate) fn print(&self, name: &str) {
        println!(
            "{:>4}  {:<8} {:>10} {:>9} {:>9} {:>9} {:>6} {:>6} {:>6}  p99 to quiet",
            "", "", "deliveries", "p50 µs", "p99 µs", "most µs", "lost", "twice", "late"
        );
        for (number, ((quiet, beside), ratio)) in self.quiet.iter().zip(&self.beside).zip(self.ratios()).enumerate() {
            quiet.print(number + 1, "quiet", None);
            beside.print(number + 1, name, Some(ratio));
        }
        if let Some(percent) = self.disturbed() {
            println!(
                "The latencies are not to be trusted: something else ran on the server's processor for {percent:.0} % of a \
                 stretch. Measure again when nothing else runs."
            );
        }
    }
}
