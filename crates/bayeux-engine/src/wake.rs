//! `WakeList`: wakers collected under a lock, fired or dropped after it. A waker is somebody else's code.

use std::task::Waker;

/// What to do with other people's wakers once no lock is held.
#[derive(Default)]
#[must_use = "wakers that are not fired leave a connection asleep"]
pub(crate) struct WakeList {
    fire: Vec<Waker>,
    discard: Vec<Waker>,
}

impl WakeList {
    /// To be woken.
    pub(crate) fn push(&mut self, waker: Option<Waker>) {
        self.fire.extend(waker);
    }

    /// To be dropped only.
    pub(crate) fn discard(&mut self, waker: Option<Waker>) {
        self.discard.extend(waker);
    }

    /// Wakes everyone. To be called after unlock.
    pub(crate) fn fire(self) {
        drop(self);
    }
}

/// Fires on drop, so that a panic between collecting and firing leaves nobody asleep.
impl Drop for WakeList {
    fn drop(&mut self) {
        for waker in self.fire.drain(..) {
            waker.wake();
        }
    }
}
