//! The end of a connection that lets the peer read the last words: closed with unread bytes, it would reset them away.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use bytes::BytesMut;

use super::{
    deadline::Deadline,
    io::{Stream, poll_fill},
};

/// How long the peer has to read a last answer before the connection is closed for good.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// What is read and thrown away meanwhile.
pub(crate) const LINGER_BYTES: usize = 256 * 1024;

/// Says that nothing more comes, and waits for the peer to say the same, `patience` long; reads what is there in any case.
pub(super) async fn linger<T: Stream>(io: &mut T, patience: Duration) {
    let mut deadline = Deadline::default();
    deadline.set(patience);
    let (mut left, mut shut, mut ignored) = (LINGER_BYTES, false, BytesMut::new());
    poll_fn(|cx| {
        loop {
            if !shut {
                match Pin::new(&mut *io).poll_shutdown(cx) {
                    Poll::Pending => return deadline.poll(cx),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(())) => shut = true,
                }
            }
            ignored.clear();
            match poll_fill(io, cx, &mut ignored, LINGER_BYTES) {
                Poll::Pending => return deadline.poll(cx),
                Poll::Ready(Ok(read)) if read > 0 && read < left => left -= read,
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
}
