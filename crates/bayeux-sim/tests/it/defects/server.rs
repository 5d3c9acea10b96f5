//! `Defective`: the sound engine behind calls that one defect changes.

use std::{collections::BTreeSet, sync::Arc, task::Waker};

use bayeux_engine::{
    Answer, Call, Carrier, CloseReason, ConnectionId, Edge, Engine, Origin, Pumped, Sequence, Take, Ticket, Time,
};
use bayeux_protocol::{DecodeLimits, Subscription, decode_batch};
use bayeux_sim::{Server, Sound, Told};

use super::{
    Defect,
    deliveries::{self, Deliveries, opens_stream},
    frames::{Suppressed, ended, reversed},
    known::Known,
};

/// A defect strikes on one of so many occasions: one that always did would be found at once.
const RARITY: u64 = 12;
/// Of those that have few occasions.
const RARITY_OF_RARE: u64 = 3;

/// Those whose defects know what is delivered.
const READERS: [Defect; 7] = [
    Defect::AcknowledgedByWrite,
    Defect::SupersededNumbered,
    Defect::ResumedBehindSent,
    Defect::StreamEndsMute,
    Defect::StuckStreamLives,
    Defect::LentIsHandedOver,
    Defect::PlaceKept,
];

/// An engine with a defect.
pub(crate) struct Defective {
    sound: Sound,
    defect: Defect,
    known: Known,
    deliveries: Deliveries,
    suppressed: Suppressed,
    /// Sessions ended by the defect itself.
    ended: BTreeSet<String>,
    occasions: u64,
    budget_cut: bool,
    leaving: bool,
    /// Connects that are never answered.
    stuck: Vec<Ticket>,
}

impl Defective {
    pub(crate) fn new(engine: Arc<Engine>, defect: Defect) -> Self {
        let suppressed = Suppressed::new(engine.shards());
        let (known, mut deliveries) = (Known::default(), Deliveries::default());
        deliveries.reads = READERS.contains(&defect);
        let (sound, ended, stuck) = (Sound::new(engine), BTreeSet::new(), Vec::new());
        let (occasions, budget_cut, leaving) = (0, false, false);
        Self { sound, defect, known, deliveries, suppressed, ended, occasions, budget_cut, leaving, stuck }
    }

    fn strikes(&mut self) -> bool {
        self.occasions += 1;
        let rare = self.defect == Defect::DrainIntoDeadPoll;
        self.occasions.is_multiple_of(if rare { RARITY_OF_RARE } else { RARITY })
    }

    /// Ends sessions whose connect is held for longer than they may live without one.
    fn expire_held(&mut self, now: Time) {
        let limit = self.engine().config().max_interval;
        while let Some((session, origin)) = self.known.held_since(|since| now.since(since) > limit) {
            let text = format!(r#"{{"channel":"/meta/disconnect","clientId":"{session}"}}"#);
            let batch = decode_batch(text.as_bytes(), &DecodeLimits::default()).expect("well-formed");
            // Not the connection that holds: that one would be answered here.
            let origin = Origin { connection: ConnectionId(u64::MAX), ..origin };
            self.sound.handle(now, Call { origin, batch });
            self.ended.insert(session);
        }
    }

    /// The session's older connection loses what it still writes.
    fn take_back(&mut self, now: Time, call: &Call) {
        let connects = call.batch.iter().any(|message| message.channel.as_deref() == Some("/meta/connect"));
        let session = call.batch.first().and_then(|message| message.client_id.as_deref());
        if let (true, Some(session)) = (connects, session) {
            for ticket in self.known.lent_of(session) {
                if self.strikes() {
                    self.sound.cancel(now, ticket);
                }
            }
        }
    }

    /// What was lent is written.
    fn written(&mut self, now: Time, ticket: Ticket) {
        if let Some(call) = self.deliveries.written(ticket)
            && self.defect == Defect::AcknowledgedByWrite
            && self.strikes()
        {
            self.sound.handle(now, call);
        }
    }

    fn lend(&mut self, now: Time, tickets: &[Ticket]) {
        for ticket in tickets {
            self.known.lend(*ticket);
            if self.defect == Defect::CommitBeforeWrite && self.strikes() {
                self.sound.confirm(now, *ticket);
            }
        }
    }

    fn changed(&mut self, session: Option<&str>, frame: Vec<u8>) -> Vec<u8> {
        let defect = self.defect;
        match defect {
            Defect::OrderBrokenByBudget if self.budget_cut => {
                let (frame, reversed) = reversed(frame);
                self.budget_cut = !reversed;
                frame
            }
            Defect::InterestClearedEarly => self.suppressed.without(session, frame),
            Defect::HeldSessionExpires if session.is_some_and(|id| self.ended.contains(id)) => ended(frame),
            Defect::SupersededNumbered if self.strikes() => self.deliveries.numbered(session, frame),
            Defect::LentIsHandedOver => self.deliveries.more_missing(session, frame),
            _ => frame,
        }
    }
}

impl Server for Defective {
    fn handle(&mut self, now: Time, mut call: Call) -> Answer {
        let origin: Origin = call.origin.clone();
        let defect = self.defect;
        match defect {
            Defect::DuplicateAfterAbort => self.take_back(now, &call),
            Defect::AdoptedTwice => {
                let session = call.batch.first().and_then(|message| message.client_id.as_deref());
                if let Carrier::Socket { may_adopt: Some(_), .. } = call.origin.carrier
                    && let Some(adopter) = session.and_then(|session| self.known.adopter(session))
                {
                    call.origin.browser = Some(adopter);
                }
            }
            Defect::DeafToUnsubscribe if self.strikes() => {
                for message in &mut call.batch {
                    if message.channel.as_deref() == Some("/meta/unsubscribe") {
                        message.subscription = Some(Subscription::One("/nobody/subscribes/to/this".into()));
                    }
                }
            }
            Defect::OneNumberTooMany if self.strikes() => deliveries::name_more(&mut call),
            Defect::ResumedBehindSent if opens_stream(&call) && self.strikes() => self.deliveries.name_all(&mut call),
            Defect::BesideTakesOver if self.strikes() => deliveries::come_from_stream(&mut call),
            _ => {}
        }
        self.suppressed.read(&call.batch);
        let batch = call.batch.clone();
        let mut answer = self.sound.handle(now, call);
        self.known.learn(now, &origin, &batch, &answer);
        let browser = origin.browser.filter(|_| !matches!(origin.carrier, Carrier::Socket { .. }));
        self.deliveries.learn(&origin, &batch, &answer);
        if self.defect == Defect::PlaceKept
            && let Some(ticket) = answer.held.or(answer.stream)
            && let Some(frame) = self.deliveries.crowded(browser, &batch[0], self.sound.engine().config())
        {
            self.sound.cancel(now, ticket);
            self.known.answered(ticket);
            return Answer { frame: Some(frame), ..Answer::default() };
        }
        let lent = std::mem::take(&mut answer.lent);
        self.lend(now, &lent);
        answer.lent = lent;
        let session = batch.first().and_then(|message| message.client_id.as_deref());
        answer.frame = answer.frame.map(|frame| self.changed(session, frame));
        answer
    }

    fn take(&mut self, now: Time, ticket: Ticket, written: bool, waker: &Waker) -> Take {
        let deaf = self.defect == Defect::LostWake && self.strikes();
        let waker = if deaf { Waker::noop() } else { waker };
        if written {
            self.known.unlend(ticket);
        }
        if self.stuck.contains(&ticket) {
            return Take::Pending;
        }
        if written {
            self.sound.confirm(now, ticket);
            self.written(now, ticket);
        }
        match self.sound.take(now, ticket, false, waker) {
            Take::Frame { lent: true, .. } if self.leaving && self.defect == Defect::EventsLeftAtShutdown => {
                self.sound.cancel(now, ticket);
                Take::Close(CloseReason::ShuttingDown)
            }
            Take::Beat if self.defect == Defect::BeatLost && self.strikes() => Take::Pending,
            Take::Frame { lent: false, last: true, .. }
                if self.defect == Defect::StreamEndsMute && self.deliveries.is_stream(ticket) && self.strikes() =>
            {
                Take::Released
            }
            Take::Frame { frame, lent, last, marked, event_id, retry } => {
                self.deliveries.taken(ticket, &frame, lent);
                self.known.answered(ticket);
                if lent {
                    self.lend(now, &[ticket]);
                }
                let session = self.known.session(ticket);
                Take::Frame {
                    frame: bayeux_engine::Frame::Own(self.changed(session.as_deref(), frame.into())),
                    lent,
                    last,
                    marked,
                    event_id,
                    retry,
                }
            }
            other => other,
        }
    }

    fn confirm(&mut self, now: Time, ticket: Ticket) {
        self.known.unlend(ticket);
        self.sound.confirm(now, ticket);
        self.written(now, ticket);
    }

    fn cancel(&mut self, now: Time, ticket: Ticket) {
        let lent = self.known.unlend(ticket);
        self.known.answered(ticket);
        let keeps = self.defect == Defect::PlaceKept && self.strikes();
        self.deliveries.cancelled(ticket, keeps);
        let defect = self.defect;
        match defect {
            Defect::ForgottenCancel if self.strikes() => return,
            Defect::DrainIntoDeadPoll if lent && self.strikes() => self.sound.confirm(now, ticket),
            _ => {}
        }
        self.sound.cancel(now, ticket);
    }

    fn pump(&mut self, now: Time, shard: usize, subscribers: usize, waker: &Waker) -> Pumped {
        if self.defect == Defect::HeldSessionExpires {
            self.expire_held(now);
        }
        if self.defect == Defect::StuckStreamLives {
            for call in self.deliveries.heartbeats(now) {
                self.sound.handle(now, call);
            }
        }
        let mut pumped = self.sound.pump(now, shard, subscribers, waker);
        self.budget_cut |= pumped.more && self.defect == Defect::OrderBrokenByBudget && self.strikes();
        if self.defect == Defect::LostAlarm && self.strikes() {
            pumped.next = None;
        }
        pumped
    }

    fn leave(&mut self, now: Time) {
        self.leaving = true;
        if self.defect == Defect::HeldAtShutdown {
            self.stuck = self.known.held();
        }
        self.sound.leave(now);
    }

    fn told(&mut self, told: Told) -> Option<Told> {
        let lost = match told {
            Told::Published(_) => self.defect == Defect::PublishNotTold,
            Told::Interest(_, Edge::Up) => self.defect == Defect::InterestEdgeLost,
            Told::Interest(_, Edge::Down) => false,
        };
        if lost && self.strikes() { None } else { self.sound.told(told) }
    }

    fn arrive(&mut self, received: &mut Sequence, number: u64) -> Option<u64> {
        let arrived = self.sound.arrive(received, number);
        if arrived.is_none() && self.defect == Defect::RepeatedDelivered && self.strikes() { Some(0) } else { arrived }
    }

    fn engine(&self) -> &Arc<Engine> {
        self.sound.engine()
    }
}
