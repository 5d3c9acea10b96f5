//! What a restart showed.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::client::{Client, Phase};
use crate::{counted::Counted, text::thousands};

/// The server says that it waits no longer for its clients.
const STATED_SECONDS: f64 = 5.0;
/// The most handshakes in any second to the mean of the spread.
pub(crate) const MOST_RATIO: f64 = 2.0;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) sessions: u32,
    pub(crate) shutdown: Shutdown,
    pub(crate) returned: Returned,
    /// By the two servers, the one that ended and the new one.
    pub(super) before: Counted,
    pub(super) after: Counted,
}

/// The end, as the clients saw it.
#[derive(Debug, Serialize)]
pub(crate) struct Shutdown {
    /// That had come by then: it was under load.
    pub(super) deliveries: u64,
    /// From SIGTERM to the end of the process, and to the last client that was told.
    pub(crate) seconds: f64,
    pub(super) told_seconds: f64,
    /// Clients without a connect reply that says when to come back.
    pub(crate) untold: usize,
    /// WebSockets without a close frame that says 1001.
    pub(crate) without_1001: usize,
    /// Connections to it that were still open after its end.
    pub(super) hanging: usize,
    pub(super) success: bool,
}

/// The return.
#[derive(Debug, Serialize)]
pub(crate) struct Returned {
    pub(crate) back: usize,
    /// Until the last one was back, from the end of the old server.
    pub(super) seconds: f64,
    /// Connections that were refused or broke, and were tried again.
    pub(super) failures: u64,
    /// What they were told to wait, in milliseconds.
    interval_least: u64,
    interval_mean: u64,
    interval_most: u64,
    /// Handshakes in the busiest second, and in each second of the spread on the average.
    most_per_second: usize,
    mean_per_second: f64,
}

impl Returned {
    pub(super) fn of(clients: &[Client], spread: Duration, intervals: &[Duration]) -> Self {
        let mut handshakes: Vec<Instant> = clients.iter().filter_map(|client| client.handshaken).collect();
        handshakes.sort();
        let millis: Vec<u64> = intervals.iter().map(|interval| interval.as_millis() as u64).collect();
        Self {
            back: clients.iter().filter(|client| client.phase == Phase::Back).count(),
            seconds: 0.0,
            failures: clients.iter().map(|client| u64::from(client.failures)).sum(),
            interval_least: millis.iter().min().copied().unwrap_or_default(),
            interval_mean: millis.iter().sum::<u64>() / millis.len().max(1) as u64,
            interval_most: millis.iter().max().copied().unwrap_or_default(),
            most_per_second: busiest(&handshakes),
            mean_per_second: handshakes.len() as f64 / spread.as_secs_f64(),
        }
    }

    /// The busiest second to the mean.
    pub(crate) fn ratio(&self) -> f64 {
        self.most_per_second as f64 / self.mean_per_second
    }
}

/// How many of these, which are in order, are within one second at most.
fn busiest(instants: &[Instant]) -> usize {
    let mut from = 0;
    let within = instants.iter().enumerate().map(|(to, instant)| {
        while instant.duration_since(instants[from]) >= SECOND {
            from += 1;
        }
        to + 1 - from
    });
    within.max().unwrap_or_default()
}

impl Outcome {
    /// Everybody was told, the end came in time, and everybody is back.
    pub(crate) fn is_told_and_back(&self) -> bool {
        let Shutdown { untold, without_1001, hanging, success, seconds, .. } = self.shutdown;
        let told = untold == 0 && without_1001 == 0 && hanging == 0;
        told && success && seconds <= STATED_SECONDS && self.returned.back == self.sessions as usize
    }

    pub(super) fn is_good(&self) -> bool {
        self.is_told_and_back() && self.returned.ratio() <= MOST_RATIO
    }

    pub(super) fn print(&self) {
        let (Shutdown { deliveries, seconds, told_seconds, untold, without_1001, hanging, success }, returned) =
            (&self.shutdown, &self.returned);
        println!("{} sessions, half over WebSocket, half over long-polling", thousands(u64::from(self.sessions)));
        println!();
        println!("deliveries before           {:>9}", thousands(*deliveries));
        println!("not told when to come back  {untold:>9}");
        println!("sockets not closed by 1001  {without_1001:>9}");
        println!("connections left hanging    {hanging:>9}");
        println!("all told after              {told_seconds:>9.2} s");
        let ended = if *success { "" } else { ", with a failure" };
        println!("ended after                 {seconds:>9.2} s (at most {STATED_SECONDS:.0} stated){ended}");
        println!();
        println!(
            "told to wait                {:>9} ms at least, {} on the average, {} at most",
            thousands(returned.interval_least),
            thousands(returned.interval_mean),
            thousands(returned.interval_most)
        );
        println!("back with a session         {:>9} after {:.2} s", thousands(returned.back as u64), returned.seconds);
        println!("tried again after a failure {:>9}", thousands(returned.failures));
        println!(
            "handshakes a second         {:>9} at most, {:.0} on the average of the spread: {:.2}x, target <= {MOST_RATIO:.1}x",
            thousands(returned.most_per_second as u64),
            returned.mean_per_second,
            returned.ratio()
        );
        println!(
            "the new server counted      {}",
            self.after.told(&["sessions_opened", "sessions_unknown", "handshakes_refused"])
        );
    }
}

/// In one line.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Shutdown { seconds, untold, without_1001, .. } = self.shutdown;
        write!(f, "{untold} not told, {without_1001} sockets without 1001, ended after {seconds:.2} s; ")?;
        write!(f, "{} back after {:.2} s", thousands(self.returned.back as u64), self.returned.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_second_is_any_second() {
        let begun = Instant::now();
        let at =
            |millis: &[u64]| millis.iter().map(|millis| begun + Duration::from_millis(*millis)).collect::<Vec<_>>();
        assert_eq!(busiest(&[]), 0);
        assert_eq!(busiest(&at(&[0, 900, 1000, 1100, 1899, 3000])), 4);
        assert_eq!(busiest(&at(&[0, 1000, 2000])), 1);
    }
}
