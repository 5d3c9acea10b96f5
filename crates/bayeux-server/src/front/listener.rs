//! Listening sockets, what is set on each accepted connection, and how many there may be.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use actix_rt::net::TcpStream;
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use super::FrontOptions;

/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 4096;
/// File descriptors that are left for everything but connections.
const RESERVED_FILES: u64 = 64;

/// A socket that listens on `address`.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets what every connection needs: no delay for small writes, and an end for a peer that has vanished. What the system
/// refuses to set stays as it was.
pub(super) fn prepare(stream: &TcpStream, options: &FrontOptions) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    if let Some((idle, probes)) = options.tcp_keepalive {
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle).with_retries(probes);
        let _ = socket.set_tcp_keepalive(&keepalive);
    }
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(options.tcp_user_timeout);
}

/// How many connections are open, of how many.
#[derive(Clone)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    max: usize,
}

/// A connection's place among the open ones.
pub(super) struct Place(Arc<AtomicUsize>);

impl Connections {
    /// At most `max`; 0 takes what the limit of open files leaves.
    pub(super) fn new(max: usize) -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(RESERVED_FILES);
        let files = usize::try_from(files).unwrap_or(usize::MAX).max(1);
        let max = if max == 0 { files } else { max.min(files) };
        Self { open: Arc::default(), max }
    }

    pub(super) const fn max(&self) -> usize {
        self.max
    }

    /// A place, unless all are taken.
    pub(super) fn enter(&self) -> Option<Place> {
        if self.open.fetch_add(1, Relaxed) < self.max {
            return Some(Place(self.open.clone()));
        }
        self.open.fetch_sub(1, Relaxed);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
