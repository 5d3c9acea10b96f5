//! From bytes to messages and back. Both clients and the server use this one codec.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod scan;
