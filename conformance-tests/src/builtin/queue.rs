//! What becomes of a session whose client does not fetch its events.

use super::subscribe::{failed, numbers, open, run};
use super::{code, hardened};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Outcome, Peer, Transport};
use crate::scene::Scene;
use crate::verdict::Level::{Must, Should};
use crate::verdict::{Finding, Verdict};
use std::rc::Rc;
use tokio::time::Instant;

/// The cases about queues.
pub(super) fn cases() -> Vec<Case> {
    vec![
        code(
            "DL-012",
            Should,
            &["BX-DL-3"],
            &[Transport::LongPolling],
            beside_another,
            "an event that waits comes with the answer to another request, rather than with a connect alone",
        ),
        hardened(code(
            "DL-019",
            Must,
            &["BX-LM-2", "BX-HRD-6"],
            &[Transport::LongPolling],
            unfetched,
            "of two thousand events that a client does not fetch none is lost in silence: all come, or the session has ended",
        )),
    ]
}

/// The event waits before the request is sent: one subscriber that keeps a connect has it already.
fn beside_another(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let a = Peer::new(&scene, "a", transport);
        a.handshake(None).await?;
        let [b, c] = [open(&scene, "b", transport).await?, open(&scene, "c", transport).await?];
        let channel = format!("{}/x", scene.base);
        for peer in [&a, &b] {
            peer.subscribe(&channel).await?;
        }
        c.publish(&channel, 7.into()).await?;
        let there = |peer: &Peer| peer.has_event(|event| event.get("data") == Some(&7.into()));
        if !b.until(Instant::now() + scene.target.budget.held(), there).await {
            return Err("another subscriber did not get it".into());
        }
        a.publish(&format!("{}/y", scene.base), 1.into()).await?;
        let beside = numbers(&scene, &a);
        scene.fence(&a).await?;
        let later = numbers(&scene, &a);
        Ok(match (beside.as_slice(), later.as_slice()) {
            ([7], []) => Finding::pass(),
            ([], [7]) => Finding::new(Verdict::Nonstrict, "it came with a connect"),
            _ => failed(format!("beside the answer came {beside:?}, and with connects {later:?}")),
        })
    })
}

/// A second subscriber sets the pace, so that nobody but the first falls behind.
fn unfetched(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let idle = Peer::new(&scene, "idle", transport);
        idle.handshake(None).await?;
        let [healthy, publisher] =
            [open(&scene, "healthy", transport).await?, open(&scene, "publisher", transport).await?];
        let channel = format!("{}/x", scene.base);
        for peer in [&idle, &healthy] {
            peer.subscribe(&channel).await?;
        }
        let event = |number: u64| object([("channel", channel.as_str().into()), ("data", number.into())]);
        for batch in 0..40 {
            let messages: Vec<_> = (batch * 50..batch * 50 + 50).map(event).collect();
            publisher.publish_all(&messages).await?;
            let last = Json::from(batch * 50 + 49);
            if !healthy
                .until(healthy.delivery_deadline(), |peer| peer.has_event(|event| event.get("data") == Some(&last)))
                .await
            {
                return Ok(failed(format!("meanwhile a subscriber that fetches did not get event {last}")));
            }
        }
        let mut came = Vec::new();
        let deadline = Instant::now() + scene.target.budget.held();
        while came.last() != Some(&1999) && Instant::now() < deadline {
            let mut connect = idle.connect_message();
            connect.set("advice", object([("timeout", 0.into())]));
            let outcome = idle.request(connect).await;
            came.extend(numbers(&scene, &idle));
            match &outcome {
                Outcome::Reply { .. } if outcome.success().is_ok() => {}
                Outcome::Reply { .. } | Outcome::Http { status: 400..=499, .. } => return Ok(Finding::pass()),
                other => return Ok(failed(format!("the connect that fetches them: {other}"))),
            }
        }
        let missing = (0..2000).filter(|number| !came.contains(number)).count();
        Ok(match (missing, came.len()) {
            (0, 2000) => Finding::pass(),
            (0, more) => failed(format!("2000 events were published, {more} came")),
            (missing, _) => failed(format!("{missing} of 2000 events are lost, and the session goes on")),
        })
    })
}
