//! What only the front of our own can do: deadlines, strict framing, the application beside it, a cap, TLS.

mod application;
mod deadlines;
mod framing;
mod hostile;
mod looks;
mod tls;
