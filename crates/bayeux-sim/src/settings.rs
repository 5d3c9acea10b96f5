//! `Settings`: what a seed decides about its world before it begins.

use std::time::Duration;

use bayeux_engine::Config;

use crate::{message::Way, random::Random};

pub(crate) const CHANNELS: [&str; 5] = ["/a", "/a/b", "/a/b/c", "/b/x", "/c"];
pub(crate) const PATTERNS: [&str; 9] = ["/a", "/a/b", "/a/b/c", "/c", "/a/*", "/a/**", "/b/*", "/**", "/*"];

const ALL_WAYS: [Way; 5] = [Way::Poll, Way::Socket, Way::EventSource, Way::Iframe, Way::XhrStreaming];

pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) nodes: usize,
    pub(crate) shards: usize,
    pub(crate) clients: usize,
    /// How clients may get their deliveries.
    pub(crate) ways: &'static [Way],
    /// Per cent of the clients that are a further tab of some other's browser.
    pub(crate) tabs: u64,
    /// How long clients act and faults happen.
    pub(crate) busy: Duration,
    /// Milliseconds between two acts of a client, at most.
    pub(crate) pause: u64,
    pub(crate) small_inboxes: bool,
    /// Milliseconds between two transfers of sessions, at most; none if it is zero.
    pub(crate) transfer_pause: u64,
    /// Subscribers that one pump delivers to, at most.
    pub(crate) budget: u64,
}

impl Settings {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let millis = |random: &mut Random, choices: &[u64]| Duration::from_millis(random.pick(choices));
        let small_inboxes = random.percent(10);
        let mut config = Config::default();
        config.timeout = millis(random, &[2000, 6000, 15_000]);
        config.max_interval = millis(random, &[3000, 6000, 10_000]);
        config.write_timeout = millis(random, &[1000, 3000, 8000]);
        config.shutdown_spread = Duration::from_secs(1);
        config.broadcast_to_publisher = random.percent(80);
        config.meta_connect_deliver_only = random.percent(70);
        config.trust_client_session = random.percent(15);
        config.max_batch_bytes = random.pick(&[1, 400, 128 * 1024]);
        // Who gets little at a time and is not held still gets on.
        let slow = config.max_batch_bytes > 400 && random.percent(50);
        config.multi_session_interval = Duration::from_millis(if slow { 2000 } else { 100 });
        config.max_queue = random.pick(&[8, 1024, 1024, 1024]);
        config.stream_heartbeat = millis(random, &[1000, 3000, 5000]);
        config.max_stream_bytes = random.pick(&[1, 300, 2000, 1 << 20]);
        config.max_sessions_per_browser = random.pick(&[0, 1, 2, 4]);
        if small_inboxes {
            config.max_inbox_bytes = 900;
        }
        if random.percent(20) {
            config.inbox_pause_bytes = 500;
        }
        Self {
            config,
            nodes: random.pick(&[1, 2, 2]),
            shards: random.between(3, 5) as usize,
            clients: random.between(3, 7) as usize,
            ways: random.pick(&[&ALL_WAYS[..2], &ALL_WAYS, &ALL_WAYS, &ALL_WAYS[2..]]),
            tabs: random.pick(&[0, 30, 100]),
            busy: Duration::from_millis(random.between(3000, 12_000)),
            pause: random.pick(&[100, 400, 1000]),
            small_inboxes,
            transfer_pause: random.pick(&[0, 100, 2000]),
            budget: random.pick(&[1, 3, 1000]),
        }
    }
}
