//! `Browsers`: how many sessions of each browser hold a connect over HTTP at the moment (BX-MC-2). A browser has few connections to a
//! host over HTTP/1.1, so further ones would wait for each other. One entry for each browser that holds something, no more.

use std::{
    hash::BuildHasher,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    BrowserId,
    hash::{Keyed, Map},
};

/// Tables, so that workers seldom meet.
const TABLES: usize = 16;

pub(crate) struct Browsers {
    limit: usize,
    hash: Keyed,
    tables: [Mutex<Map<BrowserId, usize>>; TABLES],
}

/// One connect of a browser that is held, for as long as this lives.
pub(crate) struct Place {
    browsers: Arc<Browsers>,
    browser: BrowserId,
}

impl Browsers {
    /// With so many for each browser; 0 is no limit.
    pub(crate) fn new(limit: usize, hash: Keyed) -> Arc<Self> {
        Arc::new(Self { limit, hash, tables: std::array::from_fn(|_| Mutex::new(hash.map())) })
    }

    /// A place for one more connect of this browser, as soon as there is room (BX-MC-4); `Err` if it holds as many as it may. Who is no browser needs none.
    pub(crate) fn enter(self: &Arc<Self>, browser: Option<BrowserId>) -> Result<Option<Place>, Crowded> {
        let Some(browser) = browser.filter(|_| self.limit > 0) else {
            return Ok(None);
        };
        let mut table = self.table(&browser).lock().unwrap_or_else(PoisonError::into_inner);
        let held = table.entry(browser).or_default();
        if *held >= self.limit {
            return Err(Crowded);
        }
        *held += 1;
        Ok(Some(Place { browsers: self.clone(), browser }))
    }

    /// Browsers that hold a connect.
    pub(crate) fn len(&self) -> usize {
        self.tables.iter().map(|table| table.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn table(&self, browser: &BrowserId) -> &Mutex<Map<BrowserId, usize>> {
        &self.tables[self.hash.hash_one(browser) as usize % TABLES]
    }
}

/// The browser holds as many connects as it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place(..)")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.browsers.table(&self.browser).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = table.get_mut(&self.browser) {
            *held -= 1;
            if *held == 0 {
                table.remove(&self.browser);
            }
        }
        if table.capacity() > 64 && table.len() * 4 < table.capacity() {
            table.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_for_each_browser_and_given_back() {
        let browsers = Browsers::new(2, Keyed::new((1, 2)));
        let (one, other) = (Some(BrowserId([1; 16])), Some(BrowserId([2; 16])));
        let first = browsers.enter(one).expect("there is room");
        let _second = browsers.enter(one).expect("there is room");
        assert_eq!(browsers.enter(one).err(), Some(Crowded));
        assert!(browsers.enter(other).is_ok_and(|place| place.is_some()), "another browser has its own");
        assert_eq!(browsers.len(), 1);
        drop(first);
        assert!(browsers.enter(one).is_ok());
        for _ in 0..5 {
            assert!(browsers.enter(None).is_ok_and(|place| place.is_none()), "a program is no browser");
        }
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let browsers = Browsers::new(0, Keyed::new((1, 2)));
        assert!(browsers.enter(Some(BrowserId([1; 16]))).is_ok_and(|place| place.is_none()));
    }
}
