//! `bayeux pub`: publishes one value, or each line of standard input.

use std::{
    io::{BufRead, IsTerminal},
    process::ExitCode,
    time::{Duration, Instant},
};

use bayeux_client::{Client, Error, Json};
use tokio::sync::mpsc;

use super::{FAILED, connect, failed, say};
use crate::args::client::Pub;

/// Nesting that is published; servers take no more.
const MAX_DEPTH: usize = 128;
/// Lines that are published together, and as many that are read ahead.
const BATCH: usize = 100;

/// How often somebody who watches is told how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

/// Runs it.
pub(crate) async fn publish(publish: &Pub) -> ExitCode {
    let value = match publish.json.as_str() {
        "-" => None,
        text => match parse(text) {
            Ok(value) => Some(value),
            Err(what) => {
                say(&what);
                return ExitCode::from(2);
            }
        },
    };
    let client = match connect(&publish.connection).await {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let code = tokio::select! {
        outcome = send(&client, &publish.channel, value) => outcome.unwrap_or_else(|error| failed(&error)),
        _ = actix_rt::signal::ctrl_c() => {
            say(&"interrupted");
            ExitCode::from(FAILED)
        }
    };
    // The server would find out by itself.
    let _ = client.disconnect().await;
    code
}

fn parse(text: &str) -> Result<Json, String> {
    Json::parse(text.trim().as_bytes(), MAX_DEPTH).map_err(|error| format!("{text:?} is no JSON: {error}"))
}

async fn send(client: &Client, channel: &str, value: Option<Json>) -> Result<ExitCode, Error> {
    match value {
        Some(value) => client.publish_json(channel, value).await.map(|()| ExitCode::SUCCESS),
        None => send_lines(client, channel).await,
    }
}

/// In their order, and as they come: what has been read so far goes together.
async fn send_lines(client: &Client, channel: &str) -> Result<ExitCode, Error> {
    let (sender, mut lines) = mpsc::channel(BATCH);
    // A thread, since nothing else can wait for standard input; it ends with the process.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let is_watched = std::io::stderr().is_terminal() && !std::io::stdin().is_terminal();
    let mut told = Instant::now();
    let (mut number, mut refused) = (0_u64, 0_u64);
    let mut batch = Vec::with_capacity(BATCH);
    while lines.recv_many(&mut batch, BATCH).await > 0 {
        let mut values = Vec::with_capacity(batch.len());
        for line in batch.drain(..) {
            number += 1;
            match line.map_err(|error| error.to_string()).and_then(|line| parse(&line)) {
                Ok(value) => values.push((channel, value)),
                Err(what) => {
                    say(&format_args!("line {number}: {what}"));
                    refused += 1;
                }
            }
        }
        for outcome in client.publish_batch(values).await? {
            if let Err(error) = outcome {
                say(&error);
                refused += 1;
            }
        }
        if is_watched && told.elapsed() >= PROGRESS {
            say(&format_args!("{number} lines"));
            told = Instant::now();
        }
    }
    if refused > 0 {
        say(&format_args!("{refused} of {number} lines were not published"));
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
