//! `Binary`: bytes as data, in the form of CometD's extension `binary`: `ext.binary`, and Z85 (ZeroMQ's RFC 32) for any number of bytes.

use bayeux_protocol::Json;
use serde::{Deserialize, Serialize};

use crate::{
    core::Delivery,
    error::{ApplicationFault, Doing, Error},
};

const ALPHABET: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Bytes, and what is said of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether they are the last, or all, of something that is sent in parts.
    pub last: bool,
    /// Such as a name or a type.
    pub meta: Option<Json>,
}

#[derive(Deserialize, Serialize)]
struct Wire {
    data: String,
    #[serde(default)]
    last: bool,
    #[serde(default)]
    meta: Option<serde_json::Value>,
}

impl From<Vec<u8>> for Binary {
    /// All of something.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, last: true, meta: None }
    }
}

impl Binary {
    /// What is published, and what stands in its `ext`.
    pub(crate) fn encode(&self) -> Result<(Json, Json), serde_json::Error> {
        let meta = self.meta.as_ref().map(Json::to).transpose()?;
        let wire =
            Wire { data: encode(&self.bytes), last: self.last, meta: meta.or_else(|| Some(serde_json::json!({}))) };
        Ok((Json::from_serialize(&wire)?, Json::from_serialize(&serde_json::json!({"binary": {}}))?))
    }
}

impl Delivery {
    /// The data as bytes, if it was published as such; `None` if it is anything else.
    ///
    /// # Errors
    /// It says that it is binary, and is not.
    pub fn binary(&self) -> Result<Option<Binary>, Error> {
        let ext = self.ext.as_ref().and_then(|ext| ext.to::<serde_json::Map<String, serde_json::Value>>().ok());
        if !ext.is_some_and(|ext| ext.contains_key("binary")) {
            return Ok(None);
        }
        let fault = |what: &str| Error::Application {
            doing: Doing::Reading(self.channel.as_str().into()),
            fault: ApplicationFault::Value(what.into()),
        };
        let wire: Wire = self.parse()?;
        let bytes = decode(&wire.data).ok_or_else(|| fault("this is no Z85"))?;
        let meta = wire.meta.map(|meta| Json::from_serialize(&meta)).transpose();
        Ok(Some(Binary { bytes, last: wire.last, meta: meta.map_err(|error| fault(&error.to_string()))? }))
    }
}

/// Four bytes are five characters. What is left at the end has one character more than bytes.
fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 5 / 4 + 5);
    for chunk in bytes.chunks(4) {
        let mut padded = [0; 4];
        padded[..chunk.len()].copy_from_slice(chunk);
        let mut value = u32::from_be_bytes(padded);
        let mut digits = [0; 5];
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[(value % 85) as usize];
            value /= 85;
        }
        out.extend(digits[..=chunk.len()].iter().map(|digit| char::from(*digit)));
    }
    out
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 4 / 5);
    for chunk in text.as_bytes().chunks(5) {
        let mut value = 0_u32;
        // What was cut off is made up by the greatest digits, so that the bytes in front are what they were.
        for at in 0..5 {
            let digit = match chunk.get(at) {
                Some(character) => ALPHABET.iter().position(|known| known == character)?,
                None => ALPHABET.len() - 1,
            };
            value = value.checked_mul(85)?.checked_add(u32::try_from(digit).ok()?)?;
        }
        let bytes = &value.to_be_bytes()[..chunk.len() - 1];
        if bytes.is_empty() {
            return None;
        }
        out.extend_from_slice(bytes);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use bayeux_protocol::{ChannelName, ChannelRules};
    use proptest::prelude::*;

    use super::*;

    const HELLO: [u8; 8] = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];

    #[test]
    fn the_example_of_the_rfc_is_what_it_says() {
        assert_eq!(encode(&HELLO), "HelloWorld");
        assert_eq!(decode("HelloWorld").as_deref(), Some(&HELLO[..]));
        for (length, text) in [(1, "H5"), (2, "Hed"), (3, "Helj"), (4, "Hello")] {
            assert_eq!(encode(&HELLO[..length]), text, "as CometD cuts it");
            assert_eq!(decode(text).as_deref(), Some(&HELLO[..length]));
        }
    }

    fn delivery(data: &str, ext: Option<&str>) -> Delivery {
        let json = |text: &str| Json::parse(text.as_bytes(), 8).expect("it is JSON");
        let channel = ChannelName::parse("/a", &ChannelRules::default()).expect("it is a channel");
        Delivery { channel, data: json(data), ext: ext.map(json) }
    }

    #[test]
    fn what_is_published_is_what_is_read() {
        let meta = Json::parse(br#"{"name":"x"}"#, 8).expect("it is JSON");
        let binary = Binary { bytes: HELLO.into(), last: false, meta: Some(meta) };
        let (data, ext) = binary.encode().expect("it is JSON");
        assert_eq!(data.as_str(), r#"{"data":"HelloWorld","last":false,"meta":{"name":"x"}}"#);
        assert_eq!(delivery(data.as_str(), Some(ext.as_str())).binary(), Ok(Some(binary)));
        assert_eq!(delivery(data.as_str(), None).binary(), Ok(None), "somebody's object");
        for bad in [r#"{"data":"Hel lo"}"#, r#"{"data":"$$$$$"}"#, r#"{"data":"Hello1"}"#, r#"{"data":1}"#, "1"] {
            assert!(delivery(bad, Some(r#"{"binary":{}}"#)).binary().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-zA-Z#$%é]{0,12}") {
            if let Some(bytes) = decode(&text) {
                prop_assert!(bytes.len() <= text.len());
            }
        }
    }
}
