//! `Json`: one JSON value as compact bytes, checked once and never turned into a tree by the server.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{DecodeError, codec::scan::Scanner};

/// A JSON value: valid UTF-8, no white space outside strings, no lone surrogates, no number beyond a double, bounded depth.
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Bytes);

impl Json {
    /// Checks and compacts `text`, nested at most `max_depth` deep.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn parse(text: &[u8], max_depth: usize) -> Result<Self, DecodeError> {
        let mut scanner = Scanner::new(text, max_depth)?;
        let range = scanner.copied_value()?;
        scanner.end()?;
        Ok(Self(Bytes::from(scanner.into_copied()).slice(range)))
    }

    /// Serializes `value`.
    ///
    /// # Errors
    /// What serde_json refuses, such as a map whose keys are no strings.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(value).map(|bytes| Self(bytes.into()))
    }

    /// Deserializes the value.
    ///
    /// # Errors
    /// The value does not have the shape of `T`.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when the value was made")
    }

    /// The shared bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Bytes that the decoder has checked.
    pub(crate) const fn checked(bytes: Bytes) -> Self {
        Self(bytes)
    }
}
