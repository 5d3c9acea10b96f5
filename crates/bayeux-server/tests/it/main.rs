//! The server over real sockets: a client of our own that writes exactly what a test says. What is in `both` runs under
//! either front.

#![allow(clippy::duplicate_mod)] // The same tests under either front are the point.

mod client;
mod front;
mod hostile;
mod server;
mod transport;

macro_rules! under {
    ($name:ident, $front:expr) => {
        #[path = "both"]
        mod $name {
            const FRONT: crate::server::Front = $front;

            mod closing;
            mod cross_site;
            mod delivering;
            mod hijack;
            mod hostile;
            mod http;
            mod moving;
            mod origins;
            mod pausing;
            mod proxies;
            mod scripts;
            mod shutdown;
            mod streams;
            mod websocket;
        }
    };
}

under!(mounted, crate::server::Front::Mounted);
under!(own, crate::server::Front::Own);
