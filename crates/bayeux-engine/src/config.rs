//! `Config`: every option of the engine, with CometD's names in snake case, units, defaults and what happens at a limit.

use std::time::Duration;

use bayeux_protocol::{ChannelRules, ConnectionType};

/// Options of an [`Engine`](crate::Engine). Read once when the engine is built.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long a `/meta/connect` is held when nothing happens. Default 20 s. Sent as `advice.timeout`.
    /// A client may ask for less (`advice.timeout`), never for more (BX-HRD-7).
    pub timeout: Duration,
    /// How long a client waits between a connect reply and its next connect. Default 0. Sent as `advice.interval`.
    pub interval: Duration,
    /// A session that is not connected ends `interval + max_interval` after its last connect reply. Default 10 s (BX-CN-8).
    pub max_interval: Duration,
    /// How long a write to a connection may take. Default 10 s. A front that can give up a write then closes the connection,
    /// and its events go to the session's next one, half as many at a time. Of a front that can't (mounted in actix), the
    /// write counts as complete a second later, and what came since goes to the next connection.
    pub write_timeout: Duration,
    /// Messages that may wait in one session's outbox. Default 1,024. One more ends the session (402 on its next message).
    pub max_queue: usize,
    /// Bytes of memory that may wait in one session's outbox, shared payloads counted in full; a message takes some 250 bytes
    /// besides its own. Default 512 KiB, so that 1,024 short messages fit. More ends the session.
    pub max_queue_bytes: usize,
    /// Events written in one reply or frame, in bytes; at least one event is always written. Default 128 KiB.
    pub max_batch_bytes: usize,
    /// Sessions on this engine. Default 200,000; a handshake above it is refused with `503` and advice to come back.
    pub max_sessions: usize,
    /// Bytes of the engine's memory for sessions, subscriptions, outboxes, messages under way and frames that are written.
    /// Default 1 GiB; above it handshakes, subscriptions and publishes are refused with `503`, and what is there goes on, in
    /// short frames. A publish needs room for the message and 32 bytes for each subscriber. 0 turns it off. What connections
    /// cost besides is not in it.
    pub max_memory: usize,
    /// Subscriptions of one session. Default 128; more are refused with `403`.
    pub max_subscriptions: usize,
    /// Subscriptions of one session that are wildcard patterns. Default 16; more are refused with `403`.
    pub max_wildcard_subscriptions: usize,
    /// Bytes of publishes that may wait for fan-out in one shard. Default 16 MiB; a publish above it is refused with `503`.
    pub max_inbox_bytes: usize,
    /// Above this many bytes in an inbox, connections that publish are not read until it has drained. Default 4 MiB.
    pub inbox_pause_bytes: usize,
    /// Whether a publisher that subscribed to its channel gets its own message. Default true.
    pub broadcast_to_publisher: bool,
    /// Whether events travel only with connect replies over HTTP. Default true; false lets them ride on any HTTP reply.
    pub meta_connect_deliver_only: bool,
    /// Whether a publish without `clientId` is accepted (BX-OP-5, BX-PB-2). Default false.
    pub allow_unconnected_publish: bool,
    /// Whether a session may be used without its browser cookie. Default false. True trusts the `clientId` alone.
    pub trust_client_session: bool,
    /// A WebSocket upgraded without a cookie may take over one session that was handshaken over HTTP from the same address
    /// within this time of the upgrade. Default 2 s (npm faye opens its socket while it handshakes); zero turns it off.
    pub adopt_window: Duration,
    /// A stream on which nothing was written for so long gets a few bytes that mean nothing. Default 10 s.
    pub stream_heartbeat: Duration,
    /// Bytes of messages after which a stream of type `xhr-streaming` or `iframe` ends, for the client to open the next: it keeps
    /// what it has read of one. Default 1 MiB.
    pub max_stream_bytes: usize,
    /// Sessions of one browser, by its cookie, whose connects are held over HTTP at a time. Default 4: browsers make six
    /// connections to a host over HTTP/1.1. Further connects are answered at once, with advice `multiple-clients`. 0 turns it off.
    pub max_sessions_per_browser: usize,
    /// The interval that goes with `multiple-clients`. Default 2 s.
    pub multi_session_interval: Duration,
    /// Connect replies without events that one session gets in a second, if it asks for no hold. Default 1,000;
    /// further ones are delayed to the end of the second and counted.
    pub max_empty_replies: u32,
    /// On shutdown each client is told to come back after a random time up to this. Default 5 s.
    pub shutdown_spread: Duration,
    /// Which channel names are accepted: grammar, 255 bytes, 16 segments.
    pub channels: ChannelRules,
    /// What the handshake reply offers, in order of preference. Default `websocket`, `long-polling`,
    /// `eventsource`, `xhr-streaming`, `iframe` (BX-HS-7).
    pub connection_types: Vec<ConnectionType>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(20),
            interval: Duration::ZERO,
            max_interval: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            max_queue: 1024,
            max_queue_bytes: 512 * 1024,
            max_batch_bytes: 128 * 1024,
            max_sessions: 200_000,
            max_memory: 1 << 30,
            max_subscriptions: 128,
            max_wildcard_subscriptions: 16,
            max_inbox_bytes: 16 * 1024 * 1024,
            inbox_pause_bytes: 4 * 1024 * 1024,
            broadcast_to_publisher: true,
            meta_connect_deliver_only: true,
            allow_unconnected_publish: false,
            trust_client_session: false,
            adopt_window: Duration::from_secs(2),
            stream_heartbeat: Duration::from_secs(10),
            max_stream_bytes: 1 << 20,
            max_sessions_per_browser: 4,
            multi_session_interval: Duration::from_secs(2),
            max_empty_replies: 1000,
            shutdown_spread: Duration::from_secs(5),
            channels: ChannelRules::default(),
            connection_types: vec![
                ConnectionType::WebSocket,
                ConnectionType::LongPolling,
                ConnectionType::EventSource,
                ConnectionType::XhrStreaming,
                ConnectionType::Iframe,
            ],
        }
    }
}
