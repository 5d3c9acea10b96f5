//! The binary `bayeux`: `serve` for production, `dev` to look around. Without a command it is `dev`.

mod args;
mod chat;
mod logs;
mod server;
mod units;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

#[actix_web::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Serve(serve)) => server::serve(&serve).await,
        Some(Command::Dev(dev)) => server::dev(&dev).await,
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

#[allow(clippy::print_stderr)] // What went wrong belongs on the terminal, whatever the log is set to.
fn report(error: &server::Failure) {
    eprintln!("bayeux: {error}");
}
