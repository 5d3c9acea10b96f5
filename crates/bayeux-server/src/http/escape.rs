//! JSON as a part of a script: what could end the script, or a line of it, is written as JSON's own escapes (BX-CP-6, BX-HRD-11).

/// U+2028 and U+2029 in UTF-8, without their last byte.
const SEPARATOR: &[u8] = b"\xe2\x80";

/// Appends `json` without `<`, U+2028 and U+2029. In JSON all three are found in strings alone, and there an escape stands for them.
pub(crate) fn push_script_json(json: &[u8], out: &mut Vec<u8>) {
    let mut rest = json;
    while let Some(at) = memchr::memchr2(b'<', SEPARATOR[0], rest) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (escape, length): (&[u8], _) = match from.strip_prefix(SEPARATOR).and_then(<[u8]>::first) {
            Some(0xa8) => (b"\\u2028", 3),
            Some(0xa9) => (b"\\u2029", 3),
            _ if from[0] == b'<' => (b"\\u003c", 1),
            _ => (&from[..1], 1),
        };
        out.extend_from_slice(escape);
        rest = &from[length..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn escaped(value: &Value) -> String {
        let mut out = Vec::new();
        push_script_json(value.to_string().as_bytes(), &mut out);
        String::from_utf8(out).expect("it stays UTF-8")
    }

    #[test]
    fn bx_cp_6_what_could_end_a_script_is_an_escape() {
        for (text, expected) in [
            ("</script><script>alert(1)</script>", r#""\u003c/script>\u003cscript>alert(1)\u003c/script>""#),
            ("<!--<script>", r#""\u003c!--\u003cscript>""#),
            ("a\u{2028}b\u{2029}c", r#""a\u2028b\u2029c""#),
            ("\\<", r#""\\\u003c""#),
            ("\u{2027}\u{202a}\u{2039}€â", "\"\u{2027}\u{202a}\u{2039}€â\""),
            ("<", r#""\u003c""#),
            ("", r#""""#),
        ] {
            assert_eq!(escaped(&json!(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn bx_cp_6_the_vectors_of_the_specification_hold() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol-spec/vectors/script-json.json");
        let text = std::fs::read_to_string(path).expect("the vectors are there");
        let file: Value = serde_json::from_str(&text).expect("they are JSON");
        let vectors = file["vectors"].as_array().expect("an array");
        assert!(vectors.len() > 5);
        for vector in vectors {
            let mut out = Vec::new();
            push_script_json(vector["text"].as_str().expect("JSON").as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).ok().as_deref(), vector["escaped"].as_str(), "{vector}");
        }
    }

    /// Texts full of what matters.
    fn text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("<".to_owned()),
            Just("</script>".to_owned()),
            Just("<!--".to_owned()),
            Just("\u{2028}".to_owned()),
            Just("\u{2029}".to_owned()),
            Just("\u{2027}".to_owned()),
            Just("\\".to_owned()),
            any::<String>(),
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn bx_hrd_11_the_messages_stay_what_they_are_and_the_script_goes_on(key in text(), value in text()) {
            let value = json!([{"channel": "/a", key.as_str(): value, "data": [value, {key.as_str(): 1}]}]);
            let script = escaped(&value);
            prop_assert!(!script.contains(['<', '\u{2028}', '\u{2029}', '\n', '\r']), "{}", script);
            prop_assert_eq!(serde_json::from_str::<Value>(&script).ok(), Some(value));
        }

        #[test]
        fn any_bytes_at_all_lose_no_others(bytes: Vec<u8>) {
            let mut out = Vec::new();
            push_script_json(&bytes, &mut out);
            prop_assert!(!out.contains(&b'<'));
            let back = String::from_utf8_lossy(&out).replace("\\u003c", "<").replace("\\u2028", "\u{2028}");
            let back = back.replace("\\u2029", "\u{2029}");
            prop_assert_eq!(back, String::from_utf8_lossy(&bytes));
        }
    }
}
