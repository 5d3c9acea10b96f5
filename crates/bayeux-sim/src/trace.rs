//! `Trace`: what happened in a run, line by line: hashed always, kept only when somebody wants to read it.

use std::{
    fmt::{self, Write},
    hash::{DefaultHasher, Hasher},
};

use bayeux_engine::Time;

/// The lines of one run.
pub(crate) struct Trace {
    hasher: DefaultHasher,
    line: String,
    kept: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(keep: bool) -> Self {
        Self { hasher: DefaultHasher::new(), line: String::new(), kept: keep.then(Vec::new) }
    }

    pub(crate) fn line(&mut self, now: Time, what: fmt::Arguments<'_>) {
        self.line.clear();
        write!(self.line, "{:>7} {what}", now.as_millis()).expect("a string takes whatever is written");
        self.hasher.write(self.line.as_bytes());
        self.hasher.write_u8(b'\n');
        if let Some(kept) = &mut self.kept {
            kept.push(self.line.clone());
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.kept.unwrap_or_default()
    }
}
