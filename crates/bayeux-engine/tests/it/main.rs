//! What the engine decides, clause by clause, in virtual time.

mod ack;
mod advice;
mod binding;
mod browsers;
mod connect;
mod delivery;
mod gap;
mod handshake;
mod limits;
mod model;
mod stream;
mod stress;
mod subscribe;
mod transfer;
mod world;
