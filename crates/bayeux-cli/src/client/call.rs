//! `bayeux call`: calls a service, and prints its answer.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

use bayeux_client::{Client, Error};
use serde_json::Value;

use super::{FAILED, connect, failed, say};
use crate::args::client::Call;

/// Runs it.
pub(crate) async fn call(call: &Call) -> ExitCode {
    let value: Value = match serde_json::from_str(&call.json) {
        Ok(value) => value,
        Err(error) => {
            say(&format_args!("{:?} is no JSON: {error}", call.json));
            return ExitCode::from(2);
        }
    };
    let client = match connect(&call.connection).await {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let code = tokio::select! {
        outcome = ask(&client, &call.channel, &value) => outcome.unwrap_or_else(|error| failed(&error)),
        _ = actix_rt::signal::ctrl_c() => {
            say(&"interrupted");
            ExitCode::from(FAILED)
        }
    };
    // The server would find out by itself.
    let _ = client.disconnect().await;
    code
}

async fn ask(client: &Client, channel: &str, value: &Value) -> Result<ExitCode, Error> {
    let answer: Value = client.call(channel, value).await?;
    let mut out = std::io::stdout().lock();
    // Within JSON only DEL and the C1 controls can stand unescaped; what a service sends must not steer the terminal.
    let text = if out.is_terminal() { format!("{answer:#}").replace(steers, "\u{fffd}") } else { answer.to_string() };
    // Nobody may read any more.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    Ok(ExitCode::SUCCESS)
}

fn steers(character: char) -> bool {
    character.is_control() && character != '\n'
}
