//! `Store`: a slab whose keys carry a serial number, so that a key of something gone never finds its successor.

use slab::Slab;

/// Where a thing is, and which of the things that were ever there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) serial: u64,
}

/// Places that stay when they are empty.
const KEPT: usize = 64;

pub(crate) struct Store<T> {
    slab: Slab<(u64, T)>,
    next_serial: u64,
    /// How many left since the slab was last shrunk.
    removed: usize,
}

impl<T> Store<T> {
    /// An empty store whose serials begin at `next_serial`: a replaced store goes on where the lost one was.
    pub(crate) const fn new(next_serial: u64) -> Self {
        Self { slab: Slab::new(), next_serial, removed: 0 }
    }

    pub(crate) const fn next_serial(&self) -> u64 {
        self.next_serial
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let serial = self.next_serial;
        self.next_serial += 1;
        let index = u32::try_from(self.slab.insert((serial, value))).expect("limits keep stores below 2^32 entries");
        Key { index, serial }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.slab.get(key.index as usize).filter(|(serial, _)| *serial == key.serial).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (serial, value) = self.slab.get_mut(key.index as usize)?;
        (*serial == key.serial).then_some(value)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let (_, value) = self.slab.remove(key.index as usize);
        self.removed += 1;
        self.shrink();
        Some(value)
    }

    /// A slab never gives memory back by itself; after a crowd has left, this one does, as far as nobody is at its end. To shrink
    /// takes time in proportion to its size, so not before as many have left.
    fn shrink(&mut self) {
        let capacity = self.slab.capacity();
        if capacity > KEPT && self.removed * 2 > capacity && self.slab.len() * 4 < capacity {
            self.slab.shrink_to_fit();
            if self.slab.capacity() < capacity {
                self.removed = 0;
            }
        } else if self.slab.is_empty() && capacity > KEPT {
            self.slab = Slab::new();
            self.removed = 0;
        }
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.iter().map(|(key, _)| key).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slab.iter().map(|(index, (serial, value))| (Key { index: index as u32, serial: *serial }, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slab.iter_mut().map(|(_, (_, value))| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_that_leaves_gives_its_memory_back_in_whatever_order_it_goes() {
        let orders: [fn(&mut Vec<Key>); 3] =
            [|_| {}, |keys| keys.reverse(), |keys| keys.sort_by_key(|key| key.index.wrapping_mul(2_654_435_761))];
        for (order, arrange) in orders.into_iter().enumerate() {
            let mut store = Store::new(0);
            let mut keys: Vec<_> = (0..100_000).map(|n: u32| store.insert(n)).collect();
            arrange(&mut keys);
            for key in keys {
                assert!(store.remove(key).is_some());
            }
            assert!(store.slab.capacity() <= KEPT, "order {order}: {}", store.slab.capacity());
        }
    }
}
