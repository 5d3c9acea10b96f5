//! `Bayeux`: the handle of a server. Cheap to clone; one for the whole process, whatever the number of workers.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use bayeux_engine::{Carrier, ConnectionId, Engine, Origin, Time};
use tokio::sync::{Notify, futures::OwnedNotified};

use crate::{
    Options, ServerStats, StartError,
    clock::Clock,
    http::cookie::{Browser, BrowserCookies, CookieName},
    stats::ServerCounters,
};

/// A Bayeux server: engine, options and clock. Mount it with [`Bayeux::service`](crate::Bayeux::service).
#[derive(Clone)]
pub struct Bayeux {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Arc<Engine>,
    options: Options,
    cookies: BrowserCookies,
    clock: Clock,
    next_connection: AtomicU64,
    counters: ServerCounters,
    /// The second in which a line that peers can cause was last written to the log.
    noted: AtomicU64,
    leaving: AtomicBool,
    /// Tells the sockets that no session tells anything.
    left: Arc<Notify>,
}

impl Bayeux {
    /// A server with `options`. Randomness comes from the operating system.
    ///
    /// # Errors
    /// An option that can't be, or no randomness to be had.
    pub fn new(options: Options) -> Result<Self, StartError> {
        let name = CookieName::parse(&options.browser_cookie_name)
            .map_err(|_| StartError::CookieName(options.browser_cookie_name.clone()))?;
        fits(&options)?;
        let (mut seed, mut key) = ([0; 32], [0; 16]);
        fill_random(&mut seed)?;
        fill_random(&mut key)?;
        let engine = Arc::new(Engine::new(options.engine.clone(), options.shards, seed));
        let cookies = BrowserCookies::new(name, key);
        let (clock, next_connection, counters) = (Clock::start(), AtomicU64::new(1), ServerCounters::default());
        let (noted, leaving, left) = (AtomicU64::new(u64::MAX), AtomicBool::new(false), Arc::default());
        let shared = Shared { engine, options, cookies, clock, next_connection, counters, noted, leaving, left };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The engine, for its counters.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.shared.engine
    }

    /// The options it was built with.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// What the transports refused and opened, counted. [`Engine::stats`] has the rest.
    pub fn stats(&self) -> ServerStats {
        self.shared.counters.read()
    }

    /// Ends service gracefully: held connects are answered with a jittered interval, sockets get a close frame. Returns
    /// when all of that is handed over, or after `patience`. Stop accepting connections first, end the server afterwards.
    ///
    /// # Cancel safety
    /// Clients are told at once; dropping the future only ends the waiting.
    pub async fn shutdown(&self, patience: Duration) {
        const LOOK: Duration = Duration::from_millis(10);
        self.shared.leaving.store(true, Release);
        self.shared.left.notify_waiters();
        self.engine().leave(self.now());
        let until = self.now() + patience;
        while (self.engine().connections() > 0 || self.counters().open_sockets() > 0) && self.now() < until {
            actix_rt::time::sleep(LOOK).await;
        }
    }

    /// Whether the server shuts down, and what is ready when that begins.
    pub(crate) fn leaving(&self) -> (bool, OwnedNotified) {
        // First who listens, then the look: what happens in between is told.
        let told = self.shared.left.clone().notified_owned();
        (self.shared.leaving.load(Acquire), told)
    }

    /// Whether clients are being sent away.
    pub(crate) fn is_leaving(&self) -> bool {
        self.shared.leaving.load(Acquire)
    }

    /// Tells one server of this process from another.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }

    pub(crate) fn now(&self) -> Time {
        self.shared.clock.now()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub(crate) fn cookies(&self) -> &BrowserCookies {
        &self.shared.cookies
    }

    pub(crate) fn counters(&self) -> &ServerCounters {
        &self.shared.counters
    }

    /// Whether a line that peers can cause may be written: once a second, so that they don't fill the log.
    pub(crate) fn may_note(&self) -> bool {
        let second = self.now().as_millis() / 1000;
        self.shared.noted.swap(second, Relaxed) != second
    }

    /// What the engine is to know of a new connection.
    pub(crate) fn origin(&self, peer: IpAddr, carrier: Carrier, browser: Option<Browser>) -> Origin {
        let connection = ConnectionId(self.shared.next_connection.fetch_add(1, Relaxed));
        let (id, upgraded) = (browser.map(|browser| browser.id), browser.and_then(|browser| browser.upgraded));
        let shard = crate::worker::shard();
        Origin { connection, peer, carrier, browser: id, browser_upgraded: upgraded, shard }
    }

    /// A new browser and its cookie value; `None` if the system has no randomness left to give.
    pub(crate) fn new_browser(&self, upgraded: Option<Time>) -> Option<(Browser, String)> {
        let mut random = [0; 16];
        fill_random(&mut random).ok()?;
        Some(self.cookies().mint(random, upgraded))
    }
}

/// The largest message that is accepted has to fit an empty queue: else it would end every session that subscribes to it.
fn fits(options: &Options) -> Result<(), StartError> {
    /// What a message counts besides its own bytes, with the longest channel.
    const REST: usize = 8 * 1024;
    let (message, engine) = (options.limits.max_bytes, &options.engine);
    let queues = [("max_queue_bytes", engine.max_queue_bytes), ("max_inbox_bytes", engine.max_inbox_bytes)];
    let small = queues.into_iter().find(|(_, room)| message.saturating_add(REST) > *room);
    small.map_or(Ok(()), |(option, room)| Err(StartError::NoRoomForAMessage { message, option, room }))
}

fn fill_random(bytes: &mut [u8]) -> Result<(), StartError> {
    getrandom::fill(bytes).map_err(|error| StartError::Randomness(error.to_string()))
}
