//! Keeps a connect outstanding, as every real client does, so that a session does not expire under a case.

use super::{Outcome, Peer};
use crate::json::{Json, object};
use std::time::Duration;
use tokio::time::Instant;

impl Peer {
    /// Starts the connect loop.
    pub fn keep_alive(&self) {
        if self.is_live() {
            return;
        }
        let number = self.inner.keepers.get() + 1;
        self.inner.keepers.set(number);
        self.inner.keeper.set(Some(number));
        let peer = self.clone();
        self.inner.scene.spawn(async move {
            let end = peer.connect_loop(number).await;
            // It may have been stopped, and another one started, while its last connect was outstanding.
            if peer.inner.keeper.get() != Some(number) {
                return;
            }
            peer.inner.keeper.set(None);
            if let Some(why) = end {
                peer.inner.scene.transcript.note(&peer.inner.name, format!("no further connect: {why}"));
                peer.inner.state.borrow_mut().keeper_end = Some(why);
            }
            peer.inner.changed.notify_waiters();
        });
    }

    /// Lets the loop end with the connect that is outstanding.
    pub fn stop_keeping_alive(&self) {
        self.inner.keeper.set(None);
    }

    /// Whether the loop runs.
    pub fn is_live(&self) -> bool {
        self.inner.keeper.get().is_some()
    }

    /// Why the loop ended by itself, if it has.
    pub fn keeper_end(&self) -> Option<String> {
        self.inner.state.borrow().keeper_end.clone()
    }

    async fn connect_loop(&self, number: u64) -> Option<String> {
        while self.inner.keeper.get() == Some(number) {
            let outcome = self.request(self.connect_message()).await;
            let Outcome::Reply { message, .. } = &outcome else { return Some(outcome.to_string()) };
            if message.get("successful").and_then(Json::as_bool) != Some(true) {
                return Some(outcome.to_string());
            }
            let advice = message.get("advice");
            if let Some(reconnect @ ("none" | "handshake")) = advice.and_then(|advice| advice.get_str("reconnect")) {
                return Some(format!("the advice was {reconnect}"));
            }
            let interval = advice.and_then(|advice| advice.get("interval")).and_then(Json::as_f64).unwrap_or(0.0);
            tokio::time::sleep(Duration::from_secs_f64(interval.clamp(0.0, 60_000.0) / 1000.0)).await;
        }
        None
    }

    /// Sends connects until something holds, for a peer that is not live. One that is outstanding already is waited for first.
    pub async fn poll_until(&self, deadline: Instant, holds: impl Fn(&Self) -> bool) -> bool {
        while !holds(self) && Instant::now() < deadline {
            let mut connect = self.connect_message();
            connect.set("advice", object([("timeout", 0.into())]));
            if self.has_outstanding_exchange() {
                if !self.until(deadline, |peer| holds(peer) || !peer.has_outstanding_exchange()).await {
                    return false;
                }
                continue;
            }
            let outcome = self.request(connect).await;
            if outcome.success().is_err() {
                return holds(self);
            }
            // What is on its way to this session needs a moment; the next connect may hold until it is there.
            self.until((Instant::now() + Duration::from_millis(20)).min(deadline), &holds).await;
        }
        holds(self)
    }

    fn has_outstanding_exchange(&self) -> bool {
        self.inner.state.borrow().exchanges.iter().any(|exchange| exchange.answer.is_none())
    }
}
