//! A client for Bayeux 1.0 servers: CometD, Faye, Salesforce Streaming, and the one of this project.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bayeux_client::Client;
//!
//! let client = Client::builder("http://localhost:8080/bayeux").connect().await?;
//! let mut lobby = client.subscribe("/chat/lobby").await?;
//! client.publish("/chat/lobby", "Good morning").await?;
//! if let Some(message) = lobby.next().await {
//!     let text: String = message?.parse()?;
//!     println!("{text}");
//! }
//! client.disconnect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does by itself
//!
//! - It connects again after any failure, with growing random pauses, and obeys each advice of the server. [`Client::states`]
//!   says how it is, and why.
//! - It begins by long-polling, which works everywhere, moves up to a WebSocket in the background, and falls back if that fails.
//! - It renews subscriptions in a new session before it sends anything else. A [`Subscription`] that may have missed messages
//!   says so ([`Interruption`]). What is lost on the way is told by servers that have `gap`, as that of this project;
//!   [`ClientBuilder::acknowledge`] cures it, with servers that have `ack`. With others it is lost in silence.
//! - What waits is bounded everywhere: publishes ([`ClientBuilder::queue`]), messages that are not read ([`Overflow`]), and what a
//!   server may send ([`Limits`]).
//!
//! # How it hangs together
//!
//! [`core`] decides everything and does nothing: no clock, no task, no socket. The driver around it is one task for each client,
//! with one more for each HTTP request and WebSocket.

mod auth;
mod binary;
mod builder;
mod client;
pub mod core;
mod driver;
mod error;
mod extension;
mod limits;
mod queue;
mod roots;
mod state;
mod states;
mod subscription;

pub use crate::core::{Delivery, Interruption, Transports};
pub use auth::{Fetching, Token, TokenSource};
pub use bayeux_protocol::{ChannelName, ConnectionType, Json, Message};
pub use binary::Binary;
pub use builder::ClientBuilder;
pub use client::Client;
pub use error::{ApplicationFault, Doing, Error, NetworkFault, Refusal, StopReason};
pub use extension::{
    Extension, FileStore, MemoryStore, Refused, Replay, ReplayFrom, ReplayStore, TimeSync, Timestamp, get_ext, set_ext,
};
pub use limits::Limits;
pub use reqwest;
pub use roots::{Roots, http_client_builder};
pub use state::{State, Trouble};
pub use states::States;
pub use subscription::{Overflow, SubscribeOptions, Subscription};
