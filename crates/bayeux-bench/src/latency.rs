//! Latencies as counts in buckets, so that millions of them cost the load no memory.

use std::time::Duration;

/// Up to here each microsecond has its own bucket; above, each power of two has half as many buckets.
const EXACT: u64 = 128;
const HALF: u64 = EXACT / 2;

/// A histogram of microseconds; a value is known to 1.6 %.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        let at = bucket(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.total += 1;
    }

    /// The least value in microseconds that `percent` of all do not exceed; 0 if there are none.
    pub(crate) fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return value(at as u64);
            }
        }
        0
    }
}

fn bucket(micros: u64) -> usize {
    if micros < EXACT {
        return micros as usize;
    }
    let shift = u64::from(micros.ilog2() - HALF.ilog2());
    (HALF * shift + (micros >> shift)) as usize
}

/// The least value of a bucket.
fn value(bucket: u64) -> u64 {
    if bucket < EXACT {
        return bucket;
    }
    let shift = bucket / HALF - 1;
    (bucket - HALF * shift) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_falls_into_the_bucket_that_begins_at_or_just_below_it() {
        for micros in (0..2_000).chain([4_095, 4_096, 65_535, 1_000_000, u64::from(u32::MAX), 1 << 40]) {
            let least = value(bucket(micros) as u64);
            assert!(least <= micros && (micros - least) * 64 <= micros, "{micros}: {least}");
            assert!(value(bucket(micros) as u64 + 1) > micros, "{micros}");
        }
    }

    #[test]
    fn percentiles_are_ranks() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), 0);
        for micros in 1..=100 {
            latencies.add(Duration::from_micros(micros));
        }
        assert_eq!((latencies.percentile(0), latencies.percentile(50), latencies.percentile(99)), (1, 50, 99));
        for _ in 0..900 {
            latencies.add(Duration::from_micros(7));
        }
        assert_eq!((latencies.percentile(50), latencies.percentile(100)), (7, 100));
    }
}
