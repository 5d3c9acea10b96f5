//! A WebSocket on the connection itself: what its session has to say in one turn goes out in one write.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{
    deadline::Deadline,
    io::{Stream, Waiting, poll_chunk, poll_write_all},
    linger::{LINGER, linger},
};
use crate::{Bayeux, stats::count, websocket::Socket};

struct Driven<'b, T> {
    bayeux: &'b Bayeux,
    io: T,
    socket: Box<Socket>,
    out: Bytes,
    deadline: Deadline,
}

/// Runs the socket until either side ends it.
pub(super) async fn drive<T: Stream>(bayeux: &Bayeux, io: T, socket: Box<Socket>) {
    let mut driven = Driven { bayeux, io, socket, out: Bytes::new(), deadline: Deadline::default() };
    let in_peace = poll_fn(|cx| driven.poll(cx)).await;
    let Driven { mut io, socket, .. } = driven;
    drop(socket);
    if in_peace {
        linger(&mut io, LINGER).await;
    }
}

impl<T: Stream> Driven<'_, T> {
    /// Ready at the end, with whether all that was to be said was written.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            // Nothing is asked of the session before the kernel has taken what it said: a slow reader fills its outbox.
            match self.poll_write(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(false) => return Poll::Ready(false),
                Poll::Ready(true) => {}
            }
            let Self { io, socket, .. } = self;
            match socket.poll_next(cx, |cx| poll_chunk(io, cx)) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Ready(Some(bytes)) => self.out = bytes,
            }
            if self.socket.lends() && !self.poll_peer(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Looks at the peer between events taken and events written, unless the runtime did since they were published: the kernel
    /// would take them for one that is gone, and they would be lost (BX-DL-8). What it sent is read first. Returns whether to go on; if not, the runtime is about to wake this.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> bool {
        let Self { io, socket, out, .. } = self;
        match io.waiting(socket.is_looked_at()) {
            Waiting::Nothing => true,
            Waiting::End => {
                socket.gone();
                out.clear();
                true
            }
            Waiting::Bytes if !socket.takes_back(cx) => true,
            Waiting::Bytes => {
                out.clear();
                // Over TLS, what was there may have been the beginning of a record.
                socket.read(cx, |cx| poll_chunk(io, cx)) || io.waiting(false) != Waiting::Bytes
            }
        }
    }

    /// Ready with whether the connection goes on, once all is written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.out.is_empty() {
            return Poll::Ready(true);
        }
        if let Poll::Ready(written) = poll_write_all(&mut self.io, cx, &mut self.out, &mut Bytes::new()) {
            self.deadline.clear();
            return Poll::Ready(written.is_ok());
        }
        if !self.deadline.is_set() {
            self.deadline.set(self.bayeux.options().engine.write_timeout);
        }
        self.deadline.poll(cx).map(|()| {
            count(&self.bayeux.counters().writes_timed_out);
            self.io.reset();
            false
        })
    }
}
