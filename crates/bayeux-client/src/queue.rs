//! `Queue`: what waits for a reader, bounded in items and bytes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// One writer, one reader. What happens when it is full is the writer's choice.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    max_items: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    dropped: u64,
    has_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read<T> {
    Item(T),
    /// So many of the oldest were dropped before the next item.
    Dropped(u64),
    /// There is nothing more to come.
    End,
}

impl<T> Queue<T> {
    /// One item always has room, however large it is.
    pub(crate) const fn new(max_items: usize, max_bytes: usize) -> Self {
        let inner =
            Inner { items: VecDeque::new(), bytes: 0, dropped: 0, has_ended: false, reader: None, writer: None };
        Self { inner: Mutex::new(inner), max_items, max_bytes }
    }

    /// Gives the item back if there is no room.
    pub(crate) fn push(&self, item: T, bytes: usize) -> Result<(), T> {
        let inner = self.lock();
        if !self.has_room(&inner, bytes) {
            return Err(item);
        }
        put(inner, item, bytes);
        Ok(())
    }

    /// Drops the oldest items until there is room.
    pub(crate) fn push_over_oldest(&self, item: T, bytes: usize) {
        let mut gone = Vec::new();
        let mut inner = self.lock();
        while !self.has_room(&inner, bytes) {
            let Some((oldest, bytes)) = inner.items.pop_front() else { break };
            inner.bytes -= bytes;
            inner.dropped += 1;
            gone.push(oldest);
        }
        put(inner, item, bytes);
    }

    /// Takes the item, room or not.
    pub(crate) fn force(&self, item: T, bytes: usize) {
        put(self.lock(), item, bytes);
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.has_ended = true;
        wake(inner, |inner| inner.reader.take());
    }

    pub(crate) fn poll_read(&self, context: &Context<'_>) -> Poll<Read<T>> {
        let mut inner = self.lock();
        if inner.dropped > 0 {
            return Poll::Ready(Read::Dropped(std::mem::take(&mut inner.dropped)));
        }
        match inner.items.pop_front() {
            Some((item, bytes)) => {
                inner.bytes -= bytes;
                wake(inner, |inner| inner.writer.take());
                Poll::Ready(Read::Item(item))
            }
            None if inner.has_ended => Poll::Ready(Read::End),
            None => {
                inner.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready when an item of that size has room.
    pub(crate) fn poll_room(&self, bytes: usize, context: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if self.has_room(&inner, bytes) {
            return Poll::Ready(());
        }
        inner.writer = Some(context.waker().clone());
        Poll::Pending
    }

    fn has_room(&self, inner: &Inner<T>, bytes: usize) -> bool {
        inner.items.is_empty() || (inner.items.len() < self.max_items && inner.bytes + bytes <= self.max_bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Each change is made whole before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put<T>(mut inner: MutexGuard<'_, Inner<T>>, item: T, bytes: usize) {
    inner.items.push_back((item, bytes));
    inner.bytes += bytes;
    wake(inner, |inner| inner.reader.take());
}

/// Somebody else's code runs after the lock is released.
fn wake<T>(mut inner: MutexGuard<'_, Inner<T>>, who: impl FnOnce(&mut Inner<T>) -> Option<Waker>) {
    let waker = who(&mut inner);
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(queue: &Queue<T>) -> Option<Read<T>> {
        match queue.poll_read(&Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => Some(read),
            Poll::Pending => None,
        }
    }

    #[test]
    fn it_is_bounded_in_items_and_bytes_and_one_item_always_has_room() {
        let queue = Queue::new(2, 10);
        assert_eq!(queue.push(1, 100), Ok(()));
        assert_eq!(queue.push(2, 1), Err(2));
        assert_eq!(read(&queue), Some(Read::Item(1)));
        assert_eq!((queue.push(3, 4), queue.push(4, 4), queue.push(5, 0)), (Ok(()), Ok(()), Err(5)));
        assert!(queue.poll_room(1, &Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(read(&queue), Some(Read::Item(3)));
        assert!(queue.poll_room(6, &Context::from_waker(Waker::noop())).is_ready());
        assert!(queue.poll_room(7, &Context::from_waker(Waker::noop())).is_pending());
        queue.end();
        assert_eq!((read(&queue), read(&queue)), (Some(Read::Item(4)), Some(Read::End)));
    }

    #[test]
    fn what_was_dropped_is_told_where_it_is_missing() {
        let queue = Queue::new(2, 10);
        (1..6).for_each(|item| queue.push_over_oldest(item, 1));
        assert_eq!(read(&queue), Some(Read::Dropped(3)));
        assert_eq!((read(&queue), read(&queue), read(&queue)), (Some(Read::Item(4)), Some(Read::Item(5)), None));
    }
}
