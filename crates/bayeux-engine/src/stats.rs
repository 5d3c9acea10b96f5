//! `Stats`: what happened, counted. Every limit that was reached has a counter here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters, and what they are read into: one list of names for both.
#[doc(hidden)]
#[macro_export]
macro_rules! counters {
    (
        $(#[$about:meta])*
        $stats:ident, read from $counters:ident {
            $($(#[doc = $doc:literal])+ $name:ident,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $stats { $($(#[doc = $doc])+ pub $name: u64,)+ }

        impl $stats {
            /// The names of all counters.
            pub const NAMES: &[&str] = &[$(stringify!($name),)+];
        }

        /// What is not zero, as `name=value`.
        impl std::fmt::Display for $stats {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let all = [$((stringify!($name), self.$name),)+];
                for (at, (name, value)) in all.into_iter().filter(|(_, value)| *value > 0).enumerate() {
                    write!(f, "{}{name}={value}", if at == 0 { "" } else { " " })?;
                }
                Ok(())
            }
        }

        #[derive(Default)]
        pub(crate) struct $counters { $(pub(crate) $name: std::sync::atomic::AtomicU64,)+ }

        impl $counters {
            pub(crate) fn read(&self) -> $stats {
                $stats { $($name: self.$name.load(std::sync::atomic::Ordering::Relaxed),)+ }
            }
        }
    };
}

counters! {
    /// Counters since the engine was built.
    Stats, read from Counters {
        /// Sessions that a handshake made.
        sessions_opened,
        /// Sessions that disconnected themselves.
        sessions_disconnected,
        /// Sessions that ended since they did not connect in time.
        sessions_expired,
        /// Sessions that ended since their outbox was full.
        sessions_overflowed,
        /// Sessions taken out, to be put into another engine.
        sessions_exported,
        /// Sessions put in, from another engine.
        sessions_adopted,
        /// Sessions lost with a shard that panicked.
        sessions_lost,
        /// Handshakes refused: at `max_sessions` or `max_memory`, on shutdown, or since nothing could be agreed on.
        handshakes_refused,
        /// Publishes accepted.
        publishes,
        /// Publishes refused since an inbox was full, or at `max_memory`.
        publishes_refused,
        /// Messages put into an outbox.
        deliveries,
        /// What other nodes sent, and was lost on its way here.
        deliveries_missing,
        /// Messages answered with 402.
        sessions_unknown,
        /// Of these, messages with a live session's id but without its cookie.
        sessions_foreign,
        /// Messages refused for a wrong or missing field, or a bad channel.
        messages_refused,
        /// Subscriptions refused at a limit.
        subscriptions_refused,
        /// Handshakes, subscriptions, publishes, deliveries of other nodes and moved sessions refused at `max_memory`.
        memory_refused,
        /// Empty connect replies that were delayed.
        replies_delayed,
        /// Connects that gave way to a newer one.
        connects_superseded,
        /// Connects that opened a stream.
        streams_opened,
        /// Connects answered at once since others of the same browser were held.
        connects_crowded,
        /// Deliveries sent again since the client had not acknowledged them.
        deliveries_repeated,
        /// Deliveries that were handed over and that a client said it did not receive.
        deliveries_told_missing,
        /// Writes cut since a newer connection waited too long.
        writes_cut,
        /// Shards that panicked and were replaced.
        shards_replaced,
    }
}

impl Counters {
    /// Sessions opened and not ended. Read without a lock, so it may be off by those that come and go right now.
    pub(crate) fn live_sessions(&self) -> usize {
        let ended = [
            &self.sessions_disconnected,
            &self.sessions_expired,
            &self.sessions_overflowed,
            &self.sessions_exported,
            &self.sessions_lost,
        ];
        let ended: u64 = ended.into_iter().map(read).sum();
        (read(&self.sessions_opened) + read(&self.sessions_adopted)).saturating_sub(ended) as usize
    }
}

/// How often so far.
pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Adds `n`.
pub(crate) fn count_many(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Relaxed);
}
