//! The program `bayeux-conformance`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bayeux_conformance::cli::main(std::env::args_os())
}
