//! `Session`: one client's state on the server (BX-SE-1).

use std::{net::IpAddr, time::Duration};

use crate::{
    BrowserId, Carrier, ClientId, Config, ConnectionId, Origin, Time, adopters::Adopters, deadline::Deadline,
    extension::Extension, inbox::Position, link::LinkKey, outbox::Outbox, store::Key, subscription::Subscription,
};

/// A session's place in its shard.
pub(crate) type SessionKey = Key;

pub(crate) struct Session {
    pub(crate) id: ClientId,
    pub(crate) binding: Binding,
    /// Whether a connect has come: the first one is answered at once.
    pub(crate) connected: bool,
    pub(crate) receiving: Receiving,
    pub(crate) outbox: Outbox,
    pub(crate) subscriptions: Vec<Subscription>,
    /// The last entry that a fan-out put into the outbox: one copy, however many patterns match (BX-DL-7).
    pub(crate) last_delivery: Position,
    pub(crate) deadline: Deadline,
    /// What the shard's table of deadlines holds for this session.
    pub(crate) armed: Option<Time>,
    /// The interval that the client announced with its last connect; its expiry is stretched by it.
    pub(crate) interval: Duration,
    pub(crate) spin: Spin,
    pub(crate) pace: Pace,
    pub(crate) extension: Extension,
}

/// Which connection receives the session's events.
///
/// ```text
///            connect / socket               newer connect
///   Away ───────────────────────▶ Here(link) ────────────────▶ Here(newer)        nothing lent to the older
///    ▲                              │   │ newer connect                           ▲
///    │  confirmed, cancelled        │   └──────────▶ Draining { old, next } ──────┘
///    └──────────────────────────────┘                 old confirmed, cancelled or cut
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// None: events wait in the outbox.
    Away,
    /// This one.
    Here(LinkKey),
    /// `old` still writes what was lent to it; `next` receives once that is settled.
    Draining {
        /// The older connection.
        old: LinkKey,
        /// The newer one, if it still waits.
        next: Option<LinkKey>,
    },
}

/// Whose connections may use the session (BX-SEC-3, and BX-SEC-5 for a socket that opens beside the handshake).
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) browser: Option<BrowserId>,
    /// The browser of the socket that adopted it: the 101's cookie has replaced the handshake's in the client.
    pub(crate) adopter: Option<BrowserId>,
    /// The socket it handshook on, or the one that adopted it.
    pub(crate) home: Option<ConnectionId>,
    pub(crate) peer: IpAddr,
    pub(crate) born: Time,
    /// Handshaken over HTTP and not adopted yet.
    pub(crate) adoptable: bool,
    /// Handshaken by a script element of another site, whose cookie says nothing: its address may use it (BX-CP-5). Faye's page goes on by a
    /// POST with CORS.
    pub(crate) scripted: bool,
}

/// What a connection is to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It may use it.
    Owner,
    /// It may use it from now on, by the adoption rule.
    Adopted,
    /// It may not.
    Foreign,
}

impl Binding {
    pub(crate) fn new(origin: &Origin, now: Time) -> Self {
        let scripted = origin.is_foreign_script();
        let home = matches!(origin.carrier, Carrier::Socket { .. }).then_some(origin.connection);
        let (browser, adoptable) = (origin.browser.filter(|_| !scripted), home.is_none() && !scripted);
        Self { browser, adopter: None, home, peer: origin.peer, born: now, adoptable, scripted }
    }

    /// Judges a connection: the socket of the handshake, the browser of the handshake, or, once, a socket that was opened
    /// without a cookie while the handshake was under way, or a request with the cookie which that socket's 101 set.
    pub(crate) fn claim(&mut self, now: Time, origin: &Origin, config: &Config, adopters: &Adopters) -> Claim {
        if self.scripted || origin.is_foreign_script() {
            let owner = self.scripted && self.peer == origin.peer;
            return if owner || config.trust_client_session { Claim::Owner } else { Claim::Foreign };
        }
        let same_socket = self.home == Some(origin.connection);
        let same_browser = origin.browser.is_some() && [self.browser, self.adopter].contains(&origin.browser);
        if config.trust_client_session || same_socket || same_browser {
            return Claim::Owner;
        }
        let upgraded = match origin.carrier {
            Carrier::Socket { may_adopt, .. } => may_adopt,
            Carrier::Http | Carrier::Script { .. } | Carrier::Stream { .. } => origin.browser_upgraded,
        };
        let Some(upgraded) = upgraded else {
            return Claim::Foreign;
        };
        let in_time = !config.adopt_window.is_zero() && upgraded.distance(self.born) <= config.adopt_window;
        // A client moves to its socket with its next message, which may be the connect after the one that is held.
        let span = config.adopt_window + config.timeout;
        let possible = self.adoptable && in_time && self.peer == origin.peer && now.since(upgraded) <= span;
        if !possible || !origin.browser.is_some_and(|browser| adopters.enter(now, browser, span)) {
            return Claim::Foreign;
        }
        self.adoptable = false;
        self.adopter = origin.browser;
        if let Carrier::Socket { .. } = origin.carrier {
            self.home = Some(origin.connection);
        }
        Claim::Adopted
    }
}

/// Counts the empty replies of the current second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spin {
    began: Time,
    replies: u32,
}

impl Spin {
    /// One more empty reply. Returns until when it is to be delayed, if the session asks too often.
    pub(crate) fn count(&mut self, now: Time, limit: u32) -> Option<Time> {
        const SECOND: Duration = Duration::from_secs(1);
        if now.since(self.began) >= SECOND {
            *self = Self { began: now, replies: 0 };
        }
        self.replies = self.replies.saturating_add(1);
        (self.replies > limit).then(|| self.began + SECOND)
    }
}

/// How much a session is given at a time: half as much after each write that its peer did not take in time, or did not acknowledge
/// when it came again, so that one whose connections are slow or break gets on too; twice as much after each that it took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    halvings: u8,
}

impl Pace {
    const MOST: u8 = 10;

    pub(crate) const fn broke(&mut self) {
        if self.halvings < Self::MOST {
            self.halvings += 1;
        }
    }

    pub(crate) const fn held(&mut self) {
        self.halvings = self.halvings.saturating_sub(1);
    }

    /// What a write may take of `max_bytes`.
    pub(crate) const fn of(self, max_bytes: usize) -> usize {
        max_bytes >> self.halvings
    }
}

impl Session {
    pub(crate) fn new(id: ClientId, binding: Binding, deadline: Deadline) -> Self {
        Self {
            id,
            binding,
            connected: false,
            receiving: Receiving::Away,
            outbox: Outbox::default(),
            subscriptions: Vec::new(),
            last_delivery: Position::default(),
            deadline,
            armed: None,
            interval: Duration::ZERO,
            spin: Spin::default(),
            pace: Pace::default(),
            extension: Extension::None,
        }
    }

    /// Everything through this position was written. With `ack` it stays until the client says that it arrived. Returns how many
    /// messages left the outbox.
    pub(crate) fn written(&mut self, through: Position) -> usize {
        if self.extension.has_acks() {
            return 0;
        }
        let committed = self.outbox.commit(through);
        self.extension.handed_over(committed);
        committed
    }

    /// Whether nothing waits but what was sent before and not acknowledged.
    pub(crate) fn only_repeats(&self) -> bool {
        matches!(&self.extension, Extension::Ack(acks) if !self.outbox.has_after(acks.furthest))
    }

    /// When the session ends if it does not connect, counted from now (BX-CN-8).
    pub(crate) fn expiry(&self, now: Time, config: &Config) -> Deadline {
        Deadline::Expiry(now + config.interval.max(self.interval) + config.max_interval)
    }

    /// The place of `pattern` among the subscriptions.
    pub(crate) fn subscription(&self, pattern: &str) -> Option<usize> {
        self.subscriptions.iter().position(|subscription| &*subscription.pattern == pattern)
    }

    pub(crate) fn wildcards(&self) -> usize {
        self.subscriptions.iter().filter(|subscription| subscription.wildcard).count()
    }
}
