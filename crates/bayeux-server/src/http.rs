//! The HTTP endpoint: what is asked before the engine is, and long-polling.

pub mod cookie;
pub(crate) mod form;
pub mod forwarded;
pub mod gate;
mod head;
mod long_polling;
mod response;

pub use head::{Head, Method};
pub use response::Response;
