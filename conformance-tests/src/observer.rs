//! What must hold for every message of a whole run, whatever the case: each of these rules is a case of its own, judged when all
//! others are done.

use crate::case::Role;
use crate::json::Json;
use crate::peer::{Peer, Transport, is_event};
use crate::transcript::{Direction, Entry, Transcript};
use crate::verdict::{Finding, Verdict};
use crate::wire::http::Response;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

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
    /// What a stream carries are arrays that are whole on their own.
    StreamBatch,
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
    examples: Vec<Example>,
}

/// A breach: what shows it, in which case it was seen, and what went over the wire there.
struct Example {
    case: String,
    shown: String,
    transcript: Transcript,
}

/// Watches one case for the observer of the run, or nothing: in discovery, and where the case provokes what it gets.
pub struct Witness {
    observer: Option<Rc<Observer>>,
    case: String,
    transcript: Transcript,
}

impl Witness {
    /// Of the case of this id and transcript.
    pub fn new(observer: Option<Rc<Observer>>, case: String, transcript: Transcript) -> Self {
        Self { observer, case, transcript }
    }

    /// Looks at a message that came.
    pub fn message(&self, peer: &Peer, message: &Json) {
        let channel = message.get_str("channel");
        let refusal = message.get("successful").and_then(Json::as_bool) == Some(false);
        // What came without a channel can't be answered on it.
        self.rule(Rule::Channel, channel.is_some() || refusal, message);
        self.rule(Rule::Readable, true, message);
        let meta = channel.is_some_and(|name| name.starts_with("/meta/"));
        if is_event(message) && !meta {
            // Whatever else is in it may be its publisher's.
            let hidden = message.get("clientId").is_none_or(|id| id.as_str() == peer.client_id().as_deref());
            return self.rule(Rule::PublisherHidden, hidden, message);
        }
        if meta {
            self.rule(Rule::Successful, message.get("successful").and_then(Json::as_bool).is_some(), message);
        }
        if let Some(error) = message.get("error") {
            self.rule(Rule::ErrorGrammar, error.as_str().is_some_and(is_error), message);
        }
        if let Some(advice) = message.get("advice") {
            self.rule(Rule::Advice, is_advice(advice), message);
        }
        if channel == Some("/meta/handshake") && refusal {
            self.rule(Rule::FailedHandshake, message.get("clientId").is_none(), message);
        }
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

    /// Looks at what should be a batch of a stream.
    pub fn streamed(&self, peer: &Peer, batch: &Result<Vec<Json>, String>) {
        let shown = || Json::from(format!("{}: {}", peer.transport(), batch.as_ref().err().map_or("", String::as_str)));
        self.rule(Rule::StreamBatch, batch.is_ok(), &shown());
    }

    /// Notes something that could not be read as messages.
    pub fn unreadable(&self, peer: &Peer, why: &str) {
        self.rule(Rule::Readable, false, &Json::from(format!("{}: {why}", peer.transport())));
    }

    /// Notes whether a rule was kept once, with what shows it.
    pub fn rule(&self, rule: Rule, holds: bool, shown: &Json) {
        let Some(observer) = &self.observer else { return };
        let mut all = observer.seen.borrow_mut();
        let seen = all.entry(rule).or_default();
        seen.checked += 1;
        if !holds {
            seen.broken += 1;
            if seen.examples.len() < 5 {
                let shown = shown.to_string().chars().take(500).collect();
                seen.examples.push(Example { case: self.case.clone(), shown, transcript: self.transcript.clone() });
            }
        }
    }
}

impl Observer {
    /// What became of a rule over the whole run.
    pub fn finding(&self, rule: Rule) -> Finding {
        let all = self.seen.borrow();
        match all.get(&rule) {
            None => Finding::new(Verdict::Unimplemented, "nothing was sent that this is about"),
            Some(seen) if seen.broken == 0 => Finding::pass(),
            Some(seen) => Finding::new(
                Verdict::Fail,
                format!("{} of {} messages broke it, such as:\n{}", seen.broken, seen.checked, seen.shown()),
            ),
        }
    }

    /// What went over the wire in the case in which a rule was broken first.
    pub fn transcript(&self, rule: Rule) -> Vec<Entry> {
        let all = self.seen.borrow();
        let Some(first) = all.get(&rule).and_then(|seen| seen.examples.first()) else { return Vec::new() };
        let text = format!("in {}", first.case);
        let heading = Entry { at: Duration::ZERO, who: String::new(), connection: 0, direction: Direction::Note, text };
        std::iter::once(heading).chain(first.transcript.entries()).collect()
    }
}

impl Seen {
    fn shown(&self) -> String {
        let line = |example: &Example| format!("in {}: {}", example.case, example.shown);
        self.examples.iter().map(line).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;
    use crate::scene::Scene;
    use crate::target::Target;

    /// What the observer says of a rule when this came in a case that is watched, or in one that is not.
    fn finding(rule: Rule, text: &str, watched: bool) -> (Finding, Vec<Entry>) {
        let observer = Rc::<Observer>::default();
        let target = Rc::new(Target::new("http://localhost/", None).expect("a URL"));
        let scene = Scene::new(target, watched.then(|| observer.clone()), "X-1".into(), "/base".into(), 0);
        scene.transcript.note("a", "said");
        let peer = Peer::new(&scene, "a", Transport::LongPolling);
        scene.witness.message(&peer, &parse(text.as_bytes()).expect("JSON").value);
        (observer.finding(rule), observer.transcript(rule))
    }

    #[test]
    fn a_breach_names_its_case_and_has_what_went_over_its_wire() {
        let (found, transcript) =
            finding(Rule::ErrorGrammar, r#"{"channel":"/x","successful":false,"error":"no"}"#, true);
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.reason.contains("in X-1: {"), "{}", found.reason);
        let texts: Vec<_> = transcript.iter().map(|entry| entry.text.as_str()).collect();
        assert_eq!(texts, ["in X-1", "said"]);
    }

    #[test]
    fn what_a_publisher_wrote_and_what_a_case_provoked_is_not_judged() {
        let event = r#"{"channel":"/x","data":{"error":7},"error":"no","advice":"none"}"#;
        for rule in [Rule::ErrorGrammar, Rule::Advice] {
            assert_eq!(finding(rule, event, true).0.verdict, Verdict::Unimplemented);
        }
        let reply = r#"{"channel":"/x","successful":false,"error":"no"}"#;
        assert_eq!(finding(Rule::ErrorGrammar, reply, false).0.verdict, Verdict::Unimplemented);
    }
}
