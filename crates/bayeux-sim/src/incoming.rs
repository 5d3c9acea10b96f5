//! What clients read of the bytes that a server writes.

use bayeux_engine::HEADROOM;
use serde_json::{Value, json};

use crate::message::Wish;

/// What a connect that gave way to a newer one is told, in milliseconds.
const SUPERSEDED_INTERVAL: u64 = 2000;

/// A message of the server, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Event(u64),
    Reply(Reply),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    /// It answers a handshake, and grants this.
    pub(crate) handshake: Option<Wish>,
    /// It answers a connect.
    pub(crate) connect: bool,
    pub(crate) successful: bool,
    pub(crate) client_id: Option<String>,
    /// The number in front of the error's text.
    pub(crate) error: Option<String>,
    pub(crate) advice: Option<Advice>,
    /// Its number.
    pub(crate) ack: Option<u64>,
    /// How many deliveries are missing.
    pub(crate) missing: Option<u64>,
}

impl Reply {
    pub(crate) fn is_unknown_session(&self) -> bool {
        self.error.as_deref().is_some_and(|error| error.starts_with("402:"))
    }

    /// Whether it says that a newer connect has taken over.
    pub(crate) fn is_superseded(&self) -> bool {
        let superseded = |advice: &Advice| {
            advice.interval == SUPERSEDED_INTERVAL
                && !advice.crowded
                && advice.timeout > 0
                && advice.reconnect == "retry"
        };
        self.connect && self.successful && self.advice.as_ref().is_some_and(superseded)
    }

    pub(crate) fn is_crowded(&self) -> bool {
        self.advice.as_ref().is_some_and(|advice| advice.crowded)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) reconnect: String,
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    /// Others of the same browser hold connects.
    pub(crate) crowded: bool,
}

/// The events among what was read.
pub(crate) fn events(messages: &[Incoming]) -> Vec<u64> {
    let number = |message: &Incoming| match message {
        Incoming::Event(number) => Some(*number),
        Incoming::Reply(_) => None,
    };
    messages.iter().filter_map(number).collect()
}

/// The replies among what was read.
pub(crate) fn replies(messages: &[Incoming]) -> impl DoubleEndedIterator<Item = &Reply> {
    messages.iter().filter_map(|message| match message {
        Incoming::Reply(reply) => Some(reply),
        Incoming::Event(_) => None,
    })
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
    let handshake = (message["channel"] == "/meta/handshake").then(|| granted(&message["ext"])).transpose()?;
    let (ack, missing) = if connect { said(&message["ext"])? } else { (None, None) };
    let (client_id, error) = (text("clientId"), text("error"));
    Ok(Incoming::Reply(Reply { id, handshake, connect, successful, client_id, error, advice, ack, missing }))
}

/// Stock clients keep what they last got, so what is left out would be forgotten.
fn whole(advice: &Value) -> Option<Advice> {
    Some(Advice {
        reconnect: advice["reconnect"].as_str()?.to_owned(),
        interval: advice["interval"].as_u64()?,
        timeout: advice["timeout"].as_u64()?,
        crowded: advice["multiple-clients"] == true,
    })
}

/// What a handshake's reply grants.
fn granted(ext: &Value) -> Result<Wish, String> {
    match ext {
        Value::Null => Ok(Wish::Nothing),
        ext if *ext == json!({"ack": true}) => Ok(Wish::Ack),
        ext if *ext == json!({"gap": true}) => Ok(Wish::Gap),
        other => Err(format!("a handshake's reply has the ext {other}")),
    }
}

/// What a connect's reply says besides.
fn said(ext: &Value) -> Result<(Option<u64>, Option<u64>), String> {
    let (ack, missing) = (ext["ack"].as_u64(), ext["gap"]["missing"].as_u64());
    let whole = match (ack, missing) {
        (None, None) => Value::Null,
        (Some(ack), None) => json!({"ack": ack}),
        (None, Some(missing)) => json!({"gap": {"missing": missing}}),
        (Some(_), Some(_)) => return Err("a reply has a number and tells of a gap".into()),
    };
    if *ext == whole { Ok((ack, missing)) } else { Err(format!("a connect's reply has the ext {ext}")) }
}
