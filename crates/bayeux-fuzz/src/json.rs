//! The codec of batches, with serde_json as the second opinion.

use bayeux_protocol::{DecodeError, DecodeLimits, Json, Message, MessageId, decode_batch, encode_batch};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// Small enough that short inputs reach them.
const SMALL: DecodeLimits = DecodeLimits { max_bytes: 256, max_messages: 3, max_depth: 4 };
/// What is encoded again may be longer than it came: a number of an advice is written out.
const AMPLE: DecodeLimits = DecodeLimits { max_bytes: usize::MAX, max_messages: 1024, max_depth: 32 };

pub(crate) fn run(input: &[u8]) {
    let decoded = decode_batch(input, &DecodeLimits::default());
    match &decoded {
        Ok(batch) => accepted(input, batch),
        Err(error) => refused(input, error),
    }
    if let Ok(batch) = decode_batch(input, &SMALL) {
        assert!(input.len() <= SMALL.max_bytes && batch.len() <= SMALL.max_messages);
        assert_eq!(decoded.as_ref(), Ok(&batch), "what small limits allow, larger ones do");
        for value in parse(input).iter().flat_map(|value| objects(value).expect("a batch")) {
            assert!(value.values().map(depth).max().unwrap_or(0) < SMALL.max_depth);
        }
    }
}

fn accepted(input: &[u8], batch: &[Message]) {
    assert!(std::str::from_utf8(input).is_ok());
    if let Some(value) = parse(input) {
        let objects = objects(&value).expect("what is accepted is a message, or an array of some");
        assert_eq!(objects.len(), batch.len());
        for (message, object) in batch.iter().zip(objects) {
            same(message, object);
        }
    }
    let encoded = encode_batch(batch);
    let again = decode_batch(&encoded, &AMPLE).expect("what was encoded is accepted");
    let whole = |batch: &[Message]| batch.iter().cloned().map(|it| Message { fault: None, ..it }).collect::<Vec<_>>();
    assert_eq!(whole(&again), whole(batch));
    assert_eq!(encode_batch(&again), encoded);
}

/// A refusal that is about JSON itself is shared by the second opinion.
fn refused(input: &[u8], error: &DecodeError) {
    use DecodeError::{
        ControlByte, InvalidUtf8, LoneSurrogate, NotABatch, NotAMessage, Syntax, Trailing, UnexpectedEnd,
    };
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
    match error {
        InvalidUtf8 { .. }
        | ControlByte { .. }
        | LoneSurrogate { .. }
        | Syntax { .. }
        | Trailing { .. }
        | UnexpectedEnd { .. } => panic!("refused what is JSON: {error}"),
        NotABatch { .. } | NotAMessage { .. } => assert!(objects(&value).is_none(), "refused a batch: {error}"),
        _ => {}
    }
}

/// The second opinion; none if it can't hold a number, which is near the largest double and rounded with less care.
fn parse(input: &[u8]) -> Option<Value> {
    match serde_json::from_slice(input) {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.to_string().starts_with("number out of range"), "accepted what is no JSON: {error}");
            serde_json::from_slice::<IgnoredAny>(input).expect("but for the number, it is JSON");
            None
        }
    }
}

fn objects(batch: &Value) -> Option<Vec<&Map<String, Value>>> {
    match batch {
        Value::Array(messages) => messages.iter().map(Value::as_object).collect(),
        other => other.as_object().map(|message| vec![message]),
    }
}

fn same(message: &Message, object: &Map<String, Value>) {
    for (field, ours) in [
        ("channel", &message.channel),
        ("clientId", &message.client_id),
        ("version", &message.version),
        ("minimumVersion", &message.minimum_version),
        ("error", &message.error),
        ("timestamp", &message.timestamp),
    ] {
        assert_eq!(ours.as_deref(), object.get(field).and_then(Value::as_str), "{field}");
    }
    for (field, ours) in [("successful", message.successful), ("authSuccessful", message.auth_successful)] {
        assert_eq!(ours, object.get(field).and_then(Value::as_bool), "{field}");
    }
    match &message.id {
        Some(MessageId::Text(text)) => assert_eq!(object["id"].as_str(), Some(&**text)),
        Some(MessageId::Number(text)) => {
            assert_eq!(serde_json::from_str::<Value>(text).ok(), Some(object["id"].clone()))
        }
        None => {}
    }
    compact(message.data.as_ref(), object.get("data"));
    compact(message.ext.as_ref(), object.get("ext").filter(|ext| ext.is_object()));
}

/// Equal JSON, without a blank outside of its strings.
fn compact(ours: Option<&Json>, theirs: Option<&Value>) {
    let Some(json) = ours else {
        assert_eq!(theirs, None);
        return;
    };
    assert_eq!(json.to::<Value>().ok().as_ref(), theirs);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.as_bytes() {
        assert!(in_string || !byte.is_ascii_whitespace(), "a blank in {}", json.as_str());
        in_string ^= *byte == b'"' && !escaped;
        escaped = in_string && *byte == b'\\' && !escaped;
    }
    assert_eq!(Json::parse(json.as_bytes(), 32).as_ref(), Ok(json), "it is compact already");
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
