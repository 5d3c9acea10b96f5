//! The test vectors of protocol-spec, all of them: what this codec does is what other implementations are told to do.

use std::{cmp::Ordering, fs, path::PathBuf};

use bayeux_protocol::{
    ChannelKind, ChannelName, ChannelPattern, ChannelRules, DecodeError, DecodeLimits, ErrorText, Grammar, Json,
    Version, Wildcard, decode_batch, encode_batch, encode_delivery_head,
};
use serde_json::{Value, json};

const FORM: &str = "a file of vectors has the form that protocol-spec/vectors/README.md describes";

fn spec() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../protocol-spec")
}

fn read(path: &str) -> Value {
    let path = spec().join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_vector_holds() {
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(spec().join("vectors")).expect(FORM) {
        let name = entry.expect(FORM).file_name().into_string().expect(FORM);
        if !name.ends_with(".json") {
            continue;
        }
        let file = read(&format!("vectors/{name}"));
        let kind = file["kind"].as_str().expect(FORM);
        for vector in file["vectors"].as_array().expect(FORM) {
            count += 1;
            if let Err(why) = holds(kind, vector) {
                failures.push(format!("{}: {why}\n  {vector}", vector["id"]));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} vectors fail:\n{}", failures.len(), failures.join("\n"));
    assert!(count > 400, "only {count} vectors were found");
}

fn holds(kind: &str, vector: &Value) -> Result<(), String> {
    match kind {
        // Run by who writes scripts and who reads streams: bayeux-server/src/http/escape.rs, conformance-tests/src/wire/framing.rs.
        "script-json" | "event-stream" | "stream-lines" | "stream-page" => Ok(()),
        "channel-name" => channel_name(vector),
        "channel-pattern" => channel_pattern(vector),
        "matching" => matching(vector),
        "version" => same(&json!(Version::parse(text(vector, "text")).is_some()), &vector["valid"]),
        "version-order" => version_order(vector),
        "error" => error(vector),
        "decode" => decode(vector),
        "round-trip" => round_trip(vector),
        "delivery" => delivery(vector),
        // Run by the crate that reads requests: crates/bayeux-server/src/http/form.rs, callback_polling.rs.
        "form" | "jsonp-callback" => Ok(()),
        // About the schemas alone. Run by what checks the specification: crates/xtask/src/spec_check/schema.rs.
        "message" => Ok(()),
        // About what no Rust code does yet. Once it does, its clauses are not planned any more, and this fails.
        "advice" | "timestamp" => planned(vector),
        other => Err(format!("nobody knows the kind {other}")),
    }
}

fn channel_name(vector: &Value) -> Result<(), String> {
    for (field, rules) in grammars() {
        let name = ChannelName::parse(text(vector, "text"), &rules).ok();
        same(&json!(name.as_ref().map(ChannelName::as_str)), &vector[field])?;
        if let (Some(name), Some(class)) = (name, vector.get("class")) {
            let kind = match name.kind() {
                ChannelKind::Meta(_) => "meta",
                ChannelKind::Service => "service",
                ChannelKind::Broadcast => "broadcast",
            };
            same(&json!(kind), class)?;
        }
    }
    Ok(())
}

fn channel_pattern(vector: &Value) -> Result<(), String> {
    for (field, rules) in grammars() {
        let pattern = ChannelPattern::parse(text(vector, "text"), &rules).ok();
        same(&json!(pattern.as_ref().map(ChannelPattern::as_str)), &vector[field])?;
        if let Some(pattern) = pattern {
            let wildcard = match pattern.wildcard() {
                Wildcard::None => "none",
                Wildcard::One => "one",
                Wildcard::Many => "many",
            };
            same(&json!(wildcard), &vector["wildcard"])?;
        }
    }
    Ok(())
}

fn matching(vector: &Value) -> Result<(), String> {
    let rules = ChannelRules::default();
    let pattern = ChannelPattern::parse(text(vector, "pattern"), &rules).map_err(|error| error.to_string())?;
    let name = ChannelName::parse(text(vector, "channel"), &rules).map_err(|error| error.to_string())?;
    same(&json!(pattern.matches(&name)), &vector["matches"])
}

fn version_order(vector: &Value) -> Result<(), String> {
    let version = |field| Version::parse(text(vector, field)).ok_or("no version");
    let (left, right) = (version("left")?, version("right")?);
    let name = |order| match order {
        Ordering::Less => "less",
        Ordering::Equal => "equal",
        Ordering::Greater => "greater",
    };
    same(&json!(name(left.cmp(&right))), &vector["order"])?;
    same(&json!(name(right.cmp(&left).reverse())), &vector["order"])
}

fn error(vector: &Value) -> Result<(), String> {
    let parts = ErrorText::parse(text(vector, "text"))
        .map(|error| json!([format!("{:03}", error.code), error.args, error.message]));
    same(&json!(parts), &vector["parts"])
}

fn decode(vector: &Value) -> Result<(), String> {
    let limit = |name, default| {
        vector.get("limits").map_or(default, |limits| usize::try_from(limits[name].as_u64().expect(FORM)).expect(FORM))
    };
    let ours = DecodeLimits::default();
    let limits = DecodeLimits {
        max_bytes: limit("bytes", ours.max_bytes),
        max_messages: limit("messages", ours.max_messages),
        max_depth: limit("depth", ours.max_depth),
    };
    match (decode_batch(&bytes(vector), &limits), vector.get("refused")) {
        (Err(error), Some(refused)) => same(&json!(reason(&error)), refused).map_err(|why| format!("{why} ({error})")),
        (Err(error), None) => Err(error.to_string()),
        (Ok(_), Some(refused)) => Err(format!("not refused for {refused}")),
        (Ok(batch), None) => {
            if let Some(means) = vector.get("means") {
                same(&value(&encode_batch(&batch)), means)?;
            }
            let faults: Vec<_> = batch.iter().map(|message| message.fault.map(|fault| fault.field)).collect();
            match vector.get("faults") {
                Some(expected) => same(&json!(faults), expected),
                None if faults.iter().all(Option::is_none) => Ok(()),
                None => Err(format!("faults: {faults:?}")),
            }
        }
    }
}

fn round_trip(vector: &Value) -> Result<(), String> {
    let text = text(vector, "text");
    let batch = decode_batch(text.as_bytes(), &DecodeLimits::default()).map_err(|error| error.to_string())?;
    let written = encode_batch(&batch);
    same(&value(&written), &value(text.as_bytes()))?;
    let written = String::from_utf8(written).expect(FORM);
    for part in vector.get("contains").and_then(Value::as_array).into_iter().flatten() {
        if !written.contains(part.as_str().expect(FORM)) {
            return Err(format!("{written} does not contain {part}"));
        }
    }
    Ok(())
}

fn delivery(vector: &Value) -> Result<(), String> {
    let channel = ChannelName::parse(text(vector, "channel"), &ChannelRules::default()).expect(FORM);
    let data = Json::parse(text(vector, "data").as_bytes(), 32).map_err(|error| error.to_string())?;
    let written = [&encode_delivery_head(&channel, &data)[..], b"}"].concat();
    same(&json!(String::from_utf8(written).expect(FORM)), &vector["text"])
}

fn planned(vector: &Value) -> Result<(), String> {
    let clauses = read("clauses.json");
    for id in vector["clauses"].as_array().expect(FORM) {
        let clause = clauses.as_array().expect(FORM).iter().find(|clause| clause["id"] == *id);
        if clause.is_none_or(|clause| clause["status"] != "planned") {
            return Err(format!("{id} is not planned any more: run these vectors here"));
        }
    }
    Ok(())
}

fn grammars() -> [(&'static str, ChannelRules); 2] {
    let rules = |grammar| ChannelRules { grammar, ..ChannelRules::default() };
    [("strict", rules(Grammar::Strict)), ("lenient", rules(Grammar::Lenient))]
}

/// Why a batch is refused, in the words of the vectors.
fn reason(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::TooLarge { .. } => "size",
        DecodeError::TooManyMessages { .. } => "count",
        DecodeError::TooManyFields { .. } => "fields",
        DecodeError::TooDeep { .. } => "depth",
        DecodeError::InvalidUtf8 { .. } => "utf-8",
        DecodeError::LoneSurrogate { .. } => "surrogate",
        DecodeError::NumberOutOfRange { .. } => "number",
        DecodeError::ControlByte { .. } => "control-character",
        DecodeError::DuplicateField { .. } => "duplicate-field",
        DecodeError::NotABatch { .. } => "not-a-batch",
        DecodeError::NotAMessage { .. } => "not-a-message",
        DecodeError::Syntax { .. } => "syntax",
        DecodeError::UnexpectedEnd { .. } => "end",
        DecodeError::Trailing { .. } => "trailing",
        other => panic!("the vectors have no word for {other}"),
    }
}

/// The text of a vector: as it is, in hexadecimal digits, or in parts with how often each is repeated.
fn bytes(vector: &Value) -> Vec<u8> {
    if let Some(parts) = vector.get("parts") {
        let part = |part: &Value| {
            part[0].as_str().expect(FORM).repeat(usize::try_from(part[1].as_u64().expect(FORM)).expect(FORM))
        };
        return parts.as_array().expect(FORM).iter().map(part).collect::<String>().into_bytes();
    }
    if let Some(hex) = vector.get("hex") {
        let digits = hex.as_str().expect(FORM).as_bytes().chunks(2);
        return digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).expect(FORM), 16).expect(FORM)).collect();
    }
    text(vector, "text").as_bytes().to_vec()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("{vector} has no text {field}"))
}

fn value(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("what is written is JSON")
}

fn same(found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found} instead of {expected}")) }
}
