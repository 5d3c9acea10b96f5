//! What a run tells: text for the terminal, and files. Every file is made of the same outcomes.

mod json;
mod junit;
mod text;

pub use json::result;
pub use junit::junit;
pub use text::{Terminal, counts, summary};
