//! A chat on a terminal, with those who have the chat page of `bayeux dev` open:
//!
//! ```sh
//! cargo run -p bayeux-client --example chat -- http://localhost:8080/bayeux Ada lobby
//! ```
#![expect(clippy::print_stdout, reason = "it is what people read")]

use std::{collections::HashSet, error::Error, io::BufRead};

use bayeux_client::{Client, Delivery, Subscription};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;

/// What somebody says, as the page sends it too.
#[derive(Deserialize, Serialize)]
struct Said {
    id: String,
    /// How many he has said before, and this.
    n: u64,
    from: String,
    name: String,
    text: String,
}

/// Who comes and goes.
#[derive(Deserialize)]
struct Presence {
    event: String,
    id: String,
    name: String,
}

struct Me {
    client: Client,
    room: String,
    id: String,
    name: String,
    said: u64,
    /// Who is here, as far as is known.
    others: HashSet<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(name)) = (args.next(), args.next()) else {
        return Err("usage: chat URL NAME [ROOM]".into());
    };
    let room = args.next().unwrap_or_else(|| "lobby".into());
    let client = Client::builder(&url).connect().await?;
    let talk = client.subscribe(&format!("/chat/{room}")).await?;
    let presence = client.subscribe(&format!("/chat/{room}/presence")).await?;
    let mut me = Me { client, room, id: format!("{:016x}", fastrand::u64(..)), name, said: 0, others: HashSet::new() };
    me.announce("hello").await?;
    println!("You are {} in #{}; Ctrl-D or Ctrl-C leaves.", me.name, me.room);
    let outcome = me.chat(talk, presence).await;
    me.announce("bye").await?;
    me.client.disconnect().await?;
    outcome
}

impl Me {
    /// Until the end of the input.
    async fn chat(&mut self, mut talk: Subscription, mut presence: Subscription) -> Result<(), Box<dyn Error>> {
        let mut states = self.client.states();
        let mut lines = lines();
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => self.say(line.trim()).await?,
                    None => return Ok(()),
                },
                Some(message) = talk.next() => match message {
                    Ok(message) => self.show(&message),
                    Err(interruption) => println!("-- {interruption}"),
                },
                Some(Ok(message)) = presence.next() => self.meet(&message).await?,
                Some(state) = states.next() => println!("-- {state}"),
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }

    async fn say(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        if text.is_empty() {
            return Ok(());
        }
        self.said += 1;
        let id = format!("{:016x}", fastrand::u64(..));
        let said = Said { id, n: self.said, from: self.id.clone(), name: self.name.clone(), text: text.into() };
        if let Err(error) = self.client.publish(&format!("/chat/{}", self.room), &said).await {
            println!("-- not sent: {error}");
        }
        Ok(())
    }

    fn show(&self, message: &Delivery) {
        // Others may send what they like to.
        if let Ok(said) = message.parse::<Said>()
            && said.from != self.id
        {
            println!("{}: {}", plain(&said.name), plain(&said.text));
        }
    }

    async fn meet(&mut self, message: &Delivery) -> Result<(), Box<dyn Error>> {
        let Ok(Presence { event, id, name }) = message.parse() else { return Ok(()) };
        if id == self.id {
            return Ok(());
        }
        let is_new = match event.as_str() {
            "hello" | "here" => self.others.insert(id),
            "bye" => {
                self.others.remove(&id);
                println!("-- {} has left", plain(&name));
                false
            }
            _ => false,
        };
        if is_new {
            println!("-- {} is here", plain(&name));
        }
        if event == "hello" {
            self.announce("here").await?;
        }
        Ok(())
    }

    async fn announce(&self, event: &str) -> Result<(), bayeux_client::Error> {
        let presence = json!({"event": event, "id": self.id, "name": self.name, "transport": null, "said": self.said});
        self.client.publish(&format!("/chat/{}/presence", self.room), &presence).await
    }
}

/// What others send must not steer the terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

/// The lines of the input: nothing but a thread can wait for them.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        let _ = lines.map(|line| sender.blocking_send(line)).find(Result::is_err);
    });
    lines
}
