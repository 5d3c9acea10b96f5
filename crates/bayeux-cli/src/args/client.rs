//! The options of `sub`, `pub` and `call`.

use std::time::Duration;

use bayeux_client::Roots;
use clap::{Args, ValueEnum};

use crate::units::parse_span;

/// What the exit codes mean; behind the help of all three.
pub(crate) const CODES: &str = "Exit code: 0 if all went well, also after Ctrl-C in `sub`; 1 if the server refused, ended the session for \
good or can't be reached, or nothing came for as long as `--wait` says; 2 for a wrong command line.";

#[derive(Debug, Args)]
pub(crate) struct Sub {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Channels or patterns, such as /chat/lobby, '/chat/*' or '/chat/**'.
    #[arg(required = true, value_name = "CHANNEL")]
    pub(crate) channels: Vec<String>,
    /// End after so many messages.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// End with exit code 1 if nothing comes for so long, such as 10s.
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Pub {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// The channel.
    pub(crate) channel: String,
    /// The value, or - for each line of standard input.
    #[arg(allow_hyphen_values = true)]
    pub(crate) json: String,
}

#[derive(Debug, Args)]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// The channel of the service, such as /service/echo.
    pub(crate) channel: String,
    /// What it is called with.
    #[arg(allow_hyphen_values = true, default_value = "null")]
    pub(crate) json: String,
}

#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// The endpoint, such as http://localhost:8080/bayeux; WebSockets use it too.
    pub(crate) url: String,
    /// Which transport to use.
    #[arg(long, value_enum, default_value_t = Via::Any)]
    pub(crate) transport: Via,
    /// A header for each request; may be repeated.
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) header: Vec<(String, String)>,
    /// A PEM file with the certificates that a server's may be signed by, in place of those that the system trusts.
    #[arg(long, value_name = "FILE", value_parser = read_roots)]
    pub(crate) ca_cert: Option<Roots>,
    /// Ask for acknowledgements: what is lost on the way is sent again.
    #[arg(long)]
    pub(crate) ack: bool,
    /// How long to try to connect at the start.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_span)]
    pub(crate) connect_timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// Long-polling first, then a WebSocket if that works.
    Any,
    /// A WebSocket first; long-polling if that does not work.
    Websocket,
    /// Long-polling alone.
    LongPolling,
    /// Streams of server-sent events; long-polling if they do not get through.
    Eventsource,
    /// Streams of lines; long-polling if they do not get through.
    XhrStreaming,
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write a header as NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn read_roots(path: &str) -> Result<Roots, String> {
    std::fs::read(path).map(Roots::Only).map_err(|error| error.to_string())
}
