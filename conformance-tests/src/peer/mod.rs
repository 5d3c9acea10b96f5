//! A simulated client: it sends what a case wants, and keeps everything that comes back, from whatever response.
//!
//! A peer judges nothing. It sends batches ([`Peer::send`]), and says what became of each request ([`Peer::outcome`]) and
//! which events came ([`Peer::take_events`]). A `live` peer always has a connect outstanding, as real clients do; otherwise its
//! session would expire under the case.

mod exchange;
mod keeper;
mod socket;
mod stream;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;

pub use exchange::{Answer, Outcome, Refusal, messages_of};
pub use socket::SocketEnd;
pub use stream::{Batch, STREAM_CONNECT, Streamed, with_accept};

use crate::json::{Json, object};
use crate::scene::Scene;
use crate::wire::cookies::Jar;
use crate::wire::stream::Stream;
use std::cell::{Cell, RefCell};
use std::fmt::{Display, Formatter};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

/// What discovery calls it that the server answers publishes.
pub const PUBLISH_ACK: &str = "publish-ack";

/// How a peer's messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// JSON in the body of a POST.
    LongPolling,
    /// JSON in a query, and a script as the answer.
    CallbackPolling,
    /// JSON in frames of text.
    WebSocket,
    /// JSON in POSTs; a connect is a GET, and its response a stream of server-sent events.
    EventSource,
    /// JSON in POSTs; the response to a connect is a stream of lines.
    XhrStreaming,
    /// JSON in POSTs; a connect is a GET, and its response a page to which scripts are added.
    Iframe,
}

impl Transport {
    /// All that the suite speaks.
    pub const ALL: [Self; 6] = [
        Self::LongPolling,
        Self::CallbackPolling,
        Self::WebSocket,
        Self::EventSource,
        Self::XhrStreaming,
        Self::Iframe,
    ];

    /// Those whose connects are answered by a stream.
    pub const STREAMS: [Self; 3] = [Self::EventSource, Self::XhrStreaming, Self::Iframe];

    /// By its name in Bayeux.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name() == name)
    }

    /// Its name in Bayeux.
    pub fn name(self) -> &'static str {
        match self {
            Self::LongPolling => "long-polling",
            Self::CallbackPolling => "callback-polling",
            Self::WebSocket => "websocket",
            Self::EventSource => "eventsource",
            Self::XhrStreaming => "xhr-streaming",
            Self::Iframe => "iframe",
        }
    }

    /// Whether its connects are answered by a stream.
    pub fn streams(self) -> bool {
        Self::STREAMS.contains(&self)
    }
}

impl Display for Transport {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.pad(self.name())
    }
}

/// A simulated client. Clones are the same client.
#[derive(Clone)]
pub struct Peer {
    inner: Rc<Inner>,
}

struct Inner {
    name: String,
    transport: Transport,
    scene: Rc<Scene>,
    state: RefCell<State>,
    changed: Notify,
    /// Which connect loop runs, if one does, and how many there were.
    keeper: Cell<Option<u64>>,
    keepers: Cell<u64>,
    fenced: Cell<bool>,
}

#[derive(Default)]
struct State {
    client_id: Option<String>,
    jar: Rc<RefCell<Jar>>,
    messages: Vec<Arrived>,
    arrays: usize,
    exchanges: Vec<Exchange>,
    idle: Vec<(usize, Stream)>,
    connections: usize,
    socket: Option<mpsc::UnboundedSender<socket::Order>>,
    /// How each socket that was opened ended, if it has; the last one may be open.
    socket_ends: Vec<Option<SocketEnd>>,
    pongs: Vec<Vec<u8>>,
    /// The event stream beside which connects are posted, as Faye's clients do.
    beside: Option<usize>,
    keeper_end: Option<String>,
    advice: Advice,
    /// When the last handshake or connect was answered.
    answered: Option<Instant>,
}

/// The latest advice of a reply, as far as it says when and whether to connect. It counts as a whole.
#[derive(Default)]
struct Advice {
    reconnect: Option<String>,
    /// In milliseconds.
    interval: f64,
}

/// A message that came, and with which response.
struct Arrived {
    exchange: Option<usize>,
    /// In which of all arrays that came.
    array: usize,
    message: Json,
    at: Instant,
    claimed: bool,
}

/// A request that went out, and the task that waits for its answer.
struct Exchange {
    sent: Instant,
    /// What has come of a response that is a stream.
    stream: Option<Streamed>,
    answer: Option<Result<Answer, crate::wire::WireError>>,
    task: Option<AbortHandle>,
}

/// An event that came.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event.
    pub message: Json,
    /// When it came.
    pub at: Instant,
    /// When the request was sent whose response brought it; none on a WebSocket.
    pub asked: Option<Instant>,
}

/// A batch that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    exchange: Option<usize>,
    /// The socket that it went over.
    socket: Option<usize>,
    /// Channel and id of each message.
    pub requests: Vec<(String, Option<Json>)>,
    /// When it was sent.
    pub at: Instant,
    /// How many messages had come by then.
    mark: usize,
}

impl Peer {
    /// A client that has sent nothing yet.
    pub fn new(scene: &Rc<Scene>, name: &str, transport: Transport) -> Self {
        let inner = Inner {
            name: name.to_owned(),
            transport,
            scene: scene.clone(),
            state: RefCell::default(),
            changed: Notify::new(),
            keeper: Cell::new(None),
            keepers: Cell::new(0),
            fenced: Cell::new(false),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Its name in the case.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How it talks.
    pub fn transport(&self) -> Transport {
        self.inner.transport
    }

    /// Its clientId, once a handshake succeeded.
    pub fn client_id(&self) -> Option<String> {
        self.inner.state.borrow().client_id.clone()
    }

    /// Goes on under this clientId.
    pub fn set_client_id(&self, id: Option<String>) {
        self.inner.state.borrow_mut().client_id = id;
    }

    /// Its cookies; a clone is the same jar.
    pub fn jar(&self) -> Rc<RefCell<Jar>> {
        self.inner.state.borrow().jar.clone()
    }

    /// Shares the cookies of another peer, as another tab of the same browser.
    pub fn share_jar(&self, jar: Rc<RefCell<Jar>>) {
        self.inner.state.borrow_mut().jar = jar;
    }

    /// A batch as the peer would send it: ids and clientIds where none are given; one that is null is left out. Handshakes get what
    /// the server wants of every client.
    pub fn complete(&self, messages: &[Json]) -> Vec<Json> {
        let client_id = self.client_id();
        messages
            .iter()
            .map(|message| {
                let mut message = message.clone();
                let handshake = message.get_str("channel") == Some("/meta/handshake");
                self.default(&mut message, "id", || Some(self.inner.scene.next_id().into()));
                self.default(&mut message, "clientId", || client_id.clone().filter(|_| !handshake).map(Json::String));
                self.inner.scene.target.complete_handshake(&mut message);
                message
            })
            .collect()
    }

    fn default(&self, message: &mut Json, name: &str, value: impl FnOnce() -> Option<Json>) {
        match message.get(name) {
            Some(Json::Null) => drop(message.remove(name)),
            Some(_) => {}
            None => {
                if let Some(value) = value() {
                    message.set(name, value);
                }
            }
        }
    }

    /// Sends a batch, completed as [`Peer::complete`] says, over the peer's transport, and returns at once.
    pub fn send(&self, messages: &[Json]) -> Sent {
        let messages = self.complete(messages);
        let requests = messages
            .iter()
            .map(|message| (message.get_str("channel").unwrap_or_default().to_owned(), message.get("id").cloned()))
            .collect();
        let opens_stream = self.opens_stream(&messages);
        let text = Json::Array(messages).to_string();
        let mark = self.inner.state.borrow().messages.len();
        let (exchange, socket) = match self.inner.transport {
            Transport::WebSocket => (None, Some(self.push(socket::Order::Text(text)))),
            Transport::CallbackPolling => (Some(self.get_script(&text)), None),
            _ if opens_stream => (Some(self.open_stream(text)), None),
            _ => (Some(self.post(text)), None),
        };
        Sent { exchange, socket, requests, at: Instant::now(), mark }
    }

    /// Sends one message and waits for its reply.
    pub async fn request(&self, message: Json) -> Outcome {
        let wait = if message.get_str("channel") == Some("/meta/connect") {
            self.inner.scene.target.budget.held()
        } else {
            self.inner.scene.target.budget.answer()
        };
        let sent = self.send(&[message]);
        self.outcome(&sent, 0, Instant::now() + wait).await
    }

    /// Shakes hands as every client does; `with` overrides members of the message. The error says what came instead.
    pub async fn handshake(&self, with: Option<&Json>) -> Result<Json, String> {
        let mut message = object([
            ("channel", "/meta/handshake".into()),
            ("version", "1.0".into()),
            ("supportedConnectionTypes", self.inner.scene.connection_types(self.inner.transport)),
        ]);
        for (name, value) in with.and_then(Json::as_object).unwrap_or_default() {
            message.set(name, value.clone());
        }
        let outcome = self.request(message).await;
        let reply = outcome.success().map_err(|what| format!("{}: the handshake: {what}", self.inner.name))?;
        let id = reply
            .get_str("clientId")
            .ok_or_else(|| format!("{}: a handshake without clientId: {reply}", self.inner.name))?;
        self.set_client_id(Some(id.to_owned()));
        Ok(reply)
    }

    /// Subscribes, and wants it to succeed.
    pub async fn subscribe(&self, channel: &str) -> Result<(), String> {
        let message = object([("channel", "/meta/subscribe".into()), ("subscription", channel.into())]);
        let outcome = self.request(message).await;
        outcome.success().map(drop).map_err(|what| format!("{}: subscribing to {channel}: {what}", self.inner.name))
    }

    /// Publishes, and wants it not to be refused.
    pub async fn publish(&self, channel: &str, data: Json) -> Result<(), String> {
        self.publish_all(&[object([("channel", channel.into()), ("data", data)])])
            .await
            .map_err(|what| format!("{}: publishing to {channel}: {what}", self.inner.name))
    }

    /// Publishes a batch, and wants none of it to be refused. Where the server is known to answer publishes it must answer these.
    pub async fn publish_all(&self, messages: &[Json]) -> Result<(), String> {
        let sent = self.send(messages);
        self.accepted(&sent).await
    }

    /// Whether publishes were taken, as [`Peer::publish_all`] says.
    pub async fn accepted(&self, sent: &Sent) -> Result<(), String> {
        let target = &self.inner.scene.target;
        let answers = target.answers_publishes(self.inner.transport);
        if !answers && self.inner.transport == Transport::WebSocket {
            // What is asked behind it is answered, and then it has been read.
            return self.subscribe(&format!("{}/fence/read", self.inner.scene.base)).await;
        }
        let deadline = Instant::now() + target.budget.answer();
        for index in 0..sent.requests.len() {
            match self.outcome(sent, index, deadline).await {
                outcome if !answers && outcome.is_unanswered_publish(self.inner.transport) => {}
                outcome => drop(outcome.success()?),
            }
        }
        Ok(())
    }

    /// The connect that this peer's transport sends.
    pub fn connect_message(&self) -> Json {
        object([("channel", "/meta/connect".into()), ("connectionType", self.inner.transport.name().into())])
    }

    /// Takes the events that came and were not taken before, in their order.
    pub fn take_events(&self) -> Vec<Json> {
        let mut state = self.inner.state.borrow_mut();
        state
            .messages
            .iter_mut()
            .filter(|arrived| !arrived.claimed && is_event(&arrived.message))
            .map(|arrived| {
                arrived.claimed = true;
                arrived.message.clone()
            })
            .collect()
    }

    /// Takes the events as [`Peer::take_events`] does, with when they came and with which response.
    pub fn take_deliveries(&self) -> Vec<Delivery> {
        let mut state = self.inner.state.borrow_mut();
        let State { messages, exchanges, .. } = &mut *state;
        messages
            .iter_mut()
            .filter(|arrived| !arrived.claimed && is_event(&arrived.message))
            .map(|arrived| {
                arrived.claimed = true;
                let asked = arrived.exchange.map(|number| exchanges[number].sent);
                Delivery { message: arrived.message.clone(), at: arrived.at, asked }
            })
            .collect()
    }

    /// Whether an event that was not taken before fits.
    pub fn has_event(&self, fits: impl Fn(&Json) -> bool) -> bool {
        self.count_events(fits) > 0
    }

    /// How many events that were not taken before fit.
    pub fn count_events(&self, fits: impl Fn(&Json) -> bool) -> usize {
        let state = self.inner.state.borrow();
        let new = state.messages.iter().filter(|arrived| !arrived.claimed && is_event(&arrived.message));
        new.filter(|arrived| fits(&arrived.message)).count()
    }

    /// The arrays that came: bodies of responses, messages on a WebSocket, batches of streams.
    pub fn arrays(&self) -> Vec<Vec<Json>> {
        let state = self.inner.state.borrow();
        let arrays = state.messages.chunk_by(|one, next| one.array == next.array);
        arrays.map(|array| array.iter().map(|arrived| arrived.message.clone()).collect()).collect()
    }

    /// All messages that ever came.
    pub fn all_messages(&self) -> Vec<Json> {
        self.inner.state.borrow().messages.iter().map(|arrived| arrived.message.clone()).collect()
    }

    /// Waits until something holds; false if it does not by then.
    pub async fn until(&self, deadline: Instant, holds: impl Fn(&Self) -> bool) -> bool {
        loop {
            let changed = self.inner.changed.notified();
            if holds(self) {
                return true;
            }
            if timeout_at(deadline, changed).await.is_err() {
                return holds(self);
            }
        }
    }

    /// Waits as [`Peer::until`] does; one that is not live sends connects meanwhile.
    pub async fn fetch_until(&self, deadline: Instant, holds: impl Fn(&Self) -> bool) -> bool {
        if self.is_live() { self.until(deadline, holds).await } else { self.poll_until(deadline, holds).await }
    }

    /// When something that was published by now should have come at the latest.
    pub fn delivery_deadline(&self) -> Instant {
        Instant::now() + self.inner.scene.target.budget.delivery(self.interval())
    }

    /// The interval of the latest advice.
    pub fn interval(&self) -> Duration {
        const YEAR: f64 = 365.0 * 86_400_000.0;
        Duration::from_secs_f64(self.inner.state.borrow().advice.interval.clamp(0.0, YEAR) / 1000.0)
    }

    /// Whether it is subscribed to its fence, see [`Scene::fence`].
    pub fn is_fenced(&self) -> bool {
        self.inner.fenced.get()
    }

    /// Notes that it is subscribed to its fence.
    pub fn set_fenced(&self) {
        self.inner.fenced.set(true);
    }

    /// Waits for this long; used only where time itself is what a case is about.
    pub async fn elapse(time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn arrive(&self, exchange: Option<usize>, messages: Vec<Json>) {
        let at = Instant::now();
        for message in &messages {
            self.inner.scene.witness.message(self, message);
        }
        let mut state = self.inner.state.borrow_mut();
        for message in &messages {
            state.heed(message, self.inner.transport, at);
        }
        state.arrays += 1;
        let array = state.arrays;
        let arrived = messages.into_iter().map(|message| Arrived { exchange, array, message, at, claimed: false });
        state.messages.extend(arrived);
    }
}

impl State {
    /// Notes the advice of a reply. A new session begins without any. What the refusal of another request advises is about that one:
    /// it may have named another session.
    fn heed(&mut self, message: &Json, transport: Transport, at: Instant) {
        let channel = message.get_str("channel");
        let connects = matches!(channel, Some("/meta/handshake" | "/meta/connect"));
        if is_event(message) || !(connects || message.get("successful").and_then(Json::as_bool) == Some(true)) {
            return;
        }
        if connects {
            self.answered = Some(at);
        }
        let advice = message.get("advice");
        if advice.is_some() || channel == Some("/meta/handshake") {
            let member = |name: &str| advice.and_then(|advice| advised(advice, transport, name));
            self.advice = Advice {
                reconnect: member("reconnect").and_then(Json::as_str).map(str::to_owned),
                interval: member("interval").and_then(Json::as_f64).unwrap_or_default(),
            };
        }
    }
}

/// What advice says to clients of a transport: what stands in the transport's own object counts before the rest.
pub fn advised<'a>(advice: &'a Json, transport: Transport, name: &str) -> Option<&'a Json> {
    advice.get(transport.name()).and_then(|own| own.get(name)).or_else(|| advice.get(name))
}

/// A message that was published, and not a reply to a request: replies never carry `data`.
pub fn is_event(message: &Json) -> bool {
    message.get("data").is_some()
        || (message.get("successful").is_none()
            && !message.get_str("channel").is_some_and(|name| name.starts_with("/meta/")))
}
