//! `Options`: what a server decides beyond the engine: sizes, origins, cookies.

use std::time::Duration;

use bayeux_engine::Config;
use bayeux_protocol::{ConnectionType, DecodeLimits};

use crate::http::{forwarded::TrustedProxies, gate::AllowedOrigins};

/// Options of a [`Bayeux`](crate::Bayeux) server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Timing, queues and session rules.
    pub engine: Config,
    /// Bytes of a request body or WebSocket message (64 KiB, refused from the declared length with 413 or close 1009),
    /// messages in a batch (1,024) and nesting (32).
    pub limits: DecodeLimits,
    /// Origins besides the server's own that browsers may connect from. Default none (BX-HRD-8).
    pub allow_origin: AllowedOrigins,
    /// Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. Default none: these headers are ignored.
    pub trusted_proxies: TrustedProxies,
    /// The cookie that binds a session to its browser. Default `BAYEUX_BROWSER`.
    pub browser_cookie_name: String,
    /// How long a WebSocket may be open without a session. Default 30 s; then it is closed with 1008.
    pub handshake_timeout: Duration,
    /// Shards of the engine, 1 to 64. Default: one for each processor.
    pub shards: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: Config::default(),
            limits: DecodeLimits::default(),
            allow_origin: AllowedOrigins::default(),
            trusted_proxies: TrustedProxies::default(),
            browser_cookie_name: "BAYEUX_BROWSER".to_owned(),
            handshake_timeout: Duration::from_secs(30),
            shards: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Options {
    /// Offers `callback-polling` (BX-OP-7), and with it `cross-origin-long-polling`, under which Faye's clients of other sites
    /// poll (BX-LP-8).
    ///
    /// Any page may then open sessions of its own here: it needs no place in `allow_origin`, but no cookie is looked at either.
    pub fn offer_callback_polling(&mut self) {
        let types = &mut self.engine.connection_types;
        if types.contains(&ConnectionType::CallbackPolling) {
            return;
        }
        let behind =
            types.iter().position(|kind| *kind == ConnectionType::LongPolling).map_or(types.len(), |at| at + 1);
        types.insert(behind, ConnectionType::CallbackPolling);
        types.push(ConnectionType::from("cross-origin-long-polling"));
    }
}
