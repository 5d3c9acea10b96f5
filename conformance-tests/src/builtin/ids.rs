//! ClientIds: that no two are alike, that none can be guessed, and that nobody learns another's.

use super::code;
use super::subscribe::{failed, open, run};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Peer, Transport};
use crate::scene::Scene;
use crate::transcript::Direction;
use crate::verdict::Finding;
use crate::verdict::Level::{Must, Should};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The cases about clientIds.
pub(super) fn cases() -> Vec<Case> {
    const ONCE: &[Transport] = &[Transport::LongPolling];
    const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    vec![
        code("HS-003", Must, &["BX-CID-3"], ONCE, distinct, "three hundred sessions have three hundred clientIds"),
        code(
            "HS-004",
            Should,
            &["BX-CID-2"],
            ONCE,
            unguessable,
            "a clientId differs from others in 128 bits at random",
        ),
        code(
            "SC-001",
            Must,
            &["BX-FLD-3"],
            BOTH,
            secret,
            "nothing that a client is sent holds the clientId of another",
        ),
    ]
}

const SESSIONS: usize = 300;

/// What is measured of 128 bits at random comes out a little below now and then: with 300 ids, by half a bit at most.
const BITS: f64 = 127.0;

fn distinct(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let ids = many(&scene, transport).await?;
        let different: BTreeSet<&String> = ids.iter().collect();
        Ok(match ids.len() - different.len() {
            0 => Finding::pass(),
            double => failed(format!("{double} of {SESSIONS} clientIds had been given already")),
        })
    })
}

fn unguessable(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let bits = bits(&many(&scene, transport).await?);
        let found = format!("{SESSIONS} clientIds differ in {bits:.0} bits");
        Ok(if bits < BITS { failed(found) } else { Finding::pass() })
    })
}

/// The clientIds of sessions that are ended at once.
async fn many(scene: &Rc<Scene>, transport: Transport) -> Result<Vec<String>, String> {
    let peer = Peer::new(scene, "a", transport);
    let mut ids = Vec::new();
    for _ in 0..SESSIONS {
        peer.handshake(None).await?;
        ids.extend(peer.client_id());
        peer.request(object([("channel", "/meta/disconnect".into())])).await.success()?;
    }
    Ok(ids)
}

/// How many bits there are in which ids differ by chance: for each place of the id, from how often two of them agree there. A
/// prefix that all share, a clock and the high digits of a counter count for nothing, a digit of base 36 for five.
fn bits(ids: &[String]) -> f64 {
    let length = ids.iter().map(String::len).min().unwrap_or_default();
    // Where lengths differ, a counter or a number is likely; its last digits are those that change.
    let place = |at: usize| ids.iter().filter_map(move |id| id.as_bytes().iter().rev().nth(at));
    let pairs = (ids.len() * ids.len().saturating_sub(1)) as f64;
    (0..length)
        .map(|at| {
            let mut counts = BTreeMap::<u8, usize>::new();
            for byte in place(at) {
                *counts.entry(*byte).or_default() += 1;
            }
            let agree: usize = counts.values().map(|count| count * (count - 1)).sum();
            if agree == 0 { pairs.log2() / 2.0 } else { -(agree as f64 / pairs).log2() }
        })
        .sum()
}

/// Two clients that have to do with each other in every way that there is.
fn secret(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let [a, b] = [open(&scene, "a", transport).await?, open(&scene, "b", transport).await?];
        let channel = format!("{}/x", scene.base);
        for peer in [&a, &b] {
            peer.subscribe(&channel).await?;
            peer.subscribe("/**").await?;
        }
        for peer in [&a, &b] {
            peer.publish(&channel, "from one to the other".into()).await?;
            peer.request(object([("channel", "/service/x".into()), ("data", 1.into())])).await;
            peer.request(object([("channel", "/meta/subscribe".into()), ("subscription", "/meta/*".into())])).await;
            peer.request(object([("channel", "/meta/nothing".into()), ("data", 1.into())])).await;
        }
        for peer in [&a, &b] {
            scene.fence(peer).await?;
        }
        let id = a.client_id().unwrap_or_default();
        a.request(object([("channel", "/meta/disconnect".into())])).await.success()?;
        b.publish(&channel, "after the end of the other".into()).await?;
        scene.fence(&b).await?;
        let told = scene.transcript.entries().into_iter().filter(|entry| entry.who == "b");
        let told = told.filter(|entry| entry.direction == Direction::Received).map(|entry| entry.text);
        let told: Vec<_> = told.chain(b.all_messages().iter().map(Json::to_string)).collect();
        Ok(match told.into_iter().find(|text| text.contains(&id)) {
            Some(text) => failed(format!("b was sent the clientId of a, {id}: {text}")),
            None => Finding::pass(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(make: impl Fn(usize, &mut fastrand::Rng) -> String) -> Vec<String> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..SESSIONS).map(|number| make(number, &mut random)).collect()
    }

    #[test]
    fn what_is_random_is_told_from_what_is_not() {
        let hex = |bits: u32, random: &mut fastrand::Rng| -> String {
            (0..bits / 4).map(|_| char::from_digit(random.u32(..16), 16).expect("a digit")).collect()
        };
        assert!(bits(&ids(|_, random| hex(128, random))) >= BITS);
        assert!(
            bits(&ids(|_, random| (0..25).map(|_| random.lowercase()).collect())) < BITS,
            "25 letters are 117 bits"
        );
        assert!(bits(&ids(|_, random| (0..28).map(|_| random.lowercase()).collect())) >= BITS);
        assert!(bits(&ids(|_, random| hex(64, random))) < 66.0);
        assert!(bits(&ids(|number, _| format!("7f3a9c0d5e8b1f2a4c6d{number:012x}"))) < 20.0);
        assert!(bits(&ids(|number, _| number.to_string())) < 20.0);
        assert!(bits(&ids(|_, _| "same".into())) < 1.0);
    }
}
