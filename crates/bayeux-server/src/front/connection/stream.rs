//! A stream on the connection itself: whatever its session has to say in one turn goes out in one write.

use std::{future::poll_fn, task::Poll, time::Duration};

use bytes::Bytes;

use super::{Connection, Next};
use crate::{
    front::{
        io::Stream,
        output::{After, Length},
    },
    http::Response,
};

/// For a beat to be acknowledged by the peer's system. With the usual time between beats, and that of the keepalive, a peer that
/// vanished is noticed within 15 s.
const BEAT_TIMEOUT: Duration = Duration::from_secs(4);
/// Bytes behind the data of a chunk.
const END_OF_CHUNK: usize = 2;
/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl<T: Stream> Connection<'_, T> {
    /// Writes a response that comes in pieces, each as soon as the one before was taken. Returns whether the connection stays.
    pub(super) async fn stream(&mut self, response: Response, after: After) -> bool {
        let Response { status, headers, mut body, .. } = response;
        // To a peer that knows no chunks, the end of the connection is the end of the body.
        let after = if after.chunks() { after } else { after.closing() };
        let last = || Bytes::from_static(if after.chunks() { LAST_CHUNK } else { b"" });
        let (mut headers, mut ended, mut hurried) = (Some(headers), false, false);
        while !ended {
            let (mut bytes, mut end) = match self.next_bytes(&mut body, |body, cx| body.poll_piece(cx)).await {
                Next::Bytes(piece) => {
                    ended = body.is_over();
                    let bytes = if after.chunks() { piece.framed() } else { piece.data() };
                    (bytes, if ended { last() } else { Bytes::new() })
                }
                Next::End => {
                    ended = true;
                    (last(), Bytes::new())
                }
                Next::Gone => return false,
            };
            if let Some(headers) = headers.take() {
                let length = Length::Streamed;
                let start = poll_fn(|cx| Poll::Ready(self.start(cx, status, &headers, length, &mut bytes, after)));
                let Some(mut left) = start.await else {
                    return false;
                };
                drop(headers);
                if !self.write(&mut left, &mut bytes).await {
                    return false;
                }
            }
            if body.is_beat() != hurried {
                hurried = !hurried;
                self.hurry(hurried);
            }
            // Behind the events comes what only HTTP wants.
            let tail = if after.chunks() { END_OF_CHUNK + end.len() } else { 0 };
            if !self.write(&mut bytes, &mut end).await {
                if bytes.len() + end.len() <= tail {
                    // All of the events are taken over: on another connection they would come twice.
                    poll_fn(|cx| Poll::Ready(body.poll_piece(cx).is_ready())).await;
                }
                return false;
            }
        }
        if hurried {
            self.hurry(false);
        }
        // The kernel has taken the last byte: polled again, the body knows.
        self.next_bytes(&mut body, |body, cx| body.poll_piece(cx)).await;
        after.stays() && !self.endpoint.bayeux.is_leaving()
    }

    /// What the system has written of a beat is to be acknowledged soon: the keepalive, which notices that a peer is gone, waits
    /// while something is under way.
    fn hurry(&self, hurried: bool) {
        let usual = self.endpoint.options.tcp_user_timeout;
        self.io.acknowledged_within(if hurried {
            Some(BEAT_TIMEOUT.min(usual.unwrap_or(BEAT_TIMEOUT)))
        } else {
            usual
        });
    }
}
