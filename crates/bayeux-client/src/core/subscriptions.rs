//! `Subscriptions`: what the application is subscribed to, over all sessions (BX-CLI-4).

use std::collections::{BTreeMap, HashMap};

use bayeux_protocol::{ChannelName, ChannelPattern, ChannelRules, Grammar, MatchKeys};

use super::{SubscriptionId, outbox::BATCH_MESSAGES, request::Kind};

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    entries: BTreeMap<Box<str>, Entry>,
    owners: BTreeMap<SubscriptionId, Box<str>>,
    /// How many entries are in these standings: it is asked with every message.
    wanted: usize,
    renewing: usize,
    /// Whose the messages of a channel are, as long as the entries stay as they are: channels come again and again.
    known: HashMap<Box<str>, usize>,
    matchings: Vec<Matching>,
}

/// Whose the messages of a channel are.
#[derive(Debug)]
pub(super) struct Matching {
    pub(super) channel: ChannelName,
    pub(super) subscriptions: Vec<SubscriptionId>,
}

/// Names are taken as the server gives them, as long as they are no burden.
const RULES: ChannelRules = ChannelRules { grammar: Grammar::Lenient, max_bytes: 1024, max_segments: 128 };
/// Channels that are known at a time; one more, and all are forgotten.
const MAX_KNOWN: usize = 1000;

/// One pattern, which several subscriptions may share: the server knows of it once.
#[derive(Debug)]
struct Entry {
    pattern: ChannelPattern,
    generation: u64,
    standing: Standing,
    /// Whether those that had been confirmed know that there is a new session.
    is_told: bool,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    id: SubscriptionId,
    /// Whether the application was told that it is subscribed.
    is_confirmed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The server does not know of it, and is to be asked before anything else.
    Wanted,
    /// The request waits in the outbox, in its turn.
    Queued,
    /// The server was asked.
    Asked {
        /// For a new session: then nothing else is sent before it has answered.
        is_renewal: bool,
    },
    /// The server has confirmed it.
    Active,
}

/// What has to be done for a subscription that was added.
pub(super) enum Added {
    /// Nothing: it is in force already.
    Confirmed,
    /// Its request goes to the outbox.
    Queued,
    /// It is asked for with others, or once there is a session.
    Waiting,
}

impl Subscriptions {
    pub(super) fn add(
        &mut self,
        id: SubscriptionId,
        pattern: &ChannelPattern,
        generation: u64,
        has_session: bool,
    ) -> Added {
        self.forget_known();
        self.owners.insert(id, pattern.as_str().into());
        if let Some(entry) = self.entries.get_mut(pattern.as_str()) {
            let is_confirmed = entry.standing == Standing::Active;
            entry.members.push(Member { id, is_confirmed });
            return if is_confirmed { Added::Confirmed } else { Added::Waiting };
        }
        let standing = if has_session { Standing::Queued } else { Standing::Wanted };
        let members = vec![Member { id, is_confirmed: false }];
        self.count(standing, 1);
        let entry = Entry { pattern: pattern.clone(), generation, standing, is_told: true, members };
        self.entries.insert(pattern.as_str().into(), entry);
        if has_session { Added::Queued } else { Added::Waiting }
    }

    /// Removes one; the pattern, if nobody else has it.
    pub(super) fn remove(&mut self, id: SubscriptionId) -> Option<ChannelPattern> {
        self.forget_known();
        let key = self.owners.remove(&id)?;
        let entry = self.entries.get_mut(&key)?;
        entry.members.retain(|member| member.id != id);
        if !entry.members.is_empty() {
            return None;
        }
        self.take(&key).map(|entry| entry.pattern)
    }

    /// Requests for what the server does not know of, as many as a batch takes; from now on they are asked for.
    pub(super) fn ask_wanted(&mut self) -> Vec<Kind> {
        if self.wanted == 0 {
            return Vec::new();
        }
        let wanted = self.entries.values().filter(|entry| entry.standing == Standing::Wanted).take(BATCH_MESSAGES);
        let kinds: Vec<_> = wanted.map(|entry| (entry.pattern.clone(), entry.generation)).collect();
        let asked = Standing::Asked { is_renewal: true };
        kinds.iter().for_each(|(pattern, generation)| self.set(pattern, *generation, asked));
        kinds.into_iter().map(|(pattern, generation)| Kind::Subscribe { pattern, generation }).collect()
    }

    pub(super) const fn has_wanted(&self) -> bool {
        self.wanted > 0
    }

    /// Whether an answer is still out for one of those that go before everything else.
    pub(super) const fn is_renewing(&self) -> bool {
        self.renewing > 0
    }

    /// A request left the outbox.
    pub(super) fn asked(&mut self, pattern: &ChannelPattern, generation: u64) {
        if self.entry(pattern, generation).is_some_and(|entry| entry.standing == Standing::Queued) {
            self.set(pattern, generation, Standing::Asked { is_renewal: false });
        }
    }

    /// A request got no answer: it is asked again.
    pub(super) fn unanswered(&mut self, pattern: &ChannelPattern, generation: u64) {
        self.set(pattern, generation, Standing::Wanted);
    }

    /// The session is gone, and the server's knowledge with it.
    pub(super) fn forget_session(&mut self) {
        for entry in self.entries.values_mut() {
            (entry.standing, entry.is_told) = (Standing::Wanted, false);
        }
        self.wanted = self.entries.len();
        self.renewing = 0;
    }

    /// One is asked for in a new session: who is to know that before a message of it comes.
    pub(super) fn tell(&mut self, pattern: &ChannelPattern, generation: u64) -> Vec<SubscriptionId> {
        match self.entry(pattern, generation).filter(|entry| !entry.is_told) {
            Some(entry) => {
                entry.is_told = true;
                entry.members.iter().filter(|member| member.is_confirmed).map(|member| member.id).collect()
            }
            None => Vec::new(),
        }
    }

    /// The server has confirmed one: who had not been told so before.
    pub(super) fn confirm(&mut self, pattern: &ChannelPattern, generation: u64) -> Vec<SubscriptionId> {
        self.set(pattern, generation, Standing::Active);
        let Some(entry) = self.entry(pattern, generation) else { return Vec::new() };
        let members = entry.members.iter_mut().filter(|member| !member.is_confirmed);
        members
            .map(|member| {
                member.is_confirmed = true;
                member.id
            })
            .collect()
    }

    /// The server has refused one: whose it was, and whether they had been told that they were subscribed.
    pub(super) fn refuse(&mut self, pattern: &ChannelPattern, generation: u64) -> Vec<(SubscriptionId, bool)> {
        if self.entry(pattern, generation).is_none() {
            return Vec::new();
        }
        self.forget_known();
        let entry = self.take(pattern.as_str());
        let members: Vec<_> = entry.into_iter().flat_map(|entry| entry.members).collect();
        members.iter().for_each(|member| drop(self.owners.remove(&member.id)));
        members.into_iter().map(|member| (member.id, member.is_confirmed)).collect()
    }

    /// Removes all.
    pub(super) fn clear(&mut self) -> Vec<(ChannelPattern, SubscriptionId, bool)> {
        self.forget_known();
        self.owners.clear();
        (self.wanted, self.renewing) = (0, 0);
        let entries = std::mem::take(&mut self.entries).into_values();
        let members = entries.flat_map(|entry| {
            let pattern = entry.pattern;
            entry.members.into_iter().map(move |member| (pattern.clone(), member.id, member.is_confirmed))
        });
        members.collect()
    }

    /// Whose a message is (BX-CH-3, BX-CH-4); of nobody what has no name of a channel.
    pub(super) fn matching(&mut self, channel: &str) -> Option<&Matching> {
        if let Some(at) = self.known.get(channel) {
            return self.matchings.get(*at);
        }
        let name = ChannelName::parse(channel, &RULES).ok()?;
        let keys = MatchKeys::new(&name);
        let entries = keys.iter().filter_map(|key| self.entries.get(key));
        let entries = entries.filter(|entry| entry.pattern.matches(&name));
        let subscriptions = entries.flat_map(|entry| entry.members.iter().map(|member| member.id)).collect();
        if self.known.len() == MAX_KNOWN {
            self.forget_known();
        }
        self.known.insert(channel.into(), self.matchings.len());
        self.matchings.push(Matching { channel: name, subscriptions });
        self.matchings.last()
    }

    fn forget_known(&mut self) {
        self.known.clear();
        self.matchings.clear();
    }

    /// All that were told that they are subscribed.
    pub(super) fn confirmed(&self) -> Vec<SubscriptionId> {
        let members = self.entries.values().flat_map(|entry| &entry.members);
        members.filter(|member| member.is_confirmed).map(|member| member.id).collect()
    }

    /// Whose a pattern is.
    pub(super) fn members(&self, pattern: &ChannelPattern) -> Vec<SubscriptionId> {
        let entry = self.entries.get(pattern.as_str());
        entry.into_iter().flat_map(|entry| entry.members.iter().map(|member| member.id)).collect()
    }

    fn entry(&mut self, pattern: &ChannelPattern, generation: u64) -> Option<&mut Entry> {
        self.entries.get_mut(pattern.as_str()).filter(|entry| entry.generation == generation)
    }

    fn set(&mut self, pattern: &ChannelPattern, generation: u64, standing: Standing) {
        if let Some(entry) = self.entry(pattern, generation) {
            let before = std::mem::replace(&mut entry.standing, standing);
            self.count(before, -1);
            self.count(standing, 1);
        }
    }

    fn take(&mut self, pattern: &str) -> Option<Entry> {
        let entry = self.entries.remove(pattern)?;
        self.count(entry.standing, -1);
        Some(entry)
    }

    const fn count(&mut self, standing: Standing, by: isize) {
        match standing {
            Standing::Wanted => self.wanted = self.wanted.wrapping_add_signed(by),
            Standing::Asked { is_renewal: true } => self.renewing = self.renewing.wrapping_add_signed(by),
            Standing::Queued | Standing::Asked { is_renewal: false } | Standing::Active => {}
        }
    }
}
