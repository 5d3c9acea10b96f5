//! The binary as a whole: what it says, what it costs, what it keeps to itself, and how it ends.

mod binary;
#[allow(dead_code)] // The client of the server's own tests: not all of it is of use here.
#[path = "../../../bayeux-server/tests/it/client.rs"]
mod client;
mod clients;
mod command_line;
mod descriptors;
mod memory;
mod secrets;
mod shutdown;

/// What the client connects to.
mod server {
    pub(crate) use crate::binary::Binary as Server;
}
