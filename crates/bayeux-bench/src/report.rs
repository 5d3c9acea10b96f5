//! All figures that have a target, one after the other, in one table.

use std::io;

use serde::Serialize;

use crate::{
    Verdict,
    args::{Length, Plan, Report, Transport},
    fanout, healthy, hostile, idle,
    load::Pace,
    restart, stalled,
    text::thousands,
};

/// Ratios to the floor: transport, rooms, members, pace, and what is aimed at.
const FANOUTS: [(Transport, usize, usize, Pace, f64); 5] = [
    (Transport::Websocket, 1, 1000, Pace::InFlight(1), 1.25),
    (Transport::Websocket, 1, 1000, Pace::InFlight(16), 1.3),
    (Transport::Websocket, 100, 10, Pace::PerSecond(1000), 1.3),
    (Transport::LongPolling, 1, 1000, Pace::InFlight(1), 1.8),
    (Transport::LongPolling, 1, 1000, Pace::InFlight(16), 1.8),
];
/// KiB of each idle session.
const IDLE: [(Transport, f64); 2] = [(Transport::Websocket, 4.0), (Transport::LongPolling, 6.0)];
const IDLE_SESSIONS: u32 = 5000;
const PAYLOAD: usize = 100;
const STALLED_READERS: u32 = 2000;
const RESTART_SESSIONS: u32 = 5000;
const LEAVE_SECONDS: u64 = 60;

#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    measured: f64,
    unit: &'static str,
    target: Option<f64>,
    met: bool,
    #[serde(flatten)]
    detail: Detail,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Detail {
    Fanout(fanout::Outcome),
    Idle(idle::Outcome),
    Stalled(stalled::Outcome),
    Latency(healthy::Comparison),
    Hostile(hostile::Outcome),
    Restart(restart::Outcome),
}

pub(crate) fn run(args: &Report) -> io::Result<Verdict> {
    if args.target.url.is_some() && args.target.pid.is_none() {
        return Err(io::Error::other("a report is about CPU and memory: give --pid beside --url"));
    }
    let mut figures = Vec::new();
    for (transport, rooms, members, pace, target) in FANOUTS {
        let Length { pairs, seconds } = args.length;
        let plan = Plan { transport, ack: false, rooms, members, pace, payload: PAYLOAD, pairs, seconds };
        figures.push(Figure::of_fanout(fanout::measure(&plan, &args.target)?, target)?);
    }
    for (transport, target) in IDLE {
        let leave = args.leave.then_some(LEAVE_SECONDS);
        figures.push(Figure::of_idle(idle::measure(&args.target, transport, IDLE_SESSIONS, leave)?, transport, target));
    }
    if args.peers {
        figures.extend(peers(&args.target.server)?);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print(&figures, args.length);
    }
    Ok(if figures.iter().all(|figure| figure.met) { Verdict::Good } else { Verdict::Bad })
}

/// What peers that are slow or hostile, and a restart, cost the others.
fn peers(program: &str) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for transport in [Transport::Websocket, Transport::LongPolling] {
        let outcome = stalled::measure(program, transport, STALLED_READERS)?;
        figures.extend(Figure::of_stalled(outcome)?);
    }
    figures.push(Figure::of_hostile(hostile::measure(program)?)?);
    figures.push(Figure::of_restart(restart::measure(program, RESTART_SESSIONS)?));
    Ok(figures)
}

impl Figure {
    fn of_fanout(outcome: fanout::Outcome, target: f64) -> io::Result<Self> {
        let ratio = outcome.ratio.as_ref().ok_or_else(|| io::Error::other("the CPU time could not be read"))?;
        let measured = ratio.median;
        let met = outcome.verdict() == Verdict::Good && measured <= target;
        let (name, target) = (outcome.plan.to_string(), Some(target));
        Ok(Self { name, measured, unit: "x", target, met, detail: Detail::Fanout(outcome) })
    }

    fn of_idle(outcome: idle::Outcome, transport: Transport, target: f64) -> Self {
        let measured = outcome.kib_per_session;
        Self {
            name: format!("{transport}, {} idle sessions", thousands(u64::from(IDLE_SESSIONS))),
            measured,
            unit: "KiB",
            target: Some(target),
            met: measured <= target,
            detail: Detail::Idle(outcome),
        }
    }

    /// Memory, and the latency of the others.
    fn of_stalled(mut outcome: stalled::Outcome) -> io::Result<[Self; 2]> {
        let name = format!("{}, {} readers that stop", outcome.transport, thousands(u64::from(outcome.readers)));
        let (risen, most) = (outcome.risen_mib(), outcome.most_mib());
        let healthy = std::mem::take(&mut outcome.healthy);
        let measured = healthy.ratio()?.median;
        let latency = Self {
            name: format!("{name}: p99 of others"),
            measured,
            unit: "x",
            target: Some(stalled::MOST_RATIO),
            met: measured <= stalled::MOST_RATIO && healthy.faults() == 0,
            detail: Detail::Latency(healthy),
        };
        let memory = Self {
            name: format!("{name}: memory"),
            measured: risen,
            unit: "MiB",
            target: Some(most),
            met: risen <= most && outcome.all_ended(),
            detail: Detail::Stalled(outcome),
        };
        Ok([memory, latency])
    }

    fn of_hostile(outcome: hostile::Outcome) -> io::Result<Self> {
        let measured = outcome.healthy.ratio()?.median;
        Ok(Self {
            name: "hostile input: p99 of others".to_owned(),
            measured,
            unit: "x",
            target: Some(hostile::MOST_RATIO),
            met: outcome.is_good() && measured <= hostile::MOST_RATIO,
            detail: Detail::Hostile(outcome),
        })
    }

    fn of_restart(outcome: restart::Outcome) -> Self {
        let measured = outcome.returned.ratio();
        Self {
            name: format!("restart, {} sessions: busiest second", thousands(u64::from(outcome.sessions))),
            measured,
            unit: "x",
            target: Some(restart::MOST_RATIO),
            met: outcome.is_told_and_back() && measured <= restart::MOST_RATIO,
            detail: Detail::Restart(outcome),
        }
    }

    fn print(&self) {
        let figure = |number: f64| match self.unit {
            "x" => format!("{number:.2}x"),
            unit => format!("{number:.1} {unit}"),
        };
        let target = self.target.map_or_else(|| "as measured".to_owned(), |target| format!("<= {}", figure(target)));
        let met = match (self.met, self.target) {
            (true, Some(_)) => "met",
            (true, None) => "",
            (false, _) => "MISSED",
        };
        let line = format!("{:<52} {:>9}  {target:<12} {met:<7} {}", self.name, figure(self.measured), self.detail);
        println!("{}", line.trim_end());
    }
}

impl std::fmt::Display for Detail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fanout(outcome) => {
                if let Some(ratio) = &outcome.ratio {
                    write!(f, "{:.2} to {:.2}", ratio.least, ratio.most)?;
                }
                let sum =
                    |of: fn(&fanout::Figures) -> u64| outcome.pairs.iter().map(|pair| of(&pair.server)).sum::<u64>();
                let (lost, twice, late) =
                    (sum(|figures| figures.lost), sum(|figures| figures.duplicated), sum(|figures| figures.late));
                write!(f, "; lost {lost}, twice {twice}, late {late}")?;
                if let Some(disturbed) = outcome.disturbed() {
                    write!(f, "; disturbed: {disturbed}")?;
                }
                Ok(())
            }
            Self::Idle(outcome) => match &outcome.left {
                Some(left) => write!(f, "{:.0} % above the start {LEAVE_SECONDS} s later", left.above_start_percent),
                None => Ok(()),
            },
            Self::Stalled(outcome) => {
                let (ended, how) = outcome.ended();
                write!(f, "{} sessions ended: {how}", thousands(ended))
            }
            Self::Latency(comparison) => comparison.fmt(f),
            Self::Hostile(outcome) => write!(f, "{}; {}", outcome.healthy, outcome.flood()),
            Self::Restart(outcome) => outcome.fmt(f),
        }
    }
}

fn print(figures: &[Figure], length: Length) {
    println!(
        "CPU per delivery as a ratio to the floor, {PAYLOAD} bytes, median of {} pairs of {} s;",
        length.pairs, length.seconds
    );
    println!("resident memory of the server for each idle session");
    println!();
    println!("{:<52} {:>9}  target", "", "measured");
    for figure in figures {
        figure.print();
    }
}
