//! `ReplyBody`: the body of a reply over HTTP: there at once, held until the engine has something to say, or a stream.
//!
//! Events are lent to it. They leave the session's outbox when the body is polled again after its last byte was taken
//! over; dropped earlier, they stay.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::time::{Sleep, sleep_until};
use bayeux_engine::{HEADROOM, ShardSet, Take, Ticket, Time};
use bytes::{Buf, Bytes};

use crate::{
    Bayeux,
    http::{
        chunk::Chunk,
        wire::{EventFields, Wire, whole},
    },
    stats::count,
    stream::StreamBody,
    worker,
};

/// A reply's bytes, to be polled by whatever writes them.
pub struct ReplyBody {
    state: State,
}

/// The connection is to be closed without finishing the body: its events went elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the write took too long and a newer connection has taken over")]
pub struct Cut;

enum State {
    /// Bytes that belong to nobody's outbox.
    Now(Bytes),
    /// Not before this time.
    Delayed(Box<(Pin<Box<Sleep>>, Self)>),
    /// Not before these shards have delivered most of what waits: the peer publishes faster than that.
    Paused(Box<(Bayeux, ShardSet, Self)>),
    /// Bytes with events lent by these links.
    Lent(Bytes, Loan),
    /// The bytes were handed out; polled again, they are taken over.
    Written(Loan),
    /// A connect that waits.
    Held(Hold),
    /// A connect that is answered again and again.
    Stream(Box<StreamBody>),
    Done,
}

impl ReplyBody {
    pub(crate) const fn now(bytes: Bytes) -> Self {
        Self { state: State::Now(bytes) }
    }

    pub(crate) fn lent(bayeux: &Bayeux, bytes: Bytes, tickets: Vec<Ticket>) -> Self {
        Self { state: State::Lent(bytes, Loan { bayeux: bayeux.clone(), tickets, looked: None }) }
    }

    pub(crate) fn held(bayeux: &Bayeux, ticket: Ticket, wire: Option<Box<dyn Wire>>) -> Self {
        Self { state: State::Held(Hold { bayeux: bayeux.clone(), ticket: Some(ticket), wire }) }
    }

    pub(crate) fn stream(bayeux: &Bayeux, ticket: Ticket, wire: Box<dyn Wire>) -> Self {
        Self { state: State::Stream(Box::new(StreamBody::new(bayeux, ticket, wire))) }
    }

    pub(crate) fn not_before(self, bayeux: &Bayeux, time: Time) -> Self {
        let timer = Box::pin(sleep_until(bayeux.clock().instant(time).into()));
        Self { state: State::Delayed(Box::new((timer, self.state))) }
    }

    pub(crate) fn after(self, bayeux: &Bayeux, published: ShardSet) -> Self {
        Self { state: State::Paused(Box::new((bayeux.clone(), published, self.state))) }
    }

    /// The length in bytes, if it is known before the body is polled.
    pub fn length(&self) -> Option<usize> {
        self.state.length()
    }

    /// Whether it comes in pieces.
    pub(crate) fn is_stream(&self) -> bool {
        self.state.is_stream()
    }

    /// Whether events are lent to the bytes last handed out.
    pub(crate) fn lends(&self) -> bool {
        match &self.state {
            State::Written(loan) => !loan.tickets.is_empty(),
            State::Stream(stream) => stream.lends(),
            _ => false,
        }
    }

    /// Whether the runtime has looked at the connection since the events that are lent were published.
    pub(crate) fn is_looked_at(&self) -> bool {
        match &self.state {
            State::Written(loan) => loan.looked == Some(true),
            State::Stream(stream) => stream.is_looked_at(),
            _ => false,
        }
    }

    /// Whether events are lent that the connection waited for while the runtime did not look at it.
    pub(crate) fn needs_look(&self) -> bool {
        match &self.state {
            State::Written(loan) => loan.looked == Some(false),
            State::Stream(stream) => stream.lends() && !stream.is_looked_at(),
            _ => false,
        }
    }

    /// Whether the piece of a stream that was last handed out is there only to be heard.
    pub(crate) fn is_beat(&self) -> bool {
        matches!(&self.state, State::Stream(stream) if stream.is_beat())
    }

    /// Whether the piece of a stream that was last handed out is its last.
    pub(crate) fn is_over(&self) -> bool {
        matches!(&self.state, State::Stream(stream) if stream.is_over())
    }

    /// The next piece of a [stream](Self::is_stream), which may be framed by whoever writes it; else as [`poll_next`](Self::poll_next).
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Cut>>> {
        if let State::Delayed(_) | State::Paused(_) = self.state {
            ready!(self.poll_turn(cx));
        }
        match &mut self.state {
            State::Stream(stream) => stream.poll_next(cx),
            _ => Poll::Ready(None),
        }
    }

    /// The next bytes. Being polled again says that the earlier ones were taken over; `None` is the end.
    ///
    /// # Errors
    /// [`Cut`]: close the connection without finishing the body.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        ready!(self.poll_turn(cx));
        match std::mem::replace(&mut self.state, State::Done) {
            State::Now(bytes) => Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes))),
            State::Lent(bytes, loan) => {
                self.state = State::Written(loan);
                Poll::Ready(Some(Ok(bytes)))
            }
            State::Written(loan) => {
                loan.confirm();
                Poll::Ready(None)
            }
            State::Held(mut hold) => match hold.poll(cx) {
                Poll::Pending => {
                    self.state = State::Held(hold);
                    Poll::Pending
                }
                Poll::Ready(Ok((bytes, loan))) => {
                    self.state = loan.map_or(State::Done, State::Written);
                    Poll::Ready(Some(Ok(bytes)))
                }
                Poll::Ready(Err(cut)) => Poll::Ready(Some(Err(cut))),
            },
            State::Stream(mut stream) => {
                let piece = stream.poll_next(cx);
                self.state = State::Stream(stream);
                piece.map_ok(Chunk::data)
            }
            State::Delayed(_) | State::Paused(_) | State::Done => Poll::Ready(None),
        }
    }

    /// Ready once it is this body's turn: it is not delayed any more.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let waits = match &mut self.state {
                State::Delayed(delayed) => delayed.0.as_mut().poll(cx).is_pending(),
                State::Paused(paused) => paused.0.engine().is_paused(paused.1, cx.waker()),
                _ => return Poll::Ready(()),
            };
            if waits {
                return Poll::Pending;
            }
            self.state = match std::mem::replace(&mut self.state, State::Done) {
                State::Delayed(delayed) => delayed.1,
                State::Paused(paused) => paused.2,
                other => other,
            };
        }
    }
}

impl State {
    fn length(&self) -> Option<usize> {
        match self {
            Self::Now(bytes) | Self::Lent(bytes, _) => Some(bytes.len()),
            Self::Delayed(delayed) => delayed.1.length(),
            Self::Paused(paused) => paused.2.length(),
            Self::Written(_) | Self::Held(_) | Self::Stream(_) | Self::Done => None,
        }
    }

    fn is_stream(&self) -> bool {
        match self {
            Self::Stream(_) => true,
            Self::Delayed(delayed) => delayed.1.is_stream(),
            Self::Paused(paused) => paused.2.is_stream(),
            _ => false,
        }
    }
}

/// The bytes of a frame: HTTP puts nothing in front.
pub(crate) fn body(frame: Vec<u8>) -> Bytes {
    let mut bytes = Bytes::from(frame);
    bytes.advance(HEADROOM);
    bytes
}

/// Events lent to a body: confirmed, or cancelled when it is dropped.
struct Loan {
    bayeux: Bayeux,
    tickets: Vec<Ticket>,
    /// Whether the runtime has looked at the connection since they were published; not known of those that were there before it.
    looked: Option<bool>,
}

impl Loan {
    fn confirm(mut self) {
        for ticket in std::mem::take(&mut self.tickets) {
            self.bayeux.engine().confirm(self.bayeux.now(), ticket);
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        for ticket in std::mem::take(&mut self.tickets) {
            self.bayeux.engine().cancel(self.bayeux.now(), ticket);
        }
    }
}

/// A held connect: cancelled when its connection goes before it was answered.
struct Hold {
    bayeux: Bayeux,
    ticket: Option<Ticket>,
    /// How the reply is written; as it is, without one.
    wire: Option<Box<dyn Wire>>,
}

impl Hold {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Bytes, Option<Loan>), Cut>> {
        let Some(ticket) = self.ticket else {
            return Poll::Ready(Err(Cut));
        };
        match self.bayeux.engine().take(self.bayeux.now(), ticket, false, cx.waker()) {
            Take::Pending | Take::Beat => Poll::Pending,
            Take::Frame { frame, lent, marked, .. } => {
                self.ticket = None;
                let loan = lent.then(|| Loan {
                    bayeux: self.bayeux.clone(),
                    tickets: vec![ticket],
                    looked: Some(worker::has_looked(&self.bayeux, marked)),
                });
                let bytes = match &self.wire {
                    Some(wire) => whole(&**wire, &frame[HEADROOM..], EventFields::default()),
                    None => body(frame.into()),
                };
                Poll::Ready(Ok((bytes, loan)))
            }
            Take::Released | Take::Close(_) => {
                self.ticket = None;
                Poll::Ready(Err(Cut))
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            count(&self.bayeux.counters().polls_abandoned);
            self.bayeux.engine().cancel(self.bayeux.now(), ticket);
        }
    }
}
