//! Listens to events of Salesforce, and goes on where it was the last time:
//!
//! ```sh
//! export SALESFORCE_URL=https://example.my.salesforce.com/cometd/60.0
//! export SALESFORCE_TOKEN_COMMAND='sf org display --json | jq -r .result.accessToken'
//! cargo run -p bayeux-client --example salesforce -- /event/Order__e
//! ```
//!
//! Without `SALESFORCE_URL` it talks to a server in this program (`org.rs`), which behaves as Salesforce documents it: it forgets
//! sessions and revokes tokens while it publishes.
//!
//! Each event is a line of JSON on standard output. The number of the last one is kept in `replay.json`, or the file that
//! `SALESFORCE_REPLAY` names.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is what people read")]

mod org;

use std::{error::Error, process::Command, time::Duration};

use bayeux_client::{Client, Delivery, FileStore, Interruption, Replay, ReplayFrom, Token, Transports};
use serde::Deserialize;
use serde_json::Value;

use org::Org;

/// What a platform event looks like.
#[derive(Deserialize)]
struct Event {
    payload: Value,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let channel = std::env::args().nth(1).unwrap_or_else(|| "/event/Order__e".into());
    match std::env::var("SALESFORCE_URL") {
        Ok(url) => {
            let command = std::env::var("SALESFORCE_TOKEN_COMMAND")
                .map_err(|_| "SALESFORCE_TOKEN_COMMAND should name a command that prints a token")?;
            listen(&url, &channel, move || token(command.clone())).await
        }
        Err(_) => {
            let org = Org::start()?;
            eprintln!("SALESFORCE_URL is not set: this is the server in this program");
            let publishing = actix_web::rt::spawn(publish(org.clone(), channel.clone()));
            let tokens = org.clone();
            let outcome = listen(&org.url(), &channel, move || std::future::ready(Ok(tokens.token()))).await;
            publishing.abort();
            outcome
        }
    }
}

async fn listen<S, F>(url: &str, channel: &str, tokens: S) -> Result<(), Box<dyn Error>>
where
    S: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Token, std::io::Error>> + Send + 'static,
{
    let file = std::env::var("SALESFORCE_REPLAY").unwrap_or_else(|_| "replay.json".into());
    let client = Client::builder(url)
        // It has nothing else.
        .transports(Transports::LongPolling)
        .token(tokens)
        .extension(Replay::new(FileStore::open(file)?).otherwise(ReplayFrom::Oldest))
        .connect()
        .await?;
    let mut events = client.subscribe(channel).await?;
    let mut states = client.states();
    eprintln!("listening to {channel}; Ctrl-C ends it");
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => show(&event)?,
                // What is in the queue when the program ends is not asked for again.
                Some(Err(interruption @ Interruption::NotKept)) => eprintln!("events are missing: {interruption}"),
                Some(Err(interruption)) => eprintln!("{interruption}"),
                None => return Err("the server has ended it".into()),
            },
            Some(state) = states.next() => eprintln!("{state}"),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.disconnect().await?;
    Ok(())
}

fn show(event: &Delivery) -> Result<(), Box<dyn Error>> {
    let Event { payload } = event.parse()?;
    println!("{}", serde_json::json!({"replayId": event.replay_id(), "payload": payload}));
    Ok(())
}

/// A token of the command, in a thread that may wait for it.
async fn token(command: String) -> Result<Token, std::io::Error> {
    let run = move || Command::new("sh").args(["-c", &command]).output();
    let output = tokio::task::spawn_blocking(run).await.map_err(std::io::Error::other)??;
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if token.is_empty() {
        return Err(std::io::Error::other(format!("the command gave no token: {}", output.status)));
    }
    Ok(Token::new(token))
}

/// Publishes, and makes trouble now and then.
async fn publish(org: Org, channel: String) {
    for number in 1_u64.. {
        actix_web::rt::time::sleep(Duration::from_millis(300)).await;
        org.publish(&channel, &serde_json::json!({"Number__c": number}));
        match number % 20 {
            10 => org.forget_sessions(),
            0 => org.revoke_tokens(),
            _ => {}
        }
    }
}
