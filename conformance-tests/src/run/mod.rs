//! Runs cases: the steps of one (`script`, `judge`), and all that were chosen, side by side (`suite`).

mod judge;
mod script;
mod streams;
mod suite;
#[cfg(test)]
mod tests;

pub(crate) use script::alive;
pub(crate) use suite::like;
pub use suite::{Choice, Instance, Outcome, Progress, Ran, Subject, Suite, run};
