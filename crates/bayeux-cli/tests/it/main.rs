//! The binary as a whole: what it says, and how it ends.

mod binary;
mod command_line;
mod shutdown;
