//! `Deadline`: when what a connection waits for is given up.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::time::{Instant, Sleep, sleep_until};

/// The timer runs on when a deadline is cleared or put off, and is set anew when it fires: most deadlines are never reached.
#[derive(Default)]
pub(super) struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// From now on `span` is left, whatever was set before.
    pub(super) fn set(&mut self, span: Duration) {
        self.at = Some(Instant::now() + span);
    }

    pub(super) const fn is_set(&self) -> bool {
        self.at.is_some()
    }

    pub(super) const fn clear(&mut self) {
        self.at = None;
    }

    /// Ready once it has passed; never, if none is set.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= at {
                self.timer = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
        Poll::Pending
    }
}
