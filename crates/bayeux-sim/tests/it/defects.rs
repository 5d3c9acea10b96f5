//! Proof that the simulation finds what it is there for: engines with one defect each, as their callers would see it.

mod frames;
mod known;

use std::{collections::BTreeSet, sync::Arc, task::Waker};

use bayeux_engine::{
    Answer, Call, Carrier, CloseReason, ConnectionId, Edge, Engine, Origin, Pumped, Sequence, Take, Ticket, Time,
};
use bayeux_protocol::{DecodeLimits, Subscription, decode_batch};
use bayeux_sim::{Server, Sound, Told, run_with};

use self::{
    frames::{Suppressed, ended, reversed},
    known::Known,
};

const SEEDS: u64 = 1000;
/// A defect strikes on one of so many occasions: one that always did would be found at once.
const RARITY: u64 = 12;
/// Of those that have few occasions.
const RARITY_OF_RARE: u64 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    /// For comparison.
    None,
    /// Now and then the waker of a connection that waits is not kept.
    LostWake,
    /// What was lent to a connection that died leaves the outbox.
    DrainIntoDeadPoll,
    /// A newer connect takes back what the older one still writes.
    DuplicateAfterAbort,
    /// A session expires though its connect is held.
    HeldSessionExpires,
    /// After a fan-out was cut by its budget, its events come behind later ones.
    OrderBrokenByBudget,
    /// A shard's interest ends with the first of its subscribers that leaves, not with the last.
    InterestClearedEarly,
    /// Events leave the outbox when they are handed to the connection, not when they are written.
    CommitBeforeWrite,
    /// A session that was adopted may be adopted again.
    AdoptedTwice,
    /// Connections that are gone keep their links.
    ForgottenCancel,
    /// A pump does not say when it is to run again.
    LostAlarm,
    /// Who has unsubscribed gets events all the same.
    DeafToUnsubscribe,
    /// What the backplane repeats is delivered again.
    RepeatedDelivered,
    /// The other node is not told of an interest that began.
    InterestEdgeLost,
    /// When the server shuts down, a connect that is held stays so.
    HeldAtShutdown,
    /// When the server shuts down, sockets are closed with what waits for them.
    EventsLeftAtShutdown,
    /// A publish does not get to the other node.
    PublishNotTold,
}

const DEFECTS: [Defect; 16] = [
    Defect::LostWake,
    Defect::DrainIntoDeadPoll,
    Defect::DuplicateAfterAbort,
    Defect::HeldSessionExpires,
    Defect::OrderBrokenByBudget,
    Defect::InterestClearedEarly,
    Defect::CommitBeforeWrite,
    Defect::AdoptedTwice,
    Defect::ForgottenCancel,
    Defect::LostAlarm,
    Defect::DeafToUnsubscribe,
    Defect::RepeatedDelivered,
    Defect::InterestEdgeLost,
    Defect::HeldAtShutdown,
    Defect::EventsLeftAtShutdown,
    Defect::PublishNotTold,
];

/// An engine with a defect.
struct Defective {
    sound: Sound,
    defect: Defect,
    known: Known,
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
    fn new(engine: Arc<Engine>, defect: Defect) -> Self {
        let suppressed = Suppressed::new(engine.shards());
        let (known, ended, stuck) = (Known::default(), BTreeSet::new(), Vec::new());
        let (occasions, budget_cut, leaving) = (0, false, false);
        Self { sound: Sound::new(engine), defect, known, suppressed, ended, occasions, budget_cut, leaving, stuck }
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
            _ => {}
        }
        self.suppressed.read(&call.batch);
        let batch = call.batch.clone();
        let mut answer = self.sound.handle(now, call);
        self.known.learn(now, &origin, &batch, &answer);
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
        match self.sound.take(now, ticket, written, waker) {
            Take::Frame { lent: true, .. } if self.leaving && self.defect == Defect::EventsLeftAtShutdown => {
                self.sound.cancel(now, ticket);
                Take::Close(CloseReason::ShuttingDown)
            }
            Take::Frame { frame, lent, last, marked, event_id, retry } => {
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
    }

    fn cancel(&mut self, now: Time, ticket: Ticket) {
        let lent = self.known.unlend(ticket);
        self.known.answered(ticket);
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

/// The first seed that finds the defect, and what it says.
fn find(defect: Defect, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        let outcome = run_with(seed, false, &|engine| Box::new(Defective::new(engine, defect)));
        Some((seed, outcome.violation?))
    })
}

#[test]
#[allow(clippy::print_stdout)] // How soon each was found is what one wants to read: --nocapture shows it.
fn each_defect_is_found_within_a_thousand_seeds() {
    let mut missed = Vec::new();
    for defect in DEFECTS {
        match find(defect, SEEDS) {
            Some((seed, what)) => println!("{defect:?}: found by seed {seed}, after {} seeds: {what}", seed + 1),
            None => missed.push(defect),
        }
    }
    assert!(missed.is_empty(), "not found within {SEEDS} seeds: {missed:?}");
}

#[test]
fn without_a_defect_nothing_is_found() {
    assert_eq!(find(Defect::None, 50), None);
}
