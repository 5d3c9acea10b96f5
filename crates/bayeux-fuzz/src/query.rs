//! The query of a GET, and the script that answers it: values as a form has them, and no message that gets out of the script.

use bayeux_protocol::{DecodeLimits, decode_batch};
use bayeux_server::fuzzing;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

pub(crate) fn run(input: &[u8]) {
    let limits = DecodeLimits::default();
    let script = fuzzing::script_value(input);
    assert!(!script.contains(&b'<'));
    let text = String::from_utf8_lossy(&script);
    assert!(!text.contains(['\u{2028}', '\u{2029}']));
    if let Ok(batch) = decode_batch(input, &limits) {
        let inner = text.strip_prefix("JSON.parse(").and_then(|text| text.strip_suffix(')'));
        assert!(inner.is_some() || !text.contains("__proto__"), "{text} sets a prototype");
        // A string there is one of JSON too.
        let json = inner.map_or_else(|| text.to_string(), |inner| serde_json::from_str(inner).expect("a string"));
        let grown = DecodeLimits { max_bytes: usize::MAX, ..limits };
        let read = decode_batch(json.as_bytes(), &grown).expect("the messages stay messages");
        assert_eq!(read.len(), batch.len());
        let same =
            batch.iter().zip(&read).all(|(before, behind)| before.channel == behind.channel && before.id == behind.id);
        assert!(same, "{batch:?} {read:?}");
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
