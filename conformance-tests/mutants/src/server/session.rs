//! A session: what it is subscribed to, what waits for it, and how it can be reached.

use crate::message::Message;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// What one client has on the server.
pub(crate) struct Session {
    /// The browser that it belongs to: the value of its cookie.
    pub(crate) browser: String,
    /// Patterns, in the order of their subscription.
    pub(crate) subscriptions: Vec<String>,
    /// Events that wait for a response.
    pub(crate) queue: VecDeque<Message>,
    /// The last event that was sent to it, for a defect.
    pub(crate) last: Option<Message>,
    /// Whether more waits for it than may be kept.
    pub(crate) is_over: bool,
    /// Whether a defect keeps events from it.
    pub(crate) is_deaf: bool,
    /// How many events it was given.
    pub(crate) delivered: u64,
    /// The acknowledgement extension, if it was agreed on.
    pub(crate) ack: Option<Ack>,
    /// The connect that is held.
    pub(crate) held: Option<Held>,
    /// The WebSocket to which events are pushed.
    pub(crate) socket: Option<Arc<Notify>>,
    /// The stream into which events are written: told when there are any.
    pub(crate) streams: Option<Arc<Notify>>,
    /// How it connected last, for a defect.
    pub(crate) kind: String,
    /// Whether it asked how many deliveries are missing.
    pub(crate) counts: bool,
    /// How many deliveries were handed over.
    pub(crate) handed_over: u64,
    /// Whether it was told of other sessions of its browser.
    pub(crate) told: bool,
    /// Whether it has sent a connect.
    pub(crate) connected: bool,
    /// When it ends, unless a connect comes; none while one is held.
    pub(crate) deadline: Option<Instant>,
}

/// The state of the acknowledgement extension.
#[derive(Default)]
pub(crate) struct Ack {
    /// The number of the last reply to a connect.
    pub(crate) batch: u64,
    /// What was sent and not acknowledged, with the number of the reply.
    pub(crate) unacknowledged: VecDeque<(u64, Message)>,
    /// The number that a defect takes for acknowledged.
    pub(crate) named: u64,
    /// Whether a defect pushes its events all the same.
    pub(crate) is_pushed: bool,
}

/// A connect that waits, seen from the session.
pub(crate) struct Held {
    /// Which one; no other has the same number.
    pub(crate) number: u64,
    /// The request.
    pub(crate) request: Message,
    /// Says why it waits no longer.
    pub(crate) release: oneshot::Sender<Release>,
}

/// Why a connect waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// There are events.
    Events,
    /// It waited long enough.
    Timeout,
    /// A newer connect has come.
    Superseded,
    /// The session was ended by its client.
    Disconnected,
    /// It was answered by whoever released it.
    Answered,
}

impl Session {
    /// A session that has just shaken hands.
    pub(crate) fn new(browser: String, ack: bool, life: Duration) -> Self {
        Self {
            browser,
            subscriptions: Vec::new(),
            queue: VecDeque::new(),
            last: None,
            is_over: false,
            is_deaf: false,
            delivered: 0,
            ack: ack.then(Ack::default),
            held: None,
            socket: None,
            streams: None,
            kind: String::new(),
            counts: false,
            handed_over: 0,
            told: false,
            connected: false,
            deadline: Some(Instant::now() + life),
        }
    }

    /// Whether events go to its WebSocket as they come. With acknowledgements they go with replies to connects alone.
    pub(crate) fn pushes(&self) -> bool {
        self.socket.is_some() && self.ack.as_ref().is_none_or(|ack| ack.is_pushed)
    }

    /// How many events it has that no client has taken for certain.
    pub(crate) fn backlog(&self) -> usize {
        self.queue.len() + self.ack.as_ref().map_or(0, |ack| ack.unacknowledged.len())
    }

    /// Lets the connect that is held go, if there is one.
    pub(crate) fn release(&mut self, why: Release) {
        if let Some(held) = self.held.take() {
            // Whoever waited may be gone.
            let _ = held.release.send(why);
        }
    }

    /// Lets whoever waits know that there are events.
    pub(crate) fn wake(&mut self) {
        match (&self.streams, &self.socket) {
            (Some(stream), _) => stream.notify_one(),
            (None, Some(socket)) if self.pushes() => socket.notify_one(),
            _ => self.release(Release::Events),
        }
    }
}
