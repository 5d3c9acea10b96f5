//! The query of a GET that carries messages (BX-CP-1): fields as in a form, from the URL.

use std::borrow::Cow;

use bayeux_protocol::{DecodeError, DecodeLimits, Message};

use super::form::{decode, decode_form};

/// A query, as it stands in the URL behind the question mark. It is as short as the head that it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a>(pub(crate) &'a str);

impl<'a> Query<'a> {
    /// The messages of every `message` in it, as one batch under `limits`; `None` if there is no such field.
    pub(crate) fn batch(self, limits: &DecodeLimits) -> Option<Result<Vec<Message>, DecodeError>> {
        self.values("message").next()?;
        Some(decode_form(self.0.as_bytes(), limits))
    }

    /// What `name` is first said to be, if it is text.
    pub(crate) fn value(self, name: &'static str) -> Option<Cow<'a, str>> {
        let value = self.values(name).next()?;
        if !value.contains(['+', '%']) {
            return Some(Cow::Borrowed(value));
        }
        // Bytes that are no text are no text that is allowed anywhere.
        Some(Cow::Owned(String::from_utf8_lossy(&decode(value.as_bytes())).into_owned()))
    }

    fn values(self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.split('&').filter_map(move |field| field.strip_prefix(name)?.strip_prefix('='))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_decoded_and_told_apart() {
        let query = Query("messages=1&amessage=2&jsonp=a%2eb+c&x&=&jsonp=second&origin=%C3%A9%FF&m=");
        assert_eq!(query.batch(&DecodeLimits::default()), None);
        assert_eq!(query.value("jsonp").as_deref(), Some("a.b c"));
        assert_eq!(query.value("origin").as_deref(), Some("é\u{fffd}"));
        assert_eq!(query.value("m").as_deref(), Some(""));
        assert_eq!(query.value("x"), None);
        assert_eq!(Query("").value(""), None);
    }

    #[test]
    fn bx_cp_1_the_messages_are_those_of_a_form() {
        let limits = DecodeLimits { max_messages: 3, ..DecodeLimits::default() };
        let read = |query| Query(query).batch(&limits).map(|batch| batch.map(|batch| batch.len()));
        assert_eq!(read("jsonp=a&message=%5B%7B%7D,+%7B%7D%5D&message={}"), Some(Ok(3)));
        assert_eq!(read("message=%5B%5D"), Some(Ok(0)));
        assert!(matches!(read("message="), Some(Err(_))));
        assert!(matches!(
            read("message=[{},{}]&message=[{},{}]"),
            Some(Err(DecodeError::TooManyMessages { limit: 3 }))
        ));
    }
}
