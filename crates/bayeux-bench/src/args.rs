//! The command line: what can be measured, how, and on which server.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::{
    answers::Answers,
    load::Pace,
    message::{LEAST_PAYLOAD, MOST_ROOMS},
};

/// Measures what a Bayeux server costs: CPU for each delivery, latency, loss, and memory of idle sessions.
///
/// CPU is told as a ratio. Beside the server runs a floor: a bare epoll loop that writes the same bytes to as many sockets
/// and does nothing else. Floor and server are measured in turn, in one run, on processor 0; the load runs on processor 1.
/// So the ratio holds where microseconds don't, on a machine that is slow or shared; let nothing else run all the same.
#[derive(Debug, Parser)]
#[command(name = "bayeux-bench", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  cargo build --release --workspace
  bayeux-bench report
  bayeux-bench fanout --in-flight 16
  bayeux-bench fanout --transport long-polling
  bayeux-bench fanout --rooms 100 --members 10 --rate 1000
  bayeux-bench idle --transport long-polling --leave
  bayeux-bench stalled --readers 500
  cargo build --release -p bayeux-client --example receive && bayeux-bench clients
  bayeux-bench fanout --url http://127.0.0.1:8000/faye --pid 4711

Exit code: 0 if all is well, 1 if a delivery was lost, came twice or came after a later one, or a target was missed, 2 if it
could not be measured.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All figures with a target, one after the other, in one table (about three minutes).
    Report(Report),
    /// One publisher to many subscribers, in one room or in many.
    ///
    /// With --in-flight the loop is closed: so many publishes in one write, and the next when every subscriber has all of
    /// them. With --rate it is open: publishes leave at their time whatever comes back, and latency counts from the time at
    /// which a publish was due, so that a server that stalls can't hide it.
    Fanout(Fanout),
    /// All transports side by side, with `ack` and without: CPU for each delivery, and memory of sessions that wait.
    ///
    /// Each is measured on a server of its own, in turn, in one run, and compared with WebSocket.
    Transports(Transports),
    /// Resident memory of sessions that wait: WebSockets with a held connect, held long-polls, or streams.
    Idle(Idle),
    /// Subscribers that stop reading, beside others: memory, how their sessions end, and the latency of the others.
    ///
    /// 100 subscribers that read get 100 messages of 1 KiB a second: five stretches without the others, which are called quiet, then
    /// five beside them. Their 99th percentiles are compared pair by pair, and the median of the five is judged. Quiet means that
    /// the others are not there, rather than that they read: so many readers would fill a processor by themselves, and beside
    /// that anything looks quiet. In the first stretch the system's buffers of those that stop are filled, by writes like any
    /// other; in the fourth their queues overflow and their sessions end, nearly all at once. Both stretches count.
    Stalled(Stalled),
    /// Hostile input at full speed, beside a publisher and its subscriber: the latency of these two.
    Hostile(Hostile),
    /// A shutdown with everybody connected, and a new start: who is told, and how all come back.
    Restart(Restart),
    /// How fast clients receive, ours beside npm cometd and npm faye, and what 5,000 sessions of ours cost in one thread.
    ///
    /// Server and publisher run on processor 0, the client that receives on processor 1; all get the same messages, in turn. The
    /// median of the rounds is judged: ours should receive three times as many in a second.
    Clients(Clients),
    /// One session with a held connect, until standard input ends (started by `cargo xtask soak half-open`).
    #[command(hide = true)]
    Hold(Hold),
    /// The floor itself, on a free port (started by the other commands).
    #[command(hide = true)]
    Floor(Answers),
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) length: Length,
    /// Also close all idle sessions and see after a minute what memory came back (two minutes more).
    #[arg(long)]
    pub(crate) leave: bool,
    /// Also what `stalled`, `hostile` and `restart` measure (two minutes more).
    #[arg(long, conflicts_with = "url")]
    pub(crate) peers: bool,
    /// Print JSON in place of the table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Fanout {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How subscribers connect: websocket or long-polling, which have a floor; for the others see `transports`. The publisher has a
    /// WebSocket always.
    #[arg(long, value_enum, default_value_t = Transport::Websocket)]
    pub(crate) transport: Transport,
    /// Rooms, each a channel of its own; publishes go to one after the other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MOST_ROOMS as i64))]
    pub(crate) rooms: u32,
    /// Subscribers of each room.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) members: u32,
    /// Publishes in one write before anything is waited for. With 1, the floor writes each message by itself; with more, it
    /// writes what came in one turn at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) in_flight: u32,
    /// Publishes a second, open loop.
    #[arg(long, value_name = "N", conflicts_with = "in_flight", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Bytes of `data` in each publish.
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(LEAST_PAYLOAD as i64..))]
    pub(crate) payload: u32,
    #[command(flatten)]
    pub(crate) length: Length,
    /// Print JSON in place of the text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Transports {
    #[command(flatten)]
    pub(crate) program: Program,
    /// Subscribers of the one room.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) members: u32,
    /// Publishes in one write before anything is waited for.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) in_flight: u32,
    /// Idle sessions of each transport; 0 leaves them out.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    pub(crate) sessions: u32,
    #[command(flatten)]
    pub(crate) length: Length,
    /// Print JSON in place of the table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How sessions connect.
    #[arg(long, value_enum, default_value_t = Transport::Websocket)]
    pub(crate) transport: Transport,
    /// Sessions, each on a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sessions: u32,
    /// Then close all connections and see what memory came back so many seconds later (60 if you don't say).
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60")]
    pub(crate) leave: Option<u64>,
    /// Print JSON in place of the text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Stalled {
    #[command(flatten)]
    pub(crate) program: Program,
    /// How those that stop are connected. A long poll is held, and its answer is not read. The others have WebSockets.
    #[arg(long, value_enum, default_value_t = Transport::Websocket)]
    pub(crate) transport: Transport,
    /// Subscribers that stop reading.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) readers: u32,
    /// Print JSON in place of the text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Hostile {
    #[command(flatten)]
    pub(crate) program: Program,
    /// Print JSON in place of the text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    pub(crate) program: Program,
    /// Sessions, every other one over long-polling.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) sessions: u32,
    /// Print JSON in place of the text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Clients {
    #[command(flatten)]
    pub(crate) program: Program,
    /// The example `receive` of bayeux-client.
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/examples/receive")]
    pub(crate) client: PathBuf,
    /// The directory of receive.mjs, with the packages that `cargo xtask setup` installs there.
    #[arg(long, value_name = "DIRECTORY", default_value = "crates/bayeux-cli/tests/peers")]
    pub(crate) npm: PathBuf,
    /// Messages to each client in each round.
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1000..))]
    pub(crate) messages: u64,
    /// Rounds, after one that does not count.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Sessions of ours in one thread; 0 leaves them out.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    pub(crate) sessions: u32,
    /// Print JSON in place of the table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Hold {
    #[arg(long, value_parser = Url::parse)]
    pub(crate) url: Url,
    #[arg(long, value_enum)]
    pub(crate) transport: Transport,
}

/// A server whose end is measured too, so that it is always started here.
#[derive(Debug, Args)]
pub(crate) struct Program {
    /// The program to measure, started as for the other figures. At its end it tells what it counted.
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/bayeux")]
    pub(crate) server: String,
}

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The program to measure. It is started as `PROGRAM serve --listen 127.0.0.1:0 --workers 1 --timeout 10m`, on
    /// processor 0, and prints `listening on URL` when it is ready.
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/bayeux")]
    pub(crate) server: String,
    /// A Bayeux server that runs already, as in http://127.0.0.1:8000/faye. Pin it to processor 0 yourself (`taskset -c 0
    /// COMMAND`). Without --pid there is no CPU to compare, so no floor runs.
    #[arg(long, conflicts_with = "server", value_parser = Url::parse)]
    pub(crate) url: Option<Url>,
    /// The process behind --url, whose CPU time and memory are read from /proc. All its threads count, its children don't.
    #[arg(long, requires = "url")]
    pub(crate) pid: Option<u32>,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Length {
    /// Pairs of stretches, floor and server in turn; the ratio is told for each, and their median. A pair during which
    /// something else ran on the two processors is measured again, as often as there are pairs.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pairs: u32,
    /// Seconds of each stretch; short ones, so that a machine whose speed drifts is as fast for the one as for the other.
    #[arg(long, value_name = "N", default_value = "0.5", value_parser = stretch)]
    pub(crate) seconds: f64,
}

fn stretch(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds, as in 0.5".to_owned())?;
    if (0.1..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.1 to 3600".to_owned()) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    Websocket,
    LongPolling,
    CallbackPolling,
    Eventsource,
    XhrStreaming,
    Iframe,
}

impl Transport {
    /// The connection type that it is called in messages.
    pub(crate) const fn connection_type(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::LongPolling => "long-polling",
            Self::CallbackPolling => "callback-polling",
            Self::Eventsource => "eventsource",
            Self::XhrStreaming => "xhr-streaming",
            Self::Iframe => "iframe",
        }
    }

    /// Whether a response goes on after its first batch.
    pub(crate) const fn streams(self) -> bool {
        matches!(self, Self::Eventsource | Self::XhrStreaming | Self::Iframe)
    }

    /// Whether there is a floor to compare it with.
    pub(crate) const fn has_floor(self) -> bool {
        matches!(self, Self::Websocket | Self::LongPolling)
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Websocket => "WebSocket",
            other => other.connection_type(),
        })
    }
}

/// Where an endpoint is.
#[derive(Clone, Debug)]
pub(crate) struct Url {
    /// Host and port.
    pub(crate) address: String,
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").ok_or("it must begin with http://")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || rest.bytes().any(|byte| byte <= b' ') {
            return Err("write it as http://HOST:PORT/PATH".to_owned());
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { host.to_owned() } else { format!("{host}:80") };
        Ok(Self { address, path: format!("/{path}") })
    }
}

impl Fanout {
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            transport: self.transport,
            ack: false,
            rooms: self.rooms as usize,
            members: self.members as usize,
            pace: self.rate.map_or(Pace::InFlight(self.in_flight as usize), Pace::PerSecond),
            payload: self.payload as usize,
            pairs: self.length.pairs,
            seconds: self.length.seconds,
        }
    }
}

/// What a fan-out consists of.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) transport: Transport,
    /// Whether subscribers acknowledge what they get.
    pub(crate) ack: bool,
    pub(crate) rooms: usize,
    pub(crate) members: usize,
    pub(crate) pace: Pace,
    pub(crate) payload: usize,
    pub(crate) pairs: u32,
    pub(crate) seconds: f64,
}

impl Plan {
    pub(crate) fn subscribers(&self) -> usize {
        self.rooms * self.members
    }

    pub(crate) fn stretch(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_url_gives_address_and_path() {
        for (text, address, path) in [
            ("http://127.0.0.1:8000/faye", "127.0.0.1:8000", "/faye"),
            ("http://[::1]:8000/a/b", "[::1]:8000", "/a/b"),
            ("http://localhost", "localhost:80", "/"),
        ] {
            let url = Url::parse(text).expect("a URL");
            assert_eq!((&*url.address, &*url.path), (address, path));
        }
        for wrong in ["https://x/", "127.0.0.1:80", "http://", "http://a b/", "http:///x"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }
}
