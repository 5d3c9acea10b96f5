//! `Subscription`: the messages of a pattern, as a stream that goes on over sessions and connections.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bayeux_protocol::ChannelPattern;
use futures_core::Stream;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc::UnboundedSender, oneshot};

use crate::{
    core::{Delivery, Interruption, SubscriptionId},
    driver::Command,
    error::{ApplicationFault, Doing, Error, StopReason},
    queue::{Queue, Read},
};

/// What happens when messages come faster than they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Nothing more is read from the server, for any subscription, until there is room. The server then keeps what comes, as
    /// long as its own limits allow. A task that reads must not wait for a reply of the same client while it does not read:
    /// the reply would not be read either, and the request fails in time.
    #[default]
    Block,
    /// The oldest messages are dropped; the stream says how many.
    DropOldest,
    /// The subscription ends with [`Interruption::Overflowed`].
    End,
}

/// How a subscription keeps what was not read yet.
#[derive(Clone, Copy, Debug)]
pub struct SubscribeOptions {
    /// What happens when there is no room. Default: [`Overflow::Block`].
    pub overflow: Overflow,
    /// Messages. Default 1,000.
    pub max_messages: usize,
    /// Bytes of their data. Default 16 MiB.
    pub max_bytes: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { overflow: Overflow::default(), max_messages: 1000, max_bytes: 16 * 1024 * 1024 }
    }
}

/// Messages of a channel or pattern: a [`Stream`], and [`Subscription::next`] for those who need no more.
///
/// It goes on over new connections and new sessions. An `Err` says that messages may be missing, or why there are no more:
/// see [`Interruption`]. Dropping it unsubscribes, without waiting for the server.
///
/// ```no_run
/// # async fn f(client: bayeux_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let mut news = client.subscribe("/news/*").await?;
/// while let Some(message) = news.next().await {
///     match message {
///         Ok(message) => println!("{}: {}", message.channel, message.data.as_str()),
///         Err(interruption) => eprintln!("{interruption}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Subscription {
    id: SubscriptionId,
    pattern: ChannelPattern,
    mailbox: Arc<Mailbox>,
    commands: UnboundedSender<Command>,
    /// Whether the server has yet to be told that it is over.
    is_alive: bool,
}

/// Where deliveries wait.
#[derive(Debug)]
pub(crate) struct Mailbox {
    queue: Queue<Result<Delivery, Interruption>>,
    overflow: Overflow,
}

impl Mailbox {
    pub(crate) const fn new(options: SubscribeOptions) -> Self {
        Self { queue: Queue::new(options.max_messages, options.max_bytes), overflow: options.overflow }
    }

    pub(crate) const fn overflow(&self) -> Overflow {
        self.overflow
    }

    pub(crate) fn push(&self, delivery: Delivery) -> Result<(), Delivery> {
        let bytes = bytes(&delivery);
        match self.overflow {
            Overflow::DropOldest => {
                self.queue.push_over_oldest(Ok(delivery), bytes);
                Ok(())
            }
            Overflow::Block | Overflow::End => match self.queue.push(Ok(delivery), bytes) {
                Err(Ok(delivery)) => Err(delivery),
                Ok(()) | Err(Err(_)) => Ok(()),
            },
        }
    }

    pub(crate) fn force(&self, delivery: Delivery) {
        let bytes = bytes(&delivery);
        self.queue.force(Ok(delivery), bytes);
    }

    pub(crate) fn interrupt(&self, interruption: Interruption) {
        let is_end = interruption.is_end();
        self.queue.force(Err(interruption), 0);
        if is_end {
            self.queue.end();
        }
    }

    pub(crate) fn poll_room(&self, delivery: &Delivery, context: &Context<'_>) -> Poll<()> {
        self.queue.poll_room(bytes(delivery), context)
    }
}

fn bytes(delivery: &Delivery) -> usize {
    delivery.data.as_bytes().len() + delivery.ext.as_ref().map_or(0, |ext| ext.as_bytes().len())
}

impl Subscription {
    pub(crate) fn new(
        id: SubscriptionId,
        pattern: ChannelPattern,
        mailbox: Arc<Mailbox>,
        commands: UnboundedSender<Command>,
    ) -> Self {
        Self { id, pattern, mailbox, commands, is_alive: true }
    }

    /// The channel or pattern.
    pub fn pattern(&self) -> &str {
        self.pattern.as_str()
    }

    /// The next message. `None` after the end.
    ///
    /// Cancel safe: what is not returned stays for the next call.
    pub async fn next(&mut self) -> Option<Result<Delivery, Interruption>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Ends the subscription, and waits until the server has confirmed that. Nothing is read from it any more.
    ///
    /// Cancel safe: the subscription ends in any case.
    ///
    /// # Errors
    /// The server or the network failed; the subscription has ended all the same.
    pub async fn unsubscribe(mut self) -> Result<(), Error> {
        let doing = || Doing::Unsubscribing(self.pattern.as_str().into());
        let stopped = || Error::Application { doing: doing(), fault: ApplicationFault::Stopped(StopReason::Dropped) };
        self.is_alive = false;
        let (done, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Unsubscribe { id: self.id, done: Some(done) });
        sent.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?.map(drop)
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Result<Delivery, Interruption>>> {
        self.mailbox.queue.poll_read(context).map(|read| match read {
            Read::Item(item) => Some(item),
            Read::Dropped(count) => Some(Err(Interruption::Dropped(count))),
            Read::End => None,
        })
    }
}

impl Stream for Subscription {
    type Item = Result<Delivery, Interruption>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.is_alive {
            // If the client has ended, so has this.
            let _ = self.commands.send(Command::Unsubscribe { id: self.id, done: None });
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("pattern", &self.pattern.as_str()).finish_non_exhaustive()
    }
}

impl Delivery {
    /// The data as a value of this type.
    ///
    /// # Errors
    /// It does not have the shape of `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.data.to().map_err(|error| Error::Application {
            doing: Doing::Reading(self.channel.as_str().into()),
            fault: ApplicationFault::Value(error.to_string().into()),
        })
    }
}
