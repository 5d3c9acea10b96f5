//! The upgrade of a request to a WebSocket (RFC 6455, 4.2).

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What an upgrade is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'a> {
    /// Whether the method is GET.
    pub get: bool,
    /// Whether a body is announced: `Transfer-Encoding`, or a `Content-Length` other than 0.
    pub body: bool,
    /// `Upgrade`.
    pub upgrade: Option<&'a str>,
    /// `Connection`.
    pub connection: Option<&'a str>,
    /// `Sec-WebSocket-Version`.
    pub version: Option<&'a str>,
    /// `Sec-WebSocket-Key`.
    pub key: Option<&'a str>,
}

/// Why an upgrade is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Only GET can be upgraded.
    #[error("the request is no GET")]
    Method,
    /// What follows would be a body to one reader and frames to another.
    #[error("the request has a body")]
    Body,
    /// `Upgrade: websocket` and `Connection: Upgrade` are both needed.
    #[error("the headers `Upgrade: websocket` and `Connection: Upgrade` are needed; a proxy may have dropped them")]
    Headers,
    /// Only version 13 is spoken.
    #[error("Sec-WebSocket-Version must be 13")]
    Version,
    /// The key is no 16 bytes in base64.
    #[error("Sec-WebSocket-Key must be 16 bytes in base64")]
    Key,
}

impl UpgradeError {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 426,
            Self::Method | Self::Body | Self::Headers | Self::Key => 400,
        }
    }
}

impl Upgrade<'_> {
    /// The value of `Sec-WebSocket-Accept`.
    ///
    /// # Errors
    /// What is missing.
    pub fn accept(&self) -> Result<String, UpgradeError> {
        if !self.get {
            return Err(UpgradeError::Method);
        }
        if self.body {
            return Err(UpgradeError::Body);
        }
        if !(has_token(self.upgrade, "websocket") && has_token(self.connection, "upgrade")) {
            return Err(UpgradeError::Headers);
        }
        if self.version.map(str::trim) != Some("13") {
            return Err(UpgradeError::Version);
        }
        let key = self.key.map(str::trim).ok_or(UpgradeError::Key)?;
        if STANDARD.decode(key).map(|bytes| bytes.len()) != Ok(16) {
            return Err(UpgradeError::Key);
        }
        let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize();
        Ok(STANDARD.encode(digest))
    }
}

fn has_token(header: Option<&str>, token: &str) -> bool {
    header.is_some_and(|header| header.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: Upgrade<'_> = Upgrade {
        get: true,
        body: false,
        upgrade: Some("WebSocket"),
        connection: Some("keep-alive, Upgrade"),
        version: Some("13"),
        key: Some("dGhlIHNhbXBsZSBub25jZQ=="),
    };

    #[test]
    fn bx_ws_6_the_example_of_the_rfc() {
        assert_eq!(GOOD.accept().as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(Upgrade { get: false, ..GOOD }.accept(), Err(UpgradeError::Method));
        assert_eq!(Upgrade { body: true, ..GOOD }.accept(), Err(UpgradeError::Body));
        assert_eq!(Upgrade { upgrade: Some("h2c"), ..GOOD }.accept(), Err(UpgradeError::Headers));
        assert_eq!(Upgrade { connection: None, ..GOOD }.accept(), Err(UpgradeError::Headers));
        assert_eq!(Upgrade { version: Some("8"), ..GOOD }.accept(), Err(UpgradeError::Version));
        for key in [None, Some(""), Some("abc"), Some("dGhlIHNhbXBsZQ==")] {
            assert_eq!(Upgrade { key, ..GOOD }.accept(), Err(UpgradeError::Key));
        }
    }

    #[test]
    fn bx_ws_6_tokens_are_whole_and_in_any_case() {
        for connection in ["Upgrade", "upgrade", "keep-alive,UPGRADE", " , Upgrade ,x"] {
            let connection = Some(connection);
            assert!(Upgrade { connection, ..GOOD }.accept().is_ok());
        }
        for connection in ["", "close", "Upgraded", "no-upgrade", "Upgrade Insecure", "up grade"] {
            let connection = Some(connection);
            assert_eq!(Upgrade { connection, ..GOOD }.accept(), Err(UpgradeError::Headers));
        }
        for version in [None, Some(""), Some("013"), Some("+13"), Some("13, 8")] {
            let refusal = Upgrade { version, ..GOOD }.accept();
            assert_eq!(refusal, Err(UpgradeError::Version));
        }
        assert_eq!(UpgradeError::Version.status(), 426);
        assert_eq!(UpgradeError::Headers.status(), 400);
    }

    proptest! {
        #[test]
        fn any_16_bytes_are_a_key_and_no_other_number(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let key = STANDARD.encode(&bytes);
            let accepted = Upgrade { key: Some(&key), ..GOOD }.accept();
            prop_assert_eq!(accepted.is_ok(), bytes.len() == 16);
            prop_assert!(accepted.is_ok_and(|accept| accept.len() == 28) || bytes.len() != 16);
        }

        #[test]
        fn no_text_panics(text: String) {
            let text = Some(text.as_str());
            let upgrade = Upgrade { get: true, body: false, upgrade: text, connection: text, version: text, key: text };
            prop_assert!(upgrade.accept().is_err());
            let refusal = Upgrade { key: text, ..GOOD }.accept();
            prop_assert_eq!(refusal, Err(UpgradeError::Key));
        }
    }
}
