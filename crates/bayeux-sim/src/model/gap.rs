//! `Gap`: what a session with `gap` is promised: what its client has received, and what it was told is missing, is together what
//! was handed over.

use std::collections::BTreeMap;

use super::Verdict;
use crate::connection::ConnectionKey;

#[derive(Default)]
pub(super) struct Gap {
    /// Deliveries handed over, and by which connection.
    handed_over: u64,
    by: BTreeMap<ConnectionKey, u64>,
    /// What a connect on a connection asks: how much its client has, and how much that connection had brought when it said so. It is
    /// told by the next reply to a connect there that can tell.
    asked: BTreeMap<ConnectionKey, (u64, u64)>,
    /// Some were handed over where its client does not count, and were not told yet.
    astray: bool,
}

impl Gap {
    pub(super) fn hand_over(&mut self, connection: ConnectionKey, deliveries: u64) {
        self.handed_over += deliveries;
        *self.by.entry(connection).or_default() += deliveries;
    }

    /// A client says how much it has.
    pub(super) fn ask(&mut self, connection: ConnectionKey, received: u64) {
        self.asked.insert(connection, (received, self.brought_by(connection)));
    }

    /// A connection receives no longer: what was asked there is asked again elsewhere.
    pub(super) fn forget(&mut self, connection: ConnectionKey) {
        self.astray |= self.asked.remove(&connection).is_some();
    }

    pub(super) fn asks(&self, connection: ConnectionKey) -> bool {
        self.asked.contains_key(&connection)
    }

    /// What a connection has brought so far.
    fn brought_by(&self, connection: ConnectionKey) -> u64 {
        self.by.get(&connection).copied().unwrap_or_default()
    }

    pub(super) const fn astray(&mut self) {
        self.astray = true;
    }

    /// A reply tells what is missing; `perhaps` so many more count as handed over, or not. Returns how many of these do.
    pub(super) fn told(&mut self, connection: ConnectionKey, missing: u64, perhaps: u64) -> Result<u64, String> {
        let Some((received, before)) = self.asked.remove(&connection) else {
            return Err(format!("{missing} are said to be missing, and nobody asked"));
        };
        let handed_over = self.handed_over - (self.brought_by(connection) - before);
        let there = received + missing;
        if there < handed_over || there > handed_over + perhaps {
            let most = handed_over + perhaps;
            return Err(format!("{missing} are missing and {received} received, of {handed_over} to {most}"));
        }
        self.astray = false;
        let more = there - handed_over;
        self.handed_over += more;
        Ok(more)
    }

    pub(super) fn check_settled(&self, count: u64, perhaps: u64) -> Verdict {
        let fits = self.astray || (count >= self.handed_over && count <= self.handed_over + perhaps);
        if fits { Ok(()) } else { Err(format!("{count} deliveries are accounted for, of {}", self.handed_over)) }
    }
}
