//! `Clock`: the one place that reads the time, and turns it into the engine's.

use std::time::{Duration, Instant};

use bayeux_engine::Time;

#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// When the runtime's timer is to fire for `time`.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        // A deadline beyond what an Instant can hold never comes; a day is long enough to look again.
        self.start.checked_add(time.since(Time::ZERO)).unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
    }
}
