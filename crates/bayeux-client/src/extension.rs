//! `Extension`: what an application adds to messages, and reads out of them (BX-FLD-13).

mod ack;

use std::fmt::Debug;

use bayeux_protocol::{Json, Message};
use serde_json::{Map, Value};

pub(crate) use ack::Ack;

/// Sees every message, on its way out and in.
///
/// It is called from the task of the connection, so it must not block.
pub trait Extension: Debug + Send {
    /// A message that is about to be sent. The last extension that was added comes first.
    fn outgoing(&mut self, message: &mut Message) {
        let _ = message;
    }

    /// A message that came, be it a reply or a delivery, before anything else looks at it. The first extension that was
    /// added comes first.
    fn incoming(&mut self, message: &mut Message) {
        let _ = message;
    }
}

/// Puts `value` under `key` into `ext` of a message, beside what is there.
///
/// ```
/// use bayeux_client::{Message, set_ext};
///
/// let mut message = Message::default();
/// set_ext(&mut message, "token", &"secret".into());
/// assert_eq!(message.ext.unwrap().as_str(), r#"{"token":"secret"}"#);
/// ```
pub fn set_ext(message: &mut Message, key: &str, value: &Value) {
    let ext = message.ext.as_ref().map(|ext| ext.to::<Map<String, Value>>());
    let mut ext = ext.and_then(Result::ok).unwrap_or_default();
    ext.insert(key.to_owned(), value.clone());
    message.ext = Json::from_serialize(&ext).ok();
}

/// What stands under `key` in `ext` of a message.
pub fn get_ext(message: &Message, key: &str) -> Option<Value> {
    message.ext.as_ref()?.to::<Map<String, Value>>().ok()?.remove(key)
}
