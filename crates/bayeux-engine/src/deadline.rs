//! `Deadlines`: exactly one for each session at all times, in the order they come. So no session outlives a client that has
//! gone without a word (BX-CN-8, BX-DC-5).

use std::collections::BTreeSet;

use crate::{Time, session::SessionKey};

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// The held connect is answered though nothing came.
    Hold(Time),
    /// A write that a newer connection waits for is cut.
    Write(Time),
    /// The session ends unless it connects.
    Expiry(Time),
}

impl Deadline {
    pub(crate) const fn at(self) -> Time {
        match self {
            Self::Hold(at) | Self::Write(at) | Self::Expiry(at) => at,
        }
    }
}

/// The table: one entry a session, ordered by time.
#[derive(Default)]
pub(crate) struct Deadlines {
    entries: BTreeSet<(Time, SessionKey)>,
}

impl Deadlines {
    /// Enters or moves a session's deadline. A later one is entered only when the earlier fires, since most are moved
    /// on at each connect and never come: the entry is a lower bound of the session's own.
    pub(crate) fn set(&mut self, armed: &mut Option<Time>, key: SessionKey, at: Time) {
        match *armed {
            Some(entered) if entered <= at => {}
            entered => {
                if let Some(entered) = entered {
                    self.entries.remove(&(entered, key));
                }
                self.entries.insert((at, key));
                *armed = Some(at);
            }
        }
    }

    pub(crate) fn remove(&mut self, armed: &mut Option<Time>, key: SessionKey) {
        if let Some(entered) = armed.take() {
            self.entries.remove(&(entered, key));
        }
    }

    /// Takes the first session whose entry is due. Its own deadline may be later.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<SessionKey> {
        let &(at, key) = self.entries.first()?;
        if at > now {
            return None;
        }
        self.entries.pop_first();
        Some(key)
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Option<Time> {
        self.entries.first().map(|(at, _)| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
