//! A small server for the suite's own tests: correct over long-polling, but for the habits that a test gives it. Correct servers have
//! such habits too: an interval, publishes without replies, events of one channel that overtake those of another.

use crate::json::{Json, object, parse};
use crate::peer::messages_of;
use crate::scene::Scene;
use crate::target::Target;
use crate::wire::served::read_request;
use crate::wire::stream::Stream;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// How long it holds a connect.
pub(crate) const HOLDS: Duration = Duration::from_millis(200);

/// What a test wants of it.
#[derive(Clone)]
pub(crate) struct Habits {
    /// In milliseconds.
    pub(crate) interval: u64,
    pub(crate) reconnect: &'static str,
    pub(crate) answers_publishes: bool,
    /// The replies to publishes are on another channel, which no correct server does.
    pub(crate) answers_elsewhere: bool,
    /// How much later than others events come on channels that end like this.
    pub(crate) late: Duration,
    pub(crate) late_on: &'static str,
    /// The `ext` without which it refuses handshakes.
    pub(crate) token: Option<&'static str>,
    /// What handshakes offer, and whether that is only what the client named too.
    pub(crate) offers: &'static str,
    pub(crate) negotiates: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            interval: 0,
            reconnect: "retry",
            answers_publishes: true,
            answers_elsewhere: false,
            late: Duration::ZERO,
            late_on: "/late",
            token: None,
            offers: r#"["long-polling"]"#,
            negotiates: false,
        }
    }
}

/// The server, and what it saw.
pub(crate) struct TestServer {
    habits: Habits,
    sessions: RefCell<BTreeMap<String, Session>>,
    news: Notify,
    /// When a connect came, and when one was answered.
    pub(crate) connects: RefCell<Vec<(Instant, Option<Instant>)>>,
}

#[derive(Default)]
struct Session {
    subscriptions: Vec<String>,
    queue: Vec<Json>,
}

impl TestServer {
    /// Starts it. Must run within a [`tokio::task::LocalSet`].
    pub(crate) async fn start(habits: Habits) -> (Rc<Self>, Target) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/bayeux", listener.local_addr().expect("it listens"));
        let server =
            Rc::new(Self { habits, sessions: RefCell::default(), news: Notify::new(), connects: RefCell::default() });
        let accepting = server.clone();
        tokio::task::spawn_local(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let stream = Stream::accepted(tcp).expect("a connection");
                tokio::task::spawn_local(accepting.clone().serve(stream));
            }
        });
        let mut target = Target::new(&url, None).expect("a URL");
        (target.budget.timeout, target.budget.answer) = (HOLDS, Duration::from_millis(300));
        (server, target)
    }

    async fn serve(self: Rc<Self>, mut stream: Stream) {
        while let Ok(request) = read_request(&mut stream).await {
            let messages = messages_of(&request.body).unwrap_or_default();
            let mut replies = Vec::new();
            for message in messages.iter().filter(|_| request.upgrade().is_none()) {
                replies.extend(self.reply(message).await);
            }
            let (status, body) = if messages.is_empty() {
                ("400 Bad Request", String::new())
            } else {
                ("200 OK", Json::Array(replies).to_string())
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            if stream.write(format!("{head}{body}").as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// The reply, if there is one, and events before it.
    async fn reply(self: &Rc<Self>, message: &Json) -> Vec<Json> {
        let channel = message.get_str("channel").unwrap_or_default();
        let client = message.get_str("clientId").unwrap_or_default();
        let mut reply = object([("channel", channel.into())]);
        if let Some(id) = message.get("id") {
            reply.set("id", id.clone());
        }
        let known = self.sessions.borrow().contains_key(client);
        let token = message.get("ext").and_then(|ext| ext.get_str("token"));
        reply.set("successful", (if channel == "/meta/handshake" { token == self.habits.token } else { known }).into());
        if !known && channel != "/meta/handshake" {
            return vec![reply];
        }
        match channel {
            "/meta/handshake" if token == self.habits.token => self.shake_hands(message, &mut reply),
            "/meta/handshake" => {}
            "/meta/connect" => return self.connect(client, message, reply).await,
            "/meta/subscribe" => {
                let subscription = message.get_str("subscription").unwrap_or_default().to_owned();
                self.sessions.borrow_mut().entry(client.to_owned()).or_default().subscriptions.push(subscription);
            }
            "/meta/disconnect" => drop(self.sessions.borrow_mut().remove(client)),
            _ => {
                self.publish(channel, message);
                if !self.habits.answers_publishes {
                    return Vec::new();
                }
                if self.habits.answers_elsewhere {
                    reply.set("channel", "/elsewhere".into());
                }
            }
        }
        vec![reply]
    }

    fn shake_hands(&self, message: &Json, reply: &mut Json) {
        let mut sessions = self.sessions.borrow_mut();
        let id = format!("session-{}", sessions.len());
        sessions.insert(id.clone(), Session::default());
        reply.set("clientId", id.into());
        reply.set("version", "1.0".into());
        let offers = parse(self.habits.offers.as_bytes()).expect("JSON").value;
        let named = message.get("supportedConnectionTypes").and_then(Json::as_array).unwrap_or_default();
        let is_told = |name: &&Json| !self.habits.negotiates || named.contains(name);
        let told = offers.as_array().unwrap_or_default().iter().filter(is_told).cloned().collect();
        reply.set("supportedConnectionTypes", Json::Array(told));
        reply.set("advice", self.advice("retry"));
    }

    fn advice(&self, reconnect: &str) -> Json {
        let timeout = HOLDS.as_millis() as u64;
        object([
            ("reconnect", reconnect.into()),
            ("interval", self.habits.interval.into()),
            ("timeout", timeout.into()),
        ])
    }

    async fn connect(&self, client: &str, message: &Json, mut reply: Json) -> Vec<Json> {
        let place = self.connects.borrow().len();
        self.connects.borrow_mut().push((Instant::now(), None));
        let wish = message.get("advice").and_then(|advice| advice.get("timeout")).and_then(Json::as_f64);
        let until = Instant::now() + if wish == Some(0.0) { Duration::ZERO } else { HOLDS };
        let take = || std::mem::take(&mut self.sessions.borrow_mut().entry(client.to_owned()).or_default().queue);
        let mut messages = loop {
            let news = self.news.notified();
            let waiting = take();
            let left = until.saturating_duration_since(Instant::now());
            if !waiting.is_empty() || timeout(left, news).await.is_err() {
                break waiting;
            }
        };
        reply.set("advice", self.advice(self.habits.reconnect));
        messages.push(reply);
        self.connects.borrow_mut()[place].1 = Some(Instant::now());
        messages
    }

    fn publish(self: &Rc<Self>, channel: &str, message: &Json) {
        let data = message.get("data").cloned().unwrap_or(Json::Null);
        let (late, channel) = (self.habits.late, channel.to_owned());
        if late.is_zero() || !channel.ends_with(self.habits.late_on) {
            return self.deliver(&channel, data);
        }
        let server = self.clone();
        tokio::task::spawn_local(async move {
            sleep(late).await;
            server.deliver(&channel, data);
        });
    }

    fn deliver(&self, channel: &str, data: Json) {
        let event = object([("channel", channel.into()), ("data", data)]);
        for session in self.sessions.borrow_mut().values_mut() {
            if session.subscriptions.iter().any(|subscription| subscription == channel) {
                session.queue.push(event.clone());
            }
        }
        self.news.notify_waiters();
    }
}

/// The world of a case against such a server.
pub(crate) fn scene(target: Target) -> Rc<Scene> {
    Scene::new(Rc::new(target), None, "X-1".into(), "/conformance/x".into(), 0)
}
