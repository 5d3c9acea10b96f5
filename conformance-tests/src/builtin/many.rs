//! Many events at once: in one batch, and in one response.

use super::code;
use super::subscribe::{all_numbers, failed, open, run};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Outcome, Peer, Transport};
use crate::scene::Scene;
use crate::verdict::Level::Must;
use crate::verdict::{Finding, Verdict};
use std::rc::Rc;
use tokio::time::Instant;

/// The cases about many events.
pub(super) fn cases() -> Vec<Case> {
    const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    vec![
        code(
            "BT-007",
            Must,
            &["BX-DL-1"],
            BOTH,
            batch,
            "a hundred publishes in one batch reach their subscriber, each once",
        ),
        code(
            "BT-011",
            Must,
            &["BX-DL-1", "BX-DL-4"],
            &[Transport::LongPolling],
            response,
            "five hundred events that wait for one client come whole, each once",
        ),
    ]
}

/// Text that a writer of JSON can get wrong.
const TEXT: &str = "\"quoted\" \\ and \u{8}\n\u{1f} é 漢 😀 \u{2028}";

fn batch(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let [a, b] = [open(&scene, "a", transport).await?, open(&scene, "b", transport).await?];
        let channel = format!("{}/x", scene.base);
        a.subscribe(&channel).await?;
        scene.fence(&a).await?;
        a.take_events();
        let messages: Vec<_> = (0..100_u64)
            .map(|number| object([("channel", channel.as_str().into()), ("data", number.into())]))
            .collect();
        if let Err(why) = b.publish_all(&messages).await {
            return Ok(failed(format!("publishing: {why}")));
        }
        scene.fence(&a).await?;
        let came = all_numbers(&scene, &a, 100).await;
        Ok(match compared(&came, 100) {
            Some(why) => failed(why),
            None if came.is_sorted() => Finding::pass(),
            None => Finding::new(Verdict::Nonstrict, format!("they came in another order: {came:?}")),
        })
    })
}

/// In portions, so that no limit of a batch is met; the subscriber connects when all of them wait.
fn response(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let a = Peer::new(&scene, "a", transport);
        a.handshake(None).await?;
        let b = open(&scene, "b", transport).await?;
        let channel = format!("{}/x", scene.base);
        a.subscribe(&channel).await?;
        for portion in 0..10_u64 {
            let message = |number: u64| {
                let data = object([("number", number.into()), ("text", TEXT.into())]);
                object([("channel", channel.as_str().into()), ("data", data)])
            };
            let messages: Vec<_> = (portion * 50..portion * 50 + 50).map(message).collect();
            b.publish_all(&messages).await?;
        }
        let mut came = Vec::new();
        let deadline = Instant::now() + scene.target.budget.held();
        while came.len() < 500 && Instant::now() < deadline {
            let mut connect = a.connect_message();
            connect.set("advice", object([("timeout", 0.into())]));
            let outcome = a.request(connect).await;
            match &outcome {
                Outcome::Reply { .. } if outcome.success().is_ok() => {}
                Outcome::Reply { .. } => {
                    let why = format!("the server ends a session for which so much waits: {outcome}");
                    return Ok(Finding::new(Verdict::Unimplemented, why));
                }
                other => return Ok(failed(format!("the connect that fetches them: {other}"))),
            }
            for event in a.take_events() {
                let data = event.get("data");
                if data.and_then(|data| data.get_str("text")) != Some(TEXT) {
                    return Ok(failed(format!("an event came as {event}")));
                }
                came.extend(
                    data.and_then(|data| data.get("number")).and_then(Json::as_f64).map(|number| number as u64),
                );
            }
        }
        Ok(compared(&came, 500).map_or_else(Finding::pass, failed))
    })
}

/// What is wrong where each number below `count` should have come once.
fn compared(came: &[u64], count: u64) -> Option<String> {
    let missing = (0..count).filter(|number| !came.contains(number)).count();
    match missing {
        0 if came.len() as u64 == count => None,
        0 => Some(format!("{count} events were published, {} came", came.len())),
        missing => Some(format!("{missing} of {count} events did not come")),
    }
}
