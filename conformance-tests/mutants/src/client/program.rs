//! What a program under test does: it carries out commands, and reports what became of them and which events its handlers saw.

use crate::client::{Client, Lost};
use crate::defect::Defect;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long it waits before a report that went astray is sent again.
const AGAIN: Duration = Duration::from_millis(200);

/// What a handler does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    /// Carries out a command.
    Commands,
    /// Reports it.
    Reports,
    /// Reports it, and fails.
    Fails,
}

/// A handler of the application failed.
pub(crate) struct HandlerFailed;

/// Reports that were not accepted yet.
#[derive(Default)]
pub(crate) struct Reports {
    list: RefCell<VecDeque<Value>>,
    count: Cell<u64>,
    added: Notify,
}

impl Reports {
    fn add(&self, mut report: Value) {
        self.count.set(self.count.get() + 1);
        report["seq"] = self.count.get().into();
        self.list.borrow_mut().push_back(report);
        self.added.notify_one();
    }
}

/// Sends the reports, for as long as the program runs.
pub(crate) async fn report(client: Rc<Client>) {
    loop {
        let reports: Vec<_> = client.reports.list.borrow().iter().cloned().collect();
        if reports.is_empty() {
            client.reports.added.notified().await;
            continue;
        }
        let count = reports.len();
        match client.succeeds("/conformance/told", json!({"data": reports})).await {
            Ok(true) => drop(client.reports.list.borrow_mut().drain(..count)),
            Ok(false) | Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

impl Client {
    /// Gives an event to all handlers that want it.
    pub(crate) fn dispatch(self: &Rc<Self>, channel: &str, data: &Value) -> Result<(), HandlerFailed> {
        let handlers: Vec<_> = {
            let state = self.state.borrow();
            let matching = state.handlers.iter().filter(|(pattern, _)| matches(pattern, channel));
            matching.map(|(_, handler)| *handler).collect()
        };
        if handlers.is_empty() && self.has(Defect::DiesOfStrayEvent) {
            self.die();
        }
        let is_falsy = matches!(data, Value::Bool(false)) || data == 0 || data == "";
        if (is_falsy && self.has(Defect::FalsyEventDropped)) || (data.is_null() && self.has(Defect::NullEventDropped)) {
            return Ok(());
        }
        let mut data = data.clone();
        if let Some(members) = data.as_object_mut().filter(|_| self.has(Defect::PropertyNamesLost)) {
            members.retain(|name, _| !["constructor", "toString", "length", "hasOwnProperty"].contains(&name.as_str()));
        }
        for handler in &handlers {
            if *handler == Handler::Commands {
                tokio::task::spawn_local(carry_out(self.clone(), data.clone()));
            } else {
                self.reports.add(json!({"got": [channel, data]}));
            }
        }
        if handlers.contains(&Handler::Fails) { Err(HandlerFailed) } else { Ok(()) }
    }

    /// Sends a request, and says whether it was granted.
    async fn succeeds(self: &Rc<Self>, channel: &str, members: Value) -> Result<bool, Lost> {
        let reply = self.request(channel, members).await?;
        Ok(reply.get("successful") == Some(&Value::Bool(true)))
    }

    async fn subscribe(self: &Rc<Self>, channel: &str, handler: Handler) -> Result<bool, Lost> {
        self.state.borrow_mut().handlers.insert(channel.to_owned(), handler);
        let granted = self.succeeds("/meta/subscribe", json!({"subscription": channel})).await;
        if granted == Ok(false) {
            if self.has(Defect::RefusedSubscriptionSucceeds) {
                return Ok(true);
            }
            self.state.borrow_mut().handlers.remove(channel);
        }
        granted
    }

    async fn unsubscribe(self: &Rc<Self>, channel: &str) -> Result<bool, Lost> {
        if !self.has(Defect::HandlerKept) {
            self.state.borrow_mut().handlers.remove(channel);
        }
        let member = if self.has(Defect::UnsubscribeWithoutSubscription) { "channels" } else { "subscription" };
        self.succeeds("/meta/unsubscribe", json!({member: channel})).await
    }

    async fn publish(self: &Rc<Self>, channel: &str, data: Value) -> Result<bool, Lost> {
        let begun = self.state.borrow().connects;
        while self.has(Defect::PublishWaitsForConnect) {
            let answered = self.answered.notified();
            if self.state.borrow().answered > begun {
                break;
            }
            answered.await;
        }
        let members = if self.has(Defect::FalsyDataUnsent) && data == 0 {
            json!({})
        } else if self.has(Defect::DataSentAsText) {
            json!({"data": data.to_string()})
        } else {
            json!({"data": data})
        };
        let granted = self.succeeds(channel, members).await;
        if self.has(Defect::RefusedPublishSucceeds) { Ok(true) } else { granted }
    }

    /// Ends the session; what the server still answers is not waited for.
    async fn disconnect(self: &Rc<Self>) {
        if !self.has(Defect::ConnectsAfterDisconnect) {
            self.state.borrow_mut().closed = true;
        }
        if !self.has(Defect::SilentDisconnect) {
            // Whether it was answered changes nothing.
            let _ = self.request("/meta/disconnect", json!({})).await;
        }
        self.state.borrow_mut().socket = None;
    }
}

/// Does what it is told, and reports what became of it.
async fn carry_out(client: Rc<Client>, command: Value) {
    let channel = |name: &str| command[name].as_str();
    let done = if let Some(channel) = channel("subscribe") {
        let handler = if command["fails"] == true { Handler::Fails } else { Handler::Reports };
        client.subscribe(channel, handler).await
    } else if let Some(channel) = channel("unsubscribe") {
        client.unsubscribe(channel).await
    } else if let Some(channel) = command["publish"][0].as_str() {
        client.publish(channel, command["publish"][1].clone()).await
    } else if command["disconnect"] == true {
        return client.disconnect().await;
    } else {
        Ok(true)
    };
    client.reports.add(json!({"n": command["n"], "ok": done == Ok(true)}));
}

/// Whether a channel is one, or matches a pattern.
fn matches(pattern: &str, channel: &str) -> bool {
    let below = |parent: &str| channel.strip_prefix(parent).filter(|rest| !rest.is_empty());
    match (pattern.strip_suffix("**"), pattern.strip_suffix('*')) {
        (Some(parent), _) => below(parent).is_some(),
        (None, Some(parent)) => below(parent).is_some_and(|rest| !rest.contains('/')),
        (None, None) => pattern == channel,
    }
}
