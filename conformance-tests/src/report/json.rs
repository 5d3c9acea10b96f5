//! The canonical result: everything that was found, as JSON. All other reports can be made from it.

use crate::json::{Json, object};
use crate::run::{Outcome, Suite};
use crate::transcript::{Direction, Entry};
use crate::verdict::Verdict;

/// The result of a run.
pub fn result(name: &str, suite: &Suite, outcomes: &[Outcome]) -> Json {
    let subject = &suite.subject;
    let texts = |items: &mut dyn Iterator<Item = String>| Json::Array(items.map(Json::String).collect());
    object([
        ("suite", env!("CARGO_PKG_VERSION").into()),
        ("name", name.into()),
        ("role", subject.role().to_string().into()),
        ("url", subject.name().into()),
        ("seed", suite.choice.seed.into()),
        ("profiles", texts(&mut suite.choice.profiles.iter().map(ToString::to_string))),
        ("capabilities", texts(&mut subject.capabilities().iter().cloned())),
        (
            "facts",
            Json::Object(subject.facts().iter().map(|(name, fact)| (name.clone(), fact.as_str().into())).collect()),
        ),
        ("counts", counts(outcomes)),
        ("cases", Json::Array(outcomes.iter().map(case).collect())),
    ])
}

fn counts(outcomes: &[Outcome]) -> Json {
    let count = |verdict| outcomes.iter().filter(|outcome| outcome.finding.verdict == verdict).count() as u64;
    Json::Object(Verdict::ALL.iter().map(|verdict| (verdict.to_string(), count(*verdict).into())).collect())
}

fn case(outcome: &Outcome) -> Json {
    let case = &outcome.instance.case;
    object([
        ("id", outcome.instance.id().into()),
        ("case", case.id.as_str().into()),
        ("transport", outcome.instance.transport.name().into()),
        ("title", case.title.as_str().into()),
        ("why", case.why.as_str().into()),
        ("level", case.level.to_string().into()),
        ("profile", case.profile.to_string().into()),
        ("clauses", Json::Array(case.clauses.iter().map(|clause| clause.as_str().into()).collect())),
        ("verdict", outcome.finding.verdict.to_string().into()),
        ("reason", outcome.finding.reason.as_str().into()),
        ("ms", (outcome.took.as_millis() as u64).into()),
        ("transcript", Json::Array(outcome.transcript.iter().map(entry).collect())),
    ])
}

fn entry(entry: &Entry) -> Json {
    let direction = match entry.direction {
        Direction::Sent => "sent",
        Direction::Received => "received",
        Direction::Note => "note",
    };
    object([
        ("ms", (entry.at.as_millis() as u64).into()),
        ("who", entry.who.as_str().into()),
        ("connection", (entry.connection as u64).into()),
        ("direction", direction.into()),
        ("text", entry.text.as_str().into()),
    ])
}
