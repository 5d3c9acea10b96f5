use bayeux_protocol::{DecodeError, DecodeLimits, Message, decode_batch};
use proptest::prelude::*;
use serde_json::{Value, json};

fn decode(text: impl AsRef<[u8]>) -> Result<Vec<Message>, DecodeError> {
    decode_batch(text.as_ref(), &DecodeLimits::default())
}

fn one(text: &str) -> Message {
    let mut batch = decode(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(batch.len(), 1);
    batch.remove(0)
}

fn error(text: impl AsRef<[u8]>) -> DecodeError {
    decode(text.as_ref()).expect_err(&String::from_utf8_lossy(text.as_ref()))
}

#[test]
fn bx_msg_3_bx_msg_4_arrays_and_bare_objects_are_batches() {
    assert_eq!(decode("[]"), Ok(vec![]));
    assert_eq!(decode(" [ ] \n"), Ok(vec![]));
    assert_eq!(one(r#"{"channel":"/a"}"#), one(r#" [ {"channel" : "/a" } ] "#));
    assert_eq!(decode(r#"[{"channel":"/a"},{"channel":"/b"}]"#).map(|batch| batch.len()), Ok(2));
}

#[test]
fn bx_hrd_1_what_is_no_batch_is_refused_with_its_place() {
    for (text, expected) in [
        ("", DecodeError::UnexpectedEnd { at: 0 }),
        ("  ", DecodeError::UnexpectedEnd { at: 2 }),
        ("null", DecodeError::NotABatch { at: 0 }),
        ("5", DecodeError::NotABatch { at: 0 }),
        ("\u{feff}[]", DecodeError::NotABatch { at: 0 }),
        ("[1]", DecodeError::NotAMessage { at: 1 }),
        ("[{},[]]", DecodeError::NotAMessage { at: 4 }),
        ("[{}", DecodeError::UnexpectedEnd { at: 3 }),
        ("[{}]]", DecodeError::Trailing { at: 4 }),
        ("{} {}", DecodeError::Trailing { at: 3 }),
        ("[{},]", DecodeError::Syntax { at: 4, expected: "another element" }),
        ("[{}{}]", DecodeError::Syntax { at: 3, expected: "`,` or `]`" }),
        ("{\"a\":1,}", DecodeError::Syntax { at: 7, expected: "another element" }),
        ("{a:1}", DecodeError::Syntax { at: 1, expected: "a field name in quotes" }),
        ("{\"a\" 1}", DecodeError::Syntax { at: 5, expected: "`:`" }),
        ("{\"a\":nul}", DecodeError::Syntax { at: 5, expected: "true, false or null" }),
        ("{\"a\":01}", DecodeError::Syntax { at: 5, expected: "a number" }),
        ("{\"a\":1.}", DecodeError::Syntax { at: 5, expected: "a number" }),
        ("{\"a\":-}", DecodeError::Syntax { at: 5, expected: "a number" }),
        ("{\"a\":\"\\x\"}", DecodeError::Syntax { at: 6, expected: "an escape" }),
        ("{\"a\":\"\\u12g4\"}", DecodeError::Syntax { at: 6, expected: "four hexadecimal digits" }),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn bx_hrd_4_what_some_peer_could_not_read_is_refused_everywhere() {
    for field in ["data", "ext", "unknown"] {
        let wrap = |value: &str| format!(r#"{{"channel":"/a","{field}":{{"x":{value}}}}}"#);
        for surrogate in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\u0041""#, r#""\ud800x""#, r#""\ud83d\ud83d""#] {
            assert!(matches!(error(wrap(surrogate)), DecodeError::LoneSurrogate { .. }), "{surrogate}");
        }
        assert!(decode(wrap(r#""\ud83d\ude00""#)).is_ok());
        for number in ["1e999", "-1e999", "1e309", &"9".repeat(400)] {
            assert!(matches!(error(wrap(number)), DecodeError::NumberOutOfRange { .. }), "{number}");
        }
        assert!(decode(wrap("[1e308, 1e-999, 12345678901234567890]")).is_ok());
        for control in ["\"\n\"", "\"\u{1f}\"", "\"\0\""] {
            assert!(matches!(error(wrap(control)), DecodeError::ControlByte { .. }), "{control:?}");
        }
        for bytes in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
            let text = [format!(r#"{{"{field}":""#).as_bytes(), bytes, b"\"}"].concat();
            assert!(matches!(error(text), DecodeError::InvalidUtf8 { .. }));
        }
    }
    assert!(matches!(error(b"{\"\xff\":1}"), DecodeError::InvalidUtf8 { at: 2 }));
}

#[test]
fn bx_hrd_6_nesting_is_bounded() {
    let nested = |depth: usize| format!("[{{\"x\":{}1{}}}]", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(decode(nested(32)).is_ok(), "the message object counts as one");
    assert!(matches!(error(nested(33)), DecodeError::TooDeep { limit: _, at: _ }));
    assert!(matches!(error("[{\"x\":".to_owned() + &"[".repeat(30_000)), DecodeError::TooDeep { .. }));
    assert!(matches!(error("{\"x\":".to_owned() + &"{\"a\":".repeat(10_000)), DecodeError::TooDeep { .. }));
    assert!(matches!(
        error(nested(32)[1..].trim_end_matches(']').replace("1", "[1]")),
        DecodeError::TooDeep { .. } | DecodeError::UnexpectedEnd { .. }
    ));
    let deep = DecodeLimits { max_depth: usize::MAX - 1, max_bytes: usize::MAX, ..DecodeLimits::default() };
    let text = format!("[{{\"x\":{}", "[".repeat(1_000_000));
    assert!(
        matches!(decode_batch(text.as_bytes(), &deep), Err(DecodeError::TooDeep { .. })),
        "no configuration ends in a stack overflow"
    );
}

#[test]
fn bx_lm_1_sizes_are_bounded() {
    let limits = DecodeLimits { max_bytes: 100, max_messages: 3, ..DecodeLimits::default() };
    assert_eq!(decode_batch(b"[{},{},{}]", &limits).map(|batch| batch.len()), Ok(3));
    assert_eq!(decode_batch(b"[{},{},{},{}]", &limits), Err(DecodeError::TooManyMessages { limit: 3 }));
    assert_eq!(decode_batch(&[b' '; 101], &limits), Err(DecodeError::TooLarge { limit: 100 }));
    let fields: Vec<_> = (0..65).map(|n| format!("\"f{n}\":1")).collect();
    assert!(decode(format!("{{{}}}", fields[..64].join(","))).is_ok());
    assert!(matches!(error(format!("{{{}}}", fields.join(","))), DecodeError::TooManyFields { limit: 64, .. }));
    let big = DecodeLimits { max_bytes: usize::MAX, ..DecodeLimits::default() };
    let text = format!("[{}{{}}]", "{},".repeat(100_000));
    assert_eq!(decode_batch(text.as_bytes(), &big), Err(DecodeError::TooManyMessages { limit: 1024 }));
}

#[test]
fn bx_hrd_3_a_field_that_occurs_twice_is_refused() {
    for (text, field) in [
        (r#"{"channel":"/a","channel":"/b"}"#, "channel"),
        (r#"{"channel":"/a","\u0063hannel":"/b"}"#, "channel"),
        (r#"{"x":1,"y":2,"\u0078":3}"#, "x"),
        (r#"{"data":null,"data":1}"#, "data"),
        (r#"{"\n":1,"\u000a":1}"#, "\\n"),
    ] {
        let DecodeError::DuplicateField { field: found, .. } = error(text) else { panic!("{text}") };
        assert_eq!(&*found, field);
    }
    assert!(decode(r#"{"data":{"a":1,"a":2}}"#).is_ok(), "nested ones are the application's");
}

#[test]
fn a_field_of_the_wrong_type_spoils_its_own_message_only() {
    let good = r#"{"channel":"/ok","data":1}"#;
    for (field, values) in [
        ("channel", ["5", "[]", "{}", "true"]),
        ("clientId", ["5", "[]", "{}", "true"]),
        ("id", ["[]", "{}", "true", "[1]"]),
        ("version", ["1.0", "[]", "{}", "true"]),
        ("minimumVersion", ["1.0", "[]", "{}", "true"]),
        ("supportedConnectionTypes", ["5", "\"x\"", "[5]", "{}"]),
        ("connectionType", ["5", "[]", "{}", "true"]),
        ("subscription", ["5", "[5]", "{}", "[[]]"]),
        ("advice", ["5", "[]", "\"x\"", r#"{"interval":"5"}"#]),
        ("successful", ["5", "[]", "\"x\"", "{}"]),
        ("authSuccessful", ["5", "[]", "\"x\"", "{}"]),
        ("error", ["5", "[]", "{}", "true"]),
        ("timestamp", ["5", "[]", "{}", "true"]),
        ("ext", ["5", "[]", "\"x\"", "true"]),
    ] {
        for value in values {
            let batch = decode(format!(r#"[{good},{{"{field}":{value},"error":null}},{good}]"#)).unwrap_or_else(|_| {
                decode(format!(r#"[{good},{{"{field}":{value}}},{good}]"#)).expect("the batch is well-formed")
            });
            assert_eq!(batch[1].fault.map(|fault| fault.field), Some(field), "{field} {value}");
            assert_eq!((batch[0].clone(), batch[2].clone()), (one(good), one(good)));
            let null = one(&format!(r#"{{"{field}":null}}"#));
            assert_eq!(null, Message::default(), "null counts as absent");
        }
    }
    assert_eq!(one(&format!(r#"{{"id":"{}"}}"#, "x".repeat(256))).fault.map(|fault| fault.field), Some("id"));
}

#[test]
fn data_may_be_null_and_keeps_its_spelling() {
    let spelled = |data: &str| one(&format!(r#"{{"data":{data}}}"#)).data.map(|data| data.as_str().to_owned());
    assert_eq!(spelled("null").as_deref(), Some("null"));
    assert_eq!(one("{}").data, None);
    for data in ["1.50", "12345678901234567890", "1E2", r#""\u0041\/""#, r#"{"b":1,"a":[]}"#, r#""a b""#] {
        assert_eq!(spelled(data).as_deref(), Some(data));
    }
    assert_eq!(spelled(" { \"a\" : [ 1 ,\n\t2 ] } ").as_deref(), Some(r#"{"a":[1,2]}"#));
}

#[test]
fn bx_adv_1_advice_reads_numbers_and_sections() {
    let advice =
        one(r#"{"advice":{"reconnect":"retry","interval":1.9,"timeout":1e3,"maxInterval":-5,"multiple-clients":true,
        "hosts":["a","b"],"websocket":{"interval":7},"other":5}}"#)
        .advice
        .expect("advice");
    assert_eq!((advice.interval, advice.timeout, advice.max_interval), (Some(1), Some(1000), Some(-5)));
    assert_eq!((advice.multiple_clients, advice.hosts.as_ref().map(Vec::len)), (Some(true), Some(2)));
    assert_eq!(advice.transports.len(), 1);
    assert_eq!(
        one(r#"{"advice":{"timeout":99999999999999999999}}"#).advice.and_then(|advice| advice.timeout),
        Some(i64::MAX)
    );
}

/// JSON with white space wherever it may stand.
fn spaced(value: &Value, spaces: &mut impl Iterator<Item = &'static str>) -> String {
    let mut space = || spaces.next().unwrap_or("");
    match value {
        Value::Array(items) => {
            let (open, close) = (space(), space());
            let items: Vec<_> = items.iter().map(|item| spaced(item, spaces)).collect();
            format!("{open}[{}{close}]", items.join(","))
        }
        Value::Object(fields) => {
            let (open, close) = (space(), space());
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{open}{}{close}:{}", json!(key), spaced(value, spaces)))
                .collect();
            format!("{{{}{close}}}{open}", fields.join(","))
        }
        other => format!("{}{other}{}", space(), space()),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn data_is_compacted_and_equal(value in any_json(), spaces in prop::collection::vec(prop::sample::select(vec!["", " ", "\n", "\t \r\n"]), 1..20)) {
        let text = spaced(&value, &mut spaces.into_iter().cycle());
        let data = one(&format!(r#"{{"data":{text}}}"#)).data.expect("data");
        prop_assert_eq!(data.to::<Value>().expect("JSON"), value.clone());
        prop_assert_eq!(data.as_str().len(), value.to_string().len(), "no white space outside strings");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    /// What we accept, serde_json accepts; what it accepts, we refuse only for a listed reason.
    #[test]
    fn validity_agrees_with_serde_json(value in any_json(), at in any::<prop::sample::Index>(), byte in prop::sample::select(b"\"\\{}[]:,0e.-u n\n".to_vec())) {
        let mut text = json!([{"data": value}]).to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let theirs = serde_json::from_slice::<Value>(&text);
        match decode(&text) {
            Ok(_) => prop_assert!(theirs.is_ok(), "{}", String::from_utf8_lossy(&text)),
            Err(DecodeError::NotABatch { .. } | DecodeError::NotAMessage { .. } | DecodeError::DuplicateField { .. } | DecodeError::TooDeep { .. }) => {}
            Err(error) => prop_assert!(theirs.is_err(), "{error}: {}", String::from_utf8_lossy(&text)),
        }
    }
}
