//! What all parts of the client share: its session, the requests that wait for replies, and where what comes goes.

use crate::Transport;
use crate::defect::Defect;
use crate::http::{self, Endpoint};
use crate::program::{Handler, HandlerFailed, Reports};
use crate::session::Advice;
use serde_json::{Map, Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

/// A message.
pub(crate) type Message = Map<String, Value>;

/// How long the network and the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The connection could not be made, or ended.
    Broken,
    /// The status of the response says that it failed.
    Status,
    /// The response is no JSON.
    Unreadable,
    /// The response has no reply to the request.
    Missing,
    /// It did not come in time.
    Late,
}

/// A client.
pub(crate) struct Client {
    pub(crate) endpoint: Endpoint,
    pub(crate) reports: Reports,
    pub(crate) state: RefCell<State>,
    defect: Option<Defect>,
    numbers: Cell<u64>,
    /// Told of each connect that was answered.
    pub(crate) answered: Notify,
}

/// Who waits for a reply.
struct Waiter {
    reply: oneshot::Sender<Message>,
    /// To a publish.
    publish: bool,
}

/// What changes.
pub(crate) struct State {
    pub(crate) transport: Transport,
    pub(crate) client_id: Option<String>,
    /// The clientId of the first session, for a defect.
    pub(crate) first_id: Option<String>,
    pub(crate) advice: Advice,
    /// The last number to acknowledge, if the server has acknowledgements.
    pub(crate) ack: Option<Value>,
    pub(crate) sessions: u64,
    /// Connects of this session.
    pub(crate) connects: u64,
    /// How many of them were answered.
    pub(crate) answered: u64,
    /// By channel or pattern.
    pub(crate) handlers: BTreeMap<String, Handler>,
    /// Disconnected by the application.
    pub(crate) closed: bool,
    /// Whether the WebSocket was ever open.
    pub(crate) was_open: bool,
    pub(crate) socket: Option<mpsc::UnboundedSender<String>>,
    /// Who waits for a reply, by the id of the request.
    pending: BTreeMap<u64, Waiter>,
    cookie: Option<String>,
}

impl Client {
    pub(crate) fn new(defect: Option<Defect>, endpoint: Endpoint, transport: Transport) -> Self {
        let state = State {
            transport,
            client_id: None,
            first_id: None,
            advice: Advice::default(),
            ack: None,
            sessions: 0,
            connects: 0,
            answered: 0,
            handlers: BTreeMap::from([("/conformance/do".to_owned(), Handler::Commands)]),
            closed: false,
            was_open: false,
            socket: None,
            pending: BTreeMap::new(),
            cookie: None,
        };
        let state = RefCell::new(state);
        Self { endpoint, reports: Reports::default(), state, defect, numbers: Cell::new(0), answered: Notify::new() }
    }

    /// Whether it has this defect.
    pub(crate) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// How long it waits for an answer.
    pub(crate) fn patience(&self) -> Duration {
        if self.has(Defect::WaitsForEver) { Duration::from_secs(3600) } else { PATIENCE }
    }

    pub(crate) fn cookie(&self) -> Option<String> {
        self.state.borrow().cookie.clone()
    }

    pub(crate) fn set_cookie(&self, cookie: &str) {
        self.state.borrow_mut().cookie = Some(cookie.to_owned());
    }

    /// Ends the program, as an error that nobody handles does.
    pub(crate) fn die(&self) {
        std::process::exit(101);
    }

    /// Sends a message of the session, and waits for its reply.
    pub(crate) async fn request(self: &Rc<Self>, channel: &str, members: Value) -> Result<Message, Lost> {
        self.request_within(channel, members, self.patience()).await
    }

    /// The same, where the server may take longer.
    pub(crate) async fn request_within(
        self: &Rc<Self>,
        channel: &str,
        members: Value,
        limit: Duration,
    ) -> Result<Message, Lost> {
        self.numbers.set(self.numbers.get() + 1);
        let number = self.numbers.get();
        let (waiter, reply) = oneshot::channel();
        let text = {
            let mut state = self.state.borrow_mut();
            state.pending.insert(number, Waiter { reply: waiter, publish: is_publish(channel) });
            self.batch(&state, number, channel, members)
        };
        let answered = timeout(limit, async {
            self.send(text).await?;
            if !self.is_on_socket() && !self.has(Defect::WaitsForEver) {
                // The whole response is read: what it does not answer stays unanswered.
                self.state.borrow_mut().pending.remove(&number);
            }
            reply.await.map_err(|_| if self.is_on_socket() { Lost::Broken } else { Lost::Missing })
        });
        let outcome = answered.await.unwrap_or(Err(Lost::Late));
        self.state.borrow_mut().pending.remove(&number);
        if self.has(Defect::ForgetsPublishes) && outcome == Err(Lost::Broken) && !channel.starts_with("/meta/") {
            std::future::pending().await
        }
        outcome
    }

    /// The text of a batch of this message.
    fn batch(&self, state: &State, number: u64, channel: &str, members: Value) -> String {
        let mut message = json!({"channel": channel, "id": number.to_string()});
        if self.has(Defect::SameId) {
            message["id"] = "1".into();
        }
        let anonymous = channel == "/meta/handshake"
            || (self.has(Defect::PublishWithoutClientId) && is_publish(channel))
            || (self.has(Defect::DisconnectWithoutClientId) && channel == "/meta/disconnect");
        let kept = self.has(Defect::OldClientIdInPublishes) && !channel.starts_with("/meta/");
        let id = if kept { &state.first_id } else { &state.client_id };
        if let Some(id) = id.as_ref().filter(|_| !anonymous) {
            message["clientId"] = id.as_str().into();
        }
        if self.has(Defect::ConnectionIdSent) && channel == "/meta/connect" {
            message["connectionId"] = "1".into();
        }
        if let (Some(message), Value::Object(members)) = (message.as_object_mut(), members) {
            message.extend(members);
        }
        if self.has(Defect::HandshakeInCompany) && channel == "/meta/handshake" {
            return json!([message, {"channel": "/meta/subscribe", "id": "s", "subscription": "/x"}]).to_string();
        }
        if self.has(Defect::NoArray) { message.to_string() } else { json!([message]).to_string() }
    }

    fn is_on_socket(&self) -> bool {
        self.state.borrow().transport == Transport::Websocket
    }

    /// Sends a batch; over HTTP what answers it has been received then.
    async fn send(self: &Rc<Self>, text: String) -> Result<(), Lost> {
        if self.is_on_socket() {
            let socket = self.state.borrow().socket.clone();
            return socket.and_then(|socket| socket.send(text).ok()).ok_or(Lost::Broken);
        }
        let body = http::post(self, text).await?;
        self.receive(read_batch(&body)?);
        Ok(())
    }

    /// Takes what came: replies to those who wait for them, events to the handlers.
    pub(crate) fn receive(self: &Rc<Self>, messages: Vec<Message>) {
        let holds_connect = messages.iter().any(|message| message.get("channel") == Some(&json!("/meta/connect")));
        for message in messages {
            let advises = message.contains_key("advice");
            if self.is_reply(&message) {
                self.take_reply(message);
            } else if holds_connect || self.is_on_socket() || !self.has(Defect::EventsWithConnectsOnly) {
                let failed = self.take_event(&message).is_err();
                if failed && self.has(Defect::HandlerEndsBatch) {
                    return;
                }
            }
            if self.has(Defect::FirstMessageOnly) || (advises && self.has(Defect::DeafAfterAdvice)) {
                return;
            }
        }
    }

    fn is_reply(&self, message: &Message) -> bool {
        if self.has(Defect::EventTakenForReply) && message.contains_key("id") {
            return true;
        }
        message.get("successful").is_some_and(Value::is_boolean)
    }

    fn take_reply(self: &Rc<Self>, mut message: Message) {
        if self.has(Defect::EventTakenForReply) {
            message.entry("successful").or_insert(Value::Bool(true));
        }
        let mut state = self.state.borrow_mut();
        let to_publish = message.get("channel").and_then(Value::as_str).is_some_and(is_publish);
        let number = match message.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()) {
            _ if self.has(Defect::RepliesByOrder) && to_publish => {
                state.pending.iter().find(|(_, waiter)| waiter.publish).map(|(number, _)| *number)
            }
            _ if self.has(Defect::SameId) => state.pending.keys().next().copied(),
            number => number,
        };
        match number.and_then(|number| state.pending.remove(&number)) {
            // Whoever waited may have given up.
            Some(waiter) => drop(waiter.reply.send(message)),
            None if self.has(Defect::StrayReplyConnects) && message.get("channel") == Some(&json!("/meta/connect")) => {
                let client = self.clone();
                tokio::task::spawn_local(async move { client.connect().await });
            }
            None => {}
        }
    }

    fn take_event(self: &Rc<Self>, message: &Message) -> Result<(), HandlerFailed> {
        if self.has(Defect::EventAdviceHeeded)
            && let Some(advice) = message.get("advice")
        {
            self.state.borrow_mut().closed |= advice["reconnect"] == "none";
        }
        let Some(channel) = message.get("channel").and_then(Value::as_str) else { return Ok(()) };
        self.dispatch(channel, message.get("data").unwrap_or(&Value::Null))
    }

    /// There is a WebSocket now.
    pub(crate) fn opened(&self, socket: mpsc::UnboundedSender<String>) {
        let mut state = self.state.borrow_mut();
        state.socket = Some(socket);
        state.was_open = true;
    }

    /// The WebSocket has ended, and nobody gets a reply any more.
    pub(crate) fn socket_ended(&self) {
        let mut state = self.state.borrow_mut();
        state.socket = None;
        state.pending.clear();
    }
}

/// Whether this is a channel on which applications publish; that of reports is no business of the defects.
fn is_publish(channel: &str) -> bool {
    !channel.starts_with("/meta/") && channel != "/conformance/told"
}

/// The messages of a batch, or of one that is no array; what else stands in it is passed over.
pub(crate) fn read_batch(text: &[u8]) -> Result<Vec<Message>, Lost> {
    let items = match serde_json::from_slice(text).map_err(|_| Lost::Unreadable)? {
        Value::Array(items) => items,
        single => vec![single],
    };
    let message = |item| match item {
        Value::Object(message) => Some(message),
        _ => None,
    };
    Ok(items.into_iter().filter_map(message).collect())
}
