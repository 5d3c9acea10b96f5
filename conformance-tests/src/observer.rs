//! What must hold for every message of a whole run, whatever the case: each of these rules is a case of its own, judged when all
//! others are done.

use crate::case::Role;
use crate::json::Json;
use crate::peer::{Peer, Transport, is_event};
use crate::verdict::{Finding, Verdict};
use crate::wire::http::Response;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A rule for every message, with the case that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Each message has a channel, unless it refuses one that had none.
    Channel,
    /// Each reply on a meta channel says whether it succeeded.
    Successful,
    /// An error is a string of three parts.
    ErrorGrammar,
    /// Advice is an object of known members and types.
    Advice,
    /// No event names its publisher.
    PublisherHidden,
    /// A failed handshake names no clientId.
    FailedHandshake,
    /// A frame or body that should be messages is.
    Readable,
    /// Responses may not be cached.
    NotCacheable,
    /// Responses with messages are JSON.
    ContentType,
    /// A client's handshake says what it must.
    Handshake,
    /// A client's handshake is alone.
    HandshakeAlone,
    /// A client offers long-polling.
    LongPollingOffered,
    /// A client's requests are POSTs of JSON.
    Post,
    /// A client's batches are arrays.
    Array,
    /// A client's ids are there and its own.
    Ids,
    /// A client's messages carry the clientId that it got.
    ClientId,
    /// A client connects by a type that the server offered.
    OfferedType,
    /// A client has one connect outstanding.
    OneConnect,
    /// A client waits for the interval.
    Interval,
    /// A client forgets the clientId of a session that has ended.
    OldClientId,
    /// A client does not ask too often.
    Busy,
    /// A client's connects have their fields.
    Connect,
    /// A client's subscribe requests have their fields.
    Subscribe,
    /// A client's unsubscribe requests have their fields.
    Unsubscribe,
    /// A client's publishes have their fields.
    Publish,
    /// A client's disconnect requests have their fields.
    Disconnect,
    /// A client sends nothing that earlier drafts had.
    NoDrafts,
    /// A client does not send a request behind one that is unanswered.
    NoPipelining,
}

impl Rule {
    /// Whom it is about.
    pub fn role(self) -> Role {
        if self < Self::Handshake { Role::Server } else { Role::Client }
    }
}

/// Counts what it saw, and keeps the first breaches of each rule.
#[derive(Default)]
pub struct Observer {
    seen: RefCell<BTreeMap<Rule, Seen>>,
}

#[derive(Default)]
struct Seen {
    checked: usize,
    broken: usize,
    examples: Vec<String>,
}

impl Observer {
    /// Looks at a message that came.
    pub fn message(&self, peer: &Peer, message: &Json) {
        let channel = message.get_str("channel");
        // What came without a channel can't be answered on it.
        let refusal = message.get("successful").and_then(Json::as_bool) == Some(false);
        self.rule(Rule::Channel, channel.is_some() || refusal, message);
        if channel.is_some_and(|name| name.starts_with("/meta/")) {
            self.rule(Rule::Successful, message.get("successful").and_then(Json::as_bool).is_some(), message);
        }
        if let Some(error) = message.get("error") {
            self.rule(Rule::ErrorGrammar, error.as_str().is_some_and(is_error), message);
        }
        if let Some(advice) = message.get("advice") {
            self.rule(Rule::Advice, is_advice(advice), message);
        }
        if is_event(message) {
            let hidden = message.get("clientId").is_none_or(|id| id.as_str() == peer.client_id().as_deref());
            self.rule(Rule::PublisherHidden, hidden, message);
        }
        if channel == Some("/meta/handshake") && message.get("successful").and_then(Json::as_bool) == Some(false) {
            self.rule(Rule::FailedHandshake, message.get("clientId").is_none(), message);
        }
        self.rule(Rule::Readable, true, message);
    }

    /// Looks at a response.
    pub fn response(&self, peer: &Peer, response: &Response) {
        if response.status != 200 || response.body.is_empty() {
            return;
        }
        let shown = Json::from(format!("{}: {:?}", peer.transport(), response.headers));
        let cache = response.header("cache-control").unwrap_or_default();
        self.rule(Rule::NotCacheable, cache.contains("no-store") || cache.contains("no-cache"), &shown);
        // A case may ask for a script whatever its transport; its type is for the cases about callback-polling.
        let is_script = !response.body.trim_ascii_start().starts_with(b"[") && !response.body.starts_with(b"{");
        if peer.transport() == Transport::LongPolling && !is_script {
            let kind = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
            let charset = kind.split_once("charset=").map(|(_, charset)| charset.trim_matches('"'));
            let json = kind.starts_with("application/json") && charset.is_none_or(|charset| charset == "utf-8");
            self.rule(Rule::ContentType, json, &shown);
        }
    }

    /// Notes something that could not be read as messages.
    pub fn unreadable(&self, peer: &Peer, why: &str) {
        self.rule(Rule::Readable, false, &Json::from(format!("{}: {why}", peer.transport())));
    }

    /// Notes whether a rule was kept once, with what shows it.
    pub fn rule(&self, rule: Rule, holds: bool, shown: &Json) {
        let mut all = self.seen.borrow_mut();
        let seen = all.entry(rule).or_default();
        seen.checked += 1;
        if !holds {
            seen.broken += 1;
            if seen.examples.len() < 5 {
                seen.examples.push(shown.to_string().chars().take(500).collect());
            }
        }
    }

    /// What became of a rule over the whole run.
    pub fn finding(&self, rule: Rule) -> Finding {
        let all = self.seen.borrow();
        match all.get(&rule) {
            None => Finding::new(Verdict::Unimplemented, "nothing was sent that this is about"),
            Some(seen) if seen.broken == 0 => Finding::pass(),
            Some(seen) => Finding::new(
                Verdict::Fail,
                format!(
                    "{} of {} messages broke it, such as:\n{}",
                    seen.broken,
                    seen.checked,
                    seen.examples.join("\n")
                ),
            ),
        }
    }
}

/// `402:arguments:text`, as the grammar of errors says.
fn is_error(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let code = parts.next().unwrap_or_default();
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()) && parts.count() == 2
}

fn is_advice(advice: &Json) -> bool {
    let number =
        |name: &str| advice.get(name).is_none_or(|value| value.as_f64().is_some_and(|number| number.fract() == 0.0));
    let reconnect =
        advice.get("reconnect").is_none_or(|value| matches!(value.as_str(), Some("retry" | "handshake" | "none")));
    let hosts = advice
        .get("hosts")
        .is_none_or(|value| value.as_array().is_some_and(|hosts| hosts.iter().all(|host| host.as_str().is_some())));
    advice.as_object().is_some() && reconnect && number("interval") && number("timeout") && hosts
}
