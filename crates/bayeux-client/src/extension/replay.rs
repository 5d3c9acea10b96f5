//! `replay`: goes on where it was, also after days, with servers that keep what was published (Salesforce Streaming).
//!
//! The server numbers what is published to a channel, and each message says its number in `data.event.replayId`. A subscription names the
//! last one that it had in `ext.replay`, and gets what came since.

mod store;

use std::collections::BTreeSet;

use bayeux_protocol::{Message, MetaChannel, Subscription};
use serde::Deserialize;
use serde_json::json;

use super::{Extension, Refused, get_ext, set_ext};
use crate::error::Refusal;
pub use store::{FileStore, MemoryStore, ReplayStore};

/// What is asked for where no number is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplayFrom {
    /// What is published from now on (`-1`).
    #[default]
    New,
    /// Everything that the server still has (`-2`).
    Oldest,
}

/// Asks for what was missed.
///
/// A number is stored when its message is put into the queue of the subscription, not when the application has dealt with it: what was in the
/// queue when a program ended is not asked for again. Whoever can't afford that reads [`replay_id`](crate::Delivery::replay_id) of each message and stores it by himself, in
/// a [`ReplayStore`] of his own whose `put` does nothing.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use bayeux_client::{Client, FileStore, Replay, ReplayFrom};
///
/// let replay = Replay::new(FileStore::open("replay.json")?).otherwise(ReplayFrom::Oldest);
/// let client = Client::builder("https://example.my.salesforce.com/cometd/60.0").extension(replay).connect().await?;
/// let mut orders = client.subscribe("/event/Order__e").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Replay {
    store: Box<dyn ReplayStore>,
    otherwise: ReplayFrom,
    /// Whether the server takes part.
    is_on: bool,
    /// What is subscribed to: no other numbers are stored.
    channels: BTreeSet<Box<str>>,
    /// Those of them that were last asked for by a number.
    by_number: BTreeSet<Box<str>>,
}

impl ReplayFrom {
    const fn number(self) -> i64 {
        match self {
            Self::New => -1,
            Self::Oldest => -2,
        }
    }
}

impl Replay {
    /// With numbers that are kept there.
    pub fn new(store: impl ReplayStore + 'static) -> Self {
        let (channels, by_number) = (BTreeSet::new(), BTreeSet::new());
        Self { store: Box::new(store), otherwise: ReplayFrom::default(), is_on: false, channels, by_number }
    }

    /// What is asked for where no number is known, or the server has no longer what came behind it. Default: [`ReplayFrom::New`].
    #[must_use]
    pub const fn otherwise(mut self, from: ReplayFrom) -> Self {
        self.otherwise = from;
        self
    }
}

impl Extension for Replay {
    fn outgoing(&mut self, message: &mut Message) {
        let channel = message.channel.as_deref();
        if is(channel, MetaChannel::Handshake) {
            self.is_on = false;
            set_ext(message, "replay", &true.into());
        } else if let Some(Subscription::One(wanted)) = message.subscription.clone() {
            if is(channel, MetaChannel::Unsubscribe) {
                self.channels.remove(&wanted);
            } else if is(channel, MetaChannel::Subscribe) && self.is_on {
                let known = self.store.get(&wanted);
                match known {
                    Some(_) => self.by_number.insert(wanted.clone()),
                    None => self.by_number.remove(&wanted),
                };
                let number = known.unwrap_or_else(|| self.otherwise.number());
                self.channels.insert(wanted.clone());
                set_ext(message, "replay", &json!({&*wanted: number}));
            }
        }
    }

    fn incoming(&mut self, message: &mut Message) {
        if is(message.channel.as_deref(), MetaChannel::Handshake) {
            self.is_on = message.successful == Some(true) && get_ext(message, "replay") == Some(true.into());
        } else if let (Some(channel), Some(number)) = (message.channel.as_deref(), number_of(message))
            && self.channels.contains(channel)
        {
            self.store.put(channel, number);
        }
    }

    fn continues(&self, pattern: &str) -> bool {
        self.by_number.contains(pattern)
    }

    /// The number is too old, or of before the server was restored: what came since is lost.
    fn refused(&mut self, pattern: &str, refusal: &Refusal) -> Refused {
        if refusal.code == Some(400) && self.by_number.remove(pattern) {
            self.store.forget(pattern);
            Refused::AskAgain
        } else {
            Refused::Final
        }
    }
}

impl crate::Delivery {
    /// The number that the server has given it (`event.replayId` of its data), if it has.
    pub fn replay_id(&self) -> Option<i64> {
        read_number(&self.data)
    }
}

fn number_of(message: &Message) -> Option<i64> {
    read_number(message.data.as_ref().filter(|_| message.successful.is_none())?)
}

fn read_number(data: &bayeux_protocol::Json) -> Option<i64> {
    #[derive(Deserialize)]
    struct Data {
        event: Event,
    }
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "replayId")]
        replay_id: i64,
    }
    data.to::<Data>().ok().map(|data| data.event.replay_id)
}

fn is(channel: Option<&str>, meta: MetaChannel) -> bool {
    channel.is_some() && meta.as_str() == channel
}

#[cfg(test)]
mod tests {
    use bayeux_protocol::{DecodeLimits, decode_batch};

    use super::*;

    fn message(text: &str) -> Message {
        decode_batch(text.as_bytes(), &DecodeLimits::default()).expect("it is a batch").remove(0)
    }

    fn shaken(ext: &str) -> Replay {
        let mut replay = Replay::new(MemoryStore::default());
        let mut handshake = message(r#"{"channel":"/meta/handshake"}"#);
        replay.outgoing(&mut handshake);
        assert_eq!(handshake.ext.expect("it asks").as_str(), r#"{"replay":true}"#);
        replay.incoming(&mut message(&format!(r#"{{"channel":"/meta/handshake","successful":true,"ext":{ext}}}"#)));
        replay
    }

    fn asked(replay: &mut Replay) -> Option<String> {
        let mut subscribe = message(r#"{"channel":"/meta/subscribe","subscription":"/event/A"}"#);
        replay.outgoing(&mut subscribe);
        subscribe.ext.map(|ext| ext.as_str().to_owned())
    }

    #[test]
    fn a_subscription_goes_on_behind_the_last_message_that_came() {
        let mut replay = shaken(r#"{"replay":true}"#);
        assert_eq!(asked(&mut replay).as_deref(), Some(r#"{"replay":{"/event/A":-1}}"#));
        assert!(!replay.continues("/event/A"));
        for number in [5, 7] {
            replay.incoming(&mut message(&format!(
                r#"{{"channel":"/event/A","data":{{"schema":"x","payload":{{}},"event":{{"replayId":{number}}}}}}}"#
            )));
        }
        for other in [
            r#"{"channel":"/event/B","data":{"event":{"replayId":9}}}"#,
            r#"{"channel":"/event/A","data":{"event":{"replayId":"9"}}}"#,
            r#"{"channel":"/event/A","data":9}"#,
            r#"{"channel":"/event/A","successful":true,"data":{"event":{"replayId":9}}}"#,
        ] {
            replay.incoming(&mut message(other));
        }
        assert_eq!(asked(&mut replay).as_deref(), Some(r#"{"replay":{"/event/A":7}}"#));
        assert!(replay.continues("/event/A"));
        assert_eq!(replay.store.get("/event/B"), None, "it is not subscribed to");
    }

    #[test]
    fn a_number_that_is_too_old_is_given_up_once() {
        let mut replay = shaken(r#"{"replay":true}"#).otherwise(ReplayFrom::Oldest);
        replay.store.put("/event/A", 3);
        assert_eq!(asked(&mut replay).as_deref(), Some(r#"{"replay":{"/event/A":3}}"#));
        let refusal = |error: &str| Refusal::of(&Message { error: Some(error.into()), ..Message::default() });
        let old = refusal("400::The replayId {3} you provided was invalid.  Please provide a valid ID, -2 or -1.");
        assert_eq!(replay.refused("/event/A", &refusal("403::denied")), Refused::Final);
        assert_eq!(replay.refused("/event/A", &old), Refused::AskAgain);
        assert_eq!(asked(&mut replay).as_deref(), Some(r#"{"replay":{"/event/A":-2}}"#));
        assert_eq!(replay.refused("/event/A", &old), Refused::Final, "it was no number that was refused");
    }

    #[test]
    fn a_server_without_it_is_asked_for_nothing() {
        for ext in ["{}", r#"{"replay":false}"#, r#"{"replay":1}"#] {
            assert_eq!(asked(&mut shaken(ext)), None);
        }
    }
}
