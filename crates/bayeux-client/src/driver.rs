//! The task of a client: carries out what the core decides, and tells it what happens.
//!
//! It never waits for anything but everything at once. While a subscriber that is to be waited for has no room, nothing is
//! read from the network: the queue of the server fills, which is bounded too.

mod framing;
mod http;
mod socket;
mod stream;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::poll_fn,
    sync::Arc,
};

use bayeux_protocol::{ChannelPattern, Json};
use tokio::{
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use crate::{
    core::{Action, ConnectionId, Core, Delivery, Input, Interruption, Publish, RequestId, SubscriptionId},
    error::Error,
    state::State,
    states::Announcer,
    subscription::{Mailbox, Overflow},
};
pub(crate) use http::Http;

/// What a handle asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Open,
    Close,
    Subscribe {
        id: SubscriptionId,
        pattern: ChannelPattern,
        mailbox: Arc<Mailbox>,
        done: oneshot::Sender<Result<(), Error>>,
    },
    Unsubscribe {
        id: SubscriptionId,
        done: Option<Answer>,
    },
    Publish(Vec<(Publish, Answer)>),
    Call(Publish, Answer),
}

/// Where the reply to a request goes.
pub(crate) type Answer = oneshot::Sender<Result<Option<Json>, Error>>;

/// Responses and frames that were read and wait for the core; behind them, nothing is read.
const MAX_EVENTS: usize = 4;

/// A request or a WebSocket that is under way.
#[derive(Debug)]
enum Connection {
    Request(AbortHandle),
    Stream(AbortHandle),
    Socket { task: AbortHandle, outgoing: UnboundedSender<Vec<u8>>, is_open: bool },
}

#[derive(Debug)]
struct Subscriber {
    mailbox: Arc<Mailbox>,
    /// Told once, when the server has confirmed or refused it.
    done: Option<oneshot::Sender<Result<(), Error>>>,
}

#[derive(Debug)]
pub(crate) struct Driver {
    core: Core,
    http: Http,
    commands: UnboundedReceiver<Command>,
    announcer: Arc<Announcer>,
    events: mpsc::Receiver<Input>,
    event_sender: mpsc::Sender<Input>,
    connections: HashMap<ConnectionId, Connection>,
    subscribers: BTreeMap<SubscriptionId, Subscriber>,
    requests: HashMap<RequestId, Answer>,
    last_request: u64,
    /// Deliveries whose subscriber has no room.
    blocked: VecDeque<(SubscriptionId, Delivery)>,
    /// Whether the end has begun: then nobody is waited for.
    is_leaving: bool,
    begin: Instant,
}

impl Driver {
    pub(crate) fn new(core: Core, http: Http, commands: UnboundedReceiver<Command>, announcer: Arc<Announcer>) -> Self {
        let (event_sender, events) = mpsc::channel(MAX_EVENTS);
        Self {
            core,
            http,
            commands,
            announcer,
            events,
            event_sender,
            connections: HashMap::new(),
            subscribers: BTreeMap::new(),
            requests: HashMap::new(),
            last_request: 0,
            blocked: VecDeque::new(),
            is_leaving: false,
            begin: Instant::now(),
        }
    }

    /// Until all handles are dropped and the server was told goodbye.
    pub(crate) async fn run(mut self) {
        let mut has_handles = true;
        while has_handles || !matches!(self.core.state(), None | Some(State::Stopped(_))) {
            let is_blocked = !self.blocked.is_empty();
            let deadline = self.core.deadline().filter(|_| !is_blocked).map(|deadline| self.begin + deadline);
            tokio::select! {
                biased;
                command = self.commands.recv(), if has_handles => match command {
                    Some(command) => self.command(command),
                    None => {
                        has_handles = false;
                        self.command(Command::Close);
                    }
                },
                // What has come counts before the time: a reply may have waited here for its subscriber.
                Some(event) = self.events.recv(), if !is_blocked => self.input(event),
                () = room(&self.blocked, &self.subscribers), if is_blocked => self.unblock(),
                () = sleep_until(deadline.unwrap_or(self.begin)), if deadline.is_some() => self.input(Input::Time),
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Open => {
                self.is_leaving = false;
                self.input(Input::Open);
            }
            Command::Close => {
                self.is_leaving = true;
                self.unblock();
                self.input(Input::Close);
            }
            Command::Subscribe { id, pattern, mailbox, done } => {
                self.subscribers.insert(id, Subscriber { mailbox, done: Some(done) });
                self.input(Input::Subscribe { subscription: id, pattern });
            }
            Command::Unsubscribe { id, done } => {
                self.subscribers.remove(&id);
                let request = done.map(|done| self.register(done));
                self.input(Input::Unsubscribe { subscription: id, request });
                self.unblock();
            }
            Command::Publish(messages) => {
                let register = |(publish, answer)| Publish { request: self.register(answer), ..publish };
                let messages = messages.into_iter().map(register).collect();
                self.input(Input::Publish(messages));
            }
            Command::Call(call, answer) => {
                let request = self.register(answer);
                self.input(Input::Call(Publish { request, ..call }));
            }
        }
    }

    fn register(&mut self, answer: Answer) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.requests.insert(request, answer);
        request
    }

    fn input(&mut self, input: Input) {
        match &input {
            Input::Ended(connection) => drop(self.connections.remove(connection)),
            Input::Lost(connection, fault) => {
                tracing::debug!(connection = connection.0, %fault, "a connection of the client is lost");
                self.connections.remove(connection);
            }
            Input::Received(connection, _) => {
                if matches!(self.connections.get(connection), Some(Connection::Request(_))) {
                    self.connections.remove(connection);
                }
            }
            Input::Opened(opened) => {
                if let Some(Connection::Socket { is_open, .. }) = self.connections.get_mut(opened) {
                    *is_open = true;
                }
            }
            _ => {}
        }
        let now = self.begin.elapsed();
        for action in self.core.handle(input, now) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Post { connection, host, batch } => {
                let request = self.http.clone().post(connection, host, batch, self.event_sender.clone());
                let task = tokio::spawn(request).abort_handle();
                self.connections.insert(connection, Connection::Request(task));
            }
            Action::Stream { connection, host, kind, batch } => {
                let stream = stream::run(self.http.clone(), connection, host, kind, batch, self.event_sender.clone());
                let task = tokio::spawn(stream).abort_handle();
                self.connections.insert(connection, Connection::Stream(task));
            }
            Action::OpenSocket { connection, host } => {
                let (outgoing, messages) = mpsc::unbounded_channel();
                let socket = socket::run(self.http.clone(), connection, host, messages, self.event_sender.clone());
                let task = tokio::spawn(socket).abort_handle();
                self.connections.insert(connection, Connection::Socket { task, outgoing, is_open: false });
            }
            Action::Send { connection, mut batch } => {
                if let Some(auth) = &self.http.auth {
                    auth.dress(&mut batch, None);
                }
                if let Some(Connection::Socket { outgoing, .. }) = self.connections.get(&connection) {
                    // A task that has ended has told so, or is about to.
                    let _ = outgoing.send(bayeux_protocol::encode_batch(&batch));
                }
            }
            Action::Abandon(connection) => match self.connections.remove(&connection) {
                Some(
                    Connection::Request(task)
                    | Connection::Stream(task)
                    | Connection::Socket { task, is_open: false, .. },
                ) => task.abort(),
                // Its task says goodbye, since nobody sends any more.
                Some(Connection::Socket { is_open: true, .. }) | None => {}
            },
            Action::Deliver { subscription, delivery } => self.deliver(subscription, delivery),
            Action::Subscribed(subscription) => self.subscribed(subscription, Ok(())),
            Action::NotSubscribed(subscription, error) => {
                self.subscribed(subscription, Err(error));
                self.subscribers.remove(&subscription);
            }
            Action::Interrupted(subscription, interruption) => self.interrupt(subscription, interruption),
            Action::Finish(request, outcome) => {
                if let Some(answer) = self.requests.remove(&request) {
                    // Who asked may not wait any more.
                    let _ = answer.send(outcome);
                }
            }
            Action::State(state) => {
                tracing::debug!(%state, "the state of the client");
                self.announcer.announce(state);
            }
        }
    }

    fn subscribed(&mut self, subscription: SubscriptionId, outcome: Result<(), Error>) {
        let done = self.subscribers.get_mut(&subscription).and_then(|subscriber| subscriber.done.take());
        if let Some(done) = done {
            // Who asked may not wait any more; then its stream is dropped, and we are told.
            let _ = done.send(outcome);
        }
    }

    fn interrupt(&mut self, subscription: SubscriptionId, interruption: Interruption) {
        // Deliveries that came before go first.
        while let Some(at) = self.blocked.iter().position(|(blocked, _)| *blocked == subscription) {
            let Some((_, delivery)) = self.blocked.remove(at) else { break };
            if let Some(subscriber) = self.subscribers.get(&subscription) {
                subscriber.mailbox.force(delivery);
            }
        }
        let is_end = interruption.is_end();
        if let Some(subscriber) = self.subscribers.get(&subscription) {
            subscriber.mailbox.interrupt(interruption);
        }
        if is_end {
            self.subscribers.remove(&subscription);
        }
    }

    fn deliver(&mut self, subscription: SubscriptionId, delivery: Delivery) {
        let Some(subscriber) = self.subscribers.get(&subscription) else { return };
        let must_wait = !self.is_leaving && subscriber.mailbox.overflow() == Overflow::Block;
        if must_wait && !self.blocked.is_empty() {
            return self.blocked.push_back((subscription, delivery));
        }
        match subscriber.mailbox.push(delivery) {
            Ok(()) => {}
            Err(delivery) if must_wait => self.blocked.push_back((subscription, delivery)),
            Err(delivery) if self.is_leaving => subscriber.mailbox.force(delivery),
            Err(_) => {
                subscriber.mailbox.interrupt(Interruption::Overflowed);
                self.subscribers.remove(&subscription);
                self.input(Input::Unsubscribe { subscription, request: None });
            }
        }
    }

    /// Tries again to hand over what had no room.
    fn unblock(&mut self) {
        for (subscription, delivery) in std::mem::take(&mut self.blocked) {
            self.deliver(subscription, delivery);
        }
    }
}

impl Drop for Driver {
    /// However it ends, nobody waits for ever.
    fn drop(&mut self) {
        for connection in self.connections.values() {
            if let Connection::Request(task) | Connection::Stream(task) = connection {
                task.abort();
            }
        }
        for subscriber in self.subscribers.values() {
            subscriber.mailbox.interrupt(Interruption::Stopped(crate::error::StopReason::Dropped));
        }
    }
}

/// Until the first of those that wait has room, or is gone.
async fn room(blocked: &VecDeque<(SubscriptionId, Delivery)>, subscribers: &BTreeMap<SubscriptionId, Subscriber>) {
    let Some((subscription, delivery)) = blocked.front() else { return };
    let Some(subscriber) = subscribers.get(subscription) else { return };
    poll_fn(|context| subscriber.mailbox.poll_room(delivery, context)).await;
}
