//! `Socket`: a WebSocket's life, free of whatever reads and writes its bytes. It carries the same messages as a POST (BX-OP-2).
//!
//! It is polled for what to write. Being polled again says that the earlier bytes were taken over, so events are lent for
//! exactly one poll: a reader that is slow leaves its events in the session's bounded outbox, and nowhere else (BX-HRD-5).

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use actix_rt::time::{Sleep, sleep_until};
use bayeux_engine::{
    Answer, Call, Carrier, CloseReason, Frame, Framing, HEADROOM, Origin, ShardSet, Take, Ticket, Time,
};
use bayeux_protocol::{DecodeError, decode_batch};
use bytes::{Buf, Bytes};
use tokio::sync::futures::OwnedNotified;

use super::codec::{self, Decoder, Incoming};
use crate::{Bayeux, stats::count, worker};

/// Frames with events after which the peer is read, however many more there are.
const MOST_EVENTS_IN_A_ROW: u8 = 8;

/// Chunks that are read before events are written, as long as there are more: a peer that sends without a pause gets events too.
const MOST_READ_FIRST: u8 = 8;

/// Why sockets are closed on shutdown.
const LEAVING: &str = "the server is shutting down";
/// Pings and pongs that a peer may send in a second; one more closes the socket with 1008.
pub(crate) const MAX_CONTROLS: u16 = 1000;

/// One WebSocket on the server.
pub struct Socket {
    bayeux: Bayeux,
    origin: Origin,
    decoder: Decoder,
    /// Read and not looked at yet: behind a reply that is delayed.
    unread: Bytes,
    out: Out,
    /// Events were lent to the bytes last given out.
    lent: bool,
    /// The runtime has looked at this connection since these were published.
    looked: bool,
    /// Frames with events given out since the peer was last read.
    events_in_a_row: u8,
    /// How often events were given back since some were taken over.
    given_back: u8,
    /// Pings and pongs that came in this second.
    controls: (u64, u16),
    /// Where its last messages were published to.
    published: ShardSet,
    state: State,
    timer: Option<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// A close frame is in `out`; nothing is read any more.
    Closing,
    Closed,
}

/// What the socket waits for besides its peer and its session. Boxed, since most sockets wait for neither.
enum Timer {
    /// It has no session: it is closed then, or when the server shuts down.
    NoSession(Pin<Box<Sleep>>, Pin<Box<OwnedNotified>>),
    /// This frame is due then; nothing is read before.
    Delay(Pin<Box<Sleep>>, Vec<u8>),
}

impl Socket {
    /// A socket just upgraded. `head_bytes` came with the request's head.
    pub(crate) fn new(bayeux: Bayeux, origin: Origin, head_bytes: Bytes) -> Self {
        count(&bayeux.counters().sockets_opened);
        let decoder = Decoder::new(bayeux.options().limits.max_bytes);
        let (out, lent, looked, published, state) = (Out::default(), false, false, ShardSet::default(), State::Open);
        let (unread, events_in_a_row, given_back, controls, timer) = (head_bytes, 0, 0, (0, 0), None);
        let mut socket = Self {
            bayeux,
            origin,
            decoder,
            unread,
            out,
            lent,
            looked,
            events_in_a_row,
            given_back,
            controls,
            published,
            state,
            timer,
        };
        socket.expect_session();
        socket
    }

    /// The next bytes to write; `None` closes the connection. `read` yields the peer's bytes as they come, `None` at their
    /// end.
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut Context<'_>) -> Poll<Option<Bytes>>,
    ) -> Poll<Option<Bytes>> {
        self.poll_timer(cx);
        // A reply that was delayed comes without a look at the session.
        if !self.out.is_empty() {
            self.confirm();
        }
        while self.state == State::Open && self.out.is_empty() {
            // What was lent is confirmed before anything is read: the reader may move the session elsewhere. Events end what
            // is written at a time: if that write breaks off, the peer can't have got them whole.
            let progress = if self.events_in_a_row < MOST_EVENTS_IN_A_ROW {
                self.poll_take(cx) || self.poll_read(cx, &mut read)
            } else {
                self.events_in_a_row = 0;
                self.confirm();
                self.poll_read(cx, &mut read) || self.poll_take(cx)
            };
            if !progress && self.out.is_empty() {
                return Poll::Pending;
            }
            // A delayed reply is no part of what has events in it: that may be taken back.
            if self.out.is_empty() {
                self.poll_timer(cx);
            }
        }
        if self.state == State::Closed {
            return Poll::Ready(None);
        }
        if self.state == State::Closing {
            self.state = State::Closed;
        }
        Poll::Ready(Some(self.out.take()))
    }

    /// Whether the bytes given out last have events in them. Whoever writes them looks at the peer first: one that closed before
    /// the events came would take them with it (BX-DL-8).
    pub(crate) const fn lends(&self) -> bool {
        self.lent
    }

    /// The peer sent something before the events given out last could be written, a close frame perhaps. If so, they were
    /// taken back, and it is to be [read](Self::read) first; if not, they are to be written all the same.
    pub(crate) fn takes_back(&mut self, cx: &mut Context<'_>) -> bool {
        self.given_back < MOST_READ_FIRST && self.may_read(cx) && self.take_back()
    }

    /// The peer was gone before the bytes given out last were written: the socket is over.
    pub(crate) fn gone(&mut self) {
        self.take_back();
        // Lent still, if a connect was answered with them: cancelled with the socket.
        (self.state, self.timer) = (State::Closed, None);
    }

    fn take_back(&mut self) -> bool {
        let back = self.ticket().is_some_and(|ticket| self.bayeux.engine().give_back(self.bayeux.now(), ticket));
        if back {
            self.lent = false;
            self.given_back += 1;
        }
        back
    }

    /// Whether the runtime has looked at this connection since the events that are lent were published.
    pub(crate) const fn is_looked_at(&self) -> bool {
        self.looked
    }

    fn may_read(&self, cx: &Context<'_>) -> bool {
        !matches!(self.timer, Some(Timer::Delay(..))) && !self.bayeux.engine().is_paused(self.published, cx.waker())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, read: impl FnOnce(&mut Context<'_>) -> Poll<Option<Bytes>>) -> bool {
        self.may_read(cx) && self.read(cx, read)
    }

    /// Reads one chunk and handles what is in it. Returns whether there was something. A chunk is small, so what it is
    /// answered with is too; what is lent to these replies comes with them.
    pub(crate) fn read(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&mut Context<'_>) -> Poll<Option<Bytes>>,
    ) -> bool {
        self.published = ShardSet::default();
        self.events_in_a_row = 0;
        if self.unread.is_empty() {
            match read(cx) {
                Poll::Pending => return false,
                Poll::Ready(None) => {
                    self.state = State::Closed;
                    return true;
                }
                Poll::Ready(Some(bytes)) => self.unread = bytes,
            }
        }
        self.parse();
        true
    }

    fn parse(&mut self) {
        while self.state == State::Open && !matches!(self.timer, Some(Timer::Delay(..))) {
            match self.decoder.decode(&mut self.unread) {
                Ok(None) => return,
                Ok(Some(Incoming::Text(text))) => self.batch(&text),
                Ok(Some(Incoming::Ping(payload))) => {
                    codec::encode_pong(&payload, self.out.control());
                    self.count_control();
                }
                Ok(Some(Incoming::Pong)) => self.count_control(),
                Ok(Some(Incoming::Close(code))) => self.close(code.unwrap_or(1000), ""),
                Err(refused) => self.refuse_frame(refused.code(), &refused.to_string()),
            }
        }
    }

    /// Pings and pongs cost a wake-up each and carry nothing, so a flood of them ends the connection.
    fn count_control(&mut self) {
        let second = self.bayeux.now().as_millis() / 1000;
        if self.controls.0 != second {
            self.controls = (second, 0);
        }
        self.controls.1 += 1;
        if self.controls.1 > MAX_CONTROLS {
            self.refuse_frame(1008, "too many pings");
        }
    }

    /// BX-WS-2: a text message is a batch.
    fn batch(&mut self, text: &[u8]) {
        match decode_batch(text, &self.bayeux.options().limits) {
            Ok(batch) => {
                let call = Call { origin: self.origin.clone(), batch };
                let answer = self.bayeux.engine().handle(self.bayeux.now(), call);
                self.answer(answer);
            }
            Err(error) => self.refuse(close_code(&error), &error.to_string()),
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.published = self.published.and(answer.published);
        if let Carrier::Socket { ticket, may_adopt } = &mut self.origin.carrier {
            if answer.adopted {
                *may_adopt = None;
            }
            if let Some(attached) = answer.attached {
                self.timer = None;
                let earlier = ticket.replace(attached);
                let now = self.bayeux.now();
                if let Some(frame) = earlier.and_then(|earlier| self.bayeux.engine().retire(now, earlier)) {
                    self.out.text(frame);
                }
            }
        }
        let Some(frame) = answer.frame else { return };
        match answer.not_before {
            Some(time) if time > self.bayeux.now() => self.timer = Some(Timer::Delay(self.sleep(time), frame)),
            _ => self.out.text(frame),
        }
    }

    /// Appends what the session has to say: deliveries as they come (BX-WS-3), the reply to a connect when it is due (BX-WS-4).
    /// Returns whether there was something.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(ticket) = self.ticket() else {
            return false;
        };
        if self.state != State::Open {
            return false;
        }
        // Being polled says that the bytes given out last were taken over, so what was lent to them has left the outbox.
        let written = self.was_written();
        match self.bayeux.engine().take(self.bayeux.now(), ticket, written, cx.waker()) {
            // A beat is a stream's.
            Take::Pending | Take::Beat => return false,
            Take::Frame { frame, lent, last, marked, .. } => {
                self.out.frame(frame);
                self.lent = lent;
                self.looked = worker::has_looked(&self.bayeux, marked);
                self.events_in_a_row += 1;
                if last {
                    self.detach();
                }
            }
            Take::Released => self.detach(),
            Take::Close(reason) => {
                self.forget();
                match reason {
                    CloseReason::SessionEnded => self.close(1000, "the session has ended"),
                    CloseReason::ShuttingDown => self.close(1001, LEAVING),
                    // Its peer does not read: a close frame would not reach it either.
                    CloseReason::Cut => self.state = State::Closed,
                }
            }
        }
        true
    }

    /// The bytes given out last were taken over.
    fn confirm(&mut self) {
        if let (true, Some(ticket)) = (self.was_written(), self.ticket()) {
            self.bayeux.engine().confirm(self.bayeux.now(), ticket);
        }
    }

    fn was_written(&mut self) -> bool {
        let written = std::mem::take(&mut self.lent);
        if written {
            self.given_back = 0;
        }
        written
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) {
        match self.timer.take() {
            None => {}
            Some(Timer::NoSession(mut sleep, mut left)) => {
                if left.as_mut().poll(cx).is_ready() {
                    self.close(1001, LEAVING);
                } else if sleep.as_mut().poll(cx).is_ready() {
                    count(&self.bayeux.counters().sockets_without_session);
                    self.close(1008, "no session was made in time");
                } else {
                    self.timer = Some(Timer::NoSession(sleep, left));
                }
            }
            Some(Timer::Delay(mut sleep, frame)) => {
                if sleep.as_mut().poll(cx).is_ready() {
                    self.out.text(frame);
                    if self.ticket().is_none() {
                        self.expect_session();
                    }
                } else {
                    self.timer = Some(Timer::Delay(sleep, frame));
                }
            }
        }
    }

    fn refuse_frame(&mut self, code: u16, reason: &str) {
        count(&self.bayeux.counters().frames_refused);
        self.refuse(code, reason);
    }

    fn refuse(&mut self, code: u16, reason: &str) {
        count(&self.bayeux.counters().sockets_refused);
        tracing::debug!(target: "bayeux::websocket", peer = %self.origin.peer, code, reason, "refused what a socket sent");
        self.close(code, reason);
    }

    fn close(&mut self, code: u16, reason: &str) {
        codec::encode_close(code, reason, self.out.control());
        self.state = State::Closing;
        // Nothing is waited for any more, so nothing is said behind this.
        self.timer = None;
    }

    /// The session no longer receives here. The socket may handshake again, for a while.
    fn detach(&mut self) {
        self.forget();
        if self.timer.is_none() {
            self.expect_session();
        }
    }

    fn forget(&mut self) {
        if let Carrier::Socket { ticket, .. } = &mut self.origin.carrier {
            *ticket = None;
        }
    }

    fn expect_session(&mut self) {
        let (leaving, left) = self.bayeux.leaving();
        if leaving {
            return self.close(1001, LEAVING);
        }
        let until = self.bayeux.now() + self.bayeux.options().handshake_timeout;
        self.timer = Some(Timer::NoSession(self.sleep(until), Box::pin(left)));
    }

    fn sleep(&self, until: Time) -> Pin<Box<Sleep>> {
        Box::pin(sleep_until(self.bayeux.clock().instant(until).into()))
    }

    const fn ticket(&self) -> Option<Ticket> {
        match self.origin.carrier {
            Carrier::Socket { ticket, .. } => ticket,
            Carrier::Http | Carrier::Script { .. } | Carrier::Stream { .. } => None,
        }
    }
}

/// What is to be written. A frame alone is written where the engine made it: its header goes into the room in front.
#[derive(Default)]
struct Out {
    /// Written first, if there is nothing else: bytes that other sockets write too.
    shared: Bytes,
    bytes: Vec<u8>,
    /// Where the first byte is.
    start: usize,
}

impl Out {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.shared.is_empty()
    }

    fn frame(&mut self, frame: Frame) {
        match frame {
            Frame::Shared(frame) if self.is_empty() => {
                self.shared = frame.framed(Framing::Message, |array| {
                    let mut bytes = Vec::new();
                    codec::encode_text(array, &mut bytes);
                    bytes.into()
                });
            }
            frame => self.text(frame.into()),
        }
    }

    fn text(&mut self, frame: Vec<u8>) {
        if self.is_empty() {
            self.bytes = frame;
            self.start = codec::encode_text_in_place(&mut self.bytes, HEADROOM);
        } else {
            codec::encode_text(&frame[HEADROOM..], self.control());
        }
    }

    /// Where control frames are appended.
    fn control(&mut self) -> &mut Vec<u8> {
        if !self.shared.is_empty() {
            self.bytes = std::mem::take(&mut self.shared).into();
        }
        &mut self.bytes
    }

    fn take(&mut self) -> Bytes {
        if !self.shared.is_empty() {
            return std::mem::take(&mut self.shared);
        }
        let mut bytes = Bytes::from(std::mem::take(&mut self.bytes));
        bytes.advance(std::mem::take(&mut self.start));
        bytes
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        count(&self.bayeux.counters().sockets_closed);
        if let Some(ticket) = self.ticket() {
            self.bayeux.engine().cancel(self.bayeux.now(), ticket);
        }
    }
}

/// BX-WS-5: what is no JSON is bad data, what breaks a limit a breach of policy, and too large is its own code.
const fn close_code(error: &DecodeError) -> u16 {
    match error {
        DecodeError::TooLarge { .. } => 1009,
        DecodeError::TooManyMessages { .. } | DecodeError::TooDeep { .. } => 1008,
        _ => 1007,
    }
}

#[cfg(test)]
mod tests;
