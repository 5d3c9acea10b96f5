//! A world for the engine: one node or two and scripted clients on one thread, in virtual time, with a network that delays, cuts
//! and stalls, all of it decided by one seed. What must be true is checked after each step: by the engine's own
//! [audit](bayeux_engine::Engine::audit), and by a model that knows the calls alone.
//!
//! ```text
//!   settings ── what a seed decides before it begins
//!   client, act, reader ── what clients do, and what they read        account ── what they know of their deliveries, and say
//!   connection, network ── the way of the bytes, and the kernel between
//!   front, stream ── what a server's front does, poll by poll ──▶ server ── the engine, or one with a defect
//!   backplane ── what joins the nodes, and loses and repeats        fate ── shards that panic, nodes that shut down
//!   pair ── the connection core of the Rust client against the engine, in a world of its own
//!   model ── what is due to whom, who deserves a 402, which connect is late
//!   world ── the events, in the order that the seed chooses
//! ```
//!
//! # What is promised
//!
//! - On a node, a message that was accepted is due at once to whoever is subscribed there, once, in the order in which messages
//!   were accepted. It may be missing only if its connection was cut with it in the kernel, or if its session has ended: by
//!   itself, by a limit, or with its shard or node.
//! - With `ack` nothing may be missing while the session lives, whatever is cut: the client hands each message on once and in
//!   order, if it hands on only what comes with the reply to its newest connect. What it has acknowledged is not sent again.
//! - With `gap`, what its client received and what it was told is missing are together what was handed over: told always and only
//!   where something was lost, if the client counts what comes on the connection that it named its count on, and nothing else.
//! - A stream begins with a reply and ends with one, is never silent for longer than its heartbeat, and ends when it has carried
//!   enough or too much is not acknowledged. If its connection takes nothing any more, its session ends in time.
//! - Of the connects of one browser no more are held over HTTP than may be, and none is refused while there is room.
//! - On the other node it is due when it has arrived there, to whoever is subscribed then. It arrives once and in the order in
//!   which its own node accepted messages. It doesn't if its node had not heard of the interest yet, or if a partition took it;
//!   then the engine is told how much is missing.
//! - A session that goes to another node loses nothing and gets nothing twice, provided that nothing was on its way between the
//!   nodes and that publishes were held back meanwhile. Its calls are handled where it is, whichever node took them.
//! - A shard that panics costs its own sessions alone: they get 402. When a node shuts down, what waits is handed over, each held
//!   connect is answered, and its sessions are lost when it ends, unless they were moved before.
//!
//! The same seed gives the same run, step by step; so a failure is repeated with
//! `cargo run -p bayeux-sim -- replay SEED`.
//!
//! What this can't see: threads that interleave, actix, the kernel itself. Those have tests of their own.

mod account;
mod act;
mod backplane;
mod client;
mod connection;
mod fate;
mod front;
mod happened;
mod incoming;
mod message;
mod model;
mod network;
mod pair;
mod random;
mod reader;
mod server;
mod settings;
mod stream;
mod trace;
mod world;

use std::{sync::Arc, time::Duration};

use bayeux_engine::Engine;

pub use backplane::Told;
pub use happened::Happened;
pub use pair::{Paired, pair};
pub use server::{Server, Sound};

use crate::world::World;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed of the run.
    pub seed: u64,
    /// Of every line of the trace: two runs of one seed have the same.
    pub hash: u64,
    /// Events that happened.
    pub steps: u64,
    /// What went wrong first, if anything did.
    pub violation: Option<String>,
    /// What happened, if it was to be kept.
    pub trace: Vec<String>,
    /// What the run came across.
    pub happened: Happened,
}

/// Runs a seed with the engine as it is.
pub fn run(seed: u64, keep_trace: bool) -> Outcome {
    run_with(seed, keep_trace, &|engine| Box::new(Sound::new(engine)))
}

/// Runs a seed with a server that `make` builds around each engine.
pub fn run_with(seed: u64, keep_trace: bool, make: &dyn Fn(Arc<Engine>) -> Box<dyn Server>) -> Outcome {
    let mut world = World::new(seed, keep_trace, make);
    let busy = world.now + world.settings.busy;
    world.run_until(busy);
    world.heal();
    // A client may sleep for 25 s, and its server may take that long to notice; then everybody has connected again.
    world.run_until(busy + Duration::from_secs(70));
    world.check_settled();
    world.leave();
    world.run_until(busy + Duration::from_secs(140));
    world.check_empty();
    world.outcome(seed)
}

/// Runs a seed twice: what it finds, or that the two runs differ.
pub fn check(seed: u64) -> Result<Outcome, Box<Outcome>> {
    let mut outcome = run(seed, false);
    let again = run(seed, false);
    if outcome.violation.is_none() && again.hash != outcome.hash {
        outcome.violation = Some("two runs of this seed differ".into());
    }
    if outcome.violation.is_none() { Ok(outcome) } else { Err(Box::new(outcome)) }
}
