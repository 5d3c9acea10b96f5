//! A black-box conformance suite for implementations of Bayeux 1.0.
//!
//! It judges a server or a client by what goes over the wire, case by case, each about a numbered clause of the protocol
//! specification. It shares no code with the implementations that it judges: JSON, HTTP and WebSocket are its own, so that what it
//! sends may be malformed on purpose and nothing of what comes is repaired or hidden.
//!
//! In reading order: [`case`] (what a case is), [`run`] (how cases are run and judged), [`peer`] (a simulated client), [`scene`]
//! (the world of one case), [`probe`] (what a server can do), [`stage`] (the suite as a server, for clients), [`report`] (what is
//! told), and the bytes in [`wire`] and [`json`].

pub mod budget;
pub mod builtin;
pub mod case;
pub mod cli;
pub mod expected;
pub mod json;
mod login;
pub mod observer;
pub mod pattern;
pub mod peer;
pub mod probe;
pub mod report;
pub mod run;
pub mod scene;
pub mod spec;
pub mod stage;
pub mod target;
#[cfg(test)]
mod testing;
pub mod transcript;
pub mod verdict;
pub mod wire;
