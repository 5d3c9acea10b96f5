//! Several sessions of one browser: how many may hold a connect, and what the others are told.

use super::code;
use super::subscribe::{failed, run};
use crate::case::{Case, Run};
use crate::json::{Json, object};
use crate::peer::{Peer, STREAM_CONNECT, Sent, Transport, advised};
use crate::scene::Scene;
use crate::verdict::Level::Should;
use crate::verdict::{Finding, Verdict};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The cases about browsers.
pub(super) fn cases() -> Vec<Case> {
    const HTTP: &[Transport] =
        &[Transport::LongPolling, Transport::EventSource, Transport::XhrStreaming, Transport::Iframe];
    let cookie = |case: Case| Case { needs: vec!["cookie".into(), STREAM_CONNECT.into()], ..case };
    vec![
        cookie(code(
            "MC-001",
            Should,
            &["BX-MC-2", "BX-ADV-10"],
            HTTP,
            crowded,
            "of many sessions of one browser not all hold a connect: one more is told so, at once and with an interval",
        )),
        cookie(code(
            "MC-002",
            Should,
            &["BX-MC-4"],
            HTTP,
            released,
            "when another session of its browser has ended, a session's connect is held again, and no longer told of others",
        )),
    ]
}

/// More than any browser has connections for.
const MANY: usize = 12;

/// Sessions of one browser, each with a connect that is held.
struct Browser {
    scene: Rc<Scene>,
    transport: Transport,
    holding: Vec<(Peer, Sent)>,
}

impl Browser {
    fn new(scene: &Rc<Scene>, transport: Transport) -> Self {
        Self { scene: scene.clone(), transport, holding: Vec::new() }
    }

    /// One more session whose first connect was answered.
    async fn session(&self) -> Result<Peer, String> {
        let peer = Peer::new(&self.scene, &format!("tab{}", self.holding.len()), self.transport);
        if let Some((first, _)) = self.holding.first() {
            peer.share_jar(first.jar());
        }
        peer.handshake(None).await?;
        let mut connect = peer.connect_message();
        connect.set("advice", object([("timeout", 0.into())]));
        peer.request(connect).await.success()?;
        Ok(peer)
    }

    /// Opens sessions until one is not held: that one, with its reply; none if all are.
    async fn fill(&mut self) -> Result<Option<(Peer, Json)>, String> {
        for _ in 0..MANY {
            let peer = self.session().await?;
            let sent = peer.send(&[peer.connect_message()]);
            if let Some(reply) = self.surplus(&peer, &sent).await? {
                return Ok(Some((peer, reply)));
            }
            self.holding.push((peer, sent));
        }
        Ok(None)
    }

    /// The reply to a connect that says that there are others; none if it is held.
    async fn surplus(&self, peer: &Peer, sent: &Sent) -> Result<Option<Json>, String> {
        let exchange = Peer::exchange_of(sent).ok_or("it goes over HTTP")?;
        let told = |peer: &Peer| {
            let says = |message: &Json| {
                message.get("advice").and_then(|advice| advice.get("multiple-clients")) == Some(&true.into())
            };
            peer.all_messages().into_iter().rev().find(says)
        };
        let is_held = |peer: &Peer| peer.is_open(exchange) && told(peer).is_none();
        // What is asked behind it is answered when the connect is held, or answered.
        peer.subscribe(&format!("{}/aside", self.scene.base)).await?;
        // One that is held is not answered by half of its time.
        let budget = &self.scene.target.budget;
        let wait = (budget.slowest * 4).max(Duration::from_millis(150)).min(budget.timeout / 2);
        peer.until(Instant::now() + wait, |peer| told(peer).is_some()).await;
        if is_held(peer) {
            return Ok(None);
        }
        match told(peer) {
            Some(reply) => Ok(Some(reply)),
            None => Err("a connect was neither held nor told of other sessions".into()),
        }
    }
}

fn crowded(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let mut browser = Browser::new(&scene, transport);
        let Some((peer, reply)) = browser.fill().await? else {
            return Ok(Finding::new(Verdict::Nonstrict, format!("{MANY} sessions of one browser hold a connect")));
        };
        let advice = reply.get("advice").cloned().unwrap_or(Json::Null);
        let interval = advised(&advice, transport, "interval").and_then(Json::as_f64);
        if interval.is_none_or(|interval| interval < 1.0) {
            return Ok(failed(format!("multiple-clients without an interval lets all of them spin: {reply}")));
        }
        if reply.get("successful").and_then(Json::as_bool) != Some(true) {
            return Ok(failed(format!("it is refused: {reply}")));
        }
        // It gets its events all the same, a little later.
        Ok(scene.fence(&peer).await.map_or_else(failed, |()| Finding::pass()))
    })
}

fn released(scene: Rc<Scene>, transport: Transport) -> Run {
    run(async move {
        let mut browser = Browser::new(&scene, transport);
        let Some((peer, _)) = browser.fill().await? else {
            return Ok(Finding::new(Verdict::Unimplemented, "sessions of one browser are held side by side"));
        };
        let (leaving, _) = browser.holding.pop().ok_or("no session holds a connect")?;
        leaving.request(object([("channel", "/meta/disconnect".into())])).await.success()?;
        let before = peer.all_messages().len();
        let sent = peer.send(&[peer.connect_message()]);
        let exchange = Peer::exchange_of(&sent).ok_or("it goes over HTTP")?;
        peer.subscribe(&format!("{}/aside", scene.base)).await?;
        if !peer.is_open(exchange) {
            return Ok(failed("its connect is still answered at once".into()));
        }
        let outcome = peer.outcome(&sent, 0, Instant::now() + scene.target.budget.held()).await;
        outcome.success()?;
        let says = |message: &&Json| {
            message.get("advice").and_then(|advice| advice.get("multiple-clients")) == Some(&true.into())
        };
        Ok(match peer.all_messages()[before..].iter().find(says) {
            None => Finding::pass(),
            Some(message) => failed(format!("there is room again, and it is told {message}")),
        })
    })
}
