//! `States`: the states of the connection, as they follow each other.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{
    queue::{Queue, Read},
    state::State,
};

/// Of a reader that does not keep up, the oldest states are dropped.
const MAX_STATES: usize = 64;

/// The states of a connection from now on, the present one first. Ends with the client.
///
/// If more than 64 wait to be read, the oldest are dropped.
#[derive(Debug)]
pub struct States(Arc<Queue<State>>);

/// Tells everybody who wants to know.
#[derive(Debug, Default)]
pub(crate) struct Announcer(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Option<State>,
    readers: Vec<Weak<Queue<State>>>,
}

impl Announcer {
    pub(crate) fn announce(&self, state: State) {
        let mut inner = self.lock();
        inner.state = Some(state.clone());
        inner.readers.retain(|reader| reader.strong_count() > 0);
        let readers: Vec<_> = inner.readers.iter().filter_map(Weak::upgrade).collect();
        drop(inner);
        readers.iter().for_each(|reader| reader.push_over_oldest(state.clone(), 0));
    }

    pub(crate) fn state(&self) -> Option<State> {
        self.lock().state.clone()
    }

    pub(crate) fn states(&self) -> States {
        let queue = Arc::new(Queue::new(MAX_STATES, 0));
        let mut inner = self.lock();
        if let Some(state) = inner.state.clone() {
            queue.force(state, 0);
        }
        inner.readers.push(Arc::downgrade(&queue));
        States(queue)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is made whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.lock().readers.iter().filter_map(Weak::upgrade).for_each(|reader| reader.end());
    }
}

impl States {
    /// The next state. `None` after the end of the client.
    ///
    /// Cancel safe: what is not returned stays for the next call.
    pub async fn next(&mut self) -> Option<State> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Option<State>> {
        loop {
            match self.0.poll_read(context) {
                Poll::Ready(Read::Item(state)) => return Poll::Ready(Some(state)),
                Poll::Ready(Read::Dropped(_)) => {}
                Poll::Ready(Read::End) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Stream for States {
    type Item = State;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<State>> {
        self.get_mut().poll(context)
    }
}
