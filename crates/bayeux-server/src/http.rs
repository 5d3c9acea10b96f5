//! The HTTP endpoint: what is asked before the engine is, and a file for each transport.

pub(crate) mod callback_polling;
pub(crate) mod chunk;
pub mod cookie;
pub(crate) mod escape;
mod event_source;
mod exchange;
pub(crate) mod form;
pub mod forwarded;
pub mod gate;
mod get;
mod head;
mod iframe;
mod long_polling;
mod preface;
pub(crate) mod query;
mod response;
pub(crate) mod wire;
mod xhr_streaming;

pub use head::{Head, Method};
pub use response::Response;
