//! One publisher to many subscribers: floor and server in turn, and the ratio of their CPU time.

use std::io;

use serde::Serialize;

use crate::{
    Verdict, answers,
    answers::Heard,
    args::{Fanout, Plan, Target, Transport, Url},
    latency::Latencies,
    load::{Load, Pace, Stretch},
    message::{self, Template},
    process::{Server, Usage, allow_files},
    session::Session,
    text::thousands,
};

/// From here on a stretch is called disturbed.
pub(crate) const DISTURBED_PERCENT: f64 = 3.0;

pub(crate) fn run(args: &Fanout) -> io::Result<Verdict> {
    let plan = args.plan();
    if !plan.transport.has_floor() {
        return Err(io::Error::other(format!("{} has no floor; see `bayeux-bench transports`", plan.transport)));
    }
    let outcome = measure(&plan, &args.target)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        outcome.print();
    }
    Ok(outcome.verdict())
}

/// What all pairs showed.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) pairs: Vec<Pair>,
    /// Server to floor, CPU per delivery.
    pub(crate) ratio: Option<Ratio>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Pair {
    pub(crate) floor: Option<Figures>,
    pub(crate) server: Figures,
    ratio: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// What one stretch showed.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Of the measured process, in microseconds.
    pub(crate) cpu_micros_per_delivery: Option<f64>,
    /// The part of the stretch in which something else ran on the processor though the process, or the load, was ready.
    waited_percent: f64,
    deliveries: u64,
    deliveries_per_second: f64,
    bytes_per_delivery: f64,
    latency_micros: Percentiles,
    /// Never came.
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    /// Came after a later one.
    pub(crate) late: u64,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    p50: u64,
    p99: u64,
    p100: u64,
}

/// A measured process and the load on it.
pub(crate) struct Side {
    server: Server,
    load: Load,
}

/// Starts floor and server and measures them in turn.
pub(crate) fn measure(plan: &Plan, target: &Target) -> io::Result<Outcome> {
    allow_files(plan.subscribers() as u64)?;
    let mut server = Server::of(target)?;
    eprintln!("{plan}: connecting {} subscribers …", thousands(plan.subscribers() as u64));
    let heard = match answers::hear(&server.url, plan.transport) {
        Ok(heard) => heard,
        Err(error) => return Err(server.explain(&error)),
    };
    let mut server = Side::at_server(server, plan)?;
    let mut floor = if server.server.is_visible() { Some(Side::at_floor(plan, &heard)?) } else { None };
    let (mut pairs, mut repeats) = (Vec::new(), plan.pairs);
    while pairs.len() < plan.pairs as usize {
        eprintln!("{plan}: pair {} of {} …", pairs.len() + 1, plan.pairs);
        // Now the one first, now the other, so that a machine that becomes slower does not favour either.
        let pair = if pairs.len() % 2 == 0 {
            let below = floor.as_mut().map(|floor| floor.measure(plan)).transpose()?;
            Pair::new(below, server.measure(plan)?)
        } else {
            let above = server.measure(plan)?;
            Pair::new(floor.as_mut().map(|floor| floor.measure(plan)).transpose()?, above)
        };
        if pair.waited_percent() > DISTURBED_PERCENT && pair.faults() == 0 && repeats > 0 {
            repeats -= 1;
            eprintln!("{plan}: {}, so once more", Disturbed(pair.waited_percent()));
            continue;
        }
        let lost = pair.lost();
        pairs.push(pair);
        if lost > 0 {
            eprintln!("{plan}: {lost} deliveries were lost, so there are no more pairs");
            break;
        }
    }
    let ratio = Ratio::of(pairs.iter().filter_map(|pair| pair.ratio).collect());
    Ok(Outcome { plan: *plan, pairs, ratio })
}

impl Side {
    pub(crate) fn at_server(mut server: Server, plan: &Plan) -> io::Result<Self> {
        let load = || {
            let publisher = Session::open(&server.url, Transport::Websocket, None)?;
            let template = Template::new(plan.payload, Some(&publisher.client_id));
            Load::new(plan, template, publisher, |room| {
                let (url, channel) = (&server.url, message::channel(room));
                if plan.ack {
                    Session::open_acking(url, plan.transport, &channel)
                } else {
                    Session::open(url, plan.transport, Some(&channel))
                }
            })
        };
        match load() {
            Ok(load) => Ok(Self { server, load }),
            Err(error) => Err(server.explain(&error)),
        }
    }

    fn at_floor(plan: &Plan, heard: &Heard) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let answers = &heard.answers;
        let args = ["floor", "--publish", &answers.publish, "--head", &answers.head, "--connect", &answers.connect];
        let mut server = Server::start(&program.to_string_lossy(), &args)?;
        let at = |path: String| Url { address: server.url.address.clone(), path };
        // Without other messages in the same turn there is nothing to coalesce.
        let publisher = if plan.pace == Pace::InFlight(1) { "/pub" } else { "/pub-coalescing" };
        let publisher = Session::upgraded(&at(publisher.to_owned()))?;
        let load = Load::new(plan, Template::new(plan.payload, None), publisher, |room| match plan.transport {
            Transport::Websocket => Session::upgraded(&at(format!("/sub/{room}"))),
            _ => Session::floor_poll(&at(format!("/poll/{room}")), &heard.poll),
        });
        match load {
            Ok(load) => Ok(Self { server, load }),
            Err(error) => Err(server.explain(&error)),
        }
    }

    pub(crate) fn measure(&mut self, plan: &Plan) -> io::Result<Figures> {
        self.stretch(plan).map_err(|error| self.server.explain(&error))
    }

    fn stretch(&mut self, plan: &Plan) -> io::Result<Figures> {
        self.load.warm_up(plan.pace)?;
        let (load, server) = (Usage::of(std::process::id())?, self.server.usage()?);
        let stretch = self.load.stretch(plan.pace, plan.stretch())?;
        let server = server.zip(self.server.usage()?).map(|(before, after)| after.since(before));
        let mut waited = Usage::of(std::process::id())?.since(load).waited;
        // Threads of a server that runs by itself may be many, and wait for each other.
        if let Some(server) = server.filter(|_| self.server.was_started_here()) {
            waited = waited.max(server.waited);
        }
        Ok(Figures::new(&stretch, server, waited))
    }
}

impl Figures {
    fn new(stretch: &Stretch, server: Option<Usage>, waited: u64) -> Self {
        let deliveries = stretch.deliveries as f64;
        Self {
            cpu_micros_per_delivery: server.map(|server| server.ran as f64 / 1e3 / deliveries),
            waited_percent: waited as f64 / stretch.wall.as_nanos() as f64 * 100.0,
            deliveries: stretch.deliveries,
            deliveries_per_second: deliveries / stretch.wall.as_secs_f64(),
            bytes_per_delivery: stretch.bytes as f64 / deliveries,
            latency_micros: Percentiles::of(&stretch.latencies),
            lost: stretch.lost,
            duplicated: stretch.duplicated,
            late: stretch.late,
        }
    }

    fn print(&self, pair: &str, name: &str, ratio: Option<f64>) {
        let line = format!(
            "{pair:>4}  {name:<6} {:>9} {:>10} {:>9.1} {:>9} {:>9} {:>9} {:>6} {:>6} {:>6}  {}",
            self.cpu_micros_per_delivery.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.3}")),
            thousands(self.deliveries_per_second as u64),
            self.bytes_per_delivery,
            thousands(self.latency_micros.p50),
            thousands(self.latency_micros.p99),
            thousands(self.latency_micros.p100),
            self.lost,
            self.duplicated,
            self.late,
            ratio.map(|ratio| format!("{ratio:.2}x")).unwrap_or_default()
        );
        println!("{}", line.trim_end());
    }
}

impl Percentiles {
    fn of(latencies: &Latencies) -> Self {
        Self { p50: latencies.percentile(50), p99: latencies.percentile(99), p100: latencies.percentile(100) }
    }
}

impl Pair {
    fn new(floor: Option<Figures>, server: Figures) -> Self {
        let below = floor.as_ref().and_then(|floor| floor.cpu_micros_per_delivery);
        let ratio = below.zip(server.cpu_micros_per_delivery).map(|(below, above)| above / below);
        Self { floor, server, ratio }
    }

    fn figures(&self) -> impl Iterator<Item = &Figures> {
        self.floor.iter().chain([&self.server])
    }

    fn lost(&self) -> u64 {
        self.figures().map(|figures| figures.lost).sum()
    }

    /// Deliveries that were lost, came twice or came late.
    fn faults(&self) -> u64 {
        self.figures().map(|figures| figures.lost + figures.duplicated + figures.late).sum()
    }

    fn waited_percent(&self) -> f64 {
        self.figures().map(|figures| figures.waited_percent).fold(0.0, f64::max)
    }
}

impl Ratio {
    pub(crate) fn of(mut ratios: Vec<f64>) -> Option<Self> {
        ratios.sort_by(f64::total_cmp);
        let (least, most) = (*ratios.first()?, *ratios.last()?);
        let middle = ratios.len() / 2;
        let median = if ratios.len() % 2 == 1 { ratios[middle] } else { (ratios[middle - 1] + ratios[middle]) / 2.0 };
        Some(Self { median, least, most })
    }
}

/// Something else ran on processor 0 or 1 for so many percent of a stretch.
pub(crate) struct Disturbed(f64);

impl std::fmt::Display for Disturbed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "something else ran for {:.0} % of a stretch", self.0)
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2}x ({:.2} to {:.2})", self.median, self.least, self.most)
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, ", self.transport)?;
        let members = thousands(self.members as u64);
        match self.rooms {
            1 => write!(f, "1 to {members}, ")?,
            rooms => write!(f, "{rooms} rooms of {members}, ")?,
        }
        match self.pace {
            Pace::InFlight(count) => write!(f, "{count} in flight"),
            Pace::PerSecond(rate) => write!(f, "{} publishes a second", thousands(u64::from(rate))),
        }
    }
}

impl Outcome {
    pub(crate) fn verdict(&self) -> Verdict {
        let good = self.pairs.iter().all(|pair| pair.faults() == 0);
        if good { Verdict::Good } else { Verdict::Bad }
    }

    /// How much else ran on the two processors, if it was enough to spoil a pair.
    pub(crate) fn disturbed(&self) -> Option<Disturbed> {
        let worst = self.pairs.iter().map(Pair::waited_percent).fold(0.0, f64::max);
        (worst > DISTURBED_PERCENT).then_some(Disturbed(worst))
    }

    fn print(&self) {
        let plan = &self.plan;
        println!("{plan}; {} bytes of data; stretches of {} s", plan.payload, plan.seconds);
        println!();
        println!(
            "{:>4}  {:<6} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>6} {:>6} {:>6}  ratio",
            "pair", "", "CPU µs/d.", "del./s", "bytes/d.", "p50 µs", "p99 µs", "most µs", "lost", "twice", "late"
        );
        for (number, pair) in self.pairs.iter().enumerate() {
            let number = (number + 1).to_string();
            match &pair.floor {
                Some(floor) => {
                    floor.print(&number, "floor", None);
                    pair.server.print("", "server", pair.ratio);
                }
                None => pair.server.print(&number, "server", None),
            }
        }
        println!();
        match &self.ratio {
            Some(ratio) => println!("CPU per delivery, server to floor: {ratio}, median of {}", self.pairs.len()),
            None => println!("CPU per delivery: unknown without --pid"),
        }
        if let Some(disturbed) = self.disturbed() {
            println!("The figures are not to be trusted: {disturbed}. Measure again when nothing else runs.");
        }
        match plan.pace {
            Pace::InFlight(_) => println!("Latency is counted from the write of the publish."),
            Pace::PerSecond(_) => println!("Latency is counted from the time at which the publish was due."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        let three = Ratio::of(vec![3.0, 1.0, 2.0]).expect("three");
        assert_eq!((three.least, three.median, three.most), (1.0, 2.0, 3.0));
        let four = Ratio::of(vec![4.0, 1.0, 2.0, 3.0]).expect("four");
        assert_eq!((four.least, four.median, four.most), (1.0, 2.5, 4.0));
        assert!(Ratio::of(Vec::new()).is_none());
    }
}
