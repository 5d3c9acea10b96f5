//! The one keyed hasher: a peer chooses channel names, so an unkeyed hash would let it choose collisions;
//! keyed from the engine's seed, a map behaves the same in every run of one seed.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

/// A `HashMap` whose hasher is keyed from the engine's seed.
#[allow(clippy::disallowed_types)] // The one place where the bare map gets its keyed hasher.
pub(crate) type Map<K, V> = std::collections::HashMap<K, V, Keyed>;

/// Builds SipHash-1-3 under one key.
#[derive(Clone, Copy)]
pub(crate) struct Keyed {
    keys: (u64, u64),
}

impl Keyed {
    pub(crate) const fn new(keys: (u64, u64)) -> Self {
        Self { keys }
    }

    pub(crate) fn map<K, V>(self) -> Map<K, V> {
        Map::with_hasher(self)
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.keys.0, self.keys.1)
    }
}
