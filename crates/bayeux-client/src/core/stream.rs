//! A connect whose response goes on: it is answered at its beginning, at its end, and in between with each batch that has a number.

use bayeux_protocol::{Message, MetaChannel, Reconnect};

use crate::{error::NetworkFault, state::State};

use super::{ConnectionId, Core, Time, advice::Interval, phase::Phase, streaming::LONGEST_SILENCE};

impl Core {
    /// Something came on this connection. A stream that was silent for long is as good as gone.
    pub(super) fn heard(&mut self, connection: ConnectionId, now: Time) {
        if self.streaming.is(connection)
            && self.streaming.is_open()
            && let Phase::Connecting { id } = self.phase
            && let Some(pending) = self.pending.get_mut(&id)
        {
            pending.deadline = now + LONGEST_SILENCE + self.config.network_allowance;
        }
    }

    /// Whether this is a reply to the connect of the stream, and the stream goes on. What refuses it, or advises anything but to come again, is
    /// its end, as it is of any connect.
    pub(super) fn answers_stream(&self, connection: ConnectionId, message: &Message) -> bool {
        let Phase::Connecting { .. } = self.phase else { return false };
        let advice = message.advice.as_ref().and_then(|advice| advice.reconnect.as_ref());
        self.streaming.is(connection)
            && message.channel.as_deref() == MetaChannel::Connect.as_str()
            && message.successful == Some(true)
            && advice.is_none_or(|reconnect| *reconnect == Reconnect::Retry)
    }

    /// It is open (BX-ST-10), or a batch ends with its number (BX-ACK-4), or this is its end (BX-ST-11).
    pub(super) fn stream_reply(&mut self, mut reply: Message, now: Time) {
        if let Some(advice) = reply.advice.take() {
            self.advice.replace(*advice);
        }
        let is_first = !self.streaming.is_open();
        self.streaming.answered();
        if let Phase::Connecting { id } = self.phase
            && let Some(pending) = self.pending.get_mut(&id)
        {
            pending.deadline = now + LONGEST_SILENCE + self.config.network_allowance;
        }
        if is_first {
            self.backoff.succeeded();
            self.is_reachable = true;
            if let Some(session) = &mut self.session {
                session.is_confirmed = true;
            }
            if let Some(transport) = self.streaming.wanted().cloned() {
                self.tell(State::Connected { transport });
            }
        }
    }

    /// Its end. The next connect comes after the interval that was last advised, as behind any reply (BX-CN-4).
    pub(super) fn stream_ended(&mut self, connection: ConnectionId, now: Time) {
        match self.streaming.ended(connection) {
            None => {}
            Some(false) => {
                self.response_ended(connection, now);
                self.streaming.failed(&NetworkFault::NoReply);
            }
            Some(true) => {
                let Phase::Connecting { id } = self.phase else { return };
                self.pending.remove(&id);
                match self.advice.interval(&self.transport(now)) {
                    Interval::Never => self.stop(crate::error::StopReason::NegativeInterval),
                    Interval::Wait(pause) => self.phase = Phase::Waiting { until: now + pause },
                }
            }
        }
    }
}
