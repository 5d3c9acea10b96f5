//! What must hold for every message of a client, whatever the case: each rule is a case of its own, judged when all
//! others are done.

use crate::json::{Json, object};
use crate::observer::{Rule, Witness};
use crate::wire::served::Served;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// How many requests of one client in a second are no busy loop yet.
const BUSY: usize = 50;
/// How much earlier than the interval a connect may come: timers are not exact.
const EARLY: Duration = Duration::from_millis(15);
/// How long messages that were on their way may still carry the clientId of the session before.
const ON_THE_WAY: Duration = Duration::from_millis(100);

/// The channel on which programs report; its publishes are no business of the rules about rates.
pub(super) const TOLD: &str = "/conformance/told";

/// Looks at everything that the client of one case sends.
pub(super) struct Watch {
    witness: Witness,
    requests: VecDeque<Instant>,
    ids: BTreeMap<(String, String), Json>,
    sessions: Vec<Known>,
    newest_used: Option<Instant>,
}

/// A session as its client knows it.
struct Known {
    id: String,
    offered: Json,
    connect: Option<Connect>,
    /// The last reply to a handshake or connect, and the interval that it advised.
    advised: Option<(Rc<Cell<Option<Instant>>>, Duration)>,
}

/// The last connect of a session.
struct Connect {
    connection: usize,
    answer: Option<Rc<Cell<Option<Instant>>>>,
    /// Its client will get no answer.
    lost: bool,
}

impl Connect {
    fn is_outstanding(&self) -> bool {
        !self.lost && self.answer.as_ref().is_none_or(|written| written.get().is_none())
    }
}

impl Watch {
    pub(super) fn new(witness: Witness) -> Self {
        Self { witness, requests: VecDeque::new(), ids: BTreeMap::new(), sessions: Vec::new(), newest_used: None }
    }

    fn rule(&self, rule: Rule, holds: bool, shown: &Json) {
        self.witness.rule(rule, holds, shown);
    }

    /// A request over HTTP.
    pub(super) fn request(&self, request: &Served) {
        self.rule(Rule::NoPipelining, true, &Json::Null);
        if request.upgrade().is_some() {
            return;
        }
        let kind = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let form = kind.starts_with("application/x-www-form-urlencoded");
        let fine = request.method == "POST" && (kind.starts_with("application/json") || form);
        self.rule(Rule::Post, fine, &Json::from(format!("{} with Content-Type: {kind}", request.method)));
    }

    /// Something came behind a request that was not answered yet.
    pub(super) fn pipelined(&self, bytes: &[u8]) {
        self.rule(Rule::NoPipelining, false, &String::from_utf8_lossy(bytes).into_owned().into());
    }

    /// A body or frame that is no batch.
    pub(super) fn unreadable(&mut self, why: &str) {
        self.count();
        self.rule(Rule::Array, false, &why.into());
    }

    /// A batch, as it was written.
    pub(super) fn batch(&mut self, whole: &Json) {
        let messages = whole.as_array().unwrap_or_else(|| std::slice::from_ref(whole));
        self.rule(Rule::Array, whole.as_array().is_some(), whole);
        if messages.iter().any(|message| message.get_str("channel") != Some(TOLD)) {
            self.count();
        }
        if messages.iter().any(|message| message.get_str("channel") == Some("/meta/handshake")) {
            self.rule(Rule::HandshakeAlone, messages.len() == 1, whole);
        }
    }

    fn count(&mut self) {
        let now = Instant::now();
        self.requests.push_back(now);
        while self.requests.front().is_some_and(|first| now.duration_since(*first) > Duration::from_secs(1)) {
            self.requests.pop_front();
        }
        let count = self.requests.len() as u64;
        self.rule(Rule::Busy, count <= BUSY as u64, &Json::from(format!("{count} requests within a second")));
    }

    /// A message, in the order in which the script takes them.
    pub(super) fn message(&mut self, message: &Json, connection: usize, at: Instant) {
        let Some(channel) = message.get_str("channel") else { return };
        if self.sessions.is_empty() && channel != "/meta/handshake" {
            // It was given no clientId, so it can't do anything right.
            return;
        }
        self.fields(channel, message);
        self.id(channel, message);
        let comment = message.get("ext").and_then(|ext| ext.get("json-comment-filtered")).and_then(Json::as_bool);
        self.rule(Rule::NoDrafts, message.get("connectionId").is_none() && comment != Some(true), message);
        if channel == "/meta/handshake" {
            return;
        }
        let id = message.get_str("clientId");
        let known = self.sessions.iter().position(|session| Some(session.id.as_str()) == id);
        self.rule(Rule::ClientId, known.is_some(), message);
        let Some(known) = known else { return };
        if known + 1 == self.sessions.len() {
            self.newest_used.get_or_insert(at);
        }
        let late = self.newest_used.is_some_and(|used| known + 1 < self.sessions.len() && at > used + ON_THE_WAY);
        self.rule(Rule::OldClientId, !late, message);
        if channel == "/meta/connect" {
            self.connect(known, message, connection, at);
        }
    }

    fn connect(&mut self, known: usize, message: &Json, connection: usize, at: Instant) {
        let session = &self.sessions[known];
        let kind = message.get("connectionType");
        let offered = session.offered.as_array().unwrap_or_default().iter().any(|offer| Some(offer) == kind);
        self.rule(Rule::OfferedType, offered, message);
        let one = session.connect.as_ref().is_none_or(|connect| !connect.is_outstanding());
        self.rule(Rule::OneConnect, one, message);
        if let Some((written, interval)) = &session.advised
            && let Some(written) = written.get()
        {
            let waited = at.saturating_duration_since(written);
            let shown = format!("interval {} ms, waited {} ms", interval.as_millis(), waited.as_millis());
            self.rule(Rule::Interval, waited + EARLY >= *interval, &shown.into());
        }
        self.sessions[known].connect = Some(Connect { connection, answer: None, lost: false });
    }

    fn fields(&self, channel: &str, message: &Json) {
        let text = |name: &str| message.get_str(name).is_some();
        let subscription = || match message.get("subscription") {
            Some(Json::String(_)) => true,
            Some(Json::Array(items)) => !items.is_empty() && items.iter().all(|item| item.as_str().is_some()),
            _ => false,
        };
        match channel {
            "/meta/handshake" => {
                let types = message.get("supportedConnectionTypes").and_then(Json::as_array).unwrap_or_default();
                let listed = !types.is_empty() && types.iter().all(|kind| kind.as_str().is_some());
                self.rule(Rule::Handshake, text("version") && listed, message);
                let long_polling = types.iter().any(|kind| kind.as_str() == Some("long-polling"));
                self.rule(Rule::LongPollingOffered, long_polling, message);
            }
            "/meta/connect" => self.rule(Rule::Connect, text("clientId") && text("connectionType"), message),
            "/meta/subscribe" => self.rule(Rule::Subscribe, text("clientId") && subscription(), message),
            "/meta/unsubscribe" => self.rule(Rule::Unsubscribe, text("clientId") && subscription(), message),
            "/meta/disconnect" => self.rule(Rule::Disconnect, text("clientId"), message),
            _ => self.rule(Rule::Publish, message.get("data").is_some(), message),
        }
    }

    /// The same message sent again has the same id; another one of the session may not have it.
    fn id(&mut self, channel: &str, message: &Json) {
        if !channel.starts_with("/meta/") && !channel.starts_with("/service/") {
            return;
        }
        let session = message.get_str("clientId").unwrap_or_default().to_owned();
        let Some(id) = message.get("id") else { return self.rule(Rule::Ids, false, message) };
        if session.is_empty() {
            return self.rule(Rule::Ids, true, message);
        }
        let before = self.ids.insert((session, id.to_string()), message.clone());
        self.rule(Rule::Ids, before.is_none_or(|before| before == *message), message);
    }

    /// A reply to a handshake or connect is on its way.
    pub(super) fn answered(&mut self, message: &Json, reply: &Json, written: &Rc<Cell<Option<Instant>>>, lost: bool) {
        let interval = reply.get("advice").and_then(|advice| advice.get("interval")).and_then(Json::as_f64);
        let interval = Duration::from_secs_f64(interval.unwrap_or(0.0).clamp(0.0, 3.6e6) / 1000.0);
        let advised = (!lost).then(|| (written.clone(), interval));
        match message.get_str("channel") {
            Some("/meta/handshake") => {
                let Some(id) = reply.get_str("clientId").filter(|_| !lost) else { return };
                let offered = reply.get("supportedConnectionTypes").cloned().unwrap_or_else(|| object([]));
                self.sessions.retain(|session| session.id != id);
                self.sessions.push(Known { id: id.to_owned(), offered, connect: None, advised });
                self.newest_used = None;
            }
            Some("/meta/connect") => {
                let id = message.get_str("clientId");
                let session = self.sessions.iter_mut().find(|session| Some(session.id.as_str()) == id);
                let Some(session) = session else { return };
                session.advised = advised;
                if let Some(connect) = &mut session.connect {
                    connect.answer = Some(written.clone());
                    connect.lost = lost;
                }
            }
            _ => {}
        }
    }

    /// Something was sent that no client can be expected to understand: it may take what is outstanding for lost.
    pub(super) fn disturbed(&mut self) {
        for connect in self.sessions.iter_mut().filter_map(|session| session.connect.as_mut()) {
            connect.lost = true;
        }
    }

    /// A connection has ended, and what was outstanding on it will not be answered.
    pub(super) fn gone(&mut self, connection: usize) {
        for connect in self.sessions.iter_mut().filter_map(|session| session.connect.as_mut()) {
            connect.lost |= connect.connection == connection;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Observer;
    use crate::transcript::Transcript;
    use crate::verdict::Verdict;

    struct Seen {
        watch: Watch,
        observer: Rc<Observer>,
        start: Instant,
    }

    impl Seen {
        /// A client that has the session `a`, whose first connect was answered with this interval after 10 ms.
        fn with_session(interval: u64) -> Self {
            let observer = Rc::<Observer>::default();
            let start = Instant::now();
            let mut seen = Self {
                watch: Watch::new(Witness::new(Some(observer.clone()), "X-1".into(), Transcript::new())),
                observer,
                start,
            };
            seen.handshake("a");
            seen.message(5, r#"{"channel":"/meta/connect","clientId":"a","connectionType":"long-polling","id":"1"}"#);
            seen.answer("a", interval, Some(10));
            seen
        }

        fn handshake(&mut self, id: &str) {
            let reply = format!(r#"{{"clientId":"{id}","supportedConnectionTypes":["long-polling"]}}"#);
            let written = Rc::new(Cell::new(Some(self.start)));
            self.watch.answered(&json(r#"{"channel":"/meta/handshake"}"#), &json(&reply), &written, false);
        }

        fn answer(&mut self, id: &str, interval: u64, written: Option<u64>) {
            let message = format!(r#"{{"channel":"/meta/connect","clientId":"{id}"}}"#);
            let reply = format!(r#"{{"advice":{{"interval":{interval}}}}}"#);
            let written = Rc::new(Cell::new(written.map(|ms| self.start + Duration::from_millis(ms))));
            self.watch.answered(&json(&message), &json(&reply), &written, false);
        }

        fn message(&mut self, ms: u64, text: &str) {
            self.watch.message(&json(text), 1, self.start + Duration::from_millis(ms));
        }

        fn verdict(&self, rule: Rule) -> Verdict {
            self.observer.finding(rule).verdict
        }
    }

    fn json(text: &str) -> Json {
        crate::json::parse(text.as_bytes()).expect(text).value
    }

    const CONNECT: &str = r#"{"channel":"/meta/connect","clientId":"a","connectionType":"long-polling","id":"2"}"#;

    #[test]
    fn each_message_rule_is_seen_kept_and_broken() {
        for (rule, kept, broken) in [
            (
                Rule::Handshake,
                r#"{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}"#,
                r#"{"channel":"/meta/handshake","supportedConnectionTypes":["long-polling"]}"#,
            ),
            (
                Rule::LongPollingOffered,
                r#"{"channel":"/meta/handshake","supportedConnectionTypes":["websocket","long-polling"]}"#,
                r#"{"channel":"/meta/handshake","supportedConnectionTypes":["websocket"]}"#,
            ),
            (Rule::Ids, CONNECT, r#"{"channel":"/meta/connect","clientId":"a"}"#),
            (Rule::Ids, CONNECT, r#"{"channel":"/meta/subscribe","clientId":"a","id":"1"}"#),
            (Rule::ClientId, CONNECT, r#"{"channel":"/x","data":1}"#),
            (Rule::ClientId, CONNECT, r#"{"channel":"/x","data":1,"clientId":"b"}"#),
            (Rule::OfferedType, CONNECT, r#"{"channel":"/meta/connect","clientId":"a","connectionType":"websocket"}"#),
            (Rule::Connect, CONNECT, r#"{"channel":"/meta/connect","clientId":"a"}"#),
            (
                Rule::Subscribe,
                r#"{"channel":"/meta/subscribe","clientId":"a","subscription":["/x"]}"#,
                r#"{"channel":"/meta/subscribe","clientId":"a","subscription":[]}"#,
            ),
            (
                Rule::Unsubscribe,
                r#"{"channel":"/meta/unsubscribe","clientId":"a","subscription":"/x"}"#,
                r#"{"channel":"/meta/unsubscribe","clientId":"a"}"#,
            ),
            (Rule::Publish, r#"{"channel":"/x","data":null}"#, r#"{"channel":"/x"}"#),
            (Rule::Disconnect, r#"{"channel":"/meta/disconnect","clientId":"a"}"#, r#"{"channel":"/meta/disconnect"}"#),
            (Rule::NoDrafts, CONNECT, r#"{"channel":"/x","data":1,"connectionId":"1"}"#),
            (Rule::NoDrafts, CONNECT, r#"{"channel":"/meta/connect","ext":{"json-comment-filtered":true}}"#),
        ] {
            let mut seen = Seen::with_session(0);
            seen.message(20, kept);
            assert_eq!(seen.verdict(rule), Verdict::Pass, "{kept}");
            seen.message(30, broken);
            assert_eq!(seen.verdict(rule), Verdict::Fail, "{broken}");
        }
    }

    #[test]
    fn a_second_connect_and_one_before_the_interval_are_seen() {
        let mut early = Seen::with_session(500);
        early.message(400, CONNECT);
        assert_eq!((early.verdict(Rule::Interval), early.verdict(Rule::OneConnect)), (Verdict::Fail, Verdict::Pass));
        let mut patient = Seen::with_session(500);
        patient.message(510, CONNECT);
        assert_eq!(patient.verdict(Rule::Interval), Verdict::Pass);
        patient.message(2000, &CONNECT.replace("\"2\"", "\"3\""));
        assert_eq!(patient.verdict(Rule::OneConnect), Verdict::Fail);
        let mut cut = Seen::with_session(0);
        cut.message(20, CONNECT);
        cut.watch.gone(1);
        cut.message(30, &CONNECT.replace("\"2\"", "\"3\""));
        assert_eq!(cut.verdict(Rule::OneConnect), Verdict::Pass, "the first will not be answered");
    }

    #[test]
    fn the_id_of_an_old_session_may_be_on_its_way_for_a_moment() {
        let mut seen = Seen::with_session(0);
        seen.handshake("b");
        seen.message(20, &CONNECT.replace("\"a\"", "\"b\""));
        seen.message(60, r#"{"channel":"/x","data":1,"clientId":"a"}"#);
        assert_eq!(seen.verdict(Rule::OldClientId), Verdict::Pass);
        seen.message(200, r#"{"channel":"/x","data":1,"clientId":"a"}"#);
        assert_eq!(seen.verdict(Rule::OldClientId), Verdict::Fail);
    }

    #[test]
    fn batches_are_arrays_with_handshakes_alone_and_not_too_many() {
        let mut seen = Seen::with_session(0);
        let handshake = r#"[{"channel":"/meta/handshake"}]"#;
        (0..BUSY).for_each(|_| seen.watch.batch(&json(handshake)));
        seen.watch.batch(&json(r#"[{"channel":"/conformance/told"}]"#));
        for rule in [Rule::Array, Rule::HandshakeAlone, Rule::Busy] {
            assert_eq!(seen.verdict(rule), Verdict::Pass, "{rule:?}");
        }
        seen.watch.batch(&json(r#"[{"channel":"/meta/handshake"},{"channel":"/x"}]"#));
        seen.watch.batch(&json(r#"{"channel":"/x"}"#));
        for rule in [Rule::Array, Rule::HandshakeAlone, Rule::Busy] {
            assert_eq!(seen.verdict(rule), Verdict::Fail, "{rule:?}");
        }
    }

    #[test]
    fn requests_are_posts_one_at_a_time() {
        let seen = Seen::with_session(0);
        let post = |method: &str, kind: &str| Served {
            method: method.into(),
            target: "/".into(),
            old: false,
            headers: vec![("Content-Type".into(), kind.into())],
            body: Vec::new(),
        };
        seen.watch.request(&post("POST", "application/json; charset=UTF-8"));
        assert_eq!((seen.verdict(Rule::Post), seen.verdict(Rule::NoPipelining)), (Verdict::Pass, Verdict::Pass));
        seen.watch.request(&post("POST", "text/plain"));
        seen.watch.pipelined(b"POST / HTTP/1.1");
        assert_eq!((seen.verdict(Rule::Post), seen.verdict(Rule::NoPipelining)), (Verdict::Fail, Verdict::Fail));
    }
}
