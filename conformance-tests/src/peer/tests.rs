//! What the connect loop makes of advice.

use super::{Peer, Transport, advised};
use crate::json::{Json, parse};
use crate::probe::discover;
use crate::testing::{HOLDS, Habits, TestServer, scene};
use std::time::Duration;
use tokio::time::Instant;

/// Keeps a session alive until its server saw so many connects, or the loop ended by itself; returns why it did, and how long after the
/// answer before it each connect but the first came.
async fn kept(habits: Habits, count: usize) -> (Option<String>, Vec<Duration>) {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let (server, target) = TestServer::start(habits).await;
            let scene = scene(target);
            let peer = Peer::new(&scene, "a", Transport::LongPolling);
            peer.handshake(None).await.expect("a session");
            peer.keep_alive();
            let seen = |_: &Peer| server.connects.borrow().len() >= count;
            let deadline = Instant::now() + HOLDS * 20;
            peer.until(deadline, |peer| seen(peer) || !peer.is_live()).await;
            scene.close();
            let connects = server.connects.borrow();
            let pauses = connects.windows(2).map(|pair| pair[1].0 - pair[0].1.expect("it was answered"));
            (peer.keeper_end(), pauses.collect())
        })
        .await
}

#[tokio::test]
async fn connects_come_after_the_interval_as_long_as_the_advice_is_to_retry() {
    let (end, pauses) = kept(Habits { interval: 150, ..Habits::default() }, 3).await;
    assert_eq!(end, None);
    assert!(pauses.len() >= 2 && pauses.iter().all(|pause| *pause >= Duration::from_millis(149)), "{pauses:?}");
    for reconnect in ["none", "handshake"] {
        let (end, pauses) = kept(Habits { reconnect, ..Habits::default() }, 3).await;
        assert!(end.is_some_and(|end| end.contains(&format!("the advice was {reconnect}"))));
        assert!(pauses.is_empty(), "no connect follows");
    }
}

#[tokio::test]
async fn a_publish_is_not_refused_by_a_server_that_answers_none_unless_it_says_so() {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let (_, mut target) = TestServer::start(Habits { answers_publishes: false, ..Habits::default() }).await;
            for answers in [false, true] {
                if answers {
                    target.capabilities.insert(super::PUBLISH_ACK.into());
                }
                let scene = scene(target.clone());
                let peer = Peer::new(&scene, "a", Transport::LongPolling);
                peer.handshake(None).await.expect("a session");
                assert_eq!(peer.publish("/x", 1.into()).await.is_ok(), !answers, "it is known to answer: {answers}");
                peer.set_client_id(Some("nobody".into()));
                assert!(peer.publish("/x", 1.into()).await.is_err(), "it is refused");
                scene.close();
            }
        })
        .await;
}

#[tokio::test]
async fn discovery_tells_what_is_not_there_from_what_is_broken_and_whether_publishes_are_answered() {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let (_, target) = TestServer::start(Habits::default()).await;
            let found = discover(target).await.expect("a server");
            assert!(found.can(super::PUBLISH_ACK) && found.can("long-polling") && found.broken.is_empty());
            assert_eq!(found.budget.timeout, HOLDS);
            let offers = r#"["long-polling","websocket"]"#;
            let (_, target) = TestServer::start(Habits { offers, answers_publishes: false, ..Habits::default() }).await;
            let found = discover(target).await.expect("a server");
            assert!(!found.can(super::PUBLISH_ACK) && !found.can("websocket"));
            assert_eq!(found.broken.keys().copied().collect::<Vec<_>>(), [Transport::WebSocket]);
            let other = Habits { offers, negotiates: true, answers_elsewhere: true, ..Habits::default() };
            let (_, target) = TestServer::start(other).await;
            let found = discover(target).await.expect("a server");
            assert!(found.answers_publishes(Transport::LongPolling), "a wrong answer is an answer");
            assert_eq!(found.broken.keys().copied().collect::<Vec<_>>(), [Transport::WebSocket], "it was offered");
        })
        .await;
}

#[test]
fn what_advice_says_to_one_transport_counts_before_the_rest() {
    let text = br#"{"interval":1,"timeout":2,"websocket":{"interval":3}}"#;
    let advice = parse(text).expect("JSON").value;
    let said = |transport, name: &str| advised(&advice, transport, name).and_then(Json::as_f64);
    assert_eq!(said(Transport::WebSocket, "interval"), Some(3.0));
    assert_eq!(said(Transport::WebSocket, "timeout"), Some(2.0));
    assert_eq!(said(Transport::LongPolling, "interval"), Some(1.0));
}
