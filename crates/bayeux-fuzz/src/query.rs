//! The query of a GET, and the script that answers it: values as a form has them, and no message that gets out of the script.

use bayeux_protocol::{DecodeLimits, Message, decode_batch, encode_batch};
use bayeux_server::fuzzing;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

pub(crate) fn run(input: &[u8]) {
    let limits = DecodeLimits::default();
    if let Ok(batch) = decode_batch(input, &limits) {
        in_a_script(&batch);
    }

    let Ok(text) = std::str::from_utf8(input) else { return };
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_$.-".contains(&byte);
    assert_eq!(fuzzing::is_callback_name(text), (1..=64).contains(&text.len()) && text.bytes().all(harmless));
    let encoded = percent_encode(input, NON_ALPHANUMERIC).to_string();
    for query in [format!("jsonp={encoded}"), format!("a&jsonp={encoded}&jsonp=b"), format!("xjsonp=1&jsonp={encoded}")]
    {
        assert_eq!(fuzzing::query_value(&query, "jsonp").as_deref(), Some(text));
    }
    let plain = |text: &str| !text.contains(['+', '%']);
    let first = text.split('&').find_map(|field| field.strip_prefix("origin="));
    let value = fuzzing::query_value(text, "origin");
    assert_eq!(value.is_some(), first.is_some());
    assert!(first.is_none_or(|first| !plain(first) || value.as_deref() == Some(first)));
}

/// Messages as they are written into a script are the same, and all that is there.
fn in_a_script(batch: &[Message]) {
    let script = String::from_utf8(fuzzing::script_value(&encode_batch(batch))).expect("it stays UTF-8");
    assert!(!script.contains(['<', '\u{2028}', '\u{2029}', '\n', '\r']), "{script}");
    let inner = script.strip_prefix("JSON.parse(").and_then(|script| script.strip_suffix(')'));
    assert!(inner.is_some() || !script.contains("__proto__"), "{script} sets a prototype");
    // A string there is one of JSON too.
    let json = inner.map_or_else(|| script.clone(), |inner| serde_json::from_str(inner).expect("a string"));
    let grown = DecodeLimits { max_bytes: usize::MAX, ..DecodeLimits::default() };
    let read = decode_batch(json.as_bytes(), &grown).expect("the messages stay messages");
    assert_eq!(read.len(), batch.len());
    let same = |(before, behind): (&Message, &Message)| before.channel == behind.channel && before.id == behind.id;
    assert!(batch.iter().zip(&read).all(same), "{batch:?} {read:?}");
}
