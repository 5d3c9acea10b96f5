//! Requests of one client that race with each other or with publishes, and crowds.

use super::history::{Reply, What};
use super::program::{Client, World};
use super::{chance, check, verdict};
use crate::case::Run;
use crate::json::object;
use crate::peer::{Outcome, Peer, Transport};
use crate::scene::Scene;
use crate::verdict::{Finding, Verdict};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A client sends subscribe and unsubscribe requests for one channel without waiting for replies, while another publishes.
pub(super) fn subscriptions(scene: Rc<Scene>, transport: Transport) -> Run {
    Box::pin(async move {
        let found = async {
            let world = World::new(&scene);
            let clients = world.clients(0..3, transport).await?;
            let channel = format!("{}/x", scene.base);
            clients[2].ask(What::Subscribe(channel.clone())).await;
            let mut random = chance(&scene);
            let mut tasks = JoinSet::new();
            for _ in 0..20 {
                let (client, channel, subscribe) = (clients[1].clone(), channel.clone(), random.bool());
                let pause = Duration::from_millis(random.u64(..60));
                tasks.spawn_local(async move {
                    Peer::elapse(pause).await;
                    let what = if subscribe { What::Subscribe(channel) } else { What::Unsubscribe(channel) };
                    client.ask(what).await;
                });
            }
            publish(&mut tasks, &clients[0], &channel, 40);
            done(tasks).await?;
            Ok(check::deliveries(&world.finish(&clients).await?))
        };
        verdict(&scene, found.await)
    })
}

/// A client sends connect upon connect without waiting, while another publishes.
pub(super) fn connects(scene: Rc<Scene>, transport: Transport) -> Run {
    Box::pin(async move {
        match race_connects(&scene, transport).await {
            Ok(finding) => finding,
            Err(why) => Finding::new(Verdict::Blocked, why),
        }
    })
}

async fn race_connects(scene: &Rc<Scene>, transport: Transport) -> Result<Finding, String> {
    let world = World::new(scene);
    let clients = world.clients(0..2, transport).await?;
    let channel = format!("{}/x", scene.base);
    clients[1].ask(What::Subscribe(channel.clone())).await;
    // From here on every connect of this client is one of the race.
    clients[1].peer.stop_keeping_alive();
    let mut tasks = JoinSet::new();
    publish(&mut tasks, &clients[0], &channel, 20);
    let sent: Vec<_> = (0..8).map(|_| clients[1].peer.send(&[clients[1].peer.connect_message()])).collect();
    done(tasks).await?;
    let deadline = Instant::now() + scene.target.budget.held();
    let mut answers = Finding::pass();
    for (index, sent) in sent.iter().enumerate() {
        let outcome = clients[1].peer.outcome(sent, 0, deadline).await;
        // A server may refuse what a client must not do, but it says so.
        let found = match outcome {
            Outcome::Reply { .. } | Outcome::Http { status: 400..=499, .. } => continue,
            Outcome::Http { .. } => Verdict::Nonstrict,
            _ => Verdict::Fail,
        };
        if found > answers.verdict {
            answers = Finding::new(found, format!("connect {} of 8: {outcome}", index + 1));
        }
    }
    if answers.verdict == Verdict::Fail {
        return Ok(answers);
    }
    clients[1].peer.keep_alive();
    let events = verdict(scene, world.finish(&clients).await.map(|history| check::deliveries(&history)));
    Ok(if answers.verdict >= events.verdict { answers } else { events })
}

/// Of three subscribers one leaves while events come.
pub(super) fn disconnects(scene: Rc<Scene>, transport: Transport) -> Run {
    Box::pin(async move {
        let found = async {
            let world = World::new(&scene);
            let clients = world.clients(0..4, transport).await?;
            let channel = format!("{}/x", scene.base);
            for client in &clients[1..] {
                client.ask(What::Subscribe(channel.clone())).await;
            }
            let mut tasks = JoinSet::new();
            publish(&mut tasks, &clients[0], &channel, 60);
            let (leaving, pause) = (clients[3].clone(), Duration::from_millis(chance(&scene).u64(5..40)));
            tasks.spawn_local(async move {
                Peer::elapse(pause).await;
                leaving.peer.stop_keeping_alive();
                leaving.ask(What::Disconnect).await;
            });
            done(tasks).await?;
            let mut history = world.finish(&clients[..3]).await?;
            world.collect(&clients[3..], &mut history);
            Ok(check::deliveries(&history))
        };
        verdict(&scene, found.await)
    })
}

/// Two hundred handshakes at the same time.
pub(super) fn handshakes(scene: Rc<Scene>, transport: Transport) -> Run {
    Box::pin(async move {
        match crowd(&scene, transport).await {
            Ok(ids) if ids.len() == 200 => Finding::pass(),
            Ok(ids) => Finding::new(Verdict::Fail, format!("200 handshakes made {} different clientIds", ids.len())),
            Err(why) => Finding::new(Verdict::Fail, why),
        }
    })
}

async fn crowd(scene: &Rc<Scene>, transport: Transport) -> Result<BTreeSet<String>, String> {
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let (peer, channel) = (Peer::new(scene, &format!("client{number}"), transport), format!("{}/x", scene.base));
        tasks.spawn_local(async move {
            peer.handshake(None).await?;
            peer.subscribe(&channel).await?;
            let _ = peer.request(object([("channel", "/meta/disconnect".into())])).await;
            peer.client_id().ok_or_else(|| "no clientId".to_owned())
        });
    }
    let mut ids = BTreeSet::new();
    while let Some(id) = tasks.join_next().await {
        ids.insert(id.map_err(|error| error.to_string())??);
    }
    Ok(ids)
}

/// Fifty sessions, each with a channel of its own, and events for all of them in mixed batches.
pub(super) fn strangers(scene: Rc<Scene>, transport: Transport) -> Run {
    Box::pin(async move {
        let found = async {
            let world = World::new(&scene);
            let clients = world.clients(0..51, transport).await?;
            let channel = |number: usize| format!("{}/own/{number}", scene.base);
            let mut tasks = JoinSet::new();
            for client in clients[1..].iter().cloned() {
                let channel = channel(client.number);
                tasks.spawn_local(async move {
                    let _ = client.ask(What::Subscribe(channel)).await;
                });
            }
            done(tasks).await?;
            for round in 0..2_u64 {
                let mut tasks = JoinSet::new();
                for number in 1..51 {
                    let (client, channel) = (clients[0].clone(), channel(number));
                    let what = What::Publish { channel, number: round * 1000 + number as u64 };
                    tasks.spawn_local(async move {
                        let _ = client.ask(what).await;
                    });
                }
                done(tasks).await?;
            }
            Ok(check::deliveries(&world.finish(&clients).await?))
        };
        verdict(&scene, found.await)
    })
}

fn publish(tasks: &mut JoinSet<()>, client: &Client, channel: &str, count: u64) {
    let (client, channel) = (client.clone(), channel.to_owned());
    tasks.spawn_local(async move {
        for number in 0..count {
            if client.ask(What::Publish { channel: channel.clone(), number }).await == Reply::Unknown {
                return;
            }
        }
    });
}

async fn done(mut tasks: JoinSet<()>) -> Result<(), String> {
    while let Some(done) = tasks.join_next().await {
        done.map_err(|error| format!("the suite broke down: {error}"))?;
    }
    Ok(())
}
