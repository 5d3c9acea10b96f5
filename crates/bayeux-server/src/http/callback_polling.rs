//! `callback-polling` (JSONP): a script element asks, and a script that calls a function is the answer (BX-CP-2 to BX-CP-4, BX-CP-7).
//!
//! Any page can make such a request, and the browser adds the cookies it has. So those of another site's request say nothing (BX-CP-5),
//! and what is answered is a call of a function whose name is harmless, and neither sniffed nor shown (BX-CP-7). Scripts run in whatever
//! order they come, so events are in those alone that answer connects (BX-CP-8), which the engine sees to.

use std::borrow::Cow;

use super::{
    escape::push_script_value,
    wire::{EventFields, Headers, Wire},
};

/// Characters of a name.
const MAX_NAME: usize = 64;

/// Calls this function.
pub(crate) struct CallbackPolling {
    name: CallbackName,
}

/// A name that is a function's to be called and nothing else (BX-HRD-11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallbackName(Cow<'static, str>);

/// A text that is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("jsonp has to name a function in 1 to {MAX_NAME} letters, digits, `_`, `$`, `.` or `-`")]
pub(crate) struct BadCallbackName;

impl CallbackName {
    /// Where none is named (BX-CP-3).
    pub(crate) const DEFAULT: Self = Self(Cow::Borrowed("jsonpcallback"));

    /// Checks a name.
    ///
    /// # Errors
    /// It is empty, too long, or has a character that could end it.
    pub(crate) fn parse(text: &str) -> Result<Self, BadCallbackName> {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_$.-".contains(&byte);
        let fits = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(harmless);
        if fits { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(BadCallbackName) }
    }
}

impl CallbackPolling {
    pub(crate) const fn new(name: CallbackName) -> Self {
        Self { name }
    }
}

impl Wire for CallbackPolling {
    fn headers(&mut self) -> Headers {
        vec![
            ("Content-Type", "text/javascript;charset=UTF-8".into()),
            ("Cache-Control", "no-store".into()),
            ("X-Content-Type-Options", "nosniff".into()),
            // A page that is led there is to save it, not to show it.
            ("Content-Disposition", "attachment; filename=f.txt".into()),
        ]
    }

    fn batch(&self, array: &[u8], _fields: EventFields, out: &mut Vec<u8>) {
        // Whoever takes it for another kind of file finds a comment first, not characters of the peer's choice.
        out.extend_from_slice(b"/**/");
        out.extend_from_slice(self.name.0.as_bytes());
        out.push(b'(');
        push_script_value(array, out);
        out.extend_from_slice(b");");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::wire::whole;

    #[test]
    fn bx_cp_2_the_vectors_of_the_specification_hold() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol-spec/vectors/jsonp-callback.json");
        let text = std::fs::read_to_string(path).expect("the vectors are there");
        let file: serde_json::Value = serde_json::from_str(&text).expect("they are JSON");
        let vectors = file["vectors"].as_array().expect("an array");
        assert!(vectors.len() > 10);
        for vector in vectors {
            let name = vector["text"].as_str().expect("a text");
            assert_eq!(CallbackName::parse(name).is_ok(), vector["valid"] == true, "{vector}");
        }
    }

    #[test]
    fn bx_cp_3_bx_cp_4_the_function_is_called_with_the_array() {
        let call = |name: CallbackName| {
            whole(&CallbackPolling::new(name), br#"[{"data":"</script>"}]"#, EventFields::default())
        };
        let cb = CallbackName::parse("a.b$_-9").expect("a name");
        assert_eq!(call(cb), r#"/**/a.b$_-9([{"data":"\u003c/script>"}]);"#);
        assert_eq!(call(CallbackName::DEFAULT), r#"/**/jsonpcallback([{"data":"\u003c/script>"}]);"#);
        assert_eq!(CallbackName::parse(&CallbackName::DEFAULT.0), Ok(CallbackName::DEFAULT));
    }

    proptest! {
        #[test]
        fn bx_hrd_11_a_name_can_do_nothing_but_name(text in prop_oneof!["[a-zA-Z0-9_$.-]{0,70}", "[ -~]{0,20}", any::<String>()]) {
            let harmless = text.chars().all(|c| c.is_ascii_alphanumeric() || "_$.-".contains(c));
            prop_assert_eq!(CallbackName::parse(&text).is_ok(), harmless && (1..=64).contains(&text.chars().count()));
        }
    }
}
