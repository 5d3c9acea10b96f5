//! Random operations against a naive model: who must have received what, in which order.

use std::collections::BTreeMap;

use bayeux_engine::Config;
use proptest::prelude::*;
use serde_json::json;

use crate::world::{Peer, World};

const PATTERNS: [&str; 7] = ["/a", "/a/b", "/a/*", "/a/**", "/b/*", "/**", "/*"];
const CHANNELS: [&str; 5] = ["/a", "/a/b", "/a/b/c", "/b/x", "/c"];

#[derive(Clone, Debug)]
enum Operation {
    Subscribe {
        peer: usize,
        pattern: usize,
    },
    Unsubscribe {
        peer: usize,
        pattern: usize,
    },
    Publish {
        peer: usize,
        channel: usize,
    },
    Drain {
        peer: usize,
    },
    /// Takes a batch and gives up on it.
    Abort {
        peer: usize,
    },
    Disconnect {
        peer: usize,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let (peer, pattern, channel) = (0..5_usize, 0..PATTERNS.len(), 0..CHANNELS.len());
    prop_oneof![
        3 => (peer.clone(), pattern.clone()).prop_map(|(peer, pattern)| Operation::Subscribe { peer, pattern }),
        2 => (peer.clone(), pattern).prop_map(|(peer, pattern)| Operation::Unsubscribe { peer, pattern }),
        6 => (peer.clone(), channel).prop_map(|(peer, channel)| Operation::Publish { peer, channel }),
        2 => peer.clone().prop_map(|peer| Operation::Drain { peer }),
        1 => peer.clone().prop_map(|peer| Operation::Abort { peer }),
        1 => peer.prop_map(|peer| Operation::Disconnect { peer }),
    ]
}

/// The obvious matcher.
fn matches(pattern: &str, channel: &str) -> bool {
    let (pattern, channel): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), channel.split('/').collect());
    match pattern.last() {
        Some(&"*") => channel.len() == pattern.len() && channel[..channel.len() - 1] == pattern[..pattern.len() - 1],
        Some(&"**") => channel.len() >= pattern.len() && channel[..pattern.len() - 1] == pattern[..pattern.len() - 1],
        _ => pattern == channel,
    }
}

#[derive(Default)]
struct Model {
    subscriptions: BTreeMap<usize, Vec<usize>>,
    expected: BTreeMap<usize, Vec<u64>>,
}

struct Run {
    world: World,
    peers: Vec<Option<Peer>>,
    model: Model,
    published: u64,
}

impl Run {
    fn peer(&mut self, n: usize) -> Peer {
        if self.peers[n].is_none() {
            self.peers[n] = Some(self.world.poller());
        }
        self.peers[n].clone().expect("just made")
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Subscribe { peer, pattern } => {
                let reply = {
                    let mut it = self.peer(peer);
                    self.world.subscribe(&mut it, json!(PATTERNS[pattern]))
                };
                assert_eq!(reply["successful"], true);
                let mine = self.model.subscriptions.entry(peer).or_default();
                if !mine.contains(&pattern) {
                    mine.push(pattern);
                }
            }
            Operation::Unsubscribe { peer, pattern } => {
                let mut it = self.peer(peer);
                let request = json!([{"channel": "/meta/unsubscribe", "subscription": PATTERNS[pattern]}]);
                assert_eq!(self.world.send(&mut it, request).replies[0]["successful"], true);
                self.model.subscriptions.entry(peer).or_default().retain(|other| *other != pattern);
            }
            Operation::Publish { peer, channel } => {
                let mut it = self.peer(peer);
                self.published += 1;
                let reply = self.world.publish(&mut it, CHANNELS[channel], json!(self.published));
                assert_eq!(reply["successful"], true);
                for (subscriber, patterns) in &self.model.subscriptions {
                    if patterns.iter().any(|pattern| matches(PATTERNS[*pattern], CHANNELS[channel])) {
                        self.model.expected.entry(*subscriber).or_default().push(self.published);
                    }
                }
            }
            Operation::Drain { peer } => self.drain(peer),
            Operation::Abort { peer } => {
                let mut it = self.peer(peer);
                let outcome = self.world.connect(&mut it, "abort");
                for ticket in outcome.answer.lent.into_iter().chain(outcome.answer.held) {
                    self.world.engine.cancel(self.world.now, ticket);
                }
            }
            Operation::Disconnect { peer } => {
                let mut it = self.peer(peer);
                self.world.send(&mut it, json!([{"channel": "/meta/disconnect"}]));
                self.peers[peer] = None;
                self.model.subscriptions.remove(&peer);
                self.model.expected.remove(&peer);
            }
        }
    }

    /// What arrives is exactly what the model expects, in its order.
    fn drain(&mut self, peer: usize) {
        let mut it = self.peer(peer);
        let request = json!([{"channel": "/meta/connect", "connectionType": "long-polling", "advice": {"timeout": 0}}]);
        let outcome = self.world.send(&mut it, request);
        for ticket in &outcome.answer.lent {
            self.world.engine.confirm(self.world.now, *ticket);
        }
        let got: Vec<_> = outcome.replies.iter().filter_map(|message| message["data"].as_u64()).collect();
        assert_eq!(got, self.model.expected.remove(&peer).unwrap_or_default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_subscriber_gets_what_the_model_says(
        shards in 1..4_usize,
        operations in prop::collection::vec(operation(), 1..120),
    ) {
        let world = World::with_shards(Config::default(), shards);
        let mut run = Run { world, peers: vec![None; 5], model: Model::default(), published: 0 };
        for operation in &operations {
            run.apply(operation);
        }
        for peer in 0..5 {
            run.drain(peer);
        }
    }
}
