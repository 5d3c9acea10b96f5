//! Channel names and patterns, parsed once: what a channel is, is decided here and nowhere else (BX-CH-1, BX-CH-2, BX-CH-5).

use std::{fmt, sync::Arc};

use crate::{ChannelError, limits::ChannelRules};

/// Which characters a channel name may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grammar {
    /// What CometD accepts: letters, digits, space and ``! # $ ( ) * + - . / @ _ { } ~``; one trailing slash is dropped
    /// (BX-CH-13).
    #[default]
    Lenient,
    /// The published grammar: letters, digits and `- _ ! ~ ( ) $ @`; no trailing slash.
    Strict,
}

/// A channel, as in `/chat/lobby`: 1 to 16 segments, 255 bytes by default. Cheap to clone.
///
/// The text is canonical: without the trailing slash that the lenient grammar allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Arc<str>);

/// What a channel is for. Computed from the canonical text, so what a hook is shown and what is dispatched can't differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// Begins with `/meta/`: the protocol's own.
    Meta(MetaChannel),
    /// Begins with `/service/`: between one client and the server, never broadcast (BX-CH-9).
    Service,
    /// Any other: published to whoever subscribed.
    Broadcast,
}

/// The meta channels of Bayeux 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetaChannel {
    /// `/meta/handshake`
    Handshake,
    /// `/meta/connect`
    Connect,
    /// `/meta/disconnect`
    Disconnect,
    /// `/meta/subscribe`
    Subscribe,
    /// `/meta/unsubscribe`
    Unsubscribe,
    /// Any other name below `/meta/`, such as `/meta/subscribe/x`.
    Unknown,
}

/// What a client subscribes to: a channel name, or one whose last segment is `*` or `**`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelPattern(Arc<str>);

/// The wildcard a pattern ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wildcard {
    /// None: an exact name.
    None,
    /// `*`: exactly one segment (BX-CH-3).
    One,
    /// `**`: one or more segments (BX-CH-4).
    Many,
}

impl ChannelName {
    /// Reads a name under `rules`.
    ///
    /// # Errors
    /// What is wrong with it; a segment `*` or `**` is, since a pattern is no publish target (BX-CH-2).
    pub fn parse(text: &str, rules: &ChannelRules) -> Result<Self, ChannelError> {
        let canonical = check(text, rules)?;
        if canonical.contains('*') && canonical.split('/').any(is_wildcard) {
            return Err(ChannelError::WildcardInName);
        }
        Ok(Self(canonical.into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the channel is for.
    pub fn kind(&self) -> ChannelKind {
        kind(&self.0)
    }

    /// The segments, without slashes.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0[1..].split('/')
    }
}

impl ChannelPattern {
    /// Reads a pattern under `rules`.
    ///
    /// # Errors
    /// What is wrong with it; a wildcard is allowed only as the last whole segment (BX-CH-2).
    pub fn parse(text: &str, rules: &ChannelRules) -> Result<Self, ChannelError> {
        let canonical = check_pattern(text, rules)?;
        let last = canonical.rfind('/').unwrap_or(0);
        if canonical[..last].split('/').any(is_wildcard) {
            return Err(ChannelError::WildcardNotLast);
        }
        Ok(Self(canonical.into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The wildcard it ends with.
    pub fn wildcard(&self) -> Wildcard {
        match self.0.rsplit('/').next() {
            Some("*") => Wildcard::One,
            Some("**") => Wildcard::Many,
            _ => Wildcard::None,
        }
    }

    /// What its channels are for. `/**` is broadcast: it never matches a meta or service channel (BX-CH-7, BX-CH-9).
    pub fn kind(&self) -> ChannelKind {
        kind(&self.0)
    }

    /// Whether a message on `name` reaches a subscriber of this pattern.
    pub fn matches(&self, name: &ChannelName) -> bool {
        let same_kind = match (self.kind(), name.kind()) {
            (ChannelKind::Meta(_), ChannelKind::Meta(_)) => true,
            (ours, theirs) => ours == theirs,
        };
        if !same_kind {
            return false;
        }
        let prefix = |length: usize| &self.0[..self.0.len() - length];
        match self.wildcard() {
            Wildcard::None => self.0 == name.0,
            Wildcard::One => name.0.strip_prefix(prefix(1)).is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
            Wildcard::Many => name.0.strip_prefix(prefix(2)).is_some_and(|rest| !rest.is_empty()),
        }
    }
}

impl MetaChannel {
    /// The channel's name; `None` for an unknown one.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Handshake => Some("/meta/handshake"),
            Self::Connect => Some("/meta/connect"),
            Self::Disconnect => Some("/meta/disconnect"),
            Self::Subscribe => Some("/meta/subscribe"),
            Self::Unsubscribe => Some("/meta/unsubscribe"),
            Self::Unknown => None,
        }
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names that begin `/meta/` or `/service/` are reserved, no others (BX-CH-5): `/meta` alone is an ordinary channel.
fn kind(text: &str) -> ChannelKind {
    if text.starts_with("/service/") {
        return ChannelKind::Service;
    }
    if !text.starts_with("/meta/") {
        return ChannelKind::Broadcast;
    }
    ChannelKind::Meta(match text {
        "/meta/handshake" => MetaChannel::Handshake,
        "/meta/connect" => MetaChannel::Connect,
        "/meta/disconnect" => MetaChannel::Disconnect,
        "/meta/subscribe" => MetaChannel::Subscribe,
        "/meta/unsubscribe" => MetaChannel::Unsubscribe,
        _ => MetaChannel::Unknown,
    })
}

const fn is_lenient(byte: u8) -> bool {
    let sign = matches!(byte, b' ' | b'!' | b'#' | b'$' | b'('..=b'+' | b'-'..=b'/' | b'@' | b'_' | b'{' | b'}' | b'~');
    sign || byte.is_ascii_alphanumeric()
}

const fn is_strict(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'!' | b'~' | b'(' | b')' | b'$' | b'@' | b'/')
}

fn is_wildcard(segment: &str) -> bool {
    matches!(segment, "*" | "**")
}

/// Everything that names and patterns have in common; returns the canonical text.
fn check<'a>(text: &'a str, rules: &ChannelRules) -> Result<&'a str, ChannelError> {
    if text.is_empty() {
        return Err(ChannelError::Empty);
    }
    if text.len() > rules.max_bytes {
        return Err(ChannelError::TooLong { limit: rules.max_bytes });
    }
    if !text.starts_with('/') {
        return Err(ChannelError::NoLeadingSlash);
    }
    let canonical = match (rules.grammar, text.strip_suffix('/')) {
        (Grammar::Lenient, Some(shorter)) if !shorter.is_empty() => shorter,
        _ => text,
    };
    let bad = match rules.grammar {
        Grammar::Lenient => canonical.bytes().position(|byte| !is_lenient(byte)),
        Grammar::Strict => canonical.bytes().position(|byte| !is_strict(byte)),
    };
    if let Some(at) = bad {
        return Err(ChannelError::BadCharacter { at });
    }
    if canonical.len() == 1 || canonical.ends_with('/') || canonical.as_bytes().windows(2).any(|two| two == b"//") {
        return Err(ChannelError::EmptySegment);
    }
    if canonical.bytes().filter(|byte| *byte == b'/').count() > rules.max_segments {
        return Err(ChannelError::TooManySegments { limit: rules.max_segments });
    }
    Ok(canonical)
}

/// The strict grammar has no `*` in names, but a pattern may end with one.
fn check_pattern<'a>(text: &'a str, rules: &ChannelRules) -> Result<&'a str, ChannelError> {
    if rules.grammar == Grammar::Lenient {
        return check(text, rules);
    }
    let stem = text.strip_suffix("/**").or_else(|| text.strip_suffix("/*"));
    match stem {
        None => check(text, rules),
        Some("") => Ok(text),
        Some(stem) => {
            let shorter = ChannelRules { max_segments: rules.max_segments.saturating_sub(1), ..*rules };
            check(stem, &shorter)?;
            if text.len() > rules.max_bytes {
                return Err(ChannelError::TooLong { limit: rules.max_bytes });
            }
            Ok(text)
        }
    }
}
