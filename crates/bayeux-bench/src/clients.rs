//! How fast clients receive: ours and those of npm get the same messages in turn from one server on processor 0. Of each kind there are
//! several, each a process of its own, and all on processor 1: one alone would wait for the server. And what many sessions of our client
//! cost in one thread.

use std::{
    io::{self, Read, Write},
    ops::Range,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use memchr::memmem;
use serde::Serialize;

use crate::{
    Verdict,
    args::{Clients, Transport, Url},
    connection::said,
    fanout::Ratio,
    frames,
    process::{Server, Usage, allow_files, pin, resident_kib},
    session::Session,
    text::thousands,
};

/// Bytes of filler in each message.
const FILLER: usize = 80;
/// Messages of one request, and of one sign of life.
const BATCH: u64 = 100;
/// Messages that are on their way: less than the server keeps for a session.
const ON_THEIR_WAY: u64 = 800;
/// Processes of a kind, which get the same messages.
const ALIKE: u64 = 6;
/// Messages that all of many sessions get.
const BROADCASTS: u64 = 20;
/// For how long many sessions are looked at while nothing happens.
const QUIET: Duration = Duration::from_secs(5);
const TARGET: f64 = 3.0;

/// Who receives, and by what.
const RECEIVERS: [(&str, Transport); 6] = [
    ("bayeux-client", Transport::Websocket),
    ("cometd", Transport::Websocket),
    ("faye", Transport::Websocket),
    ("bayeux-client", Transport::LongPolling),
    ("cometd", Transport::LongPolling),
    ("faye", Transport::LongPolling),
];

#[derive(Debug, Serialize)]
struct Outcome {
    receivers: Vec<Figures>,
    sessions: Vec<Sessions>,
}

#[derive(Debug, Serialize)]
struct Figures {
    client: &'static str,
    transport: Transport,
    /// The median of all rounds.
    messages_per_second: f64,
    cpu_micros_per_message: f64,
    /// How many times as many messages ours received in a second, over the same transport.
    ours_is_faster: Option<Ratio>,
    /// How many times as much CPU this one took for each.
    cpu_to_ours: Option<Ratio>,
}

/// Of one process with many sessions.
#[derive(Debug, Serialize)]
struct Sessions {
    transport: Transport,
    sessions: u32,
    /// Until all were subscribed.
    seconds: f64,
    kib_per_session: f64,
    /// Of one processor, while nothing happened.
    quiet_percent: f64,
    /// From a publish until all had it, the median.
    broadcast_millis: f64,
}

pub(crate) fn run(args: &Clients) -> io::Result<Verdict> {
    let receivers = receive(args)?;
    let transports: &[Transport] =
        if args.sessions == 0 { &[] } else { &[Transport::Websocket, Transport::LongPolling] };
    let sessions = transports.iter().map(|transport| hold(args, *transport)).collect::<io::Result<_>>()?;
    let outcome = Outcome { receivers, sessions };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        print(&outcome, args);
    }
    let is_fast = |figures: &Figures| figures.ours_is_faster.as_ref().is_none_or(|ratio| ratio.median >= TARGET);
    Ok(if outcome.receivers.iter().all(is_fast) { Verdict::Good } else { Verdict::Bad })
}

/// What one receiver showed in one round.
struct Round {
    per_second: f64,
    cpu_micros: f64,
}

fn receive(args: &Clients) -> io::Result<Vec<Figures>> {
    let server = Server::serve(&args.program.server, "127.0.0.1:0", &[])?;
    let mut receivers = Vec::new();
    for (at, (client, transport)) in RECEIVERS.into_iter().enumerate() {
        eprintln!("{client} over {transport}: subscribing …");
        let channel = format!("/bench/{at}");
        let alike = (0..ALIKE).map(|_| Receiver::start(args, client, &server.url, &channel, transport, None));
        receivers.push(Receivers { alike: alike.collect::<io::Result<_>>()?, channel, next: 0 });
    }
    let mut publisher = Publisher::open(&server.url)?;
    let mut rounds = Vec::new();
    // The first round is for those that compile while they run.
    for round in 0..=args.rounds {
        eprintln!("round {round} of {} …", args.rounds);
        let mut figures = Vec::new();
        for receivers in &mut receivers {
            figures.push(receivers.round(&mut publisher, args.messages / BATCH)?);
        }
        rounds.push(figures);
    }
    rounds.remove(0);
    let unknown = || io::Error::other("no round was measured");
    let figures = RECEIVERS.into_iter().enumerate().map(|(at, (client, transport))| {
        let ours = RECEIVERS.iter().position(|(_, other)| *other == transport).filter(|ours| *ours != at);
        let ratio = |of: fn(&Round, &Round) -> f64| {
            ours.and_then(|ours| Ratio::of(rounds.iter().map(|round| of(&round[ours], &round[at])).collect()))
        };
        let median = |of: fn(&Round) -> f64| {
            Ratio::of(rounds.iter().map(|round| of(&round[at])).collect()).map(|ratio| ratio.median).ok_or_else(unknown)
        };
        Ok(Figures {
            client,
            transport,
            messages_per_second: median(|round| round.per_second)?,
            cpu_micros_per_message: median(|round| round.cpu_micros)?,
            ours_is_faster: ratio(|ours, other| ours.per_second / other.per_second),
            cpu_to_ours: ratio(|ours, other| other.cpu_micros / ours.cpu_micros),
        })
    });
    figures.collect()
}

fn hold(args: &Clients, transport: Transport) -> io::Result<Sessions> {
    let sessions = args.sessions;
    allow_files(u64::from(sessions) * 2)?;
    eprintln!("{} sessions in one thread over {transport} …", thousands(u64::from(sessions)));
    let server = Server::serve(&args.program.server, "127.0.0.1:0", &["--max-sessions-per-browser", "0"])?;
    let begin = Instant::now();
    let mut receiver = Receiver::start(args, "bayeux-client", &server.url, "/bench/all", transport, Some(sessions))?;
    let seconds = begin.elapsed().as_secs_f64();
    let mut publisher = Publisher::open(&server.url)?;
    let mut millis = Vec::new();
    for number in 0..BROADCASTS {
        let begin = Instant::now();
        publisher.publish("/bench/all", number..number + 1)?;
        receiver.signs(1)?;
        millis.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    let before = receiver.usage()?;
    let begin = Instant::now();
    thread::sleep(QUIET);
    let quiet = receiver.usage()?.since(before).ran as f64 / begin.elapsed().as_nanos() as f64 * 100.0;
    Ok(Sessions {
        transport,
        sessions,
        seconds,
        kib_per_session: resident_kib(receiver.child.id())? as f64 / f64::from(sessions),
        quiet_percent: quiet,
        broadcast_millis: Ratio::of(millis).map_or(0.0, |ratio| ratio.median),
    })
}

/// Processes of one kind.
struct Receivers {
    alike: Vec<Receiver>,
    channel: String,
    /// The number of the next message.
    next: u64,
}

impl Receivers {
    /// So many batches, no more on their way than the server keeps for each.
    fn round(&mut self, publisher: &mut Publisher, batches: u64) -> io::Result<Round> {
        let before = self.usage()?;
        let begin = Instant::now();
        for batch in 0..batches {
            if batch >= ON_THEIR_WAY / BATCH {
                self.signs(1)?;
            }
            publisher.publish(&self.channel, self.next..self.next + BATCH)?;
            self.next += BATCH;
        }
        self.signs(batches.min(ON_THEIR_WAY / BATCH) as usize)?;
        let messages = (batches * BATCH * ALIKE) as f64;
        let seconds = begin.elapsed().as_secs_f64();
        Ok(Round { per_second: messages / seconds, cpu_micros: (self.usage()? - before) as f64 / 1000.0 / messages })
    }

    /// Waits for so many bytes of each.
    fn signs(&mut self, count: usize) -> io::Result<()> {
        self.alike.iter_mut().try_for_each(|receiver| receiver.signs(count))
    }

    /// In nanoseconds.
    fn usage(&self) -> io::Result<u64> {
        self.alike.iter().map(|receiver| Ok(receiver.usage()?.ran)).sum()
    }
}

/// A process that receives.
struct Receiver {
    name: &'static str,
    child: Child,
    signs: ChildStdout,
}

impl Receiver {
    /// Returns once it is subscribed.
    fn start(
        args: &Clients,
        name: &'static str,
        server: &Url,
        channel: &str,
        transport: Transport,
        sessions: Option<u32>,
    ) -> io::Result<Self> {
        let url = format!("http://{}{}", server.address, server.path);
        let mut command = if name == "bayeux-client" {
            Command::new(&args.client)
        } else {
            let mut node = Command::new("node");
            node.current_dir(&args.npm).args(["receive.mjs", name]);
            node
        };
        command.args([&url, channel, transport.connection_type()]).args(sessions.map(|sessions| sessions.to_string()));
        // It ends with its input, should we end without a word.
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child =
            child.map_err(|error| io::Error::new(error.kind(), format!("{name} can't be started: {error}")))?;
        let signs = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut receiver = Self { name, child, signs };
        receiver.signs("ready\n".len())?;
        Ok(receiver)
    }

    /// Waits for so many bytes of it.
    fn signs(&mut self, count: usize) -> io::Result<()> {
        self.signs.read_exact(&mut vec![0; count]).map_err(|_| {
            io::Error::other(format!(
                "{} has ended; what it said is above (`cargo xtask setup` installs the npm clients)",
                self.name
            ))
        })
    }

    fn usage(&self) -> io::Result<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Publishes by WebSocket, on the processor of the server: the other one is for those that receive.
struct Publisher {
    session: Session,
    filler: String,
}

impl Publisher {
    fn open(server: &Url) -> io::Result<Self> {
        let session = Session::open(server, Transport::Websocket, None)?;
        pin(0)?;
        Ok(Self { session, filler: "x".repeat(FILLER) })
    }

    /// Returns when the server has taken them.
    fn publish(&mut self, channel: &str, numbers: Range<u64>) -> io::Result<()> {
        let (client_id, filler) = (&self.session.client_id, &self.filler);
        let messages = numbers.map(|number| {
            let data = format!(r#"{{"s":{number},"p":"{filler}"}}"#);
            format!(r#"{{"channel":"{channel}","clientId":"{client_id}","id":"p","data":{data}}}"#)
        });
        let batch = format!("[{}]", messages.collect::<Vec<_>>().join(","));
        let mut frame = Vec::new();
        frames::client(frames::Kind::Text, batch.as_bytes(), &mut frame);
        self.session.stream.write_all(&frame)?;
        let replies = self.session.read_text(channel)?;
        if memmem::find(&replies, b"\"successful\":false").is_some() {
            return Err(said("a publish was refused", &replies));
        }
        Ok(())
    }
}

fn print(outcome: &Outcome, args: &Clients) {
    println!(
        "{} messages of about 100 bytes to each of {ALIKE} processes on one processor, {} rounds",
        thousands(args.messages),
        args.rounds
    );
    println!();
    println!(
        "{:<15} {:<13} {:>10} {:>10} {:>24} {:>24}",
        "", "", "a second", "CPU µs", "ours is faster", "CPU to ours"
    );
    let ratio = |ratio: &Option<Ratio>| ratio.as_ref().map(Ratio::to_string).unwrap_or_default();
    for figures in &outcome.receivers {
        println!(
            "{:<15} {:<13} {:>10} {:>10.2} {:>24} {:>24}",
            figures.client,
            figures.transport.to_string(),
            thousands(figures.messages_per_second as u64),
            figures.cpu_micros_per_message,
            ratio(&figures.ours_is_faster),
            ratio(&figures.cpu_to_ours)
        );
    }
    for sessions in &outcome.sessions {
        println!();
        println!(
            "{} sessions of bayeux-client in one thread over {}: connected in {:.1} s, {:.1} KiB each, {:.1} % of a processor \
             while nothing happens, a broadcast reaches all in {:.0} ms",
            thousands(u64::from(sessions.sessions)),
            sessions.transport,
            sessions.seconds,
            sessions.kib_per_session,
            sessions.quiet_percent,
            sessions.broadcast_millis
        );
    }
}
