//! Messages as they come and go: batches are read whole or not at all, and replies are made here.

use crate::defect::Defect;
use crate::world::World;
use serde_json::{Map, Value, json};

/// A message.
pub(crate) type Message = Map<String, Value>;

/// Why a batch can't be read; nothing of it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It is no JSON.
    Json,
    /// It is nested more deeply than is read.
    Depth,
    /// It is something else than messages.
    Shape,
}

/// Where a defect keeps the first of two clientIds, and of two channels.
pub(crate) const FIRST_CLIENT_ID: &str = "first clientId";
const FIRST_CHANNEL: &str = "first channel";

/// Reads a message or an array of them.
pub(crate) fn read_batch(world: &World, text: &[u8]) -> Result<Vec<Message>, Malformed> {
    let value = serde_json::from_slice(text).or_else(|error| repaired(world, text).ok_or(error)).map_err(|error| {
        if error.to_string().starts_with("recursion limit") { Malformed::Depth } else { Malformed::Json }
    })?;
    let items = match value {
        Value::Array(items) if world.has(Defect::OddElementsSkipped) => {
            items.into_iter().filter(Value::is_object).collect()
        }
        Value::Array(items) if world.has(Defect::NestedBatchRun) => items.into_iter().flat_map(flattened).collect(),
        Value::Array(items) if !items.is_empty() => items,
        single @ Value::Object(_) => vec![single],
        _ => return Err(Malformed::Shape),
    };
    let is_message = |item: &Value| {
        item.as_object().is_some_and(|message| {
            message.get("channel").map_or_else(|| world.has(Defect::MissingChannelAccepted), Value::is_string)
        })
    };
    if !items.iter().all(is_message) {
        return Err(Malformed::Shape);
    }
    let mut batch: Vec<_> = items.into_iter().filter_map(|item| serde_json::from_value::<Message>(item).ok()).collect();
    if world.has(Defect::BatchCut) {
        batch.truncate(64);
    }
    if world.has(Defect::BatchReversed) {
        batch.reverse();
    }
    if let [only] = batch.as_mut_slice()
        && world.has(Defect::FirstFieldChecked)
    {
        let text = String::from_utf8_lossy(text);
        only.extend(first(&text, "channel").map(|value| (FIRST_CHANNEL.to_owned(), value)));
        only.extend(first(&text, "clientId").map(|value| (FIRST_CLIENT_ID.to_owned(), value)));
    }
    Ok(batch)
}

/// What can be read in front of what is broken, for a defect.
pub(crate) fn read_beginning(text: &[u8]) -> Vec<Message> {
    let mut batch = Vec::new();
    let mut rest = text.trim_ascii_start().strip_prefix(b"[").unwrap_or_default();
    loop {
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Message>();
        let Some(Ok(message)) = values.next() else { return batch };
        batch.push(message);
        rest = rest[values.byte_offset()..].trim_ascii_start().strip_prefix(b",").unwrap_or_default();
    }
}

/// The first string under this name, as the suite writes it.
fn first(text: &str, name: &str) -> Option<Value> {
    let (_, rest) = text.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next().map(Value::from)
}

fn flattened(item: Value) -> Vec<Value> {
    match item {
        Value::Array(items) => items,
        other => vec![other],
    }
}

/// What a lenient reader of JSON makes of what is none.
fn repaired(world: &World, text: &[u8]) -> Option<Value> {
    let text = str::from_utf8(text).ok()?;
    let text = if world.has(Defect::HalfCharacterReplaced) {
        text.replace("\\ud83d", "\\ufffd").replace("\\ude00", "\\ufffd")
    } else if world.has(Defect::HugeNumberNull) {
        without_infinities(text)
    } else {
        return None;
    };
    serde_json::from_str(&text).ok()
}

/// With null in the place of what is infinite as a double.
fn without_infinities(text: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.');
    let mut result = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        let (word, others) = rest.split_at(end);
        let infinite = word.starts_with(|letter: char| letter == '-' || letter.is_ascii_digit())
            && word.parse().is_ok_and(f64::is_infinite);
        result.push_str(if infinite { "null" } else { word });
        let mark = others.chars().next().map_or(0, char::len_utf8);
        result.push_str(&others[..mark]);
        rest = &others[mark..];
    }
    result
}

/// The string of this member.
pub(crate) fn text<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.get(name).and_then(Value::as_str)
}

/// Whether its id is of a type that some server may choke on.
pub(crate) fn has_odd_id(message: &Message) -> bool {
    message.get("id").is_some_and(|id| id.is_object() || id.is_array())
}

/// The channel of a message.
pub(crate) fn channel(message: &Message) -> &str {
    text(message, "channel").unwrap_or_default()
}

/// A reply that succeeds.
pub(crate) fn success(world: &World, request: &Message) -> Message {
    reply(world, request, true)
}

/// A reply that fails, with `code:arguments:text`.
pub(crate) fn failure(world: &World, request: &Message, error: &str) -> Message {
    let mut message = reply(world, request, false);
    if world.has(Defect::RefusalEchoes) {
        let echo = text(request, "subscription").unwrap_or_else(|| channel(request)).repeat(4);
        message.insert("error".into(), format!("{error} {echo}").into());
    } else if !world.has(Defect::RefusalWithoutError) {
        message.insert("error".into(), error.into());
    }
    message
}

/// The reply to whoever names no session that is known, with the advice to shake hands.
pub(crate) fn unknown(world: &World, request: &Message) -> Message {
    let accepted = match channel(request) {
        "/meta/connect" => world.has(Defect::UnknownConnectAccepted),
        "/meta/disconnect" => world.has(Defect::UnknownDisconnectAccepted),
        "/meta/subscribe" | "/meta/unsubscribe" => world.has(Defect::UnknownSubscriberAccepted),
        _ => false,
    };
    if accepted {
        return success(world, request);
    }
    let mut message = failure(world, request, "402::Unknown client");
    if !world.has(Defect::UnknownWithoutAdvice) {
        message.insert("advice".into(), json!({"reconnect": "handshake", "interval": 0}));
    }
    message
}

fn reply(world: &World, request: &Message, successful: bool) -> Message {
    let mut message = Message::new();
    if let Some(channel) = request.get(FIRST_CHANNEL).or_else(|| request.get("channel")) {
        message.insert("channel".into(), channel.clone());
    }
    message.insert("successful".into(), successful.into());
    if let Some(id) = request.get("id").filter(|id| keeps_id(world, id)) {
        let as_text = world.has(Defect::NumericIdAsText) && id.is_number();
        message.insert("id".into(), if as_text { id.to_string().into() } else { id.clone() });
    }
    message
}

fn keeps_id(world: &World, id: &Value) -> bool {
    let dropped = world.has(Defect::ReplyWithoutId) || (world.has(Defect::IdZeroDropped) && *id == json!(0));
    !dropped
}
