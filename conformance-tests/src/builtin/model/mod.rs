//! Many clients at once: what they asked for and what came is recorded, and compared with what should have come. Chance comes from
//! the seed of the run, which is named where something is found.

mod check;
mod history;
mod program;
mod races;

pub(super) use check::matches;

use crate::case::{Case, Run};
use crate::peer::Transport;
use crate::scene::Scene;
use crate::verdict::Level::{Must, Should};
use crate::verdict::{Finding, Verdict};
use fastrand::Rng;
use history::{Breach, History};
use program::{Program, World};
use std::rc::Rc;

const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
const ALL: &[Transport] = &Transport::ALL;
const ONCE: &[Transport] = &[Transport::LongPolling];

/// The cases of the model.
pub(super) fn cases() -> Vec<Case> {
    use super::code;
    vec![
        code(
            "MO-001",
            Must,
            &["BX-DL-1", "BX-US-3"],
            ALL,
            complete,
            "while subscriptions come and go, every event reaches exactly those who are subscribed, once",
        ),
        code(
            "MO-002",
            Should,
            &["BX-DL-6"],
            ALL,
            ordered,
            "while many publish at once, events of one publisher on one channel come in its order",
        ),
        code(
            "MO-003",
            Must,
            &["BX-DL-1", "BX-DL-7"],
            ALL,
            broken,
            "while connections are cut, nothing comes twice, and nothing is lost but what was under way",
        ),
        code(
            "MO-005",
            Must,
            &["BX-US-3", "BX-DL-1"],
            BOTH,
            races::subscriptions,
            "subscribe and unsubscribe requests that race with publishes leave no loss and no leak",
        ),
        code(
            "MO-006",
            Should,
            &["BX-CN-5", "BX-DL-1"],
            BOTH,
            races::connects,
            "connects that race with each other are all answered, and each event comes once",
        ),
        code("MO-007", Must, &["BX-DL-1"], ONCE, mixed, "subscribers on different transports get the same events"),
        code(
            "MO-008",
            Must,
            &["BX-DC-2"],
            BOTH,
            races::disconnects,
            "a disconnect that races with publishes ends the deliveries, and hurts nobody else",
        ),
        code(
            "MO-009",
            Must,
            &["BX-CID-3"],
            BOTH,
            races::handshakes,
            "handshakes at the same time make sessions of different clientIds, all of them usable",
        ),
        code(
            "MO-010",
            Must,
            &["BX-SE-1", "BX-DL-1"],
            BOTH,
            races::strangers,
            "fifty sessions with a channel each get their own events and no others",
        ),
        code(
            "MO-012",
            Should,
            &["BX-DL-6"],
            BOTH,
            agreed,
            "all subscribers of a channel see the events of one publisher in one order",
        ),
    ]
}

fn complete(scene: Rc<Scene>, transport: Transport) -> Run {
    Box::pin(async move {
        let program = Program { publishes: 40, changes: 12, breaks: 0 };
        verdict(&scene, random_run(&scene, &program, &[transport]).await.map(|history| check::deliveries(&history)))
    })
}

fn ordered(scene: Rc<Scene>, transport: Transport) -> Run {
    Box::pin(async move {
        let program = Program { publishes: 40, changes: 6, breaks: 0 };
        verdict(&scene, random_run(&scene, &program, &[transport]).await.map(|history| check::order(&history)))
    })
}

fn broken(scene: Rc<Scene>, transport: Transport) -> Run {
    Box::pin(async move {
        let program = Program { publishes: 60, changes: 9, breaks: 3 };
        verdict(&scene, random_run(&scene, &program, &[transport]).await.map(|history| check::deliveries(&history)))
    })
}

fn mixed(scene: Rc<Scene>, _: Transport) -> Run {
    Box::pin(async move {
        if let Some(why) = scene.target.broken.get(&Transport::WebSocket) {
            return Finding::new(Verdict::Blocked, why);
        }
        let has = |one: &Transport| scene.target.can(one.name());
        let transports: Vec<_> = Transport::ALL.into_iter().filter(has).collect();
        if transports.len() < 2 {
            return Finding::new(Verdict::Unimplemented, "the server has one transport");
        }
        let program = Program { publishes: 40, changes: 0, breaks: 0 };
        verdict(&scene, random_run(&scene, &program, &transports).await.map(|history| check::deliveries(&history)))
    })
}

/// Nobody changes subscriptions, so that whoever is subscribed to the same channels must have seen the same.
fn agreed(scene: Rc<Scene>, transport: Transport) -> Run {
    Box::pin(async move {
        let found = async {
            let world = World::new(&scene);
            let clients = world.clients(0..5, transport).await?;
            let everything = format!("{}/all/**", scene.base);
            for client in &clients[1..] {
                client.ask(history::What::Subscribe(everything.clone())).await;
            }
            for number in 0..100 {
                let channel = format!("{}/all/x", scene.base);
                clients[0].ask(history::What::Publish { channel, number }).await;
            }
            let history = world.finish(&clients).await?;
            Ok([check::order(&history), check::deliveries(&history)].concat())
        };
        verdict(&scene, found.await)
    })
}

/// Four publishers over the first of some transports, and as many subscribers or more, so that there is one over each.
async fn random_run(scene: &Rc<Scene>, program: &Program, transports: &[Transport]) -> Result<History, String> {
    const FEW: usize = 4;
    let mut random = chance(scene);
    let world = World::new(scene);
    let publishers = world.clients(0..FEW, transports[0]).await?;
    let mut subscribers = Vec::new();
    for number in 0..transports.len().max(FEW) {
        subscribers.push(world.client(FEW + number, transports[number % transports.len()]).await?);
    }
    program.run(&world, &publishers, &subscribers, &mut random).await?;
    world.finish(&[publishers, subscribers].concat()).await
}

/// The same for the same seed, case and transport, and for nothing else.
pub(super) fn chance(scene: &Scene) -> Rng {
    let case = scene.base.rsplit('/').next().unwrap_or_default();
    let mixed = case
        .bytes()
        .fold(scene.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Rng::with_seed(mixed)
}

/// Fails with the first breaches and the seed. What could not be carried out blocks the case.
fn verdict(scene: &Scene, found: Result<Vec<Breach>, String>) -> Finding {
    match found {
        Err(why) => Finding::new(Verdict::Blocked, why),
        Ok(breaches) if breaches.is_empty() => Finding::pass(),
        Ok(breaches) => {
            let shown: Vec<_> = breaches.iter().take(5).map(Breach::to_string).collect();
            let reason =
                format!("{} breaches: {}; chance came from --seed {}", breaches.len(), shown.join("; "), scene.seed);
            Finding::new(Verdict::Fail, reason)
        }
    }
}
