//! Keeps a connect outstanding, as every real client does, so that a session does not expire under a case. The latest advice says
//! when the next connect may be sent, and whether any may.

use super::{Outcome, Peer};
use crate::json::object;
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
        self.inner.state.borrow_mut().keeper_end = None;
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
        loop {
            if let Some(why) = self.may_not_connect() {
                return Some(why);
            }
            self.pause(None).await;
            if self.inner.keeper.get() != Some(number) {
                return None;
            }
            let sent = self.send(&[self.connect_message()]);
            let outcome = self.outcome(&sent, 0, Instant::now() + self.inner.scene.target.budget.held()).await;
            if outcome.success().is_ok()
                && let Some(why) = self.stream_end(&sent).await
            {
                return Some(why);
            }
            if let Outcome::Reply { .. } = &outcome
                && let Some(why) = self.may_not_connect()
            {
                return Some(format!("{why}; {outcome}"));
            }
            if outcome.success().is_err() {
                return Some(outcome.to_string());
            }
        }
    }

    /// Why the latest advice forbids a connect, if it does.
    fn may_not_connect(&self) -> Option<String> {
        let state = self.inner.state.borrow();
        match state.advice.reconnect.as_deref() {
            Some(other) if other != "retry" => Some(format!("the advice was {other}")),
            _ if state.advice.interval < 0.0 => Some("the advised interval is negative".into()),
            _ => None,
        }
    }

    /// Waits until the advised interval is over, but no longer than this.
    async fn pause(&self, deadline: Option<Instant>) {
        let answered = self.inner.state.borrow().answered;
        let next = answered.map_or_else(Instant::now, |at| at + self.interval());
        tokio::time::sleep_until(deadline.map_or(next, |deadline| next.min(deadline))).await;
    }

    /// Sends connects until something holds, for a peer that is not live. One that is outstanding already is waited for first.
    pub async fn poll_until(&self, deadline: Instant, holds: impl Fn(&Self) -> bool) -> bool {
        while !holds(self) && Instant::now() < deadline {
            if self.has_outstanding_exchange() {
                if !self.until(deadline, |peer| holds(peer) || !peer.has_outstanding_exchange()).await {
                    return false;
                }
                continue;
            }
            self.pause(Some(deadline)).await;
            let mut connect = self.connect_message();
            connect.set("advice", object([("timeout", 0.into())]));
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
