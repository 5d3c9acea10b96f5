//! Listening sockets, what is set on each accepted connection, and how many there may be.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_rt::net::TcpStream;
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use super::FrontOptions;

/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 4096;
/// File descriptors that are left for everything but connections: a fixed part, and what each worker opens.
const OWN_FILES: usize = 32;
const FILES_OF_A_WORKER: usize = 4;
/// Connections beyond the last place that are open at a time, in order to be told so; one more for each worker.
pub(crate) const REFUSED: usize = 32;
/// How long the TLS handshake of such a connection may take.
pub(crate) const REFUSAL: Duration = Duration::from_millis(500);

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
    refused: Arc<AtomicUsize>,
    max: usize,
    max_refused: usize,
}

/// What a connection that was accepted finds.
pub(super) enum Entry {
    /// A place among the open ones.
    Place(Place),
    /// None: it is to be told so. `hurry` says that others wait to be told.
    Refused { place: Place, hurry: bool },
}

/// Counts a connection as long as it is open.
pub(super) struct Place(Arc<AtomicUsize>);

impl Connections {
    /// At most `max`; 0 takes what the limit of open files leaves.
    pub(super) fn new(max: usize, workers: usize) -> Self {
        let max_refused = REFUSED + workers;
        let reserved = OWN_FILES + FILES_OF_A_WORKER * workers + max_refused;
        let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
        let files = files.unwrap_or(usize::MAX).saturating_sub(reserved).max(1);
        let max = if max == 0 { files } else { max.min(files) };
        Self { open: Arc::default(), refused: Arc::default(), max, max_refused }
    }

    /// How many may be open.
    pub(super) const fn max(&self) -> usize {
        self.max
    }

    /// How many each of the `workers` may have open, with those to be refused: more stay in the kernel's queue until one of
    /// these is closed. So accepting never runs out of files, after which it would rest for half a second.
    pub(super) const fn max_of_a_worker(&self, workers: usize) -> usize {
        self.max.saturating_add(self.max_refused) / workers
    }

    pub(super) fn enter(&self) -> Entry {
        if self.open.fetch_add(1, Relaxed) < self.max {
            return Entry::Place(Place(self.open.clone()));
        }
        self.open.fetch_sub(1, Relaxed);
        let hurry = self.refused.fetch_add(1, Relaxed) >= self.max_refused / 2;
        Entry::Refused { place: Place(self.refused.clone()), hurry }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
