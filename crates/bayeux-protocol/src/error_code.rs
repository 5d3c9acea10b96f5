//! The wire errors, one table: `code:args:text` (BX-FLD-12). Receivers act on advice, never on these.

/// An error this server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// Three digits.
    pub code: u16,
    /// What happened, in words that programs may compare.
    pub text: &'static str,
}

macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal $text:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: ErrorCode = ErrorCode { code: $code, text: $text };)+

        #[cfg(test)]
        const ALL: &[ErrorCode] = &[$($name),+];
    };
}

errors! {
    /// The message makes no sense.
    BAD_REQUEST = 400 "bad_request";
    /// Another message came in one batch with a handshake (BX-HS-4).
    MESSAGE_IN_COMPANY = 400 "handshake_must_be_alone";
    /// No `channel` (BX-MSG-1).
    CHANNEL_MISSING = 400 "channel_missing";
    /// A field of the wrong type.
    FIELD_INVALID = 400 "field_invalid";
    /// A publish without `data` (BX-PB-6).
    DATA_MISSING = 400 "data_missing";
    /// No version in common (BX-HS-15).
    VERSION_UNSUPPORTED = 400 "version_unsupported";
    /// A connect without a connection type that the server offers (BX-CN-13).
    CONNECTION_TYPE_UNSUPPORTED = 400 "connection_type_unsupported";
    /// No connection type in common (BX-HS-8).
    NO_COMMON_CONNECTION_TYPE = 400 "no_common_connection_type";
    /// The session is unknown, expired, or another's (BX-SE-2).
    SESSION_UNKNOWN = 402 "session_unknown";
    /// The handshake was refused by policy.
    HANDSHAKE_DENIED = 403 "handshake_denied";
    /// No `subscription`, or an empty one (BX-SB-7).
    SUBSCRIPTION_MISSING = 403 "subscription_missing";
    /// A `subscription` that is no channel pattern (BX-CH-2).
    SUBSCRIPTION_INVALID = 403 "subscription_invalid";
    /// Not to be subscribed to (BX-CH-6).
    SUBSCRIBE_DENIED = 403 "subscribe_denied";
    /// Not to be unsubscribed from.
    UNSUBSCRIBE_DENIED = 403 "unsubscribe_denied";
    /// Not to be published to.
    PUBLISH_DENIED = 403 "publish_denied";
    /// A limit of subscriptions (BX-LM-1).
    TOO_MANY_SUBSCRIPTIONS = 403 "too_many_subscriptions";
    /// A `channel` that is no channel name (BX-CH-12).
    CHANNEL_INVALID = 405 "channel_invalid";
    /// An `id` that is neither text nor number, or too long (BX-FLD-5).
    MESSAGE_ID_INVALID = 405 "message_id_invalid";
    /// Over a limit of size (BX-LM-1).
    MESSAGE_TOO_LARGE = 413 "message_too_large";
    /// No room at the moment (BX-LM-1).
    SERVER_OVERLOADED = 503 "server_overloaded";
    /// The server is about to stop.
    SHUTTING_DOWN = 503 "shutting_down";
}

/// Bytes of an argument that are shown.
const MAX_ARG_BYTES: usize = 64;

impl ErrorCode {
    /// The text for the wire: `402::session_unknown`, `403:/a//b:subscription_invalid`. Arguments are cut to 64 bytes;
    /// characters that the error grammar has a use for, and control characters, become `?`.
    pub fn message(&self, args: &[&str]) -> Box<str> {
        let mut message = format!("{}:", self.code);
        for (n, arg) in args.iter().enumerate() {
            if n > 0 {
                message.push(',');
            }
            let start = message.len();
            for c in arg.chars() {
                if message.len() - start + c.len_utf8() > MAX_ARG_BYTES {
                    break;
                }
                let clean = !c.is_control() && !matches!(c, ':' | ',' | '"' | '\'' | '<' | '>' | '&' | '\\');
                message.push(if clean { c } else { '?' });
            }
        }
        message.push(':');
        message.push_str(self.text);
        message.into()
    }
}

/// An error as a peer sent it, taken apart leniently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorText<'a> {
    /// The three digits.
    pub code: u16,
    /// Between the colons; may be empty.
    pub args: &'a str,
    /// After the second colon.
    pub message: &'a str,
}

impl<'a> ErrorText<'a> {
    /// Takes `code:args:message` apart; `None` if it does not have that form.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (code, rest) = text.split_once(':')?;
        let (args, message) = rest.split_once(':')?;
        let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self { code: code.parse().ok().filter(|_| digits)?, args, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bx_fld_12_every_error_reads_back() {
        for error in ALL {
            let text = error.message(&["/a", "b"]);
            let parsed = ErrorText::parse(&text);
            assert_eq!(parsed, Some(ErrorText { code: error.code, args: "/a,b", message: error.text }));
        }
    }

    #[test]
    fn arguments_are_cut_and_cleaned() {
        let text = SUBSCRIPTION_INVALID.message(&["a:b,\"<\n\u{1F600}", &"x".repeat(100)]);
        assert_eq!(&*text, format!("403:a?b????\u{1F600},{}:subscription_invalid", "x".repeat(64)));
    }

    #[test]
    fn other_texts_are_no_errors() {
        for text in ["", "402", "402:x", "40:a:b", "4020:a:b", "abc:a:b", "+40:a:b"] {
            assert_eq!(ErrorText::parse(text), None, "{text}");
        }
    }
}
