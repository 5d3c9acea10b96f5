//! Requests in an order that chance makes, right and wrong ones, of a session that is there, has ended or never was: each is answered
//! as the state of the session says.

use super::code;
use super::model::chance;
use super::subscribe::run;
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Outcome, Peer, Refusal, Transport};
use crate::scene::Scene;
use crate::verdict::Level::Should;
use crate::verdict::{Finding, Verdict};
use fastrand::Rng;
use std::rc::Rc;

/// The case of the walk. What it finds is binding in other cases; here it is found in states that these do not reach.
pub(super) fn cases() -> Vec<Case> {
    const BOTH: &[Transport] = &[Transport::LongPolling, Transport::WebSocket];
    let clauses = &["BX-OP-6", "BX-SE-2", "BX-DC-2", "BX-SB-7"];
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
        let (mut path, mut worst) = (Vec::new(), Finding::pass());
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
            if found.verdict > worst.verdict {
                let last = path[path.len().saturating_sub(8)..].join(", ");
                let why =
                    format!("{}; the last steps were {last}; chance came from --seed {}", found.reason, scene.seed);
                worst = Finding::new(found.verdict, why);
            }
            if worst.verdict > Verdict::Nonstrict {
                break;
            }
            there &= !matches!((act, who), (Act::Disconnect, Who::Mine));
        }
        Ok(worst)
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

/// Whether it was answered as it should be.
fn judge(act: Act, there: bool, outcome: &Outcome) -> Finding {
    let right = there && !matches!(act, Act::BadSubscribe);
    let refusal = outcome.refusal();
    let should = if right { "succeed" } else { "be refused" };
    let finding = |verdict| Finding::new(verdict, format!("{act:?} should {should}: {outcome}"));
    let fine = match act {
        _ if matches!(outcome, Outcome::Unreachable(_)) => return finding(Verdict::Blocked),
        // A server may accept publishes without a session, and need not answer those that it took.
        Act::Publish => !(right && refusal.is_some()),
        // Whether the end of what was not subscribed to succeeds is the question of another case.
        Act::Unsubscribe if right => matches!(outcome, Outcome::Reply { .. }),
        _ if right => outcome.success().is_ok(),
        _ if refusal == Some(Refusal::Vague) => return finding(Verdict::Nonstrict),
        _ => refusal.is_some(),
    };
    if fine { Finding::pass() } else { finding(Verdict::Fail) }
}
