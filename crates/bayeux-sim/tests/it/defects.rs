//! Proof that the simulation finds what it is there for: engines with one defect each, as their callers would see it.

mod deliveries;
mod frames;
mod known;
mod server;

use bayeux_sim::run_with;

use self::server::Defective;

const SEEDS: u64 = 1000;

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
    /// With `ack`, what was written counts as acknowledged.
    AcknowledgedByWrite,
    /// With `ack`, the number that a client names frees what the next one carried too.
    OneNumberTooMany,
    /// The reply to a superseded connect has a number.
    SupersededNumbered,
    /// A stream that is opened anew goes on behind what was sent, not behind what was acknowledged.
    ResumedBehindSent,
    /// A stream ends without a reply.
    StreamEndsMute,
    /// A silent stream stays silent.
    BeatLost,
    /// A stream whose connection takes nothing keeps its session.
    StuckStreamLives,
    /// With `gap`, what was lent counts as handed over, also if it was given back.
    LentIsHandedOver,
    /// The place of a stream among the connects of its browser is not given back.
    PlaceKept,
    /// A connect beside a stream takes it over.
    BesideTakesOver,
}

const DEFECTS: [Defect; 26] = [
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
    Defect::AcknowledgedByWrite,
    Defect::OneNumberTooMany,
    Defect::SupersededNumbered,
    Defect::ResumedBehindSent,
    Defect::StreamEndsMute,
    Defect::BeatLost,
    Defect::StuckStreamLives,
    Defect::LentIsHandedOver,
    Defect::PlaceKept,
    Defect::BesideTakesOver,
];

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
