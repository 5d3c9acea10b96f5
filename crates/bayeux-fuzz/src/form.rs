//! Form-encoded bodies: the same messages as the JSON that was encoded.

use bayeux_protocol::{DecodeError, DecodeLimits, Message, decode_batch};
use bayeux_server::fuzzing;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

pub(crate) fn run(input: &[u8]) {
    let limits = DecodeLimits { max_messages: 3, ..DecodeLimits::default() };
    assert_eq!(fuzzing::decode_form(input, &limits).ok(), read(input, &limits));

    let encoded = percent_encode(input, NON_ALPHANUMERIC).to_string();
    let form = format!("other=1&message={encoded}");
    assert!(fuzzing::is_form(form.as_bytes()));
    if form.len() <= limits.max_bytes {
        let direct = decode_batch(input, &limits);
        assert_eq!(fuzzing::decode_form(form.as_bytes(), &limits), direct);
        if direct.is_ok() {
            assert!(!fuzzing::is_form(input), "a batch is no form");
            let twice = fuzzing::decode_form([&form, "&message=[{},{}]"].concat().as_bytes(), &limits);
            let fits = direct.is_ok_and(|batch| batch.len() + 2 <= limits.max_messages);
            assert_eq!(twice.is_ok(), fits);
            assert!(fits || twice == Err(DecodeError::TooManyMessages { limit: limits.max_messages }));
        }
    }
}

/// The messages of a form, if all of it may be taken.
fn read(form: &[u8], limits: &DecodeLimits) -> Option<Vec<Message>> {
    let fields = form.split(|byte| *byte == b'&').filter_map(|field| field.strip_prefix(b"message="));
    let batches = fields.map(|value| decode_batch(&plain(value), limits).ok()).collect::<Option<Vec<_>>>()?;
    let batch = batches.concat();
    (!batches.is_empty() && batch.len() <= limits.max_messages && form.len() <= limits.max_bytes).then_some(batch)
}

/// `+` is a space, `%` and two hexadecimal digits are a byte, all else stands for itself.
fn plain(value: &[u8]) -> Vec<u8> {
    let digit = |at: usize| value.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = value.get(at) {
        at += 1;
        out.push(match (byte, digit(at), digit(at + 1)) {
            (b'+', ..) => b' ',
            (b'%', Some(high), Some(low)) => {
                at += 2;
                (high * 16 + low) as u8
            }
            _ => *byte,
        });
    }
    out
}
