//! `Extension`: what an application adds to messages, and reads out of them (BX-FLD-13).

mod ack;
mod replay;
mod timestamp;
mod timesync;

use std::fmt::Debug;

use bayeux_protocol::{Json, Message};
use serde_json::{Map, Value};

use crate::error::Refusal;
pub(crate) use ack::Ack;
pub use replay::{FileStore, MemoryStore, Replay, ReplayFrom, ReplayStore};
pub use timestamp::Timestamp;
pub use timesync::TimeSync;

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

    /// Whether a subscription to `pattern` that is made again, in a new session, goes on where it was: then nothing is missing, and its
    /// stream is not interrupted.
    fn continues(&self, pattern: &str) -> bool {
        let _ = pattern;
        false
    }

    /// The server refuses a subscription to `pattern`, by no advice to begin a new session.
    fn refused(&mut self, pattern: &str, refusal: &Refusal) -> Refused {
        let _ = (pattern, refusal);
        Refused::Final
    }
}

/// What follows when a subscription is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It ends.
    Final,
    /// It is asked for again, with what the extension then says. Its stream is told that messages are missing
    /// ([`Interruption::NotKept`](crate::Interruption::NotKept)).
    AskAgain,
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
