//! The mounted server over real sockets: a client of our own that writes exactly what a test says.

mod client;
mod cross_site;
mod http;
mod moving;
mod server;
mod shutdown;
mod websocket;
