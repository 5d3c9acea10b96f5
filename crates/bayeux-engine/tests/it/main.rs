//! What the engine decides, clause by clause, in virtual time.

mod advice;
mod binding;
mod connect;
mod delivery;
mod handshake;
mod limits;
mod model;
mod stress;
mod subscribe;
mod transfer;
mod world;
