//! Fuzz targets: each takes any bytes at all and panics if the code that reads them breaks a promise.
//!
//! `corpus/NAME` holds the inputs that reach most of the code, `regressions/NAME` those that once found a defect. The tests
//! replay both; `cargo xtask soak fuzz` looks for more.

mod channel;
mod chunked;
mod cookie;
mod cut;
mod form;
mod head;
mod json;
mod query;
mod websocket;

/// Something to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also of its directories.
    pub name: &'static str,
    /// Panics on a broken promise.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "json", run: json::run },
    Target { name: "channel", run: channel::run },
    Target { name: "websocket", run: websocket::run },
    Target { name: "head", run: head::run },
    Target { name: "chunked", run: chunked::run },
    Target { name: "form", run: form::run },
    Target { name: "query", run: query::run },
    Target { name: "cookie", run: cookie::run },
];

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.iter().find(|target| target.name == name).copied()
    }
}
