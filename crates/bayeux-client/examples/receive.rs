//! The Rust side of `bayeux-bench clients`, which starts it:
//!
//! - `receive URL CHANNEL TRANSPORT` subscribes, writes a line, then a `.` for each hundred messages. Each has its number as `s`; if
//!   one is missing or out of order, it ends with an error.
//! - `receive URL CHANNEL TRANSPORT SESSIONS` does that with so many clients in one thread, and a `.` for each message that all have.
//!
//! It ends with its input.
#![expect(clippy::print_stdout, reason = "it is what the bench reads")]

use std::{
    error::Error,
    io::{Write, stdout},
};

use bayeux_client::{Client, Subscription, Transports};
use serde::Deserialize;
use tokio::task::JoinSet;

const MESSAGES: u64 = 100;
/// Clients that connect at a time: a server's queue of connections is no longer than a few hundred.
const AT_A_TIME: usize = 100;

#[derive(Deserialize)]
struct Numbered {
    s: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(url), Some(channel), Some(transport)) = (args.first(), args.get(1), args.get(2)) else {
        return Err("usage: receive URL CHANNEL TRANSPORT [SESSIONS]".into());
    };
    let transports = match transport.as_str() {
        "websocket" => Transports::WebSocketFirst,
        "long-polling" => Transports::LongPolling,
        "eventsource" => Transports::EventSource,
        "xhr-streaming" => Transports::XhrStreaming,
        other => return Err(format!("there is no transport {other:?}").into()),
    };
    let sessions = args.get(3).map(|sessions| sessions.parse()).transpose()?;
    let mut subscriptions = open(url, channel, transports, sessions.unwrap_or(1)).await?;
    std::thread::spawn(|| {
        // It ends with its input, however that ends.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    println!("ready");
    let messages = if sessions.is_some() { 1 } else { MESSAGES };
    for first in (0..).step_by(messages as usize) {
        for subscription in &mut subscriptions {
            for number in first..first + messages {
                read(subscription, number).await?;
            }
        }
        stdout().write_all(b".")?;
        stdout().flush()?;
    }
    Ok(())
}

async fn open(
    url: &str,
    channel: &str,
    transports: Transports,
    sessions: usize,
) -> Result<Vec<Subscription>, Box<dyn Error>> {
    let mut subscriptions = Vec::with_capacity(sessions);
    let mut opening = JoinSet::new();
    for _ in 0..sessions {
        if opening.len() == AT_A_TIME
            && let Some(opened) = opening.join_next().await
        {
            subscriptions.push(opened??);
        }
        let (url, channel) = (url.to_owned(), channel.to_owned());
        opening.spawn(async move {
            let client = Client::builder(&url).transports(transports).connect().await?;
            client.subscribe(&channel).await
        });
    }
    while let Some(opened) = opening.join_next().await {
        subscriptions.push(opened??);
    }
    Ok(subscriptions)
}

async fn read(subscription: &mut Subscription, wanted: u64) -> Result<(), Box<dyn Error>> {
    let message = subscription.next().await.ok_or("the subscription has ended")?;
    let Numbered { s } = message.map_err(|interruption| interruption.to_string())?.parse()?;
    if s == wanted { Ok(()) } else { Err(format!("message {s} came where {wanted} should have come").into()) }
}
