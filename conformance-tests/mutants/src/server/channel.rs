//! Names of channels, patterns of them, and which pattern matches which name.

use crate::defect::Defect;
use crate::world::World;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Requests to the server itself.
    Meta,
    /// Messages for the server alone.
    Service,
    /// Everything else.
    Broadcast,
}

/// The kind of a channel, by its first segment; `/meta` alone is like any other.
pub(crate) fn kind(name: &str) -> Kind {
    if name.starts_with("/meta/") {
        Kind::Meta
    } else if name.starts_with("/service/") {
        Kind::Service
    } else {
        Kind::Broadcast
    }
}

/// Whether something may be published to it.
pub(crate) fn is_name(world: &World, text: &str) -> bool {
    let rest = match text.strip_prefix('/') {
        Some(rest) => rest,
        None if world.has(Defect::InvalidNameAccepted) => text,
        None => return false,
    };
    rest.split('/').all(|segment| is_segment(world, segment))
}

/// Whether it can be subscribed to: a name, or one that ends in `*` or `**`.
pub(crate) fn is_pattern(world: &World, text: &str) -> bool {
    match text.rsplit_once('/') {
        Some(("", "*" | "**")) => true,
        Some((parent, "*" | "**")) => is_name(world, parent),
        _ => is_name(world, text),
    }
}

fn is_segment(world: &World, segment: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_!~()$@".contains(&byte);
    let star = world.has(Defect::StarAnywhereAccepted);
    (!segment.is_empty() || world.has(Defect::EmptySegmentAccepted))
        && segment.bytes().all(|byte| is_letter(byte) || (star && byte == b'*'))
}

/// Whether a pattern matches a name.
pub(crate) fn matches(world: &World, pattern: &str, name: &str) -> bool {
    if world.has(Defect::ChannelCaseIgnored) && pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    let (parent, last) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if !matches!(last, "*" | "**") {
        return pattern == name;
    }
    if name == parent {
        return last == "**" && world.has(Defect::DoubleStarMatchesParent);
    }
    let Some(rest) = name.strip_prefix(parent) else { return false };
    let Some(rest) = rest.strip_prefix('/') else { return world.has(Defect::PatternMatchesPrefix) };
    let one_level = !rest.contains('/');
    match last {
        "*" => one_level || world.has(Defect::StarMatchesDeeper),
        _ => one_level || !world.has(Defect::DoubleStarMatchesOneLevel),
    }
}
