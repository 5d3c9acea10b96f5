//! How a session's events reach its connection: taking over, lending, confirming, giving up, and the deadlines of it all.

use std::{sync::Arc, task::Waker, time::Duration};

use bayeux_protocol::ConnectExt;

use super::{Env, Shard, due::Due};
use crate::{
    ConnectionId, Frame, SharedFrame, Take,
    deadline::Deadline,
    extension::Extension,
    frame::LastBatch,
    inbox::Position,
    link::{Ending, GapAsked, HeldConnect, Lent, Link, LinkKey, LinkKind, Phase},
    memory::{ENTRY_BYTES, NUMBER_BYTES},
    outbox::Batch,
    pumper::PumperId,
    reply::{ConnectReply, Replies},
    session::{Receiving, Session, SessionKey},
    stats::{count, count_many},
};

/// What a connection that can give up a write has to do so by itself, before its events count as handed over.
const WRITE_GRACE: Duration = Duration::from_secs(1);

fn write_deadline(env: &Env<'_>) -> Deadline {
    Deadline::Write(env.now + env.config.write_timeout + WRITE_GRACE)
}

/// What the session's next frame takes: less at a slow connection, and where memory is short.
fn next_batch(env: &Env<'_>, session: &Session, link: &Link) -> Option<Batch> {
    let after = link.sent();
    let batch = session.outbox.peek(after, session.pace.of(env.config.max_batch_bytes))?;
    let room = env.memory.frame_room(batch.bytes);
    if room < batch.bytes { session.outbox.peek(after, room) } else { Some(batch) }
}

impl Shard {
    /// A new link to `session`, not receiving yet.
    pub(crate) fn link(&mut self, session: SessionKey, connection: ConnectionId, kind: LinkKind) -> Option<LinkKey> {
        let client = self.sessions.get(session)?.id;
        let (phase, connect, gap, lent, waker) = (Phase::Receiving, None, GapAsked::No, None, None);
        Some(self.links.insert(Link { session, client, connection, kind, phase, connect, gap, lent, waker }))
    }

    /// Makes `newer` the connection that receives (BX-CN-16). The older one's held connect is answered at once, without events (BX-CN-12); if
    /// it still writes what was lent to it, the newer one waits for that. Returns whether a held connect is answered.
    pub(crate) fn take_over(&mut self, env: &mut Env<'_>, session: SessionKey, newer: LinkKey) -> bool {
        let Some(receiving) = self.sessions.get(session).map(|session| session.receiving) else {
            return false;
        };
        let mut answered = false;
        let receiving = match receiving {
            Receiving::Away => Receiving::Here(newer),
            Receiving::Here(old) => {
                let writes = self.links.get(old).is_some_and(|link| link.lent.is_some());
                answered = self.supersede(env, old);
                if writes { Receiving::Draining { old, next: Some(newer) } } else { Receiving::Here(newer) }
            }
            Receiving::Draining { old, next } => {
                if let Some(next) = next {
                    answered = self.supersede(env, next);
                }
                Receiving::Draining { old, next: Some(newer) }
            }
        };
        self.receive(env, session, receiving);
        answered
    }

    /// Returns whether the link holds a connect, which is now to be answered.
    fn supersede(&mut self, env: &mut Env<'_>, key: LinkKey) -> bool {
        let Some(link) = self.links.get_mut(key) else {
            return false;
        };
        if link.phase == Phase::Receiving {
            link.phase = Phase::Superseded;
            count(&env.counters.connects_superseded);
        }
        if let Some(held) = &mut link.connect {
            held.place = None;
        }
        env.wakes.push(link.waker.take());
        link.connect.is_some()
    }

    /// Ends a link whose connection turns elsewhere; returns the answer to the connect it holds.
    pub(crate) fn retire(&mut self, env: &mut Env<'_>, key: LinkKey) -> Option<Vec<u8>> {
        self.supersede(env, key);
        let frame = match self.take(env, key, None) {
            Take::Frame { frame, lent: false, .. } => Some(frame.into()),
            Take::Frame { .. } | Take::Beat | Take::Pending | Take::Released | Take::Close(_) => None,
        };
        self.release(env, key);
        frame
    }

    /// What the link's connection is to write now; else `waker` is kept and fired when there is something.
    pub(crate) fn take(&mut self, env: &mut Env<'_>, key: LinkKey, waker: Option<&Waker>) -> Take {
        match self.due(env, key) {
            Due::Nothing => {
                self.park(env, key, waker);
                Take::Pending
            }
            Due::Events { reply, last } => self.frame(env, key, reply, last),
            Due::Opening => self.opening(env, key),
            Due::Beat => {
                self.beat(env, key);
                Take::Beat
            }
            Due::Last(reply) => {
                let Some(mut link) = self.release(env, key) else {
                    return Take::Released;
                };
                // One that was moved receives no longer on another connection: what it asked is not asked again.
                let told = matches!(reply, ConnectReply::Retry).then(|| link.gap.tell()).flatten();
                let id = link.connect.and_then(|held| held.id);
                let ext = ConnectExt { ack: None, missing: told };
                let mut replies = Replies::new();
                replies.push_connect(reply, id.as_ref(), &link.client, env.config, ext);
                let frame = Frame::Own(replies.finish().expect("a reply was pushed"));
                let retry = reply.retry(env.config);
                Take::Frame { frame, lent: false, last: true, marked: None, event_id: None, retry }
            }
            Due::Released => {
                self.release(env, key);
                Take::Released
            }
            Due::Close(reason) => {
                self.release(env, key);
                Take::Close(reason)
            }
        }
    }

    fn frame(&mut self, env: &mut Env<'_>, key: LinkKey, reply: bool, last: bool) -> Take {
        let event_id = self.event_id(env, key, true);
        if !reply
            && !last
            && let Some(frame) = self.shared_frame(env, key)
        {
            let marked = self.marked(key);
            return Take::Frame { frame: Frame::Shared(frame), lent: true, last, marked, event_id, retry: None };
        }
        let retry =
            self.links.get(key).and_then(Link::reply).filter(|_| last).and_then(|reply| reply.retry(env.config));
        let mut replies = Replies::new();
        let lent = self.write(env, key, reply, last, &mut replies);
        let marked = self.marked(key);
        replies.finish().map_or(Take::Pending, |frame| {
            self.carried(key, frame.len());
            let frame = Frame::Own(frame);
            Take::Frame { frame, lent, last, marked, event_id, retry }
        })
    }

    /// A stream has carried so many bytes more.
    fn carried(&mut self, key: LinkKey, bytes: usize) {
        if let Some(Link { kind: LinkKind::Stream(stream), .. }) = self.links.get_mut(key) {
            stream.left = stream.left.saturating_sub(bytes);
        }
    }

    /// A stream's first reply (BX-ST-2).
    fn opening(&mut self, env: &mut Env<'_>, key: LinkKey) -> Take {
        let event_id = self.event_id(env, key, false);
        let mut replies = Replies::new();
        let ext = self.connect_ext(key, None);
        if let Some(link) = self.links.get_mut(key)
            && let (LinkKind::Stream(stream), Some(held)) = (&mut link.kind, &link.connect)
        {
            stream.opened = true;
            replies.push_connect(ConnectReply::Retry, held.id.as_ref(), &link.client, env.config, ext);
        }
        self.beat(env, key);
        let frame = replies.finish().map(Frame::Own);
        frame.map_or(Take::Pending, |frame| {
            let (lent, last, marked, retry) = (false, false, None, None);
            Take::Frame { frame, lent, last, marked, event_id, retry }
        })
    }

    /// The stream is not silent: its next beat is a whole interval away.
    fn beat(&mut self, env: &mut Env<'_>, key: LinkKey) {
        if let Some(link) = self.links.get_mut(key)
            && let LinkKind::Stream(stream) = &mut link.kind
        {
            stream.beat = env.now + env.config.stream_heartbeat;
            let session = link.session;
            self.settle(env, session);
        }
    }

    /// The number of a stream's next frame: what a client names to go on behind it (BX-ST-5).
    fn event_id(&self, env: &Env<'_>, key: LinkKey, events: bool) -> Option<u64> {
        let link = self.links.get(key).filter(|link| matches!(link.kind, LinkKind::Stream(_)))?;
        let session = self.sessions.get(link.session)?;
        match &session.extension {
            Extension::None => None,
            Extension::Ack(acks) => Some(acks.last + 1),
            // Behind an older connection that still writes it is not told what is missing, so no number stands for all there is.
            Extension::Gap(_) if session.receiving != Receiving::Here(key) => None,
            Extension::Gap(handed_over) => {
                let batch = if events { next_batch(env, session, link) } else { None };
                Some(handed_over + batch.map_or(0, |batch| batch.messages as u64))
            }
        }
    }

    /// What a connect reply says besides, once it is settled which events are in front of it: of what the outbox has, everything
    /// through this position.
    fn connect_ext(&mut self, key: LinkKey, through: Option<Position>) -> ConnectExt {
        let Some(link) = self.links.get_mut(key) else {
            return ConnectExt::default();
        };
        let missing = link.gap.tell();
        let ack = self.sessions.get_mut(link.session).and_then(|session| match &mut session.extension {
            Extension::Ack(acks) => {
                self.memory -= acks.sent.len() * NUMBER_BYTES;
                let number = acks.number(through, session.outbox.len());
                self.memory += acks.sent.len() * NUMBER_BYTES;
                Some(number)
            }
            Extension::None | Extension::Gap(_) => None,
        });
        ConnectExt { ack, missing }
    }

    /// Who had marked when the youngest event that is lent to this link was delivered.
    fn marked(&self, key: LinkKey) -> Option<PumperId> {
        let through = self.links.get(key)?.lent.as_ref()?.through;
        self.marked.filter(|marked| through < marked.mark.end).map(|marked| marked.by)
    }

    /// HOT PATH: lends a socket the events that wait, in bytes that it shares with others who get the same.
    fn shared_frame(&mut self, env: &mut Env<'_>, key: LinkKey) -> Option<Arc<SharedFrame>> {
        let link = self.links.get_mut(key)?;
        let session = self.sessions.get(link.session).filter(|session| session.receiving == Receiving::Here(key))?;
        let outbox = &session.outbox;
        if !outbox.is_shared() {
            return None;
        }
        let batch = next_batch(env, session, link)?;
        let known = self.last_batch.as_ref().and_then(|last| last.frame_of(outbox, batch.messages));
        let frame = known.unwrap_or_else(|| {
            let mut replies = Replies::new();
            replies.push_events(outbox, batch, false);
            let frame = SharedFrame::new(replies.finish().unwrap_or_default(), batch.messages, env.memory);
            let frame = Arc::new(frame);
            self.last_batch = Some(LastBatch::new(outbox, batch.messages, frame.clone()));
            frame
        });
        link.lent = Some(Lent { through: batch.through, bytes: 0, answers: false });
        let session = link.session;
        match link.kind {
            LinkKind::Stream(_) => {
                self.carried(key, batch.bytes);
                self.beat(env, key);
            }
            LinkKind::Poll | LinkKind::Socket => self.settle(env, session),
        }
        Some(frame)
    }

    /// Writes the waiting events, then the reply of the held connect: events come first, in the same frame (BX-CN-15). Returns
    /// whether events were lent; if not, a link whose `last` frame this is is over with it.
    pub(crate) fn write(
        &mut self,
        env: &mut Env<'_>,
        key: LinkKey,
        reply: bool,
        last: bool,
        replies: &mut Replies,
    ) -> bool {
        let Some(link) = self.links.get_mut(key) else {
            return false;
        };
        let session = self.sessions.get(link.session).filter(|session| session.receiving == Receiving::Here(key));
        let batch = session.and_then(|session| next_batch(env, session, link));
        if let (Some(session), Some(batch)) = (session, batch) {
            replies.push_events(&session.outbox, batch, reply);
            let answers = reply && link.connect.is_some();
            link.lent = Some(Lent { through: batch.through, bytes: batch.bytes, answers });
            self.memory += batch.bytes;
        }
        if reply {
            self.write_reply(env, key, last, batch, replies);
        }
        let Some(link) = self.links.get(key) else {
            return false;
        };
        let session = link.session;
        if last && batch.is_none() {
            self.release(env, key);
        } else {
            self.settle(env, session);
            self.beat(env, key);
        }
        batch.is_some()
    }

    /// The reply behind a batch, in the same frame as what it has a number for (BX-ACK-9). A stream's connect stays open until its last.
    fn write_reply(&mut self, env: &Env<'_>, key: LinkKey, last: bool, batch: Option<Batch>, replies: &mut Replies) {
        self.count_repeated(env, key, batch);
        // Without a batch, the reply that ends a stream stands for all that the stream carried.
        let carried = self.links.get(key).map(Link::sent).filter(|sent| *sent > Position(0));
        let ext = self.connect_ext(key, batch.map(|batch| batch.through).or(carried));
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let Some((reply, held)) = link.reply().zip(link.connect.as_mut()) else {
            return;
        };
        replies.push_connect(reply, held.id.as_ref(), &link.client, env.config, ext);
        match &mut link.kind {
            LinkKind::Stream(stream) if !last => {
                stream.through = batch.map_or(stream.through, |batch| batch.through);
            }
            LinkKind::Poll | LinkKind::Socket | LinkKind::Stream(_) => link.connect = None,
        }
    }

    fn count_repeated(&self, env: &Env<'_>, key: LinkKey, batch: Option<Batch>) {
        let session = self.links.get(key).and_then(|link| self.sessions.get(link.session));
        if let (Some(session), Some(batch)) = (session, batch)
            && let Extension::Ack(acks) = &session.extension
        {
            count_many(&env.counters.deliveries_repeated, session.outbox.through(batch, acks.furthest));
        }
    }

    fn park(&mut self, env: &mut Env<'_>, key: LinkKey, waker: Option<&Waker>) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let Some(waker) = waker else { return };
        if !link.waker.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            env.wakes.discard(link.waker.replace(waker.clone()));
        }
    }

    /// The write of what was lent is complete: the events have left the outbox.
    pub(crate) fn confirm(&mut self, env: &mut Env<'_>, key: LinkKey) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let (session, over) = (link.session, link.is_answered());
        let lent = link.lent.take();
        self.memory -= lent.map_or(0, |lent| lent.bytes);
        if let (Some(lent), Some(session)) = (lent, self.sessions.get_mut(session)) {
            self.memory -= session.written(lent.through) * ENTRY_BYTES;
            if !session.extension.has_acks() {
                session.pace.held();
            }
        }
        if over {
            self.release(env, key);
        } else {
            self.drained(env, session, key);
        }
    }

    /// Nothing of what was lent was written, through no fault of the peer's pace.
    pub(crate) fn give_back(&mut self, env: &mut Env<'_>, key: LinkKey) -> bool {
        let Some(link) = self.links.get_mut(key) else {
            return false;
        };
        let Some(lent) = link.lent.take_if(|lent| !lent.answers) else {
            return false;
        };
        self.memory -= lent.bytes;
        let session = link.session;
        self.settle(env, session);
        self.drained(env, session, key);
        true
    }

    /// The connection is gone or gives up: what was lent stays in the outbox for the next one (BX-DL-8).
    pub(crate) fn release(&mut self, env: &mut Env<'_>, key: LinkKey) -> Option<Link> {
        let mut link = self.links.remove(key)?;
        env.wakes.discard(link.waker.take());
        self.memory -= link.lent.map_or(0, |lent| lent.bytes);
        let session = link.session;
        if let (Some(_), Some(session)) = (link.lent, self.sessions.get_mut(session)) {
            session.pace.broke();
        }
        match self.sessions.get(session).map(|session| session.receiving) {
            Some(Receiving::Here(here)) if here == key => self.receive(env, session, Receiving::Away),
            Some(Receiving::Draining { old, .. }) if old == key => self.drained(env, session, key),
            Some(Receiving::Draining { old, next }) if next == Some(key) => {
                self.receive(env, session, Receiving::Draining { old, next: None });
            }
            _ => {}
        }
        Some(link)
    }

    /// `old` has nothing lent any more: whoever waited for that receives now.
    fn drained(&mut self, env: &mut Env<'_>, session: SessionKey, key: LinkKey) {
        let Some(Receiving::Draining { old, next }) = self.sessions.get(session).map(|session| session.receiving)
        else {
            return;
        };
        if old != key {
            return;
        }
        self.receive(env, session, next.map_or(Receiving::Away, Receiving::Here));
        if let Some(next) = next.and_then(|next| self.links.get_mut(next)) {
            env.wakes.push(next.waker.take());
        }
    }

    fn receive(&mut self, env: &mut Env<'_>, key: SessionKey, receiving: Receiving) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.receiving = receiving;
        }
        if let Receiving::Here(link) = receiving {
            self.tell_gap(env, link);
        }
        self.settle(env, key);
    }

    /// A connect on this connection asks what is missing.
    pub(crate) fn ask_gap(&mut self, env: &Env<'_>, key: LinkKey, asked: GapAsked) {
        let Some(link) = self.links.get_mut(key).filter(|_| asked != GapAsked::No) else {
            return;
        };
        link.gap = asked;
        let session = self.sessions.get(link.session);
        if session.is_some_and(|session| session.receiving == Receiving::Here(key)) {
            self.tell_gap(env, key);
        }
    }

    /// The link receives, and no older one writes: so what was handed over and did not arrive can be told (BX-GAP-2), by the next reply to
    /// a connect on it. At once, if there is some (BX-GAP-3).
    pub(crate) fn tell_gap(&mut self, env: &Env<'_>, key: LinkKey) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(link.session) else {
            return;
        };
        if let Some(missing) = session.extension.missing(link.gap) {
            count_many(&env.counters.deliveries_told_missing, usize::try_from(missing).unwrap_or(usize::MAX));
            link.gap = GapAsked::Missing(missing);
        }
        // A stream tells it with the reply that it begins with.
        if let (GapAsked::Missing(1..), Some(held)) = (link.gap, &mut link.connect)
            && !matches!(link.kind, LinkKind::Stream(_))
            && held.due > env.now
        {
            let delayed = session.spin.count(env.now, env.config.max_empty_replies);
            held.due = delayed.unwrap_or(env.now).min(held.due);
        }
    }

    /// Gives the session the deadline that its state asks for. Every session has one at all times.
    pub(crate) fn settle(&mut self, env: &mut Env<'_>, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.deadline = match (session.receiving, session.deadline) {
            (Receiving::Away, _) => session.expiry(env.now, env.config),
            (Receiving::Here(link), _) => match self.links.get(link) {
                // Whatever else its client sends, it has the time it was given at first.
                Some(link) if link.lent.is_some() && link.is_answered() => match session.deadline {
                    Deadline::Write(at) => Deadline::Write(at).min(write_deadline(env)),
                    Deadline::Hold(_) | Deadline::Expiry(_) => write_deadline(env),
                },
                Some(Link { kind: LinkKind::Stream(stream), connect: Some(held), .. }) => {
                    Deadline::Hold(stream.beat.min(held.due))
                }
                Some(Link { connect: Some(held), .. }) => Deadline::Hold(held.due),
                _ => session.expiry(env.now, env.config),
            },
            // Newer connects may come and go; the one that writes still has the time it was given at first.
            (Receiving::Draining { .. }, Deadline::Write(at)) => Deadline::Write(at).min(write_deadline(env)),
            (Receiving::Draining { .. }, _) => write_deadline(env),
        };
        self.deadlines.set(&mut session.armed, key, session.deadline.at());
    }

    /// Fires what is due, within `budget`: a session costs one, and one more for each subscription that may have to go with it.
    /// Returns whether more may be due.
    pub(crate) fn fire_deadlines(&mut self, env: &mut Env<'_>, mut budget: usize) -> bool {
        while budget > 0 {
            let Some(key) = self.deadlines.pop_due(env.now) else {
                return false;
            };
            budget -= 1;
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            session.armed = None;
            budget = budget.saturating_sub(session.subscriptions.len());
            match session.deadline {
                later if later.at() > env.now => self.deadlines.set(&mut session.armed, key, later.at()),
                Deadline::Hold(_) => self.hold_is_over(env, key),
                Deadline::Write(_) => self.cut(env, key),
                Deadline::Expiry(_) => {
                    count(&env.counters.sessions_expired);
                    self.close(env, key, Ending::SessionGone, "expired");
                }
            }
        }
        true
    }

    /// The held connect is due: its connection is woken to answer it. If it can't (a stuck socket), the session expires.
    fn hold_is_over(&mut self, env: &mut Env<'_>, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.deadline = session.expiry(env.now, env.config);
        self.deadlines.set(&mut session.armed, key, session.deadline.at());
        if let Receiving::Here(link) = session.receiving
            && let Some(link) = self.links.get_mut(link)
        {
            env.wakes.push(link.waker.take());
        }
    }

    /// A write took too long and its connection did not give it up, so its bytes may still arrive: they count as handed over,
    /// since the same events on another connection could come twice. The connection is to be closed; newer events go on.
    fn cut(&mut self, env: &mut Env<'_>, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let (writer, next) = match session.receiving {
            Receiving::Here(link) => (link, None),
            Receiving::Draining { old, next } => (old, next),
            Receiving::Away => return self.settle(env, key),
        };
        count(&env.counters.writes_cut);
        if let Some(lent) = self.links.get_mut(writer).and_then(|link| link.lent.take()) {
            self.memory -= session.written(lent.through) * ENTRY_BYTES + lent.bytes;
        }
        self.end_link(env, writer, Ending::Cut);
        self.receive(env, key, next.map_or(Receiving::Away, Receiving::Here));
        if let Some(next) = next.and_then(|next| self.links.get_mut(next)) {
            env.wakes.push(next.waker.take());
        }
    }

    /// Holds a connect on a link until it is due.
    pub(crate) fn hold(&mut self, env: &mut Env<'_>, key: LinkKey, held: HeldConnect) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        link.connect = Some(held);
        let session = link.session;
        if self.sessions.get(session).is_some_and(|session| session.receiving == Receiving::Here(key)) {
            self.tell_gap(env, key);
        }
        self.settle(env, session);
    }

    pub(crate) fn link_ref(&self, key: LinkKey) -> Option<&Link> {
        self.links.get(key)
    }

    pub(crate) fn link_mut(&mut self, key: LinkKey) -> Option<&mut Link> {
        self.links.get_mut(key)
    }
}
