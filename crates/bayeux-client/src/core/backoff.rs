//! How long to wait after a failure: a random part of a bound that doubles (BX-ADV-9).

use std::time::Duration;

/// No pause after a failure is shorter, so that no chance makes a tight loop.
const SHORTEST: Duration = Duration::from_millis(100);

/// Full jitter: many clients that lost the same server do not come back in the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    chance: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, failures: 0, chance: fastrand::Rng::with_seed(seed) }
    }

    /// Counts a failure, and says how long to wait.
    pub(super) fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let bound = self.bound().max(SHORTEST);
        let span = u64::try_from((bound - SHORTEST).as_millis()).unwrap_or(u64::MAX - 1);
        SHORTEST + Duration::from_millis(self.chance.u64(0..=span))
    }

    pub(super) const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    fn bound(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(30);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(seed: u64) -> Vec<Duration> {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30), seed);
        (0..40).map(|_| backoff.failed()).collect()
    }

    #[test]
    fn bx_adv_9_the_bound_of_the_pauses_doubles_up_to_the_longest() {
        let mut longest = vec![Duration::ZERO; 40];
        for seed in 0..400 {
            for (longest, pause) in longest.iter_mut().zip(pauses(seed)) {
                *longest = pause.max(*longest);
                assert!(pause >= SHORTEST);
            }
        }
        for (index, longest) in longest.iter().enumerate() {
            let bound = Duration::from_millis(250 << index.min(20)).min(Duration::from_secs(30));
            assert!(*longest <= bound && *longest * 10 >= bound * 9, "{index}: {longest:?} of {bound:?}");
        }
    }

    #[test]
    fn bx_adv_9_a_success_begins_anew_and_a_seed_repeats() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30), 7);
        for _ in 0..20 {
            backoff.failed();
        }
        backoff.succeeded();
        assert!(backoff.failed() <= Duration::from_millis(250));
        assert_eq!(pauses(3), pauses(3));
        assert_ne!(pauses(3), pauses(4));
    }
}
