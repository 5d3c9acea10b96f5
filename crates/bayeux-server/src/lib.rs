//! A Bayeux 1.0 server for actix-web: WebSocket, long-polling and streams on one endpoint.
//!
//! ```no_run
//! use actix_web::{App, HttpServer};
//! use bayeux_server::{Bayeux, Options};
//!
//! #[actix_web::main]
//! async fn main() -> std::io::Result<()> {
//!     let bayeux = Bayeux::new(Options::default()).map_err(std::io::Error::other)?;
//!     HttpServer::new(move || App::new().service(bayeux.service("/bayeux")))
//!         .h1_allow_half_closed(false)
//!         .tcp_nodelay(true)
//!         .bind(("127.0.0.1", 8080))?
//!         .run()
//!         .await
//! }
//! ```
//!
//! # How it hangs together
//!
//! Two halves that know nothing of each other. The *front* (`mounted`: a service in anyone's `App`) speaks actix. Behind it
//! stand [`Bayeux::preface`] for a request's head, [`Bayeux::serve`] for a posted batch and [`websocket::Socket`] for a socket; they know
//! bytes, heads and wakers, no actix, and hand every decision to [`bayeux_engine`]. A response's body ([`ReplyBody`]) is polled: it may
//! be there, be held, or be a stream that goes on.

mod bayeux;
mod clock;
mod error;
mod front;
pub mod http;
pub mod limits;
mod mounted;
mod options;
mod reply;
mod stats;
mod stream;
mod turn;
pub mod websocket;
mod worker;

pub use bayeux::Bayeux;
pub use bayeux_engine::{Config, Stats};
pub use error::StartError;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use front::fuzzing;
pub use front::{Front, FrontOptions, serve};
#[cfg(feature = "tls")]
pub use front::{TlsError, tls_config};
pub use http::{forwarded::TrustedProxies, gate::AllowedOrigins};
pub use mounted::BayeuxService;
pub use options::Options;
pub use reply::{Cut, ReplyBody};
#[cfg(feature = "tls")]
pub use rustls::ServerConfig;
pub use stats::ServerStats;
