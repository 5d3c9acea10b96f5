//! `MatchKeys`: from a channel to all patterns that match it, so that a subscription index is a plain map.

use crate::ChannelName;

/// The texts of all patterns that match a channel, computed once for each publish.
///
/// For `/a/b/c`: `/a/b/c`, `/a/b/*`, `/a/b/**`, `/a/**`, `/**` (BX-CH-3, BX-CH-4).
#[derive(Clone, Debug)]
pub struct MatchKeys {
    texts: String,
    ends: Vec<u32>,
}

impl MatchKeys {
    /// The keys of a broadcast channel.
    pub fn new(name: &ChannelName) -> Self {
        let name = name.as_str();
        let slashes = name.bytes().filter(|byte| *byte == b'/').count();
        let mut keys = Self {
            texts: String::with_capacity((slashes + 2) * (name.len() + 2)),
            ends: Vec::with_capacity(slashes + 2),
        };
        keys.push(name, "");
        let mut parent = name;
        for wildcards in std::iter::once(["*", "**"].as_slice()).chain(std::iter::repeat(["**"].as_slice())) {
            let Some(slash) = parent.rfind('/') else {
                break;
            };
            for wildcard in wildcards {
                keys.push(&parent[..=slash], wildcard);
            }
            parent = &parent[..slash];
        }
        keys
    }

    /// The texts: the name itself first, then patterns from the narrowest to `/**`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let text = &self.texts[start..*end as usize];
            start = *end as usize;
            text
        })
    }

    /// How many there are: segments + 2.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of memory they take.
    pub fn memory(&self) -> usize {
        self.texts.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// Never: a channel matches at least itself.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn push(&mut self, stem: &str, wildcard: &str) {
        self.texts.push_str(stem);
        self.texts.push_str(wildcard);
        self.ends.push(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
    }
}
