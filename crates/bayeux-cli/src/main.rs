//! The binary `bayeux`: `serve` for production, `dev` to look around, `sub` and `pub` as clients. Without a command it is `dev`.

mod args;
mod chat;
mod client;
mod logs;
mod purge;
mod server;
mod units;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::Parser;

use args::{Cli, Command};

/// Gives memory back to the system after a burst, and is faster at what a server does all day.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            report(&args::sentence(&error));
            return ExitCode::from(2);
        }
        // Help or version.
        Err(error) => error.exit(),
    };
    let outcome = match cli.command {
        Some(Command::Serve(serve)) => server::serve(&serve).await,
        Some(Command::Dev(dev)) => server::dev(&dev).await,
        Some(Command::Sub(sub)) => return client::subscribe(&sub).await,
        Some(Command::Call(call)) => return client::call(&call).await,
        Some(Command::Pub(publish)) => return client::publish(&publish).await,
        Some(Command::Limits) => {
            // Whether anybody reads it is not our concern.
            let _ = std::io::stdout().write_all(bayeux_server::limits::markdown().as_bytes());
            Ok(())
        }
        Some(Command::Conformance { args }) => return conformance(args),
        None => server::dev(&cli.dev).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(2)
        }
    }
}

/// The suite has a runtime of its own, so it has a thread of its own.
fn conformance(args: Vec<OsString>) -> ExitCode {
    let args = std::iter::once(OsString::from("bayeux conformance")).chain(args);
    match std::thread::spawn(|| bayeux_conformance::cli::main(args)).join() {
        Ok(code) => code,
        Err(_) => ExitCode::from(2),
    }
}

/// What went wrong belongs on the terminal, whatever the log is set to.
fn report(error: &impl std::fmt::Display) {
    // Not `eprintln`: there may be nobody left to tell.
    let _ = writeln!(std::io::stderr(), "bayeux: {error}");
}
