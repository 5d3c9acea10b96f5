//! The WebSocket transport: frames in, frames out, and the session between them.

pub mod accept;
pub mod codec;
mod session;
mod upgrade;

pub(crate) use session::MAX_CONTROLS;
pub use session::Socket;
pub(crate) use upgrade::Upgraded;
