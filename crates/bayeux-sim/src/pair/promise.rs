//! `Promise`: what one client is promised, and whether it was kept.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bayeux_client::{Delivery, Interruption};
use bayeux_engine::Time;

const SECOND: Duration = Duration::from_secs(1);
/// A publish and a poll for each message that comes, at the latencies of this network.
const MOST_IN_A_SECOND: usize = 120;

#[derive(Debug)]
pub(super) struct Promise {
    ack: bool,
    /// The last number that was received.
    last: Option<u64>,
    /// Whether something may be missing: there was a new session.
    may_miss: bool,
    /// Whether a connection was cut, without `ack`.
    was_cut: bool,
    /// How many did not come in this session, and how many it was told did not.
    missed: u64,
    told: u64,
    /// How many have come in this session, and whether it was told of others before it had two: then nobody knows how many those were.
    came: u64,
    told_early: bool,
    /// When its last connections were opened.
    opened: VecDeque<Time>,
    /// What was published.
    requests: BTreeMap<u64, Request>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Request {
    /// With success?
    finished: Option<bool>,
    has_arrived: bool,
}

impl Promise {
    pub(super) const fn new(ack: bool) -> Self {
        Self {
            ack,
            last: None,
            may_miss: true,
            was_cut: false,
            missed: 0,
            told: 0,
            came: 0,
            told_early: false,
            opened: VecDeque::new(),
            requests: BTreeMap::new(),
        }
    }

    pub(super) fn received(&mut self, delivery: &Delivery) -> Result<(), String> {
        let number = delivery.parse::<u64>().map_err(|error| error.to_string())?;
        self.came += 1;
        let may_miss = std::mem::take(&mut self.may_miss);
        match self.last.replace(number) {
            Some(last) if number <= last => Err(format!("{number} came behind {last}")),
            Some(_) if may_miss => Ok(()),
            Some(last) if number > last + 1 && !self.was_cut => {
                Err(format!("nothing came between {last} and {number}"))
            }
            Some(last) => {
                self.missed += number - last - 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// It opens a connection: no more than so many in a second, however many fail. Those that bring something are fast on a good day.
    pub(super) fn opens(&mut self, now: Time) -> Result<(), String> {
        self.opened.push_back(now);
        while self.opened.front().is_some_and(|first| *first + SECOND < now) {
            self.opened.pop_front();
        }
        if self.opened.len() > MOST_IN_A_SECOND {
            return Err(format!("{} connections in a second", self.opened.len()));
        }
        Ok(())
    }

    /// One of its connections was cut.
    pub(super) const fn cut(&mut self) {
        self.was_cut |= !self.ack;
    }

    pub(super) fn interrupted(&mut self, interruption: &Interruption) -> Result<(), String> {
        match interruption {
            Interruption::NewSession => {
                (self.may_miss, self.missed, self.told) = (true, 0, 0);
                (self.came, self.told_early) = (0, false);
                Ok(())
            }
            Interruption::Missing(count) if !self.ack => {
                self.told += count;
                self.told_early |= self.came < 2;
                Ok(())
            }
            other => Err(format!("it was told that {other}")),
        }
    }

    pub(super) fn asked(&mut self, request: u64) {
        self.requests.insert(request, Request::default());
    }

    pub(super) fn finished(&mut self, request: u64, is_ok: bool) -> Result<(), String> {
        let known = self.requests.get_mut(&request).ok_or_else(|| format!("nobody asked for {request}"))?;
        match known.finished.replace(is_ok) {
            None => Ok(()),
            Some(_) => Err(format!("{request} was finished twice")),
        }
    }

    /// The publisher has seen it.
    pub(super) fn arrived(&mut self, request: u64) -> Result<(), String> {
        let known = self.requests.get_mut(&request).ok_or_else(|| format!("{request} arrived, which nobody sent"))?;
        if std::mem::replace(&mut known.has_arrived, true) { Err(format!("{request} arrived twice")) } else { Ok(()) }
    }

    /// All has ended well, up to a message that was published.
    pub(super) fn settled(&self, published: u64) -> Result<(), String> {
        if self.last.is_none_or(|last| last < published) {
            return Err(format!("{published} was published, but {:?} is the last that came", self.last));
        }
        if self.missed > self.told || (self.missed != self.told && !self.told_early) {
            return Err(format!("{} messages did not come, and it was told of {}", self.missed, self.told));
        }
        for (number, request) in &self.requests {
            match request {
                Request { finished: None, .. } => return Err(format!("publish {number} has no outcome")),
                Request { finished: Some(true), has_arrived: false } => {
                    return Err(format!("publish {number} succeeded, but did not arrive"));
                }
                Request { .. } => {}
            }
        }
        Ok(())
    }
}
