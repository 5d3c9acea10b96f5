//! `Client`: the handle that an application holds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bayeux_protocol::{ChannelError, ChannelKind, ChannelName, ChannelPattern, ChannelRules, Json};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{
        mpsc::{UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::timeout,
};

use crate::{
    binary::Binary,
    builder::ClientBuilder,
    core::{Core, Publish, RequestId, SubscriptionId},
    driver::{Command, Driver, Http},
    error::{ApplicationFault, Doing, Error, NetworkFault, StopReason},
    state::{State, Trouble},
    states::{Announcer, States},
    subscription::{Mailbox, SubscribeOptions, Subscription},
};

/// A connection to a Bayeux server, which looks after itself.
///
/// Cheap to clone; all clones are one client. When the last clone and the last [`Subscription`] are dropped, it disconnects.
#[derive(Clone, Debug)]
pub struct Client {
    commands: UnboundedSender<Command>,
    announcer: Arc<Announcer>,
    last_subscription: Arc<AtomicU64>,
}

impl Client {
    /// Begins to make a client of the server at `url`, such as `https://example.org/bayeux`. WebSockets use the same URL.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    pub(crate) fn start(core: Core, http: Http) -> Self {
        let (commands, receiver) = unbounded_channel();
        let announcer = Arc::new(Announcer::default());
        tokio::spawn(Driver::new(core, http, receiver, announcer.clone()).run());
        let client = Self { commands, announcer, last_subscription: Arc::default() };
        client.send(Command::Open);
        client
    }

    /// Subscribes to a channel or pattern, and waits until the server has confirmed it; without a connection, until there is one.
    ///
    /// Cancel safe: if it is dropped, the subscription is given up.
    ///
    /// # Errors
    /// `pattern` is no channel or pattern, the server refuses, or the client has stopped.
    pub async fn subscribe(&self, pattern: &str) -> Result<Subscription, Error> {
        self.subscribe_with(pattern, SubscribeOptions::default()).await
    }

    /// As [`Client::subscribe`], with a choice of what happens to messages that are not read in time.
    ///
    /// Cancel safe: if it is dropped, the subscription is given up.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn subscribe_with(&self, pattern: &str, options: SubscribeOptions) -> Result<Subscription, Error> {
        let doing = || Doing::Subscribing(pattern.into());
        let parsed = ChannelPattern::parse(pattern, &ChannelRules::default()).map_err(|error| fault(doing(), error))?;
        if matches!(parsed.kind(), ChannelKind::Meta(_)) {
            return Err(Error::Application { doing: doing(), fault: ApplicationFault::WrongKind });
        }
        let id = SubscriptionId(self.last_subscription.fetch_add(1, Ordering::Relaxed));
        let mailbox = Arc::new(Mailbox::new(options));
        let (done, outcome) = oneshot::channel();
        self.send(Command::Subscribe { id, pattern: parsed.clone(), mailbox: mailbox.clone(), done });
        // From here on dropping it unsubscribes.
        let subscription = Subscription::new(id, parsed, mailbox, self.commands.clone());
        match outcome.await {
            Ok(outcome) => outcome.map(|()| subscription),
            Err(_) => Err(gone(doing())),
        }
    }

    /// Publishes a value, and waits for the reply; without a connection, it waits in a bounded queue until there is one.
    ///
    /// Publishes reach the server in the order in which they were asked for.
    ///
    /// Cancel safe, in that nothing breaks: what was asked for may be published all the same.
    ///
    /// ```no_run
    /// # async fn f(client: bayeux_client::Client) -> Result<(), bayeux_client::Error> {
    /// #[derive(serde::Serialize)]
    /// struct Price { symbol: &'static str, cents: u64 }
    ///
    /// client.publish("/prices", &Price { symbol: "X", cents: 1200 }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `channel` is none that can be published to, the value is no JSON, the queue is full, the server refuses, the client has
    /// stopped, or no reply came: then it may or may not have been published.
    pub async fn publish<T: Serialize + ?Sized>(&self, channel: &str, data: &T) -> Result<(), Error> {
        self.publish_json(channel, json(data, || Doing::Publishing(channel.into()))?).await
    }

    /// As [`Client::publish`], of a value that is JSON already.
    ///
    /// # Errors
    /// As [`Client::publish`].
    pub async fn publish_json(&self, channel: &str, data: Json) -> Result<(), Error> {
        let outcomes = self.publish_batch([(channel, data)]).await?;
        outcomes.into_iter().next().unwrap_or(Ok(()))
    }

    /// Publishes several values, which travel together as far as the limits of a batch allow, in this order.
    ///
    /// Cancel safe, in that nothing breaks: what was asked for may be published all the same.
    ///
    /// # Errors
    /// A channel is none that can be published to; then nothing was published. What became of each message is in the list.
    pub async fn publish_batch<C: AsRef<str>>(
        &self,
        messages: impl IntoIterator<Item = (C, Json)>,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let messages = messages.into_iter().map(|(channel, data)| (channel, data, None));
        self.publish_all(messages).await
    }

    /// As [`Client::publish`], of bytes, in the form of CometD's extension `binary`. Receivers read them with
    /// [`Delivery::binary`](crate::Delivery::binary).
    ///
    /// # Errors
    /// As [`Client::publish`].
    pub async fn publish_binary(&self, channel: &str, binary: &Binary) -> Result<(), Error> {
        let (data, ext) = binary.encode().map_err(|error| value(Doing::Publishing(channel.into()), &error))?;
        let outcomes = self.publish_all([(channel, data, Some(ext))]).await?;
        outcomes.into_iter().next().unwrap_or(Ok(()))
    }

    async fn publish_all<C: AsRef<str>>(
        &self,
        messages: impl IntoIterator<Item = (C, Json, Option<Json>)>,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let mut answers = Vec::new();
        let mut batch = Vec::new();
        for (channel, data, ext) in messages {
            let doing = Doing::Publishing(channel.as_ref().into());
            let channel = channel_name(channel.as_ref(), doing.clone())?;
            let (answer, outcome) = oneshot::channel();
            batch.push((Publish { request: RequestId(0), channel, data, ext }, answer));
            answers.push((doing, outcome));
        }
        self.send(Command::Publish(batch));
        let mut outcomes = Vec::with_capacity(answers.len());
        for (doing, outcome) in answers {
            outcomes.push(received(doing, outcome).await.map(drop));
        }
        Ok(outcomes)
    }

    /// Calls a service: publishes `data` to a channel below `/service/`, and waits for the message that answers it.
    ///
    /// Cancel safe, in that nothing breaks: the service may be called all the same.
    ///
    /// # Errors
    /// As [`Client::publish`]; or the answer is of another type than `R`, or does not come in time.
    pub async fn call<T: Serialize + ?Sized, R: DeserializeOwned>(&self, channel: &str, data: &T) -> Result<R, Error> {
        let doing = || Doing::Calling(channel.into());
        let data = json(data, doing)?;
        let name = channel_name(channel, doing())?;
        if name.kind() != ChannelKind::Service {
            return Err(Error::Application { doing: doing(), fault: ApplicationFault::WrongKind });
        }
        let (answer, outcome) = oneshot::channel();
        self.send(Command::Call(Publish { request: RequestId(0), channel: name, data, ext: None }, answer));
        let data = received(doing(), outcome).await?;
        let data = data.as_ref().map_or(b"null".as_slice(), Json::as_bytes);
        serde_json::from_slice(data).map_err(|error| value(doing(), &error))
    }

    /// Disconnects, and waits until that is done. What was published before is sent first. All subscriptions end.
    ///
    /// Cancel safe: it disconnects in any case.
    ///
    /// # Errors
    /// The task of the client is gone.
    pub async fn disconnect(&self) -> Result<(), Error> {
        let mut states = self.states();
        self.commands.send(Command::Close).map_err(|_| gone(Doing::Disconnecting))?;
        while let Some(state) = states.next().await {
            if matches!(state, State::Stopped(_)) {
                return Ok(());
            }
        }
        Err(gone(Doing::Disconnecting))
    }

    /// Connects again after the client has stopped, by its own wish or by the server's.
    pub fn reconnect(&self) {
        self.send(Command::Open);
    }

    /// How the connection is; nothing before it was tried.
    pub fn state(&self) -> Option<State> {
        self.announcer.state()
    }

    /// The states of the connection from now on, the present one first.
    pub fn states(&self) -> States {
        self.announcer.states()
    }

    /// Waits until there is a connection.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The client has stopped, or there is none within `patience`: then the error is that of the last attempt.
    pub async fn wait_until_connected(&self, patience: Duration) -> Result<(), Error> {
        let mut last = NetworkFault::Timeout.into();
        let mut states = self.states();
        let connected = async {
            while let Some(state) = states.next().await {
                match state {
                    State::Connected { .. } | State::Degraded { .. } => return Ok(()),
                    State::Connecting => {}
                    State::Retrying { why, .. } => last = why,
                    State::Stopped(StopReason::Advised(Some(refusal))) => {
                        return Err(Error::Server { doing: Doing::Connecting, refusal });
                    }
                    State::Stopped(reason) => {
                        let fault = ApplicationFault::Stopped(reason);
                        return Err(Error::Application { doing: Doing::Connecting, fault });
                    }
                }
            }
            Err(gone(Doing::Connecting))
        };
        let outcome = timeout(patience, connected).await;
        outcome.unwrap_or(Err(match last {
            Trouble::Network(fault) => Error::Network { doing: Doing::Connecting, fault },
            Trouble::Refused(refusal) => Error::Server { doing: Doing::Connecting, refusal },
        }))
    }

    /// If the task is gone, what waits for its answer is told so.
    fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

impl From<NetworkFault> for Trouble {
    fn from(fault: NetworkFault) -> Self {
        Self::Network(fault)
    }
}

/// Waits for the answer.
async fn received(
    doing: Doing,
    outcome: oneshot::Receiver<Result<Option<Json>, Error>>,
) -> Result<Option<Json>, Error> {
    outcome.await.unwrap_or_else(|_| Err(gone(doing)))
}

fn gone(doing: Doing) -> Error {
    Error::Application { doing, fault: ApplicationFault::Stopped(StopReason::Dropped) }
}

fn fault(doing: Doing, error: ChannelError) -> Error {
    Error::Application { doing, fault: error.into() }
}

fn value(doing: Doing, error: &serde_json::Error) -> Error {
    Error::Application { doing, fault: ApplicationFault::Value(error.to_string().into()) }
}

fn json<T: Serialize + ?Sized>(data: &T, doing: impl FnOnce() -> Doing) -> Result<Json, Error> {
    Json::from_serialize(data).map_err(|error| value(doing(), &error))
}

/// A channel that can be published to.
fn channel_name(channel: &str, doing: Doing) -> Result<ChannelName, Error> {
    match ChannelName::parse(channel, &ChannelRules::default()) {
        Ok(name) if matches!(name.kind(), ChannelKind::Meta(_)) => {
            Err(Error::Application { doing, fault: ApplicationFault::WrongKind })
        }
        Ok(name) => Ok(name),
        Err(error) => Err(fault(doing, error)),
    }
}
