//! What a run tells: text for the terminal, and files. Every file is made of the same outcomes.

mod html;
mod json;
mod junit;
mod markdown;
mod text;

pub use html::html;
pub use json::result;
pub use junit::junit;
pub use markdown::markdown;
pub use text::{Terminal, counts, summary};
