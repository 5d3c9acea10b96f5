//! The bytes that scripted clients send, and what they read of the server's.

use bayeux_engine::HEADROOM;
use serde_json::Value;

/// A message of a client, to be written into a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Unique in a run, so that a reply is told by its id.
    pub(crate) id: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Handshake,
    /// With the timeout that it asks for, in milliseconds.
    Connect(Option<u64>),
    Subscribe(Vec<&'static str>),
    Unsubscribe(&'static str),
    /// The message's number and how many bytes of padding it carries.
    Publish(&'static str, u64, usize),
    Disconnect,
}

/// Encodes a batch of one session.
pub(crate) fn encode(session: Option<&str>, batch: &[Request]) -> String {
    let client = session.map_or_else(String::new, |id| format!(r#","clientId":"{id}""#));
    let messages: Vec<String> = batch.iter().map(|request| message(&client, request)).collect();
    format!("[{}]", messages.join(","))
}

fn message(client: &str, request: &Request) -> String {
    let id = request.id;
    match &request.kind {
        Kind::Handshake => format!(
            r#"{{"channel":"/meta/handshake","id":{id},"version":"1.0","supportedConnectionTypes":["websocket","long-polling"]}}"#
        ),
        Kind::Connect(timeout) => {
            let advice = timeout.map_or_else(String::new, |timeout| format!(r#","advice":{{"timeout":{timeout}}}"#));
            format!(r#"{{"channel":"/meta/connect","id":{id}{client},"connectionType":"long-polling"{advice}}}"#)
        }
        Kind::Subscribe(patterns) => {
            format!(r#"{{"channel":"/meta/subscribe","id":{id}{client},"subscription":{patterns:?}}}"#)
        }
        Kind::Unsubscribe(pattern) => {
            format!(r#"{{"channel":"/meta/unsubscribe","id":{id}{client},"subscription":"{pattern}"}}"#)
        }
        Kind::Publish(channel, number, padding) => {
            let padding = "x".repeat(*padding);
            format!(r#"{{"channel":"{channel}","id":{id}{client},"data":{{"m":{number},"pad":"{padding}"}}}}"#)
        }
        Kind::Disconnect => format!(r#"{{"channel":"/meta/disconnect","id":{id}{client}}}"#),
    }
}

/// A message of the server, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Event(u64),
    Reply(Reply),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    /// It answers a handshake.
    pub(crate) handshake: bool,
    pub(crate) successful: bool,
    pub(crate) client_id: Option<String>,
    /// The number in front of the error's text.
    pub(crate) error: Option<String>,
    pub(crate) advice: Option<Advice>,
}

impl Reply {
    pub(crate) fn is_unknown_session(&self) -> bool {
        self.error.as_deref().is_some_and(|error| error.starts_with("402:"))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) reconnect: String,
    pub(crate) interval: u64,
}

/// Reads a frame of the engine. What is not as it must be is said in words.
pub(crate) fn parse(frame: &[u8]) -> Result<Vec<Incoming>, String> {
    let messages: Vec<Value> = serde_json::from_slice(&frame[HEADROOM..]).map_err(|error| error.to_string())?;
    messages.iter().map(incoming).collect()
}

fn incoming(message: &Value) -> Result<Incoming, String> {
    if let Some(data) = message.get("data") {
        let number = data["m"].as_u64().ok_or_else(|| format!("data is not what was published: {data}"))?;
        let fields: Vec<&String> = message.as_object().map(|fields| fields.keys().collect()).unwrap_or_default();
        if fields != ["channel", "data"] {
            return Err(format!("an event has the fields {fields:?}"));
        }
        return Ok(Incoming::Event(number));
    }
    let id = message["id"].as_u64().ok_or_else(|| format!("a reply without its id: {message}"))?;
    let successful = message["successful"].as_bool().ok_or_else(|| format!("neither successful nor not: {message}"))?;
    let text = |name: &str| message[name].as_str().map(str::to_owned);
    let advice = match message.get("advice") {
        None => None,
        Some(advice) => Some(whole(advice).ok_or_else(|| format!("advice is not whole: {message}"))?),
    };
    let connect = message["channel"] == "/meta/connect";
    if connect && advice.is_none() {
        return Err(format!("a connect reply without advice: {message}"));
    }
    let handshake = message["channel"] == "/meta/handshake";
    Ok(Incoming::Reply(Reply { id, handshake, successful, client_id: text("clientId"), error: text("error"), advice }))
}

/// Stock clients keep what they last got, so what is left out would be forgotten.
fn whole(advice: &Value) -> Option<Advice> {
    advice["timeout"].as_u64()?;
    Some(Advice { reconnect: advice["reconnect"].as_str()?.to_owned(), interval: advice["interval"].as_u64()? })
}
