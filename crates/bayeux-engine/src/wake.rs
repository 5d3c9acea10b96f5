//! `WakeList`: wakers and log lines collected under a lock, fired or written after it. A waker is somebody else's code, and so is
//! a log: it may block, or panic.

use std::{net::IpAddr, task::Waker};

/// What to do with other people's code once no lock is held.
#[derive(Default)]
#[must_use = "wakers that are not fired leave a connection asleep"]
pub(crate) struct WakeList {
    fire: Vec<Waker>,
    discard: Vec<Waker>,
    notes: Vec<Note>,
}

/// A line for the log. Sessions are named by a keyed hash of their id, useless to whoever reads it.
#[derive(Debug)]
pub(crate) enum Note {
    Opened { session: u32, peer: IpAddr, carrier: &'static str },
    Closed { session: u32, why: &'static str },
    Foreign { refused: u64 },
    Replaced { shard: usize, sessions: usize },
}

impl WakeList {
    /// To be woken.
    pub(crate) fn push(&mut self, waker: Option<Waker>) {
        self.fire.extend(waker);
    }

    /// To be written.
    pub(crate) fn note(&mut self, note: Note) {
        self.notes.push(note);
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
        for note in self.notes.drain(..) {
            note.write();
        }
    }
}

impl Note {
    fn write(self) {
        match self {
            Self::Opened { session, peer, carrier } => {
                tracing::debug!(target: "bayeux::session", session = format_args!("{session:08x}"), %peer, carrier, "opened");
            }
            Self::Closed { session, why } => {
                tracing::debug!(target: "bayeux::session", session = format_args!("{session:08x}"), why, "closed");
            }
            Self::Foreign { refused } => tracing::info!(
                target: "bayeux::session",
                refused,
                "a session was used without its BAYEUX_BROWSER cookie and refused; \
                 if its client keeps no cookies, set trust_client_session (--trust-client-session)"
            ),
            Self::Replaced { shard, sessions } => {
                tracing::error!(target: "bayeux::engine", shard, sessions, "a shard panicked and is replaced");
            }
        }
    }
}
