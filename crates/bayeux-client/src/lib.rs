//! A Bayeux client.
pub mod core;
mod error;
mod extension;
mod state;
pub use bayeux_protocol::Message;
pub use error::*;
pub use extension::{Extension, get_ext, set_ext};
pub use state::*;
