//! `StreamBody`: the answer to a connect that goes on, a piece for whatever the session has to say.
//!
//! As with a WebSocket, being asked for the next piece says that the one before was taken over: events are lent for exactly one,
//! and a slow reader leaves them in its session's bounded outbox (BX-HRD-5).

use std::task::{Context, Poll};

use bayeux_engine::{Take, Ticket};

use crate::{
    Bayeux,
    http::{
        chunk::Chunk,
        wire::{EventFields, Wire, beat, piece},
    },
    reply::Cut,
    stats::count,
    worker,
};

/// The pieces of a stream.
pub(crate) struct StreamBody {
    bayeux: Bayeux,
    wire: Box<dyn Wire>,
    /// Until the stream is over.
    ticket: Option<Ticket>,
    /// Nothing was said yet.
    first: bool,
    /// The piece handed out last has events in it.
    lent: bool,
    /// The runtime has looked at the connection since these were published.
    looked: bool,
    /// The piece handed out last means nothing.
    beat: bool,
    /// Nothing comes behind it.
    over: bool,
}

impl StreamBody {
    pub(crate) fn new(bayeux: &Bayeux, ticket: Ticket, wire: Box<dyn Wire>) -> Self {
        let (first, lent, looked, beat, over) = (true, false, false, false, false);
        Self { bayeux: bayeux.clone(), wire, ticket: Some(ticket), first, lent, looked, beat, over }
    }

    /// Whether the piece handed out last has events in it. Whoever writes it looks at the peer first (BX-DL-8).
    pub(crate) const fn lends(&self) -> bool {
        self.lent
    }

    /// Whether the runtime has looked at the connection since these events were published.
    pub(crate) const fn is_looked_at(&self) -> bool {
        self.looked
    }

    /// Whether the piece handed out last is there only to be heard.
    pub(crate) const fn is_beat(&self) -> bool {
        self.beat
    }

    /// Whether the piece handed out last is the last.
    pub(crate) const fn is_over(&self) -> bool {
        self.over
    }

    /// The next piece. Being polled again says that the one before was taken over; `None` is the end.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Cut>>> {
        let Some(ticket) = self.ticket else {
            return Poll::Ready(None);
        };
        let (now, written) = (self.bayeux.now(), std::mem::take(&mut self.lent));
        if self.over {
            self.ticket = None;
            self.bayeux.engine().confirm(now, ticket);
            return Poll::Ready(None);
        }
        match self.bayeux.engine().take(now, ticket, written, cx.waker()) {
            Take::Pending => Poll::Pending,
            Take::Beat => {
                self.beat = true;
                Poll::Ready(Some(Ok(beat(&*self.wire))))
            }
            Take::Frame { frame, lent, last, marked, event_id, retry } => {
                let fields = EventFields { id: event_id, retry };
                let piece = piece(&*self.wire, std::mem::take(&mut self.first), &frame, fields);
                (self.lent, self.beat, self.over) = (lent, false, last);
                self.looked = worker::has_looked(&self.bayeux, marked);
                if last && !lent {
                    self.ticket = None;
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Take::Released => {
                self.ticket = None;
                Poll::Ready(None)
            }
            Take::Close(_) => {
                self.ticket = None;
                Poll::Ready(Some(Err(Cut)))
            }
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            count(&self.bayeux.counters().streams_abandoned);
            self.bayeux.engine().cancel(self.bayeux.now(), ticket);
        }
    }
}
