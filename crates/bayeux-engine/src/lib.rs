//! What a Bayeux server decides: who has a session, who receives what, in which order, and what is said to whom.
//!
//! Pure: no clock, task, socket or global randomness is in here. Time and seeds are arguments, replies are returned, and
//! connections are woken by `std::task::Waker`s they left behind. So the same code runs under actix, under a simulation,
//! and in a test that calls it by hand.
//!
//! # How it hangs together
//!
//! ```text
//!   Call ──▶ Engine::handle ──▶ one Shard, locked for microseconds ──▶ Answer
//!                 │ a publish
//!                 ▼
//!              Router: which shards want it (Interest) ──▶ their Inboxes, one Arc each
//!                                                              │ Pumper, in budgets
//!                                                              ▼
//!   connection ◀── Engine::take(ticket) ◀── woken ◀── Outboxes of the subscribers
//!       └──── Engine::confirm / cancel: only now do the events leave the outbox
//! ```
//!
//! A shard holds its sessions together with their subscriptions, links and deadlines, under one lock: "in the index" and
//! "alive" can't disagree. A message reaches a session only through its shard's inbox, so order is the order of pushes.
//!
//! # Reading order
//!
//! `call` (what goes in and out), `session` and `link` (the two state diagrams), `meta` (one file for each request),
//! `shard::receive` (how events reach a connection), `shard::fanout` (the hot path), then `engine`, the only file that locks.

mod adopters;
mod backplane;
mod browsers;
mod call;
mod client_id;
mod config;
mod deadline;
mod delivery;
mod engine;
mod extension;
mod frame;
mod hash;
mod inbox;
mod interest;
mod leavers;
mod link;
mod memory;
mod meta;
mod outbox;
mod pumper;
mod reply;
mod router;
mod session;
mod shard;
mod stats;
mod store;
mod subscription;
mod sync;
mod time;
mod transfer;
mod wake;

pub use backplane::{Backplane, Edge, LocalBackplane, Sequence};
pub use call::{Answer, BrowserId, Call, Carrier, CloseReason, ConnectionId, Origin, Take, Ticket};
pub use client_id::ClientId;
pub use config::Config;
pub use delivery::Delivery;
pub use engine::{Engine, Pumped, Refused};
pub use frame::{Frame, Framing, SharedFrame};
pub use interest::ShardSet;
pub use pumper::{Pumper, PumperId};
pub use reply::HEADROOM;
pub use shard::{Audit, Inconsistent};
pub use stats::Stats;
pub use time::Time;
pub use transfer::{AdoptError, ExportError};
