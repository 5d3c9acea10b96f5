//! `FrontOptions`: the deadlines, buffers and limits of connections under the front of our own.

use std::time::Duration;

/// Options of [`serve`](crate::serve). How long a write may take is `Config::write_timeout`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FrontOptions {
    /// Path of the endpoint; every suffix of it is served too. Default `/bayeux`.
    pub path: String,
    /// Whether there is nothing but the endpoint: any other path is answered with 404 by the front itself. Default false: it
    /// goes to the application, and its connection with it, under actix's bounds from then on.
    pub endpoint_only: bool,
    /// Worker threads. Default 0: as many as the engine has shards.
    pub workers: usize,
    /// How long the head of a request may take, from its first byte; of a connection's first request, from the start of the
    /// connection. A TLS handshake has as long. Default 5 s; then 408.
    pub head_timeout: Duration,
    /// How long the body of a request may take, from the end of its head. Default 20 s; then 408.
    pub body_timeout: Duration,
    /// How long a connection stays without a request. Default 60 s.
    pub keep_alive: Duration,
    /// Bytes of a request's head, and of what is read ahead while a connect is held. Default 16 KiB; then 431.
    pub max_head_bytes: usize,
    /// Connections of all workers together. Default 0: what the limit of open files leaves, less 64 and 5 for each worker. One
    /// more gets 503.
    pub max_connections: usize,
    /// After how long a silence a peer is probed, how long each probe may take, and how many may fail. Default 5 s and 2: a
    /// peer that vanished is noticed within 15 s. `None` leaves that to the system.
    pub tcp_keepalive: Option<(Duration, u32)>,
    /// How long written bytes may stay unacknowledged by the peer's system. Default 10 s.
    pub tcp_user_timeout: Option<Duration>,
    /// Bytes the kernel keeps of what a peer of the endpoint has not read. Default 32 KiB; 0 leaves that to the system. The
    /// application's connections are not touched.
    pub send_buffer: usize,
}

impl Default for FrontOptions {
    fn default() -> Self {
        Self {
            path: "/bayeux".to_owned(),
            endpoint_only: false,
            workers: 0,
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(60),
            max_head_bytes: 16 * 1024,
            max_connections: 0,
            tcp_keepalive: Some((Duration::from_secs(5), 2)),
            tcp_user_timeout: Some(Duration::from_secs(10)),
            send_buffer: 32 * 1024,
        }
    }
}
