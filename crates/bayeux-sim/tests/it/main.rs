//! The engine in a thousand simulated worlds.

mod defects;
mod pairs;
mod seeds;
