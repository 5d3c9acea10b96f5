//! Every limit of a server in one table: what is bounded, by how much, what happens then, and which counter tells of it.
//! `bayeux limits` prints it, and docs/limits.md is made of it.

use std::{fmt, time::Duration};

use bayeux_protocol::{MAX_ADVICE_SECTIONS, MAX_FIELDS, MAX_ID_BYTES};

use crate::{
    FrontOptions, Options,
    front::{LINGER, LINGER_BYTES, MAX_HEADERS, MAX_LINE_BYTES, REFUSAL, REFUSED},
    http::forwarded::MAX_PROXIES,
    websocket::{MAX_CONTROLS, codec::MAX_FRAGMENTS},
};

/// One limit.
#[derive(Debug)]
#[non_exhaustive]
pub struct Limit {
    /// Whose option it is.
    pub of: Owner,
    /// The option's name; where nobody can change it, what is counted.
    pub name: &'static str,
    /// The option of `bayeux serve`, if there is one.
    pub flag: Option<&'static str>,
    /// What happens when it is reached.
    pub then: &'static str,
    /// The counter in `Stats` or `ServerStats` that tells of it, if it is not the normal course of things.
    pub counter: Option<&'static str>,
    amount: fn(&Options, &FrontOptions) -> Amount,
}

/// Whose option a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// `Config`.
    Engine,
    /// `ChannelRules`, in `Config::channels`.
    Channels,
    /// `DecodeLimits`, in `Options::limits`.
    Messages,
    /// `Options`.
    Server,
    /// `FrontOptions`.
    Front,
    /// Nobody's: it can't be changed.
    Fixed,
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Count(u64),
    /// So many bytes.
    Bytes(u64),
    /// So long.
    Time(Duration),
    /// None is set.
    Unset,
}

/// As it is written on the command line: `1024`, `64KiB`, `20s`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match *self {
            Self::Count(n) => write!(f, "{n}"),
            Self::Bytes(n) => match UNITS.iter().find(|(unit, _)| n > 0 && n % unit == 0) {
                Some((unit, name)) => write!(f, "{}{name}", n / unit),
                None => write!(f, "{n}"),
            },
            Self::Time(span) if span.subsec_nanos() == 0 => write!(f, "{}s", span.as_secs()),
            Self::Time(span) => write!(f, "{}ms", span.as_millis()),
            Self::Unset => f.write_str("none"),
        }
    }
}

impl Limit {
    /// How much it is under these options.
    pub fn amount(&self, options: &Options, front: &FrontOptions) -> Amount {
        (self.amount)(options, front)
    }

    const fn new(
        of: Owner,
        name: &'static str,
        amount: fn(&Options, &FrontOptions) -> Amount,
        then: &'static str,
        counter: &'static str,
    ) -> Self {
        let counter = if counter.is_empty() { None } else { Some(counter) };
        Self { of, name, flag: None, then, counter, amount }
    }

    const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }
}

const fn bytes(n: usize) -> Amount {
    Amount::Bytes(n as u64)
}

const fn count(n: usize) -> Amount {
    Amount::Count(n as u64)
}

use Amount::Time;
use Owner::{Channels, Engine, Fixed, Front, Messages, Server};

/// The table.
#[rustfmt::skip]
pub const LIMITS: &[Limit] = &[
    // Sessions and what waits for them.
    Limit::new(Engine, "max_sessions", |o, _| count(o.engine.max_sessions),
        "a handshake is refused with 503 and advice to come back later", "handshakes_refused").flag("max-sessions"),
    Limit::new(Engine, "max_memory", |o, _| bytes(o.engine.max_memory),
        "handshakes, subscriptions and publishes are refused with 503; what is there goes on in short frames; 0 turns it off",
        "memory_refused").flag("max-memory"),
    Limit::new(Engine, "max_queue", |o, _| count(o.engine.max_queue),
        "one more message that waits ends the session: 402 and a new handshake", "sessions_overflowed").flag("max-queue"),
    Limit::new(Engine, "max_queue_bytes", |o, _| bytes(o.engine.max_queue_bytes),
        "more bytes that wait end the session: 402 and a new handshake", "sessions_overflowed").flag("max-queue-bytes"),
    Limit::new(Engine, "max_batch_bytes", |o, _| bytes(o.engine.max_batch_bytes),
        "the rest of what waits goes with the next reply or frame", "").flag("max-batch-bytes"),
    Limit::new(Engine, "max_subscriptions", |o, _| count(o.engine.max_subscriptions),
        "a subscription of the session is refused with 403", "subscriptions_refused").flag("max-subscriptions"),
    Limit::new(Engine, "max_wildcard_subscriptions", |o, _| count(o.engine.max_wildcard_subscriptions),
        "a wildcard subscription of the session is refused with 403", "subscriptions_refused")
        .flag("max-wildcard-subscriptions"),
    Limit::new(Engine, "max_inbox_bytes", |o, _| bytes(o.engine.max_inbox_bytes),
        "a publish that a shard has no room for is refused with 503", "publishes_refused").flag("max-inbox-bytes"),
    Limit::new(Engine, "inbox_pause_bytes", |o, _| bytes(o.engine.inbox_pause_bytes),
        "connections that publish are not read until a shard has delivered what waits there", ""),
    Limit::new(Engine, "max_empty_replies", |o, _| count(o.engine.max_empty_replies as usize),
        "further empty connect replies to a session wait for the end of the second", "replies_delayed"),
    Limit::new(Engine, "max_sessions_per_browser", |o, _| count(o.engine.max_sessions_per_browser),
        "a connect of one more session of a browser is answered at once, with advice multiple-clients; 0 turns it off",
        "connects_crowded").flag("max-sessions-per-browser"),
    Limit::new(Engine, "multi_session_interval", |o, _| Time(o.engine.multi_session_interval),
        "such a session connects again", "").flag("multi-session-interval"),
    Limit::new(Engine, "max_stream_bytes", |o, _| bytes(o.engine.max_stream_bytes),
        "a stream of type xhr-streaming or iframe ends, and the client opens the next", "").flag("max-stream-bytes"),
    Limit::new(Engine, "stream_heartbeat", |o, _| Time(o.engine.stream_heartbeat),
        "a stream that was silent for so long gets a few bytes that mean nothing", "").flag("stream-heartbeat"),
    Limit::new(Engine, "timeout", |o, _| Time(o.engine.timeout),
        "a connect that is held is answered without events", "").flag("timeout"),
    Limit::new(Engine, "max_interval", |o, _| Time(o.engine.max_interval),
        "a session without a connect for that long, beyond its interval, ends", "sessions_expired").flag("max-interval"),
    Limit::new(Engine, "write_timeout", |o, _| Time(o.engine.write_timeout),
        "a write that is not taken ends its connection; its events go to the next one (mounted: they count as taken, writes_cut)",
        "writes_timed_out")
        .flag("write-timeout"),
    Limit::new(Engine, "adopt_window", |o, _| Time(o.engine.adopt_window),
        "a WebSocket without a cookie is no longer let into a session made over HTTP: 402", "sessions_foreign")
        .flag("adopt-window"),
    // Messages.
    Limit::new(Messages, "max_bytes", |o, _| bytes(o.limits.max_bytes),
        "a body is refused with 413, a WebSocket closed with 1009 (sockets_refused), by the declared length",
        "bodies_too_large").flag("max-message-size"),
    Limit::new(Messages, "max_messages", |o, _| count(o.limits.max_messages),
        "a batch of more is refused whole: 400, or 1008 (sockets_refused)", "bodies_malformed"),
    Limit::new(Messages, "max_depth", |o, _| count(o.limits.max_depth),
        "a batch nested deeper is refused whole: 400, or 1008 (sockets_refused)", "bodies_malformed"),
    Limit::new(Channels, "max_bytes", |o, _| bytes(o.engine.channels.max_bytes),
        "a channel or pattern that is longer is refused with 405 or 403", "messages_refused"),
    Limit::new(Channels, "max_segments", |o, _| count(o.engine.channels.max_segments),
        "a channel or pattern of more segments is refused with 405 or 403", "messages_refused"),
    Limit::new(Fixed, "fields of a message", |_, _| count(MAX_FIELDS),
        "a batch with a message of more is refused whole: 400, or 1007 (sockets_refused)", "bodies_malformed"),
    Limit::new(Fixed, "bytes of a message id", |_, _| bytes(MAX_ID_BYTES),
        "the message is refused with 405", "messages_refused"),
    Limit::new(Fixed, "sections of an advice", |_, _| count(MAX_ADVICE_SECTIONS),
        "further ones of a client's advice are not kept", ""),
    // Connections.
    Limit::new(Front, "max_connections", |_, f| count(f.max_connections),
        "one more connection gets 503; 0 is what the limit of open files leaves, less 64 and 5 for each worker", "connections_refused")
        .flag("max-connections"),
    Limit::new(Front, "max_head_bytes", |_, f| bytes(f.max_head_bytes),
        "a larger request head gets 431; what comes while a connect is held is read no further", "heads_malformed")
        .flag("max-head-bytes"),
    Limit::new(Front, "head_timeout", |_, f| Time(f.head_timeout),
        "a head that is not whole in time gets 408, a TLS handshake is broken off (handshakes_failed)", "heads_timed_out")
        .flag("head-timeout"),
    Limit::new(Front, "body_timeout", |_, f| Time(f.body_timeout),
        "a body that is not whole in time gets 408", "bodies_timed_out").flag("body-timeout"),
    Limit::new(Front, "keep_alive", |_, f| Time(f.keep_alive),
        "a connection without a request is closed", "").flag("keep-alive"),
    Limit::new(Front, "send_buffer", |_, f| bytes(f.send_buffer),
        "the kernel takes no more than that for a peer that does not read; 0 leaves it to the system", ""),
    Limit::new(Front, "tcp_keepalive", |_, f| f.tcp_keepalive.map_or(Amount::Unset, |(span, _)| Time(span)),
        "after that long a silence a peer is probed, and its connection closed if probes fail", ""),
    Limit::new(Front, "tcp_user_timeout", |_, f| f.tcp_user_timeout.map_or(Amount::Unset, Time),
        "a connection whose peer's system acknowledges nothing is closed", ""),
    Limit::new(Fixed, "headers of a request", |_, _| count(MAX_HEADERS), "more get 431", "heads_malformed"),
    Limit::new(Fixed, "addresses of X-Forwarded-For", |_, _| count(MAX_PROXIES),
        "as many are looked at, from the last on; the client is the furthest of them", ""),
    Limit::new(Fixed, "bytes of a line around chunks", |_, _| bytes(MAX_LINE_BYTES),
        "a longer one gets 400", "bodies_malformed"),
    Limit::new(Fixed, "connections that are refused at a time", |_, _| count(REFUSED),
        "further ones wait in the kernel's queue; with half of the places taken, a refusal is given no time to read on; \
         one more place for each worker", ""),
    Limit::new(Fixed, "time for the TLS handshake of a connection that is refused", |_, _| Time(REFUSAL),
        "it is broken off", "handshakes_failed"),
    Limit::new(Fixed, "time to read on after a refusal", |_, _| Time(LINGER), "then the connection is closed", ""),
    Limit::new(Fixed, "bytes to read on after a refusal", |_, _| bytes(LINGER_BYTES),
        "then the connection is closed", ""),
    // WebSockets.
    Limit::new(Server, "handshake_timeout", |o, _| Time(o.handshake_timeout),
        "a WebSocket without a session is closed with 1008", "sockets_without_session").flag("handshake-timeout"),
    Limit::new(Fixed, "frames of a WebSocket message", |_, _| count(MAX_FRAGMENTS as usize),
        "one more closes it with 1008", "frames_refused"),
    Limit::new(Fixed, "pings and pongs of a WebSocket in a second", |_, _| count(MAX_CONTROLS as usize),
        "one more closes it with 1008", "sockets_refused"),
];

/// The table of the defaults in Markdown.
pub fn markdown() -> String {
    let (options, front) = (Options::default(), FrontOptions::default());
    let mut out = String::from(
        "# Limits\n\nEverything that a peer can fill or hold up is bounded. This page is written by `cargo xtask limits` from\n\
         `crates/bayeux-server/src/limits.rs`; `bayeux limits` prints the same.\n\n\
         Counters are in `Engine::stats` or `Bayeux::stats`, and in the log when the server ends.\n",
    );
    for (of, title) in [
        (Engine, "Engine: `Config`"),
        (Messages, "Messages: `Options::limits`"),
        (Channels, "Channels: `Config::channels`"),
        (Server, "Server: `Options`"),
        (Front, "Connections of our own front: `FrontOptions`"),
        (Fixed, "Fixed"),
    ] {
        out += &format!(
            "\n## {title}\n\n| limit | `bayeux serve` | default | when it is reached | counter |\n| --- | --- | --- | --- | --- |\n"
        );
        for limit in LIMITS.iter().filter(|limit| limit.of == of) {
            let name = if of == Fixed { limit.name.to_owned() } else { format!("`{}`", limit.name) };
            let flag = limit.flag.map(|flag| format!("`--{flag}`")).unwrap_or_default();
            let counter = limit.counter.map(|counter| format!("`{counter}`")).unwrap_or_default();
            let (amount, then) = (limit.amount(&options, &front), limit.then);
            out += &format!("| {name} | {flag} | {amount} | {then} | {counter} |\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{ServerStats, Stats};

    /// The fields of a struct as `{:?}` shows them, those of structs within left out.
    fn fields(shown: &str) -> BTreeMap<String, String> {
        let lines = shown.lines().filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with(' ')));
        let pairs = lines.filter_map(|line| line.strip_suffix(',').unwrap_or(line).split_once(": "));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn options() -> BTreeMap<&'static str, BTreeMap<String, String>> {
        let (options, front) = (Options::default(), FrontOptions::default());
        BTreeMap::from([
            ("Engine", fields(&format!("{:#?}", options.engine))),
            ("Channels", fields(&format!("{:#?}", options.engine.channels))),
            ("Messages", fields(&format!("{:#?}", options.limits))),
            ("Server", fields(&format!("{options:#?}"))),
            ("Front", fields(&format!("{front:#?}"))),
        ])
    }

    #[test]
    fn each_default_is_the_options_own() {
        let (server, front) = (Options::default(), FrontOptions::default());
        let options = options();
        for limit in LIMITS.iter().filter(|limit| limit.of != Fixed) {
            let value = options[&*format!("{:?}", limit.of)].get(limit.name);
            let value = value.unwrap_or_else(|| panic!("{:?} has no {}", limit.of, limit.name));
            match limit.amount(&server, &front) {
                Amount::Count(n) | Amount::Bytes(n) => assert_eq!(*value, n.to_string(), "{}", limit.name),
                // An optional one is shown on lines of its own.
                Time(span) if value == "Some(" => assert!(!span.is_zero(), "{}", limit.name),
                Time(span) => assert_eq!(*value, format!("{span:?}"), "{}", limit.name),
                Amount::Unset => assert_eq!(value, "None", "{}", limit.name),
            }
        }
    }

    #[test]
    fn each_option_is_a_limit_or_known_to_be_none() {
        const NONE: [&str; 18] = [
            "interval",
            "broadcast_to_publisher",
            "meta_connect_deliver_only",
            "allow_unconnected_publish",
            "trust_client_session",
            "shutdown_spread",
            "channels",
            "connection_types",
            "grammar",
            "engine",
            "limits",
            "allow_origin",
            "trusted_proxies",
            "browser_cookie_name",
            "shards",
            "path",
            "endpoint_only",
            "workers",
        ];
        for (of, fields) in options() {
            for name in fields.keys().filter(|name| !NONE.contains(&name.as_str())) {
                let listed = LIMITS.iter().any(|limit| limit.name == name && format!("{:?}", limit.of) == of);
                assert!(listed, "{name} of {of} is not in the table");
            }
        }
    }

    #[test]
    fn each_counter_is_there() {
        for counter in LIMITS.iter().filter_map(|limit| limit.counter) {
            assert!(Stats::NAMES.contains(&counter) || ServerStats::NAMES.contains(&counter), "{counter}");
        }
    }

    #[test]
    fn amounts_are_written_as_on_the_command_line() {
        for (amount, text) in [
            (Amount::Count(1024), "1024"),
            (bytes(0), "0"),
            (bytes(255), "255"),
            (bytes(64 << 10), "64KiB"),
            (bytes(3 << 30), "3GiB"),
            (Time(Duration::from_secs(20)), "20s"),
            (Time(Duration::from_millis(1500)), "1500ms"),
        ] {
            assert_eq!(amount.to_string(), text);
        }
    }
}
