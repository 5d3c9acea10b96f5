//! `Acks`: what a session with `ack` is promised: at its client's callback everything, in order, once. Numbers grow by one; what
//! a number stands for is sent again until it is acknowledged, and not afterwards.

use std::collections::BTreeMap;

use super::{Verdict, streams::Stream};

#[derive(Default)]
pub(super) struct Acks {
    /// All that ever was due, in order. The rest of this speaks of how much of it.
    ledger: Vec<u64>,
    /// Acknowledged, so not to be sent any more.
    freed: usize,
    /// Acknowledged by a connection whose claim to the session is unsure.
    perhaps: usize,
    /// Handed on by the client.
    handed_on: usize,
    /// The last number given.
    last: u64,
    /// What a client has for certain that has read the reply of this number.
    carried: BTreeMap<u64, usize>,
}

impl Acks {
    pub(super) fn owe(&mut self, event: u64) {
        self.ledger.push(event);
    }

    /// How many of what waits were sent on this stream already.
    pub(super) fn sent(&self, stream: Option<&Stream>) -> usize {
        stream.map_or(0, |stream| stream.sent.saturating_sub(self.freed))
    }

    /// Its client names a number. Returns how many events wait no longer.
    pub(super) fn acknowledged(&mut self, number: u64, sure: bool) -> usize {
        let through = self.carried.get(&number.min(self.last)).copied().unwrap_or_default();
        self.perhaps = self.perhaps.max(through);
        if sure { self.free(through) } else { 0 }
    }

    fn free(&mut self, through: usize) -> usize {
        let freed = through.saturating_sub(self.freed);
        self.freed += freed;
        self.perhaps = self.perhaps.max(self.freed);
        freed
    }

    /// These events are sent: they must be the first that wait, or on a stream the first that were not sent there. Returns up to
    /// where that is, and how many wait no longer.
    pub(super) fn lend(
        &mut self,
        events: &[u64],
        stream: Option<&Stream>,
        max_queue: usize,
    ) -> Result<(usize, usize), String> {
        let from = stream.map_or(0, |stream| stream.sent).max(self.freed);
        let is_next = |at: &usize| self.ledger.get(*at..).is_some_and(|rest| rest.starts_with(events));
        let Some(at) = (from..=self.perhaps.max(from)).find(is_next) else {
            let (acknowledged, due) = self.ledger.split_at(self.freed);
            let again = events.iter().find(|event| acknowledged.contains(event));
            return Err(match again {
                Some(event) => format!("event {event} is sent again, though it was acknowledged"),
                None => format!("events {events:?} are sent, from {} on {due:?} are due", from - self.freed),
            });
        };
        let freed = if at > from { self.free(at) } else { 0 };
        let through = at + events.len();
        if through - self.freed > max_queue {
            return Err(format!("{} events wait for an acknowledgement", through - self.freed));
        }
        Ok((through, freed))
    }

    /// So many events are sent and not acknowledged if everything through here is.
    pub(super) const fn unacknowledged(&self, through: usize) -> usize {
        through.saturating_sub(self.freed)
    }

    /// A reply has this number, and whoever has read it has everything through there.
    pub(super) fn number(&mut self, number: u64, through: usize) -> Verdict {
        self.last += 1;
        self.carried.insert(self.last, through);
        if number == self.last { Ok(()) } else { Err(format!("a reply has the number {number}, not {}", self.last)) }
    }

    /// The client hands an event on.
    pub(super) fn hand_on(&mut self, event: u64) -> Verdict {
        let next = self.ledger.get(self.handed_on);
        if next != Some(&event) {
            return Err(match self.ledger[..self.handed_on].contains(&event) {
                true => format!("event {event} is handed on a second time"),
                false => format!("event {event} is handed on, and the next was {next:?}"),
            });
        }
        self.handed_on += 1;
        Ok(())
    }

    pub(super) fn check_settled(&self) -> Verdict {
        match self.ledger.get(self.handed_on) {
            Some(event) => Err(format!("event {event} was never handed on")),
            None => Ok(()),
        }
    }
}
