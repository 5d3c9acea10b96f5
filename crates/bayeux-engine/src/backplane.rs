//! `Backplane`: what joins the engines of several nodes. Small on purpose; one node needs none.

use crate::Delivery;

/// The other nodes, as an engine sees them. What they send comes in by [`Engine::deliver`](crate::Engine::deliver).
pub trait Backplane: Send + Sync {
    /// A message that a session of this node published. Called after every lock is released.
    fn publish(&self, delivery: &Delivery);

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
    fn publish(&self, _delivery: &Delivery) {}

    fn interest(&self, _pattern: &str, _edge: Edge) {}
}
