//! The command line: every option with its default.

pub(crate) mod client;
mod limits;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use bayeux_server::Options;
use clap::{Args, Parser, Subcommand, ValueEnum, builder::RangedU64ValueParser};

use self::limits::Limits;
use crate::units::{Listen, parse_duration, parse_listen, parse_span};

/// How the values of options are written; behind every help.
const VALUES: &str = "TIME is written as 500ms, 20s, 2m or 1h; a plain number is milliseconds.
SIZE is written as 64KiB, 16MiB or 1GiB; a plain number is bytes.
RUST_LOG chooses what is in the log, as in RUST_LOG=info,bayeux::session=debug.
Exit code: 0 after SIGTERM or Ctrl-C, 2 if the server could not start.";

/// A Bayeux 1.0 (Comet) server: pushes messages to browsers and programs over WebSocket, long-polling and streams, for every
/// client of CometD and Faye.
#[derive(Debug, Parser)]
#[command(name = "bayeux", version, args_conflicts_with_subcommands = true, after_help = VALUES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) dev: Dev,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve in production: the endpoint and nothing else.
    #[command(after_help = VALUES)]
    Serve(Serve),
    /// Serve with a chat page to try it, and a line for each session (the default).
    #[command(after_help = VALUES)]
    Dev(Dev),
    /// Print what comes on some channels, until Ctrl-C: on a terminal for people, in a pipe as lines of JSON.
    #[command(after_help = client::CODES)]
    Sub(client::Sub),
    /// Publish a JSON value to a channel, or each line of standard input.
    #[command(after_help = client::CODES)]
    Pub(client::Pub),
    /// Call a service of a server, and print its answer.
    #[command(after_help = client::CODES)]
    Call(client::Call),
    /// Print every limit: its option, its default, what happens when it is reached, and the counter that tells of it.
    Limits,
    /// Check an implementation of Bayeux, this one or any other, against the numbered clauses of the protocol.
    #[command(disable_help_flag = true)]
    Conformance {
        /// What `bayeux-conformance` takes: `bayeux conformance --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// How the log on standard error looks; RUST_LOG chooses what is in it.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    // Last: what comes behind it would be under its heading.
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What reads and writes the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FrontKind {
    /// Our own: every deadline, buffer and limit is ours.
    Own,
    /// actix-web's server, as where Bayeux is mounted in an application.
    Actix,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Address or name, and port, to listen on, as in 0.0.0.0:8080, [::1]:8080 or localhost:8080; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = parse_listen)]
    pub(crate) listen: Listen,
    /// Path of the endpoint; what clients append to it is served too.
    #[arg(long, default_value = "/bayeux")]
    pub(crate) path: String,
    /// PEM file with the certificate chain, the server's own first; with --tls-key the server speaks https and wss.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the private key of --tls-cert.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// What reads and writes the connections.
    #[arg(long, value_enum, default_value_t = FrontKind::Own)]
    pub(crate) front: FrontKind,
    /// Worker threads, at most 64; 0 takes one for each processor.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = number(0..=64))]
    pub(crate) workers: usize,
    /// An origin besides the server's own that browsers may connect from, such as https://app.example; may be repeated.
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
    /// Address or network of a proxy in front, such as 127.0.0.1 or 10.0.0.0/8, whose X-Forwarded-For, -Proto and -Host are
    /// believed; may be repeated. Those of anybody else are ignored.
    #[arg(long, value_name = "ADDR|CIDR")]
    pub(crate) trusted_proxy: Vec<String>,
    /// How long a connect is held when nothing happens; also sent to clients as advice.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// How long a client waits between two connects.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    pub(crate) interval: Duration,
    /// How long a session lives without a connect, beyond the interval.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_span)]
    pub(crate) max_interval: Duration,
    /// A WebSocket without a cookie may take over a session handshaken over HTTP from its address within this time, as Faye's
    /// client in Node wants to; 0 turns it off, then that client shakes hands once more.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub(crate) adopt_window: Duration,
    /// On shutdown each client is told to come back after a random time up to this.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(crate) shutdown_spread: Duration,
    /// Accept a session without its BAYEUX_BROWSER cookie: whoever knows a clientId may use it.
    #[arg(long)]
    pub(crate) trust_client_session: bool,
    /// Offer callback-polling (JSONP) too, for browsers without CORS: a page of any site may then open sessions of its own.
    #[arg(long)]
    pub(crate) callback_polling: bool,
    /// Accept a publish without a session.
    #[arg(long)]
    pub(crate) allow_unconnected_publish: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

impl Common {
    /// What can't be wrong any more once it is read.
    pub(crate) fn apply(&self, options: &mut Options) {
        if self.callback_polling {
            options.offer_callback_polling();
        }
        let engine = &mut options.engine;
        engine.timeout = self.timeout;
        engine.interval = self.interval;
        engine.max_interval = self.max_interval;
        engine.adopt_window = self.adopt_window;
        engine.shutdown_spread = self.shutdown_spread;
        engine.trust_client_session = self.trust_client_session;
        engine.allow_unconnected_publish = self.allow_unconnected_publish;
        self.limits.apply(options);
    }
}

fn number(range: std::ops::RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

/// What is wrong with the command line, in one line: clap's own message has a page of usage below.
pub(crate) fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut parts = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = parts.next().unwrap_or_default();
    let tip = parts.find(|part| part.starts_with("tip: ")).map(|tip| format!("; {tip}")).unwrap_or_default();
    let cure = if what.contains("cannot be used with") {
        "write options behind the command"
    } else {
        "see bayeux serve --help"
    };
    format!("{}{tip}; {cure}", what.trim_start_matches("error: "))
}
