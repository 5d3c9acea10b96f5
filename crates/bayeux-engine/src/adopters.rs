//! `Adopters`: which browsers have used their one adoption (BX-SEC-3). Bounded; a full table allows none.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{BrowserId, Time};

/// Adoptions remembered: 200 a second for as long as one is possible under the default timing.
const CAPACITY: usize = 4096;

/// The browsers that adopted a session, the oldest first.
#[derive(Default)]
pub(crate) struct Adopters {
    used: Mutex<VecDeque<(Time, BrowserId)>>,
}

impl Adopters {
    /// Whether `browser`, whose adoption is possible for `span` from when it was named, may adopt now; if so, it has.
    pub(crate) fn enter(&self, now: Time, browser: BrowserId, span: Duration) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while used.front().is_some_and(|(at, _)| now.since(*at) > span) {
            used.pop_front();
        }
        let free = used.len() < CAPACITY && used.iter().all(|(_, other)| *other != browser);
        if free {
            used.push_back((now, browser));
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_adopts_once_and_the_table_is_bounded() {
        let (adopters, span) = (Adopters::default(), Duration::from_secs(2));
        let browser = |n: u64| BrowserId(u128::from(n).to_be_bytes());
        assert!(adopters.enter(Time::ZERO, browser(0), span));
        assert!(!adopters.enter(Time::ZERO, browser(0), span));
        for n in 1..CAPACITY as u64 {
            assert!(adopters.enter(Time::ZERO, browser(n), span));
        }
        assert!(!adopters.enter(Time::from_millis(2000), browser(9999), span), "full");
        assert!(adopters.enter(Time::from_millis(2001), browser(9999), span), "what can't adopt any more is forgotten");
    }
}
