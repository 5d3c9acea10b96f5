//! `Replies`: the frame being written, and what every reply has in common.

use std::time::Duration;

use bayeux_protocol::{Advice, ConnectExt, ErrorCode, Message, MessageId, Reconnect, encode_connect_reply, error_code};

use crate::{
    ClientId, Config,
    link::HeldConnect,
    outbox::{Batch, Outbox},
};

/// The interval that a superseded connect is answered with: a client with two loops slows one of them down.
const SUPERSEDED_INTERVAL: Duration = Duration::from_secs(2);

/// A refused connect is not to be repeated at once.
pub(crate) const REFUSED_INTERVAL: Duration = Duration::from_secs(1);

/// The interval for a session used without its cookie: the client's next handshake meets the same fate, so not at once.
pub(crate) const FOREIGN_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes left free in front of each frame, for the header that a transport may have to put there: so a frame is written once
/// and never copied. A WebSocket's header takes at most ten.
pub const HEADROOM: usize = 10;

/// What the reply to a connect takes, unless its id is long.
const CONNECT_REPLY_BYTES: usize = 256;

/// One JSON array in the making.
pub(crate) struct Replies {
    out: Vec<u8>,
}

impl Replies {
    pub(crate) fn new() -> Self {
        Self { out: Vec::new() }
    }

    pub(crate) fn push(&mut self, message: &Message) {
        self.open();
        message.encode(&mut self.out);
        self.out.push(b',');
    }

    pub(crate) fn push_connect(
        &mut self,
        reply: ConnectReply,
        id: Option<&MessageId>,
        client: &ClientId,
        config: &Config,
        ext: ConnectExt,
    ) {
        self.open();
        reply.encode(id, client, config, ext, &mut self.out);
        self.out.push(b',');
    }

    /// With `reply`, that of a connect follows.
    pub(crate) fn push_events(&mut self, outbox: &Outbox, batch: Batch, reply: bool) {
        if self.out.is_empty() {
            // Exactly what is needed if no reply follows: shared bytes are made from it without another allocation.
            self.out.reserve_exact(HEADROOM + 1 + batch.bytes + if reply { CONNECT_REPLY_BYTES } else { 0 });
        }
        self.open();
        outbox.write(batch, &mut self.out);
    }

    /// The finished array, behind [`HEADROOM`] bytes of no meaning; `None` if nothing was pushed.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        *self.out.last_mut()? = b']';
        Some(self.out)
    }

    fn open(&mut self) {
        if self.out.is_empty() {
            self.out.extend_from_slice(&[0; HEADROOM]);
            self.out.push(b'[');
        }
    }
}

/// A frame without messages.
pub(crate) fn empty() -> Vec<u8> {
    [&[0; HEADROOM][..], b"[]"].concat()
}

/// Advice is always whole: both stock clients keep what they last got, from any message (BX-ADV-2, BX-ADV-12, BX-LP-4).
pub(crate) fn advice(config: &Config, reconnect: Reconnect, interval: Duration) -> Advice {
    Advice {
        reconnect: Some(reconnect),
        interval: Some(millis(interval)),
        timeout: Some(millis(config.timeout)),
        ..Advice::default()
    }
}

/// A reply to `request`: its channel and id (BX-CH-8, BX-FLD-7, BX-FLD-17).
pub(crate) fn reply(request: &Message, successful: bool) -> Message {
    Message {
        channel: request.channel.clone(),
        id: request.id.clone(),
        successful: Some(successful),
        ..Message::default()
    }
}

/// A refusal, which says why (BX-FLD-12, BX-FLD-18).
pub(crate) fn refusal(request: &Message, code: ErrorCode, args: &[&str]) -> Message {
    let mut reply = reply(request, false);
    reply.error = Some(code.message(args));
    reply.subscription = request.subscription.clone();
    reply
}

/// 402: the session is not there, or not the sender's; the client is to handshake (BX-ADV-4, BX-SE-2, BX-SE-3).
pub(crate) fn session_unknown(request: &Message, config: &Config, interval: Duration) -> Message {
    let mut reply = refusal(request, error_code::SESSION_UNKNOWN, &[]);
    reply.advice = Some(Box::new(advice(config, Reconnect::Handshake, interval)));
    reply
}

/// The answer to a connect (BX-CN-7). Advice to handshake comes with a failure alone (BX-ADV-13).
#[derive(Clone, Copy)]
pub(crate) enum ConnectReply {
    /// As usual.
    Retry,
    /// A newer connect has come (BX-CN-12). It has no number, since it may overtake one that has (BX-ACK-8).
    Superseded,
    /// Others of its browser hold connects (BX-ADV-10, BX-MC-2).
    Crowded,
    /// The session's stream is another request: this one is nothing but its heartbeat (BX-ST-4), and is not to come soon
    /// (BX-ST-6).
    Beside,
    /// The client disconnected (BX-DC-3).
    Disconnected,
    /// The session is gone; a stream is not left open (BX-ST-12).
    SessionGone,
    /// The server goes; come back after this time (BX-CN-14).
    ShuttingDown(Duration),
}

impl ConnectReply {
    /// The answer to a connect whose time has come.
    pub(crate) fn of(held: &HeldConnect) -> Self {
        match held.leaving {
            Some(interval) => Self::ShuttingDown(interval),
            None if held.crowded => Self::Crowded,
            None => Self::Retry,
        }
    }

    /// When an event source comes again that opens its stream anew by itself, if not as usual. One whose session is over has
    /// nothing to come for.
    pub(crate) const fn retry(self, config: &Config) -> Option<Duration> {
        match self {
            Self::Retry => None,
            Self::Superseded | Self::Crowded | Self::Beside | Self::ShuttingDown(_) => Some(self.interval(config)),
            Self::Disconnected | Self::SessionGone => Some(config.timeout),
        }
    }

    const fn interval(self, config: &Config) -> Duration {
        match self {
            Self::Retry | Self::Disconnected => config.interval,
            Self::Superseded => SUPERSEDED_INTERVAL,
            Self::Crowded => config.multi_session_interval,
            Self::Beside => config.timeout,
            Self::SessionGone => Duration::ZERO,
            Self::ShuttingDown(interval) => interval,
        }
    }

    fn encode(self, id: Option<&MessageId>, client: &ClientId, config: &Config, ext: ConnectExt, out: &mut Vec<u8>) {
        let crowded = matches!(self, Self::Crowded);
        let beside = matches!(self, Self::Beside);
        let (successful, reconnect) = match self {
            Self::Retry | Self::Superseded | Self::Crowded | Self::Beside | Self::ShuttingDown(_) => {
                (true, Reconnect::Retry)
            }
            Self::Disconnected => (true, Reconnect::None),
            Self::SessionGone => (false, Reconnect::Handshake),
        };
        let interval = self.interval(config);
        let error = (!successful).then(|| error_code::SESSION_UNKNOWN.message(&[]));
        let mut advice = advice(config, reconnect, interval);
        advice.multiple_clients = crowded.then_some(true);
        if beside {
            advice.timeout = Some(0);
        }
        encode_connect_reply(id, client.as_str(), error.as_deref(), &advice, ext, out);
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
