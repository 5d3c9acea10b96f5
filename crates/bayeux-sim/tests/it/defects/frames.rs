//! Frames that a defective engine would have written otherwise.

use std::collections::BTreeSet;

use bayeux_engine::HEADROOM;
use bayeux_protocol::{ChannelName, ChannelPattern, ChannelRules, Message};
use serde_json::{Value, json};

pub(crate) fn changed(frame: Vec<u8>, change: impl FnOnce(&mut Vec<Value>)) -> Vec<u8> {
    let mut messages: Vec<Value> = serde_json::from_slice(&frame[HEADROOM..]).expect("the engine writes JSON");
    change(&mut messages);
    let mut frame = vec![0; HEADROOM];
    serde_json::to_writer(&mut frame, &messages).expect("a vector takes whatever is written");
    frame
}

pub(crate) fn is_event(message: &Value) -> bool {
    message.get("data").is_some()
}

/// Its first two events change places. Tells whether it has two.
pub(crate) fn reversed(frame: Vec<u8>) -> (Vec<u8>, bool) {
    let mut done = false;
    let frame = changed(frame, |messages| {
        if messages.len() >= 2 && is_event(&messages[0]) && is_event(&messages[1]) {
            messages.swap(0, 1);
            done = true;
        }
    });
    (frame, done)
}

/// What says that the client has disconnected says that the session is gone.
pub(crate) fn ended(frame: Vec<u8>) -> Vec<u8> {
    changed(frame, |messages| {
        for message in messages.iter_mut().filter(|message| message["advice"]["reconnect"] == "none") {
            message["successful"] = json!(false);
            message["error"] = json!("402::session_unknown");
            message["advice"]["reconnect"] = json!("handshake");
        }
    })
}

/// The interest of a node, cleared too early, and what was published meanwhile.
pub(crate) struct Suppressed {
    shards: u16,
    interest: BTreeSet<(u16, String)>,
    /// Events that a shard was not given.
    events: BTreeSet<(u16, u64)>,
}

impl Suppressed {
    pub(crate) fn new(shards: usize) -> Self {
        Self { shards: shards as u16, interest: BTreeSet::new(), events: BTreeSet::new() }
    }

    pub(crate) fn read(&mut self, batch: &[Message]) {
        for message in batch {
            let Some(channel) = message.channel.as_deref() else {
                continue;
            };
            let shard = message.client_id.as_deref().map(|id| self.shard(id));
            let patterns = message.subscription.iter().flat_map(|subscription| subscription.iter().map(str::to_owned));
            match (channel, shard) {
                ("/meta/subscribe", Some(shard)) => self.interest.extend(patterns.map(|pattern| (shard, pattern))),
                ("/meta/unsubscribe", Some(shard)) => {
                    for pattern in patterns {
                        self.interest.remove(&(shard, pattern));
                    }
                }
                _ => self.publish(channel, message),
            }
        }
    }

    fn publish(&mut self, channel: &str, message: &Message) {
        let rules = ChannelRules::default();
        let number = message.data.as_ref().and_then(|data| serde_json::from_slice::<Value>(data.as_bytes()).ok());
        let (Some(number), Ok(name)) =
            (number.and_then(|data| data["m"].as_u64()), ChannelName::parse(channel, &rules))
        else {
            return;
        };
        let matches = |pattern: &str| ChannelPattern::parse(pattern, &rules).is_ok_and(|it| it.matches(&name));
        for shard in 0..self.shards {
            if !self.interest.iter().any(|(on, pattern)| *on == shard && matches(pattern)) {
                self.events.insert((shard, number));
            }
        }
    }

    /// The frame without what the session's shard was not given.
    pub(crate) fn without(&self, session: Option<&str>, frame: Vec<u8>) -> Vec<u8> {
        let Some(shard) = session.map(|id| self.shard(id)) else {
            return frame;
        };
        changed(frame, |messages| {
            messages.retain(|message| {
                message["data"]["m"].as_u64().is_none_or(|number| !self.events.contains(&(shard, number)))
            });
        })
    }

    /// The shard of a session: its slot, the first three digits of its id, modulo the number of shards.
    fn shard(&self, id: &str) -> u16 {
        u16::from_str_radix(&id[..3], 36).expect("an id begins with its slot") % self.shards
    }
}
