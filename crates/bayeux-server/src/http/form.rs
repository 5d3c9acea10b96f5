//! Form-encoded bodies: `message=<JSON, URL-encoded>`, once or several times, each an array of messages or a bare one
//! (BX-LP-2, BX-LP-5). Faye's clients send them as `text/plain`.

use std::borrow::Cow;

use bayeux_protocol::{DecodeError, DecodeLimits, Message, decode_batch};
use percent_encoding::percent_decode;

/// Whether a body is a form: it does not begin as JSON does, and the first name in it is followed by an equals sign.
pub(crate) fn is_form(body: &[u8]) -> bool {
    let name = body.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)).count();
    name > 0 && body.get(name) == Some(&b'=')
}

/// The messages of every `message` in the form, in order, as one batch under `limits`. Other fields are left alone.
///
/// # Errors
/// One of them is no batch, or all together are over a limit: nothing may take effect.
pub(crate) fn decode_form(body: &[u8], limits: &DecodeLimits) -> Result<Vec<Message>, DecodeError> {
    if body.len() > limits.max_bytes {
        return Err(DecodeError::TooLarge { limit: limits.max_bytes });
    }
    let mut batch = Vec::new();
    let mut found = false;
    for field in body.split(|byte| *byte == b'&') {
        let Some(value) = field.strip_prefix(b"message=") else { continue };
        found = true;
        let left = limits.max_messages.saturating_sub(batch.len());
        let left = DecodeLimits { max_messages: left, ..limits.clone() };
        let messages = decode_batch(&decode(value), &left).map_err(|error| match error {
            DecodeError::TooManyMessages { .. } => DecodeError::TooManyMessages { limit: limits.max_messages },
            other => other,
        })?;
        batch.extend(messages);
    }
    if found { Ok(batch) } else { Err(DecodeError::NotABatch { at: 0 }) }
}

/// `+` is a space, `%20` too.
pub(crate) fn decode(value: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    match percent_decode(&spaced).into() {
        Cow::Borrowed(_) => spaced,
        Cow::Owned(decoded) => decoded,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn channels(body: &str) -> Result<Vec<String>, DecodeError> {
        let batch = decode_form(body.as_bytes(), &DecodeLimits::default())?;
        Ok(batch.into_iter().map(|message| message.channel.unwrap_or_default().into()).collect())
    }

    #[test]
    fn bx_lp_2_every_shape_of_a_form_is_read() {
        let a = "%7B%22channel%22%3A%22%2Fa%22%7D";
        for (body, expected) in [
            (format!("message={a}"), vec!["/a"]),
            (format!("message=%5B{a}%5D"), vec!["/a"]),
            (format!("message=%5B{a}%2C+{a}%5D"), vec!["/a", "/a"]),
            (format!("message={a}&message=%5B{a}%5D"), vec!["/a", "/a"]),
            (format!("jsonp=x&message={a}&y"), vec!["/a"]),
            ("message={\"channel\":\"/a\"}".to_owned(), vec!["/a"]),
            ("message=%5B%5D".to_owned(), vec![]),
        ] {
            assert!(is_form(body.as_bytes()), "{body}");
            assert_eq!(channels(&body), Ok(expected.into_iter().map(str::to_owned).collect()), "{body}");
        }
    }

    #[test]
    fn data_in_a_form_arrives_as_it_was_sent() {
        let body = "message=%7B%22channel%22%3A%22%2Fa%22%2C%22data%22%3A%22a%2Bb+%26%3D%25+%C3%A9%F0%9F%98%80%22%7D";
        let batch = decode_form(body.as_bytes(), &DecodeLimits::default()).expect("a batch");
        assert_eq!(batch[0].data.as_ref().map(|data| data.as_str()), Some("\"a+b &=% é😀\""));
    }

    #[test]
    fn what_is_no_form_of_messages_is_refused() {
        for body in ["message=", "message=x", "message=%5B", "other=1", "message=%FF", "message=%22%FF%22"] {
            assert!(channels(body).is_err(), "{body}");
        }
        for body in ["", "[]", "{}", " message=x", "=x", "message", "me ssage=x"] {
            assert!(!is_form(body.as_bytes()), "{body}");
        }
        let limits = DecodeLimits { max_messages: 3, ..DecodeLimits::default() };
        let body = "message=[{},{}]&message=[{},{}]";
        assert_eq!(decode_form(body.as_bytes(), &limits), Err(DecodeError::TooManyMessages { limit: 3 }));
        let body = "message={}&".repeat(5);
        assert_eq!(decode_form(body.as_bytes(), &limits), Err(DecodeError::TooManyMessages { limit: 3 }));
    }

    #[test]
    fn bx_lp_5_the_vectors_of_the_specification_hold() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol-spec/vectors/form.json");
        let text = std::fs::read_to_string(path).expect("the vectors are there");
        let file: serde_json::Value = serde_json::from_str(&text).expect("they are JSON");
        let vectors = file["vectors"].as_array().expect("an array");
        assert!(vectors.len() > 10);
        for vector in vectors {
            let body = vector["body"].as_str().expect("a body");
            assert!(is_form(body.as_bytes()), "{vector}");
            let batch = decode_form(body.as_bytes(), &DecodeLimits::default()).ok();
            let written = batch.map(|batch| bayeux_protocol::encode_batch(&batch));
            let messages = written.map_or(serde_json::Value::Null, |text| serde_json::from_slice(&text).expect("JSON"));
            assert_eq!(messages, vector["messages"], "{vector}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body: Vec<u8>) {
            let _ = decode_form(&body, &DecodeLimits::default());
            let _ = decode_form(&[b"message=", &body[..]].concat(), &DecodeLimits::default());
        }
    }
}
