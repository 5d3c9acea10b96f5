//! `Room`: what the connects of one browser leave for one more (BX-MC-2).

use std::collections::BTreeMap;

use bayeux_engine::{BrowserId, Carrier, Origin, Time};

use super::{Life, Model, PATIENCE, Verdict};

/// How many connects of a browser are held on a node, but for those of one session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    /// If its connects are counted.
    pub(super) browser: Option<BrowserId>,
    limit: usize,
    /// For certain.
    least: usize,
    /// Perhaps, since sessions end without a word.
    most: usize,
}

impl Room {
    pub(super) const fn is_full(&self) -> bool {
        self.browser.is_some() && self.least >= self.limit
    }

    pub(super) const fn is_there(&self) -> bool {
        self.browser.is_none() || self.most < self.limit
    }
}

impl Model {
    /// No browser holds more connects than it may, however they came to be held.
    pub(super) fn check_browsers(&self, now: Time) -> Verdict {
        let mut held = BTreeMap::new();
        for asked in self.asked.values() {
            let (Some(browser), Some(hold)) = (asked.room.browser, &asked.held) else {
                continue;
            };
            let session = asked.session.as_ref().and_then(|id| self.sessions.get(id));
            let holds = session.filter(|session| {
                let receives = session.receiver == Some(asked.connection) && session.writing.is_none();
                let is_live = session.life == Life::Live && !session.may_be_gone(now);
                // What had to wait for an older write has been answered by now, if it is to be.
                is_live && receives && now > session.write_ended + PATIENCE && hold.due > now
            });
            if let Some(session) = holds {
                let count = held.entry((session.node, browser.0)).or_insert(0);
                *count += 1;
                if *count > self.config.max_sessions_per_browser {
                    return Err(format!("connect of connection {} is held beyond the limit", asked.connection));
                }
            }
        }
        Ok(())
    }

    /// What there is for a connect of this session.
    pub(super) fn room(&mut self, now: Time, origin: &Origin, session: Option<&str>) -> Room {
        let limit = self.config.max_sessions_per_browser;
        let is_counted = limit > 0 && !matches!(origin.carrier, Carrier::Socket { .. });
        let node = session.and_then(|id| self.sessions.get(id)).map(|session| session.node);
        let (Some(browser), Some(node)) = (origin.browser.filter(|_| is_counted), node) else {
            return Room::default();
        };
        let mut room = Room { browser: Some(browser), limit, least: 0, most: 0 };
        for asked in self.asked.values().filter(|asked| asked.session.as_deref() != session) {
            let place = asked.held.as_ref().and_then(|held| held.place);
            let holder = asked.session.as_ref().and_then(|id| self.sessions.get_mut(id));
            let (Some(place), Some(holder)) = (place.filter(|place| place.of == (node, browser)), holder) else {
                continue;
            };
            holder.forgive(now, &self.config);
            if holder.life != Life::Live || holder.receiver != Some(asked.connection) {
                continue;
            }
            room.most += 1;
            room.least += usize::from(place.is_sure && !holder.may_be_gone(now));
        }
        room
    }
}
