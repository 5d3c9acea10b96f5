//! Reading and writing a connection: one scratch buffer for each worker, so that an idle connection has none.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_rt::net::TcpStream;
use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// Bytes one read takes at most.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// What a peer has sent that was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Nothing,
    /// Something, its end behind it perhaps. Where a read is pending all the same, the runtime is about to learn of it.
    Bytes,
    /// Only that it has closed or reset the connection.
    End,
}

/// What a connection reads from and writes to.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + 'static {
    /// The TCP connection below.
    fn tcp(&self) -> &TcpStream;

    /// Bounds what the kernel keeps for a peer that does not read; what the system refuses to set stays as it was.
    fn bound_send_buffer(&self, bytes: usize) {
        if bytes > 0 {
            let _ = SockRef::from(self.tcp()).set_send_buffer_size(bytes);
        }
    }

    /// How long the peer's system may take to acknowledge what was written; what the system refuses to set stays as it was.
    fn acknowledged_within(&self, time: Option<Duration>) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = SockRef::from(self.tcp()).set_tcp_user_timeout(time);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = time;
    }

    /// What waits to be read. Asks the kernel, unless the runtime has `looked` and seen nothing since that was published which woke
    /// the connection.
    fn waiting(&self, looked: bool) -> Waiting {
        let peek = || SockRef::from(self.tcp()).peek(&mut [MaybeUninit::uninit()]);
        match if looked { self.tcp().try_io(Interest::READABLE, peek) } else { peek() } {
            Ok(0) => Waiting::End,
            Ok(_) => Waiting::Bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Waiting::Nothing,
            Err(_) => Waiting::End,
        }
    }

    /// Lets the kernel forget what the peer has not taken, once the connection is dropped.
    fn reset(&self) {
        let _ = SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO));
    }
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

#[cfg(feature = "tls")]
impl Stream for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Reads what is there, at most `limit` bytes, and gives it to `run`. Nothing there is the peer's end.
fn poll_read<T: Stream, R>(
    io: &mut T,
    cx: &mut Context<'_>,
    limit: usize,
    run: impl FnOnce(&[u8]) -> R,
) -> Poll<io::Result<R>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let length = limit.min(scratch.len());
        let mut buffer = ReadBuf::new(&mut scratch[..length]);
        ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(run(buffer.filled())))
    })
}

/// Appends what is there to `input`, at most `limit` bytes; returns how many came, 0 at the peer's end.
pub(super) fn poll_fill<T: Stream>(
    io: &mut T,
    cx: &mut Context<'_>,
    input: &mut BytesMut,
    limit: usize,
) -> Poll<io::Result<usize>> {
    poll_read(io, cx, limit, |bytes| {
        input.extend_from_slice(bytes);
        bytes.len()
    })
}

/// What is there; `None` at the peer's end or an error.
pub(super) fn poll_chunk<T: Stream>(io: &mut T, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
    let chunk = ready!(poll_read(io, cx, READ_BYTES, Bytes::copy_from_slice));
    Poll::Ready(chunk.ok().filter(|bytes| !bytes.is_empty()))
}

/// Writes what the kernel takes at once; the rest is to be written later.
pub(super) fn write_some<T: Stream>(io: &mut T, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<Bytes> {
    let written = match Pin::new(io).poll_write(cx, bytes) {
        Poll::Ready(written) => written?,
        Poll::Pending => 0,
    };
    // Nothing is copied, and no memory taken, if that is all.
    Ok(Bytes::copy_from_slice(&bytes[written..]))
}

/// Writes both, the first first, until the kernel has taken the last byte.
pub(super) fn poll_write_all<T: Stream>(
    io: &mut T,
    cx: &mut Context<'_>,
    first: &mut Bytes,
    second: &mut Bytes,
) -> Poll<io::Result<()>> {
    while !(first.is_empty() && second.is_empty()) {
        let io = Pin::new(&mut *io);
        // One piece goes out by send(2), which costs less than writev(2).
        let written = ready!(match (first.is_empty(), second.is_empty()) {
            (false, true) => io.poll_write(cx, first),
            (true, _) => io.poll_write(cx, second),
            (false, false) => io.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)]),
        })?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let of_first = written.min(first.len());
        first.advance(of_first);
        second.advance(written - of_first);
    }
    Pin::new(io).poll_flush(cx)
}
