//! One file for each thing a client may ask for: the checks in the order of the specification, then the reply.

mod connect;
mod disconnect;
mod handshake;
pub(crate) mod publish;
mod subscribe;
