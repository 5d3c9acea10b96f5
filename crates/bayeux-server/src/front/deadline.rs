//! `Deadline`: when what a connection waits for is given up. No memory while it waits for nothing.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::time::{Instant, Sleep, sleep_until};

#[derive(Default)]
pub(super) struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// From now on `span` is left, whatever was set before.
    pub(super) fn set(&mut self, span: Duration) {
        let at = Instant::now() + span;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => self.timer = Some(Box::pin(sleep_until(at))),
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.timer.is_some()
    }

    pub(super) fn clear(&mut self) {
        self.timer = None;
    }

    /// Ready once it has passed; never, if none is set.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }
}
