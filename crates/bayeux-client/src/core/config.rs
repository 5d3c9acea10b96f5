//! What an application chooses of how the connection behaves.

use std::time::Duration;

/// The rules of one connection. [`Config::default`] suits the open internet.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which transports are used, and which comes first.
    pub transports: Transports,
    /// Whether acknowledgements are asked for: then each delivery reaches the application once (BX-ACK-1).
    pub ack: bool,
    /// For how long a reply is waited for, unless it is that to a connect (BX-CLI-2). Default 10 s.
    pub request_timeout: Duration,
    /// For how long a reply to a connect is waited for beyond the timeout of the advice (BX-CLI-2). Default 10 s.
    pub network_allowance: Duration,
    /// How long a connect is held where no advice says so. Default 60 s.
    pub default_hold: Duration,
    /// How long a WebSocket may take to open. Default 10 s.
    pub open_timeout: Duration,
    /// The longest pause after the first failure. Default 250 ms.
    pub first_pause: Duration,
    /// The longest pause at all. Default 30 s.
    pub longest_pause: Duration,
    /// Publishes that may wait to be sent; one more is refused. Default 1,000.
    pub queue_messages: usize,
    /// Bytes of data that may wait to be sent. Default 8 MiB.
    pub queue_bytes: usize,
    /// Whether other servers that the advice names are tried (BX-ADV-11). Default true.
    pub follow_hosts: bool,
    /// Whether there are other tokens to be had: then a connect that is refused with 401 or 403 is followed by a handshake with another
    /// one, even if the advice is to give up. Default false.
    pub renews_tokens: bool,
    /// What chance begins with: two connections with the same seed and inputs do the same.
    pub seed: u64,
}

/// Which transports are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transports {
    /// Begins with long-polling, which works everywhere, and moves up to a WebSocket in the background.
    #[default]
    MoveUp,
    /// Opens a WebSocket at once; long-polling if that does not work.
    WebSocketFirst,
    /// Long-polling alone.
    LongPolling,
    /// Streams of server-sent events (`eventsource`); long-polling where they do not get through, or the server has none.
    EventSource,
    /// Streams of lines (`xhr-streaming`); long-polling where they do not get through, or the server has none.
    XhrStreaming,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            transports: Transports::default(),
            ack: false,
            request_timeout: Duration::from_secs(10),
            network_allowance: Duration::from_secs(10),
            default_hold: Duration::from_secs(60),
            open_timeout: Duration::from_secs(10),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
            queue_messages: 1000,
            queue_bytes: 8 * 1024 * 1024,
            follow_hosts: true,
            renews_tokens: false,
            seed: 0,
        }
    }
}
