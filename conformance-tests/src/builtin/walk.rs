//! Requests in an order that chance makes, right and wrong ones, of a session that is there, has ended or never was: each is answered
//! as the state of the session says.

use super::code;
use super::model::chance;
use super::subscribe::{failed, run};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Outcome, Peer, Transport};
use crate::scene::Scene;
use crate::verdict::Finding;
use crate::verdict::Level::Should;
use fastrand::Rng;
use std::rc::Rc;

/// The case of the walk. What it finds is binding in other cases; here it is found in states that these do not reach.
pub(super) fn cases() -> Vec<Case> {
    const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    let clauses = &["BX-OP-6", "BX-SE-2", "BX-DC-2", "BX-SB-7", "BX-FLD-7"];
    let title = "requests in any order are answered as the state of their session says";
    vec![code("MO-011", Should, clauses, BOTH, walk, title)]
}

const STEPS: usize = 60;

/// A request, and what should become of it.
#[derive(Clone, Copy, Debug)]
enum Act {
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Disconnect,
    /// To a name that is none.
    BadSubscribe,
}

/// Whose clientId it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// The session's; that has ended if the walk ended it.
    Mine,
    /// That of no session.
    Nobodys,
}

fn walk(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let mut random = chance(&scene);
        let peer = Peer::new(&scene, "a", transport);
        peer.handshake(None).await?;
        let mut there = true;
        let mut path = Vec::new();
        for _ in 0..STEPS {
            if !there && random.u8(..4) == 0 {
                peer.handshake(None).await?;
                there = true;
                path.push("Handshake".to_owned());
            }
            let (act, who) = choose(&mut random);
            path.push(format!("{act:?} {who:?}"));
            let outcome = peer.request(message(&scene, &peer, act, who, &mut random)).await;
            let found = judge(act, who == Who::Mine && there, &outcome);
            if let Err(why) = found {
                let last = path[path.len().saturating_sub(8)..].join(", ");
                return Ok(failed(format!(
                    "{why}; the last steps were {last}; chance came from --seed {}",
                    scene.seed
                )));
            }
            there &= !matches!((act, who), (Act::Disconnect, Who::Mine));
        }
        Ok(Finding::pass())
    })
}

fn choose(random: &mut Rng) -> (Act, Who) {
    let act = match random.u8(..13) {
        0..3 => Act::Connect,
        3..6 => Act::Subscribe,
        6..8 => Act::Unsubscribe,
        8..10 => Act::Publish,
        10 => Act::Disconnect,
        _ => Act::BadSubscribe,
    };
    (act, if random.u8(..5) == 0 { Who::Nobodys } else { Who::Mine })
}

fn message(scene: &Scene, peer: &Peer, act: Act, who: Who, random: &mut Rng) -> Json {
    let name = Json::from(format!("{}/{}", scene.base, random.u8(..4)));
    let mut message = match act {
        Act::Connect => {
            let mut connect = peer.connect_message();
            connect.set("advice", object([("timeout", 0.into())]));
            connect
        }
        Act::Subscribe => object([("channel", "/meta/subscribe".into()), ("subscription", name)]),
        Act::Unsubscribe => object([("channel", "/meta/unsubscribe".into()), ("subscription", name)]),
        Act::Publish => object([("channel", name), ("data", 1.into())]),
        Act::Disconnect => object([("channel", "/meta/disconnect".into())]),
        Act::BadSubscribe => object([("channel", "/meta/subscribe".into()), ("subscription", "no name".into())]),
    };
    if who == Who::Nobodys {
        message.set("clientId", "0123456789abcdefghijklmnopqrstuvwx".into());
    }
    message
}

/// Whether it was answered as it should be; how a refusal is told is the question of other cases.
fn judge(act: Act, there: bool, outcome: &Outcome) -> Result<(), String> {
    let right = there && !matches!(act, Act::BadSubscribe);
    let refused = match outcome {
        Outcome::Reply { .. } => outcome.success().is_err(),
        Outcome::Http { status, .. } => *status >= 400,
        Outcome::Closed { .. } => true,
        Outcome::Silence(_) => false,
    };
    let fine = match act {
        // A server may accept publishes without a session, and need not answer those that it took.
        Act::Publish => !(right && refused),
        // Whether the end of what was not subscribed to succeeds is the question of another case.
        Act::Unsubscribe if right => matches!(outcome, Outcome::Reply { .. }),
        _ if right => outcome.success().is_ok(),
        _ => refused,
    };
    let should = if right { "succeed" } else { "be refused" };
    if fine { Ok(()) } else { Err(format!("{act:?} should {should}: {outcome}")) }
}
