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

/// Reads a message or an array of them.
pub(crate) fn read_batch(world: &World, text: &[u8]) -> Result<Vec<Message>, Malformed> {
    let value = serde_json::from_slice(text).map_err(|error| {
        if error.to_string().starts_with("recursion limit") { Malformed::Depth } else { Malformed::Json }
    })?;
    let items = match value {
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
    let mut batch: Vec<_> = items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect();
    if world.has(Defect::BatchCut) {
        batch.truncate(64);
    }
    if world.has(Defect::BatchReversed) {
        batch.reverse();
    }
    Ok(batch)
}

/// The string of this member.
pub(crate) fn text<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.get(name).and_then(Value::as_str)
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
    if let Some(channel) = request.get("channel") {
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
