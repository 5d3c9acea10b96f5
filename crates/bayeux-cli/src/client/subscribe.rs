//! `bayeux sub`: prints what comes on some channels, until there is enough or Ctrl-C.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

use actix_rt::time::timeout;
use bayeux_client::{Client, Delivery, Error, Interruption};
use tokio::sync::mpsc;

use super::{FAILED, connect, failed, say};
use crate::args::client::Sub;

/// Messages of all channels that wait to be printed. Behind them the subscriptions wait, and behind those the server.
const WAITING: usize = 64;

type Next = Result<Delivery, Interruption>;

/// Runs it.
pub(crate) async fn subscribe(sub: &Sub) -> ExitCode {
    let client = tokio::select! {
        client = connect(&sub.connection) => client,
        _ = actix_rt::signal::ctrl_c() => return ExitCode::SUCCESS,
    };
    let client = match client {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let code = tokio::select! {
        outcome = print(&client, sub) => outcome.unwrap_or_else(|error| failed(&error)),
        // Whoever waited for this many has seen fewer, and knows why.
        _ = actix_rt::signal::ctrl_c() => ExitCode::SUCCESS,
    };
    // The server would find out by itself.
    let _ = client.disconnect().await;
    code
}

async fn print(client: &Client, sub: &Sub) -> Result<ExitCode, Error> {
    let (sender, mut messages) = mpsc::channel::<Next>(WAITING);
    for channel in &sub.channels {
        let mut subscription = client.subscribe(channel).await?;
        let sender = sender.clone();
        actix_rt::spawn(async move {
            while let Some(next) = subscription.next().await {
                if sender.send(next).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let is_terminal = std::io::stdout().is_terminal();
    if is_terminal {
        say(&format_args!("subscribed to {}; Ctrl-C ends it", sub.channels.join(", ")));
    }
    let mut seen = 0;
    while sub.count.is_none_or(|count| seen < count) {
        let next = match sub.wait {
            Some(wait) => match timeout(wait, messages.recv()).await {
                Ok(next) => next,
                Err(_) => {
                    say(&format_args!("nothing came for {} s", wait.as_secs_f64()));
                    return Ok(ExitCode::from(FAILED));
                }
            },
            None => messages.recv().await,
        };
        match next {
            Some(Ok(delivery)) => {
                seen += 1;
                if write(&delivery, is_terminal).is_err() {
                    // Nobody reads any more, as behind `head`.
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Some(Err(interruption)) => {
                say(&interruption);
                if interruption.is_end() {
                    return Ok(ExitCode::from(FAILED));
                }
            }
            None => return Ok(ExitCode::from(FAILED)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line: for people, or an object for programs.
fn write(delivery: &Delivery, is_terminal: bool) -> std::io::Result<()> {
    let (channel, data) = (delivery.channel.as_str(), delivery.data.as_str());
    let mut out = std::io::stdout().lock();
    if is_terminal {
        // What a publisher sends must not steer the terminal; in JSON only DEL and the C1 controls can stand unescaped.
        let data: String = data.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        writeln!(out, "{channel}  {data}")?;
    } else {
        // A channel has no character that JSON would escape.
        writeln!(out, r#"{{"channel":"{channel}","data":{data}}}"#)?;
    }
    out.flush()
}
