//! The codec and the channels: rule by rule, and against naive models.

mod channel;
mod decode;
mod message;
mod vectors;
