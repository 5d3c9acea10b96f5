//! All transports side by side: each on a server of its own, measured in turn, so that their ratios come from one run.

use std::io;

use serde::Serialize;

use crate::{
    Verdict,
    args::{Plan, Transport, Transports},
    fanout::{Figures, Ratio, Side},
    idle,
    load::Pace,
    process::{Server, allow_files},
    text::thousands,
};

/// Bytes of `data` in each publish.
const PAYLOAD: usize = 100;
/// What is measured: the first is what the others are compared with.
const WAYS: [(Transport, bool); 8] = [
    (Transport::Websocket, false),
    (Transport::LongPolling, false),
    (Transport::CallbackPolling, false),
    (Transport::Eventsource, false),
    (Transport::XhrStreaming, false),
    (Transport::Iframe, false),
    (Transport::Websocket, true),
    (Transport::LongPolling, true),
];

#[derive(Debug, Serialize)]
struct Way {
    transport: Transport,
    ack: bool,
    /// CPU for each delivery, the median of all stretches.
    micros_per_delivery: f64,
    /// To WebSocket without `ack`.
    to_websocket: Ratio,
    /// With `ack`: to the same transport without it.
    to_plain: Option<Ratio>,
    faults: u64,
    /// Of an idle session.
    kib_per_session: Option<f64>,
}

pub(crate) fn run(args: &Transports) -> io::Result<Verdict> {
    let rounds = fan_out(args)?;
    let mut ways = Vec::new();
    for (at, (transport, ack)) in WAYS.into_iter().enumerate() {
        let of = |way: usize| rounds.iter().filter_map(move |round| round[way].cpu_micros_per_delivery);
        let ratio = |below: usize| Ratio::of(of(at).zip(of(below)).map(|(above, below)| above / below).collect());
        let plain = WAYS.iter().position(|way| *way == (transport, false)).filter(|_| ack);
        let kib = if ack || args.sessions == 0 { None } else { Some(idle_kib(args, transport)?) };
        let unknown = || io::Error::other("the CPU time could not be read");
        ways.push(Way {
            transport,
            ack,
            micros_per_delivery: Ratio::of(of(at).collect()).ok_or_else(unknown)?.median,
            to_websocket: ratio(0).ok_or_else(unknown)?,
            to_plain: plain.and_then(ratio),
            faults: rounds.iter().map(|round| round[at].lost + round[at].duplicated + round[at].late).sum(),
            kib_per_session: kib,
        });
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&ways)?);
    } else {
        print(&ways, args);
    }
    Ok(if ways.iter().all(|way| way.faults == 0) { Verdict::Good } else { Verdict::Bad })
}

/// What each way showed, round by round.
fn fan_out(args: &Transports) -> io::Result<Vec<Vec<Figures>>> {
    allow_files(u64::from(args.members) * WAYS.len() as u64)?;
    let mut sides = Vec::new();
    for (transport, ack) in WAYS {
        let pace = Pace::InFlight(args.in_flight as usize);
        let (members, pairs, seconds) = (args.members as usize, args.length.pairs, args.length.seconds);
        let plan = Plan { transport, ack, rooms: 1, members, pace, payload: PAYLOAD, pairs, seconds };
        eprintln!("{}: connecting {} subscribers …", name(transport, ack), thousands(u64::from(args.members)));
        sides.push((Side::at_server(serve(args, transport)?, &plan)?, plan));
    }
    let mut rounds = Vec::new();
    for round in 0..args.length.pairs {
        eprintln!("round {} of {} …", round + 1, args.length.pairs);
        rounds.push(sides.iter_mut().map(|(side, plan)| side.measure(plan)).collect::<io::Result<Vec<_>>>()?);
    }
    Ok(rounds)
}

fn serve(args: &Transports, transport: Transport) -> io::Result<Server> {
    let more: &[&str] = if transport == Transport::CallbackPolling { &["--callback-polling"] } else { &[] };
    Server::serve(&args.program.server, "127.0.0.1:0", more)
}

fn idle_kib(args: &Transports, transport: Transport) -> io::Result<f64> {
    let server = serve(args, transport)?;
    Ok(idle::measure_at(server, transport, args.sessions, None)?.kib_per_session)
}

fn name(transport: Transport, ack: bool) -> String {
    format!("{transport}{}", if ack { " with ack" } else { "" })
}

fn print(ways: &[Way], args: &Transports) {
    let (members, in_flight) = (thousands(u64::from(args.members)), args.in_flight);
    println!(
        "1 to {members}, {in_flight} in flight, {} rounds; idle: {} sessions",
        args.length.pairs,
        thousands(u64::from(args.sessions))
    );
    println!();
    println!(
        "{:<24} {:>9} {:>22} {:>22} {:>9} {:>7}",
        "", "CPU µs/d.", "to WebSocket", "to the same, no ack", "idle KiB", "faults"
    );
    for way in ways {
        println!(
            "{:<24} {:>9.3} {:>22} {:>22} {:>9} {:>7}",
            name(way.transport, way.ack),
            way.micros_per_delivery,
            way.to_websocket.to_string(),
            way.to_plain.as_ref().map(Ratio::to_string).unwrap_or_default(),
            way.kib_per_session.map(|kib| format!("{kib:.1}")).unwrap_or_default(),
            way.faults
        );
    }
}
