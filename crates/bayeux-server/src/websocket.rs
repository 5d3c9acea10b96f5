//! The WebSocket transport: frames in, frames out, and the session between them.

pub mod accept;
pub mod codec;
mod session;

pub use session::Socket;
