//! `Backplane`: what joins the engines of several nodes. Small on purpose; one node needs none.
//!
//! A backplane may repeat messages and lose them, and an engine delivers whatever it is given. So whoever drives one numbers what
//! a node sends to another, and asks a [`Sequence`] at the other end: what came before is dropped, what is missing is told by
//! [`Engine::gap`](crate::Engine::gap). Then a message that arrives is delivered once, in the order it was sent.

use std::sync::Arc;

use crate::Delivery;

/// The other nodes, as an engine sees them. What they send comes in by [`Engine::deliver`](crate::Engine::deliver).
pub trait Backplane: Send + Sync {
    /// A message that a session of this node published. Called after every lock is released, and before the publish is
    /// answered.
    fn publish(&self, delivery: &Arc<Delivery>);

    /// This node's interest in `pattern` began or ended. Edges of one pattern come in the order they happened.
    fn interest(&self, pattern: &str, edge: Edge);
}

/// The beginning or the end of a node's interest in a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The first subscription came.
    Up,
    /// The last subscription went.
    Down,
}

/// The backplane of a node that is alone.
#[derive(Debug, Default)]
pub struct LocalBackplane;

impl Backplane for LocalBackplane {
    fn publish(&self, _delivery: &Arc<Delivery>) {}

    fn interest(&self, _pattern: &str, _edge: Edge) {}
}

/// How far a node has got with what one other node sends to it, numbered 1, 2, 3 and so on for each run of the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    last: u64,
}

impl Sequence {
    /// Something has arrived under this number: `None` if it is to be dropped, since it or a later one was here before; else
    /// how many are missing between the last one and it.
    pub const fn arrive(&mut self, number: u64) -> Option<u64> {
        if number <= self.last {
            return None;
        }
        let missing = number - self.last - 1;
        self.last = number;
        Some(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_dropped_and_what_is_missing_is_counted() {
        let mut sequence = Sequence::default();
        let arrivals = [1, 2, 2, 1, 5, 4, 6, u64::MAX];
        let judged = arrivals.map(|number| sequence.arrive(number));
        assert_eq!(judged, [Some(0), Some(0), None, None, Some(2), None, Some(0), Some(u64::MAX - 7)]);
    }
}
