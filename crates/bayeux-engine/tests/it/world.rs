//! The harness: one engine, hand-driven connections, virtual time.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Wake, Waker},
    time::Duration,
};

use bayeux_engine::{
    Answer, BrowserId, Call, Carrier, Config, ConnectionId, Engine, HEADROOM, Origin, Take, Ticket, Time,
};
use bayeux_protocol::{DecodeLimits, decode_batch};
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) now: Time,
    pub(crate) next: u64,
}

/// A connection, and what it knows of its session.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) origin: Origin,
    pub(crate) id: String,
    pub(crate) woken: Arc<Woken>,
}

#[derive(Default)]
pub(crate) struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// What a batch led to.
pub(crate) struct Outcome {
    pub(crate) replies: Vec<Value>,
    pub(crate) answer: Answer,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self::with_shards(config, 1)
    }

    pub(crate) fn with_shards(config: Config, shards: usize) -> Self {
        Self { engine: Arc::new(Engine::new(config, shards, [7; 32])), now: Time::from_millis(1_000_000), next: 1 }
    }

    /// A peer over HTTP with a cookie of its own.
    pub(crate) fn http(&mut self) -> Peer {
        self.peer(Carrier::Http)
    }

    /// A peer over a WebSocket with a cookie of its own.
    pub(crate) fn socket(&mut self) -> Peer {
        self.peer(Carrier::Socket { ticket: None, may_adopt: None })
    }

    /// The connection that comes next from the same browser.
    pub(crate) fn next_connection(&mut self, peer: &Peer, carrier: Carrier) -> Peer {
        self.next += 1;
        let origin = Origin { connection: ConnectionId(self.next), carrier, ..peer.origin.clone() };
        Peer { origin, id: peer.id.clone(), woken: Arc::default() }
    }

    pub(crate) fn peer(&mut self, carrier: Carrier) -> Peer {
        self.next += 1;
        let mut browser = [0; 16];
        browser[..8].copy_from_slice(&self.next.to_be_bytes());
        let origin = Origin {
            connection: ConnectionId(self.next),
            browser_upgraded: None,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            carrier,
            browser: Some(BrowserId(browser)),
            shard: None,
        };
        Peer { origin, id: String::new(), woken: Arc::default() }
    }

    /// Sends a batch as it would arrive; every message gets the peer's clientId unless it has one.
    pub(crate) fn send(&mut self, peer: &mut Peer, batch: Value) -> Outcome {
        let mut batch = batch;
        for message in batch.as_array_mut().expect("a batch is an array") {
            let message = message.as_object_mut().expect("a message is an object");
            if message.get("channel") != Some(&json!("/meta/handshake")) && !peer.id.is_empty() {
                message.entry("clientId").or_insert(json!(peer.id));
            }
        }
        if matches!(peer.origin.carrier, Carrier::Http | Carrier::Script { .. }) {
            self.next += 1;
            peer.origin.connection = ConnectionId(self.next);
        }
        let batch =
            decode_batch(batch.to_string().as_bytes(), &DecodeLimits::default()).expect("the batch is well-formed");
        let answer = self.engine.handle(self.now, Call { origin: peer.origin.clone(), batch });
        if let Carrier::Socket { ticket, may_adopt } = &mut peer.origin.carrier {
            if answer.adopted {
                *may_adopt = None;
            }
            if let Some(attached) = answer.attached
                && let Some(old) = ticket.replace(attached)
            {
                self.engine.cancel(self.now, old);
            }
        }
        let replies = answer.frame.as_deref().map_or_else(Vec::new, parse);
        Outcome { replies, answer }
    }

    pub(crate) fn handshake(&mut self, peer: &mut Peer) -> Value {
        self.handshake_with(peer, json!({}))
    }

    pub(crate) fn handshake_with(&mut self, peer: &mut Peer, ext: Value) -> Value {
        let request = json!([{"channel": "/meta/handshake", "version": "1.0", "id": "h", "ext": ext,
            "supportedConnectionTypes": ["long-polling", "websocket"]}]);
        let reply = self.send(peer, request).replies.remove(0);
        if let Some(id) = reply["clientId"].as_str() {
            peer.id = id.to_owned();
        }
        reply
    }

    /// A session over HTTP that has had its first connect.
    pub(crate) fn poller(&mut self) -> Peer {
        let mut peer = self.http();
        self.handshake(&mut peer);
        assert_eq!(self.connect(&mut peer, "first").replies.len(), 1);
        peer
    }

    /// A session over a WebSocket that has had its first connect.
    pub(crate) fn pusher(&mut self) -> Peer {
        let mut peer = self.socket();
        self.handshake(&mut peer);
        assert_eq!(self.connect(&mut peer, "first").replies.len(), 1);
        peer
    }

    pub(crate) fn connect(&mut self, peer: &mut Peer, id: &str) -> Outcome {
        self.send(peer, connect(id))
    }

    /// Holds a connect over HTTP.
    pub(crate) fn hold(&mut self, peer: &mut Peer, id: &str) -> Ticket {
        self.connect(peer, id).answer.held.expect("nothing waits, so it is held")
    }

    pub(crate) fn subscribe(&mut self, peer: &mut Peer, subscription: Value) -> Value {
        self.send(peer, json!([{"channel": "/meta/subscribe", "subscription": subscription, "id": "s"}]))
            .replies
            .remove(0)
    }

    pub(crate) fn publish(&mut self, peer: &mut Peer, channel: &str, data: Value) -> Value {
        self.send(peer, json!([{"channel": channel, "data": data, "id": "p"}])).replies.remove(0)
    }

    /// What the link has to say now: its messages, and whether events were lent.
    pub(crate) fn take(&mut self, peer: &Peer, ticket: Ticket) -> Option<(Vec<Value>, bool)> {
        match self.take_raw(peer, ticket) {
            Take::Frame { frame, lent, .. } => Some((parse(&frame), lent)),
            Take::Pending => None,
            other => panic!("neither pending nor a frame: {other:?}"),
        }
    }

    pub(crate) fn take_raw(&mut self, peer: &Peer, ticket: Ticket) -> Take {
        self.engine.take(self.now, ticket, false, &Waker::from(peer.woken.clone()))
    }

    /// Takes and confirms.
    pub(crate) fn receive(&mut self, peer: &Peer, ticket: Ticket) -> Option<Vec<Value>> {
        let (messages, lent) = self.take(peer, ticket)?;
        if lent {
            self.engine.confirm(self.now, ticket);
        }
        Some(messages)
    }

    /// What a socket has received since it last looked.
    pub(crate) fn drain(&mut self, peer: &Peer) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(messages) = self.receive(peer, ticket(peer)) {
            all.extend(messages);
        }
        all
    }

    /// Lets time pass, in steps, pumping at each.
    pub(crate) fn pass(&mut self, span: Duration) {
        const STEPS: u32 = 10;
        for _ in 0..STEPS {
            self.now = self.now + span / STEPS;
            self.pump();
        }
    }

    pub(crate) fn pump(&mut self) {
        for shard in 0..self.engine.shards() {
            while self.engine.pump(shard, self.now).more {}
        }
    }
}

impl Peer {
    /// How often it was woken since it was last asked.
    pub(crate) fn wakes(&self) -> usize {
        self.woken.0.swap(0, Relaxed)
    }
}

/// The ticket of the session that receives on this socket.
pub(crate) fn ticket(peer: &Peer) -> Ticket {
    socket_ticket(peer).expect("it is a socket and has a session")
}

/// The same, if there is one.
pub(crate) const fn socket_ticket(peer: &Peer) -> Option<Ticket> {
    match peer.origin.carrier {
        Carrier::Socket { ticket, .. } => ticket,
        _ => None,
    }
}

pub(crate) fn connect(id: &str) -> Value {
    json!([{"channel": "/meta/connect", "connectionType": "long-polling", "id": id}])
}

pub(crate) fn parse(frame: &[u8]) -> Vec<Value> {
    serde_json::from_slice(&frame[HEADROOM..]).expect("a frame is a JSON array")
}

pub(crate) fn channels(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["channel"].as_str().expect("every message has a channel")).collect()
}
