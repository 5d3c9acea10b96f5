//! `Happened`: how much of what a run is there for it came across.

use bayeux_engine::Stats;

/// Counts of one run, over all its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Happened {
    /// Messages put into an outbox.
    pub deliveries: u64,
    /// Sessions that did not connect in time.
    pub expired: u64,
    /// Sessions whose outbox was full.
    pub overflowed: u64,
    /// Publishes refused since an inbox was full.
    pub publishes_refused: u64,
    /// Messages with somebody else's session.
    pub foreign: u64,
    /// Connects that gave way to a newer one.
    pub superseded: u64,
    /// Connects whose response was a stream.
    pub streams: u64,
    /// What silent streams wrote.
    pub beats: u64,
    /// Connects beside a stream.
    pub beside: u64,
    /// Event sources that opened anew by the number of what they had read.
    pub resumed: u64,
    /// Events that clients handed on which acknowledge them.
    pub handed_on: u64,
    /// Connects that were not held since others of their browser were.
    pub crowded: u64,
    /// Deliveries sent again since they were not acknowledged.
    pub sent_again: u64,
    /// Deliveries that a client was told are missing.
    pub missed: u64,
    /// Sessions turned into bytes and back.
    pub transfers: u64,
    /// Writes cut since a newer connection waited too long.
    pub writes_cut: u64,
    /// Sessions lost with a shard that panicked.
    pub sessions_lost: u64,
    /// Shards that were made to panic.
    pub broken: u64,
    /// Nodes that shut down, and were begun anew.
    pub restarts: u64,
    /// Sessions that went to the other node.
    pub moved: u64,
    /// Messages that went to the other node.
    pub crossed: u64,
    /// Copies that the backplane made, and that were dropped.
    pub repeated: u64,
    /// How often the backplane was cut.
    pub partitions: u64,
    /// What it lost.
    pub lost: u64,
}

impl Happened {
    pub(crate) fn add(&mut self, stats: &Stats) {
        self.deliveries += stats.deliveries;
        self.expired += stats.sessions_expired;
        self.overflowed += stats.sessions_overflowed;
        self.publishes_refused += stats.publishes_refused;
        self.foreign += stats.sessions_foreign;
        self.superseded += stats.connects_superseded;
        self.streams += stats.streams_opened;
        self.crowded += stats.connects_crowded;
        self.sent_again += stats.deliveries_repeated;
        self.missed += stats.deliveries_told_missing;
        self.transfers += stats.sessions_adopted;
        self.writes_cut += stats.writes_cut;
        self.sessions_lost += stats.sessions_lost;
    }
}
