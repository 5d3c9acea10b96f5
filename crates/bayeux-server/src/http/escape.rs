//! JSON as a part of a script: what could end the script, or a line of it, is written as JSON's own escapes (BX-CP-6, BX-HRD-11).

/// A member of this name is the object's prototype in a script, not a member, and two of them keep the whole script from running.
const PROTOTYPE: &[u8] = b"__proto__";
/// How an escape of one of its characters begins, and how it may end.
const ESCAPE: &[u8] = b"\\u00";
const ESCAPED: [&[u8]; 5] = [b"5f", b"70", b"72", b"6f", b"74"];

/// Appends `json` as a value in a script: as it is, where a script takes that for the same value, which it nearly always does.
pub(crate) fn push_script_value(json: &[u8], out: &mut Vec<u8>) {
    if !names_prototype(json) {
        return push_script_json(json, out);
    }
    let mut text = Vec::with_capacity(json.len() + json.len() / 4);
    for byte in json {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    out.extend_from_slice(b"JSON.parse(\"");
    push_script_json(&text, out);
    out.extend_from_slice(b"\")");
}

/// Whether there may be a member of that name, however it is written.
fn names_prototype(json: &[u8]) -> bool {
    let is_escaped = |at: usize| {
        let digits = json.get(at + ESCAPE.len()..at + ESCAPE.len() + 2);
        digits.is_some_and(|digits| ESCAPED.iter().any(|escaped| digits.eq_ignore_ascii_case(escaped)))
    };
    memchr::memmem::find(json, PROTOTYPE).is_some() || memchr::memmem::find_iter(json, ESCAPE).any(is_escaped)
}

/// U+2028 and U+2029 in UTF-8, without their last byte.
const SEPARATOR: &[u8] = b"\xe2\x80";

/// Appends JSON, or what is in a string, without `<`, U+2028 and U+2029. In JSON all three are found in strings alone, and there an escape stands for them.
fn push_script_json(json: &[u8], out: &mut Vec<u8>) {
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
            push_script_value(vector["text"].as_str().expect("JSON").as_bytes(), &mut out);
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

    /// The value of what is in a script.
    fn value(script: &str) -> Option<Value> {
        let text = script.strip_prefix("JSON.parse(").and_then(|script| script.strip_suffix(')'));
        // Whatever escapes there are mean the same in both languages.
        let json = text.map_or_else(|| Some(script.to_owned()), |text| serde_json::from_str(text).ok())?;
        serde_json::from_str(&json).ok()
    }

    #[test]
    fn bx_hrd_11_what_a_script_would_take_for_a_prototype_stays_a_member() {
        for json in [
            r#"[{"data":{"__proto__":{"a":1}}}]"#,
            r#"[{"data":{"__proto__":1,"__proto__":2}}]"#,
            r#"[{"data":{"\u005F_proto__":1,"__prot\u006f__":"</script>\\\""}}]"#,
        ] {
            let mut out = Vec::new();
            push_script_value(json.as_bytes(), &mut out);
            let script = String::from_utf8(out).expect("it stays UTF-8");
            assert!(script.starts_with("JSON.parse(\"") && !script.contains('<'), "{script}");
            assert_eq!(value(&script), serde_json::from_str(json).ok(), "{script}");
        }
        let mut out = Vec::new();
        push_script_value(br#"[{"data":{"proto":"<\n"}}]"#, &mut out);
        assert_eq!(out, br#"[{"data":{"proto":"\u003c\n"}}]"#);
    }

    proptest! {
        #[test]
        fn bx_hrd_11_a_value_is_the_same_in_a_script(key in text(), more in text(), proto: bool) {
            let key = if proto { "__proto__".to_owned() } else { key };
            let json = json!([{"channel": "/a", key.as_str(): more, "data": [more, {key.as_str(): 1}]}]);
            let mut out = Vec::new();
            push_script_value(json.to_string().as_bytes(), &mut out);
            let script = String::from_utf8(out).expect("it stays UTF-8");
            prop_assert!(!script.contains(['<', '\u{2028}', '\u{2029}', '\n', '\r']), "{}", script);
            prop_assert_eq!(value(&script), Some(json), "{}", script);
        }

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
