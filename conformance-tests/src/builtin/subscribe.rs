//! What needs a loop about subscriptions and matching: many of them, and patterns that chance makes.

use super::model::{chance, matches};
use super::{code, hardened};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Peer, Transport};
use crate::run::alive;
use crate::scene::Scene;
use crate::verdict::Level::Must;
use crate::verdict::{Finding, Verdict};
use fastrand::Rng;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The cases about many subscriptions.
pub(super) fn cases() -> Vec<Case> {
    const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    const ONCE: &[Transport] = &[Transport::LongPolling];
    vec![
        code(
            "SB-030",
            Must,
            &["BX-DL-1", "BX-SB-2"],
            BOTH,
            at_once,
            "a subscription is in force when its reply is there: what is published then comes, a hundred times in a row",
        ),
        hardened(code(
            "SB-031",
            Must,
            &["BX-HRD-6"],
            BOTH,
            bounded,
            "the subscriptions of one session are bounded: ten thousand are refused at some point",
        )),
        code(
            "CH-017",
            Must,
            &["BX-CH-3", "BX-CH-4"],
            ONCE,
            random_pairs,
            "patterns and names that chance made match as they should",
        ),
        code(
            "MS-001",
            Must,
            &["BX-CH-7"],
            BOTH,
            meta,
            "a subscriber of /** sees nothing of the handshakes, connects and subscribes of others",
        ),
    ]
}

fn at_once(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let [a, b] = [open(&scene, "a", transport).await?, open(&scene, "b", transport).await?];
        for number in 0..100_u64 {
            let channel = format!("{}/x/{number}", scene.base);
            a.subscribe(&channel).await?;
            b.publish(&channel, number.into()).await?;
        }
        scene.fence(&a).await?;
        let came = all_numbers(&scene, &a, 100).await;
        let missing: Vec<u64> = (0..100).filter(|number| !came.contains(number)).collect();
        Ok(match (missing.is_empty(), came.len()) {
            (true, 100) => Finding::pass(),
            (true, more) => failed(format!("100 events were published, {more} came")),
            (false, _) => failed(format!("the events of these subscriptions did not come: {missing:?}")),
        })
    })
}

fn bounded(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let a = open(&scene, "a", transport).await?;
        let mut refused = false;
        for round in 0..20 {
            let names = (0..500).map(|number| format!("{}/{round}/{number}", scene.base).into()).collect::<Vec<Json>>();
            let message = object([("channel", "/meta/subscribe".into()), ("subscription", names.into())]);
            if a.request(message).await.success().is_err() {
                refused = true;
                break;
            }
        }
        Ok(match alive(&scene).await {
            Err(why) => failed(format!("afterwards the server does not serve: {why}")),
            Ok(()) if refused => Finding::pass(),
            Ok(()) => Finding::new(Verdict::Nonstrict, "10,000 subscriptions were accepted: no bound can be seen"),
        })
    })
}

/// Twelve subscribers with three patterns each, and sixty names.
fn random_pairs(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let mut random = chance(&scene);
        let publisher = open(&scene, "publisher", transport).await?;
        let mut subscribers = Vec::new();
        for number in 0..12 {
            let peer = open(&scene, &format!("subscriber{number}"), transport).await?;
            let patterns: Vec<_> = (0..3).map(|_| pattern(&scene.base, &mut random)).collect();
            for pattern in &patterns {
                peer.subscribe(pattern).await?;
            }
            subscribers.push((peer, patterns));
        }
        let names: Vec<_> = (0..60).map(|_| path(&scene.base, random.usize(1..4), &mut random)).collect();
        for (number, name) in names.iter().enumerate() {
            publisher.publish(name, (number as u64).into()).await?;
        }
        for (peer, patterns) in &subscribers {
            let wanted = names.iter().filter(|name| patterns.iter().any(|pattern| matches(pattern, name))).count();
            scene.fence(peer).await?;
            let came: BTreeSet<u64> = all_numbers(&scene, peer, wanted).await.into_iter().collect();
            for (number, name) in names.iter().enumerate() {
                let wanted = patterns.iter().any(|pattern| matches(pattern, name));
                if wanted != came.contains(&(number as u64)) {
                    let verb = if wanted { "did not get" } else { "got" };
                    let seed = scene.seed;
                    return Ok(failed(format!(
                        "a subscriber of {patterns:?} {verb} {name}; chance came from --seed {seed}"
                    )));
                }
            }
        }
        Ok(Finding::pass())
    })
}

fn path(base: &str, depth: usize, random: &mut Rng) -> String {
    const SEGMENTS: [&str; 5] = ["a", "b", "ab", "A", "-"];
    (0..depth).fold(base.to_owned(), |path, _| format!("{path}/{}", SEGMENTS[random.usize(..SEGMENTS.len())]))
}

fn pattern(base: &str, random: &mut Rng) -> String {
    let depth = random.usize(0..3);
    let path = path(base, depth, random);
    match random.usize(..3) {
        0 if depth > 0 => path,
        1 => format!("{path}/**"),
        _ => format!("{path}/*"),
    }
}

fn meta(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let watcher = open(&scene, "watcher", transport).await?;
        watcher.subscribe("/**").await?;
        let other = open(&scene, "other", transport).await?;
        let channel = format!("{}/x", scene.base);
        other.subscribe(&channel).await?;
        for request in ["/meta/unsubscribe", "/meta/disconnect"] {
            let message = object([("channel", request.into()), ("subscription", channel.as_str().into())]);
            other.request(message).await.success()?;
        }
        scene.fence(&watcher).await?;
        // Its own are one handshake, the subscribes to /** and to its fence, and connects.
        let allowed = |channel: &str| match channel {
            "/meta/handshake" => 1,
            "/meta/subscribe" => 2,
            "/meta/connect" => usize::MAX,
            _ => 0,
        };
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        let own = watcher.client_id();
        for message in watcher.all_messages() {
            let Some(channel) = message.get_str("channel").filter(|channel| channel.starts_with("/meta/")) else {
                continue;
            };
            let count = counts.entry(channel.to_owned()).or_default();
            *count += 1;
            let foreign = message.get_str("clientId").is_some_and(|id| Some(id) != own.as_deref());
            if foreign || *count > allowed(channel) || message.get("data").is_some() {
                return Ok(failed(format!("a subscriber of /** got {message}")));
            }
        }
        Ok(Finding::pass())
    })
}

/// The numbers that came as data, see [`numbers`], once there are so many of them: no order is promised between channels and publishers,
/// so that a fence may have overtaken some. Those that do not come in time are missing.
pub(super) async fn all_numbers(scene: &Scene, peer: &Peer, count: usize) -> Vec<u64> {
    let fence = format!("{}/fence/", scene.base);
    let counts = |event: &Json| !event.get_str("channel").is_some_and(|channel| channel.starts_with(&fence));
    peer.fetch_until(peer.delivery_deadline(), |peer| peer.count_events(counts) >= count).await;
    numbers(scene, peer)
}

/// The numbers that came as data on channels of this case, without those of fences.
pub(super) fn numbers(scene: &Scene, peer: &Peer) -> Vec<u64> {
    let fence = format!("{}/fence/", scene.base);
    peer.take_events()
        .iter()
        .filter(|event| !event.get_str("channel").is_some_and(|channel| channel.starts_with(&fence)))
        .filter_map(|event| event.get("data").and_then(Json::as_f64))
        .map(|number| number as u64)
        .collect()
}

pub(super) async fn open(scene: &Rc<Scene>, name: &str, transport: Transport) -> Result<Peer, String> {
    let peer = Peer::new(scene, name, transport);
    peer.handshake(None).await?;
    peer.keep_alive();
    Ok(peer)
}

/// What can't be carried out blocks the case.
pub(super) fn run(case: impl Future<Output = Result<Finding, String>> + 'static) -> Run {
    Box::pin(async move { case.await.unwrap_or_else(|why| Finding::new(Verdict::Blocked, why)) })
}

pub(super) fn failed(why: String) -> Finding {
    Finding::new(Verdict::Fail, why)
}
