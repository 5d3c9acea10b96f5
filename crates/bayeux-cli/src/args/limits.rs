//! The limits that can be set on the command line, under a heading of their own. Names and defaults are those of
//! `bayeux_server::limits`.

use std::time::Duration;

use bayeux_server::{FrontOptions, Options};
use clap::Args;

use super::number;
use crate::units::{parse_bytes, parse_duration, parse_size, parse_span};

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Sessions at a time; one more handshake gets 503.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = number(1..=1 << 31))]
    max_sessions: usize,
    /// Memory for sessions, subscriptions and messages under way; above it, what would add to it gets 503. 0 turns it off.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = parse_bytes)]
    max_memory: usize,
    /// Messages that may wait for one session; one more ends it.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = number(1..=1_000_000))]
    max_queue: usize,
    /// Memory of the messages that may wait for one session; more ends it.
    #[arg(long, value_name = "SIZE", default_value = "512KiB", value_parser = parse_size)]
    max_queue_bytes: usize,
    /// Events written in one reply or frame; at least one is always written.
    #[arg(long, value_name = "SIZE", default_value = "128KiB", value_parser = parse_size)]
    max_batch_bytes: usize,
    /// Memory of publishes that may wait in one shard; one more gets 503.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = parse_size)]
    max_inbox_bytes: usize,
    /// Subscriptions of one session; one more gets 403.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = number(0..=1_000_000))]
    max_subscriptions: usize,
    /// Of these, subscriptions to wildcard patterns.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = number(0..=1_000_000))]
    max_wildcard_subscriptions: usize,
    /// Sessions of one browser, by its cookie, that may wait for events over HTTP at a time; further ones are told to ask now and
    /// then (multiple-clients). 0 turns it off.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = number(0..=1_000_000))]
    max_sessions_per_browser: usize,
    /// How often these ask.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    multi_session_interval: Duration,
    /// Size at which a stream of type xhr-streaming or iframe ends, for its client to open the next: it keeps all of one.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size)]
    max_stream_bytes: usize,
    /// How long a stream may be silent before it gets a few bytes that mean nothing.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_span)]
    stream_heartbeat: Duration,
    /// Size of a request body or WebSocket message.
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = parse_message_size)]
    max_message_size: usize,
    /// How long a write may take; then the connection is closed, and its events wait for the session's next one.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_span)]
    write_timeout: Duration,
    /// How long a WebSocket may be open without a session.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_span)]
    handshake_timeout: Duration,
    /// Connections at a time; 0 takes what the limit of open files leaves. One more gets 503.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_connections: usize,
    /// Size of a request's head (own front only, as the options below).
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = parse_size)]
    max_head_bytes: usize,
    /// How long the head of a request, or a TLS handshake, may take.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_span)]
    head_timeout: Duration,
    /// How long the body of a request may take.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_span)]
    body_timeout: Duration,
    /// How long a connection stays without a request.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    keep_alive: Duration,
}

impl Limits {
    pub(crate) const fn apply(&self, options: &mut Options) {
        let engine = &mut options.engine;
        engine.max_sessions = self.max_sessions;
        engine.max_memory = self.max_memory;
        engine.max_queue = self.max_queue;
        engine.max_queue_bytes = self.max_queue_bytes;
        engine.max_batch_bytes = self.max_batch_bytes;
        engine.max_inbox_bytes = self.max_inbox_bytes;
        engine.max_subscriptions = self.max_subscriptions;
        engine.max_wildcard_subscriptions = self.max_wildcard_subscriptions;
        engine.max_sessions_per_browser = self.max_sessions_per_browser;
        engine.multi_session_interval = self.multi_session_interval;
        engine.max_stream_bytes = self.max_stream_bytes;
        engine.stream_heartbeat = self.stream_heartbeat;
        engine.write_timeout = self.write_timeout;
        options.limits.max_bytes = self.max_message_size;
        options.handshake_timeout = self.handshake_timeout;
    }

    pub(crate) const fn apply_to_front(&self, front: &mut FrontOptions) {
        front.max_connections = self.max_connections;
        front.max_head_bytes = self.max_head_bytes;
        front.head_timeout = self.head_timeout;
        front.body_timeout = self.body_timeout;
        front.keep_alive = self.keep_alive;
    }
}

/// The smallest is what a handshake needs.
fn parse_message_size(text: &str) -> Result<usize, String> {
    let size = parse_bytes(text)?;
    if (1024..=1 << 30).contains(&size) { Ok(size) } else { Err("write a size from 1KiB to 1GiB".to_owned()) }
}

#[cfg(test)]
mod tests {
    use bayeux_server::limits::{Amount, LIMITS};
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::{Cli, Command};

    /// A value of this kind that is no option's default.
    fn other(amount: Amount) -> Amount {
        match amount {
            Amount::Count(_) => Amount::Count(777),
            Amount::Bytes(_) => Amount::Bytes(33 << 10),
            Amount::Time(_) => Amount::Time(Duration::from_millis(1234)),
            Amount::Unset => Amount::Unset,
        }
    }

    #[test]
    fn each_limit_on_the_command_line_has_the_default_of_the_table_and_sets_its_option() {
        let (options, front) = (Options::default(), FrontOptions::default());
        let command = Cli::command();
        let serve = command.find_subcommand("serve").expect("it is there");
        for limit in LIMITS {
            let Some(flag) = limit.flag else { continue };
            let amount = limit.amount(&options, &front);
            let argument = serve.get_arguments().find(|argument| argument.get_long() == Some(flag));
            let argument = argument.unwrap_or_else(|| panic!("there is no --{flag}"));
            assert_eq!(argument.get_default_values(), [amount.to_string().as_str()], "--{flag}");
            let value = other(amount);
            let cli =
                Cli::try_parse_from(["bayeux", "serve", &format!("--{flag}={value}")]).expect("it is well formed");
            let Some(Command::Serve(serve)) = cli.command else { panic!("it is serve") };
            let (mut options, mut front) = (Options::default(), FrontOptions::default());
            serve.common.apply(&mut options);
            serve.common.limits.apply_to_front(&mut front);
            assert_eq!(limit.amount(&options, &front), value, "--{flag}");
        }
    }

    #[test]
    fn each_option_under_the_heading_is_in_the_table() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").expect("it is there");
        let limits = serve.get_arguments().filter(|argument| argument.get_help_heading() == Some("Limits"));
        let flags: Vec<_> = limits.filter_map(clap::Arg::get_long).collect();
        assert!(flags.len() > 10, "{flags:?}");
        for flag in flags {
            assert!(LIMITS.iter().any(|limit| limit.flag == Some(flag)), "--{flag}");
        }
    }
}
