//! An attack: a server, a session on each transport that must not notice, and cases, each with the counter that tells of it.

pub(crate) mod asks;
pub(crate) mod frames;
pub(crate) mod heads;
mod healthy;
pub(crate) mod messages;
pub(crate) mod texts;

use std::time::{Duration, Instant};

use bayeux_server::Bayeux;

use self::healthy::Healthy;
use crate::server::Server;

macro_rules! counters {
    ($(server $($server:ident)+;)? $(engine $($engine:ident)+;)?) => {
        /// A counter of the server or the engine.
        #[allow(non_camel_case_types)] // The counters' own names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Counter { $($($server,)+)? $($($engine,)+)? }

        impl Counter {
            pub(crate) fn read(self, bayeux: &Bayeux) -> u64 {
                match self {
                    $($(Self::$server => bayeux.stats().$server,)+)?
                    $($(Self::$engine => bayeux.engine().stats().$engine,)+)?
                }
            }
        }
    };
}

counters! {
    server
        bodies_malformed bodies_too_large bodies_unsupported methods_refused upgrades_refused sockets_refused
        frames_refused sockets_closed heads_malformed heads_timed_out bodies_timed_out writes_timed_out polls_abandoned;
    engine messages_refused handshakes_refused sessions_unknown sessions_foreign publishes;
}

/// A server under attack.
pub(crate) struct Attack {
    pub(crate) server: Server,
    healthy: Healthy,
    cases: usize,
}

impl Attack {
    pub(crate) fn on(server: Server) -> Self {
        let healthy = Healthy::start(&server);
        Self { server, healthy, cases: 0 }
    }

    /// Runs one case: `run` panics unless the peer gets what it must, and `counter` must have grown by it.
    pub(crate) fn case(&mut self, name: &str, counter: Counter, run: impl FnOnce(&Server)) {
        let before = counter.read(&self.server.bayeux);
        run(&self.server);
        let until = Instant::now() + Duration::from_secs(5);
        while counter.read(&self.server.bayeux) <= before {
            assert!(Instant::now() < until, "{name:.80}: {counter:?} has not grown");
            std::thread::yield_now();
        }
        self.cases += 1;
    }

    /// The end: the healthy sessions have been served all along. Returns how many cases were run.
    pub(crate) fn end(self, name: &str) -> usize {
        let served = self.healthy.end();
        show(&format!("{name}: {} cases; {served}", self.cases));
        self.cases
    }
}

/// A line of a test's output: figures that a reader may want.
#[allow(clippy::print_stdout)] // How many cases ran is what one wants to read: --nocapture shows it.
pub(crate) fn show(line: &str) {
    println!("{line}");
}
