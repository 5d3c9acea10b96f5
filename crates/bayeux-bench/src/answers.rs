//! What a server answers, heard from it before measuring, so that the floor writes the same bytes.

use std::io;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    args::{Transport, Url},
    connection::said,
    frames,
    session::Session,
};

/// The command line of a floor.
#[derive(Clone, Debug, Args)]
pub(crate) struct Answers {
    /// The reply to a publish on [`CHANNEL`].
    #[arg(long)]
    pub(crate) publish: String,
    /// The head of the response to a poll that was held; empty when nobody polls.
    #[arg(long, default_value = "")]
    pub(crate) head: String,
    /// The reply to a connect.
    #[arg(long, default_value = "")]
    pub(crate) connect: String,
}

/// Where the answers were heard.
pub(crate) const CHANNEL: &str = "/bench/answers";

/// The answers of a server, and the bytes of a poll.
pub(crate) struct Heard {
    pub(crate) answers: Answers,
    pub(crate) poll: Vec<u8>,
}

#[derive(Deserialize)]
struct Channel<'b> {
    #[serde(borrow)]
    channel: &'b RawValue,
}

/// Publishes one message to one subscriber and keeps what the server said.
pub(crate) fn hear(server: &Url, transport: Transport) -> io::Result<Heard> {
    let mut subscriber = Session::open(server, transport, Some(CHANNEL))?;
    let mut publisher = Session::open(server, Transport::Websocket, None)?;
    let id = &publisher.client_id;
    let publish = format!(r#"[{{"channel":"{CHANNEL}","data":{{}},"clientId":"{id}","id":"p"}}]"#);
    let mut frame = Vec::new();
    frames::client(frames::Kind::Text, publish.as_bytes(), &mut frame);
    io::Write::write_all(&mut publisher.stream, &frame)?;
    let publish = message_on(&publisher.read_text(CHANNEL)?, CHANNEL)?;
    let (mut head, mut connect) = (String::new(), String::new());
    if transport == Transport::LongPolling {
        let (bytes, body) = subscriber.read_response()?;
        head = String::from_utf8_lossy(&bytes).into_owned();
        connect = message_on(&body, "/meta/connect")?;
    }
    Ok(Heard { answers: Answers { publish, head, connect }, poll: subscriber.connect })
}

/// The bytes of the message on `channel` in a batch.
fn message_on(body: &[u8], channel: &str) -> io::Result<String> {
    let batch: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|error| said(&format!("no batch of messages ({error})"), body))?;
    let wanted = format!("\"{channel}\"");
    let is_wanted = |message: &&&RawValue| {
        serde_json::from_str::<Channel<'_>>(message.get()).is_ok_and(|found| found.channel.get() == wanted)
    };
    match batch.iter().find(is_wanted) {
        Some(message) => Ok(message.get().to_owned()),
        None => Err(said(&format!("no message on {channel}"), body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_by_its_channel_byte_for_byte() {
        let body = br#"[{"data":{"channel":"/a"},"channel":"/b"}, { "channel" : "/a", "x":[1, 2] }]"#;
        assert_eq!(message_on(body, "/a").expect("there"), r#"{ "channel" : "/a", "x":[1, 2] }"#);
        assert!(message_on(body, "/c").is_err());
        assert!(message_on(b"<html>", "/a").is_err());
    }
}
