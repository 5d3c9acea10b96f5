//! The cases that are written in Rust: those that need a loop, a race or chance, and the rules for every message of a run.

mod watched;
mod whole;

use crate::case::Case;

/// All of them.
pub fn cases() -> Vec<Case> {
    [whole::cases(), watched::cases()].concat()
}
