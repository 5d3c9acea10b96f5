//! The world of one case: its target, its channels, its peers' tasks and its transcript. Nothing is shared between cases but the
//! target and the observer.

use crate::json::{Json, object};
use crate::observer::{Observer, Witness};
use crate::peer::{Outcome, Peer, Sent, Transport};
use crate::target::Target;
use crate::transcript::{Direction, Transcript};
use crate::wire::http::Response;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The world of one case.
pub struct Scene {
    /// The server under test.
    pub target: Rc<Target>,
    /// Watches it for the whole run.
    pub witness: Witness,
    /// What went over the wire.
    pub transcript: Transcript,
    /// The beginning of this case's channel names: `/conformance/<run>/<case>`.
    pub base: String,
    /// The seed of the run, from which chance in a case comes.
    pub seed: u64,
    ids: Cell<u64>,
    tasks: RefCell<Vec<AbortHandle>>,
    fence: RefCell<Option<Peer>>,
    fences: Cell<u64>,
}

impl Scene {
    /// An empty world, of the case of this id; watched by the observer if there is one.
    pub fn new(target: Rc<Target>, observer: Option<Rc<Observer>>, id: String, base: String, seed: u64) -> Rc<Self> {
        let transcript = Transcript::new();
        Rc::new(Self {
            target,
            witness: Witness::new(observer, id, transcript.clone()),
            transcript,
            base,
            seed,
            ids: Cell::new(0),
            tasks: RefCell::default(),
            fence: RefCell::default(),
            fences: Cell::new(0),
        })
    }

    /// An id that no other message of this case has.
    pub fn next_id(&self) -> String {
        self.ids.set(self.ids.get() + 1);
        format!("{:x}", self.ids.get())
    }

    /// Starts a task that ends with the case.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) -> AbortHandle {
        let handle = tokio::task::spawn_local(task).abort_handle();
        self.tasks.borrow_mut().push(handle.clone());
        handle
    }

    /// Ends every task of the case.
    pub fn close(&self) {
        self.fence.take();
        for task in self.tasks.take() {
            task.abort();
        }
    }

    /// What a handshake of this transport offers: the transport, and long-polling, which every client has.
    pub fn connection_types(&self, transport: Transport) -> Json {
        let mut types = vec![Json::from(transport.name())];
        if transport != Transport::LongPolling {
            types.push(Transport::LongPolling.name().into());
        }
        Json::Array(types)
    }

    /// Writes a response to the transcript.
    pub fn record_response(&self, who: &str, connection: usize, response: &Response) {
        let mut text = format!("HTTP/1.1 {}\n", response.status).into_bytes();
        for (name, value) in &response.headers {
            text.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        text.push(b'\n');
        text.extend_from_slice(&response.body);
        self.transcript.add(who, connection, Direction::Received, &text);
    }

    /// Waits until the peer has everything that was published to it so far: a session of its own publishes something that the
    /// peer must get, and when it is there, what came before it would be there too. The error says what kept it.
    pub async fn fence(self: &Rc<Self>, peer: &Peer) -> Result<(), String> {
        let channel = format!("{}/fence/{}", self.base, peer.name());
        self.fences.set(self.fences.get() + 1);
        let number = self.fences.get();
        if !peer.is_fenced() {
            peer.subscribe(&channel).await?;
            peer.set_fenced();
        }
        let publisher = self.fence_publisher().await?;
        let sent = publisher.send(&[object([("channel", channel.as_str().into()), ("data", number.into())])]);
        let deadline = peer.delivery_deadline();
        let there = |peer: &Peer| {
            peer.has_event(|event| {
                event.get_str("channel") == Some(&channel) && event.get("data") == Some(&number.into())
            })
        };
        let came = tokio::select! {
            came = peer.fetch_until(deadline, there) => came,
            why = refused(&publisher, &sent, deadline) => return Err(format!("publishing to {channel}: {why}")),
        };
        if came {
            return Ok(());
        }
        let why = peer.keeper_end().map(|why| format!(" ({why})")).unwrap_or_default();
        Err(format!("{}: an event that was published to it did not come{why}", peer.name()))
    }

    async fn fence_publisher(self: &Rc<Self>) -> Result<Peer, String> {
        if let Some(peer) = &*self.fence.borrow() {
            return Ok(peer.clone());
        }
        let peer = Peer::new(self, "fence", Transport::LongPolling);
        peer.handshake(None).await?;
        peer.keep_alive();
        self.fence.replace(Some(peer.clone()));
        Ok(peer)
    }
}

/// Ends if a publish is refused, and only then: whether it is answered does not count, what it does is.
async fn refused(publisher: &Peer, sent: &Sent, deadline: Instant) -> String {
    match publisher.outcome(sent, 0, deadline).await {
        Outcome::Silence(_) | Outcome::Http { status: 200..=299, .. } => std::future::pending().await,
        outcome => match outcome.success() {
            Ok(_) => std::future::pending().await,
            Err(why) => why,
        },
    }
}
