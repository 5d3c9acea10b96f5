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
        Some((parent, glob)) if glob.ends_with('*') && world.has(Defect::GlobPatterns) => is_name(world, parent),
        _ => is_name(world, text),
    }
}

fn is_segment(world: &World, segment: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_!~()$@".contains(&byte);
    let more: &[u8] = if world.has(Defect::StarAnywhereAccepted) {
        b"*"
    } else if world.has(Defect::BracesMatch) {
        b"{}"
    } else {
        b""
    };
    (!segment.is_empty() || world.has(Defect::EmptySegmentAccepted))
        && segment.bytes().all(|byte| is_letter(byte) || more.contains(&byte))
}

/// Whether a pattern matches a name.
pub(crate) fn matches(world: &World, pattern: &str, name: &str) -> bool {
    if world.has(Defect::ChannelCaseIgnored) && pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    let (parent, last) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if !matches!(last, "*" | "**") {
        return pattern == name || matches_otherwise(world, pattern, name);
    }
    if name == parent {
        return world.has(if last == "**" { Defect::DoubleStarMatchesParent } else { Defect::StarMatchesParent });
    }
    let Some(rest) = name.strip_prefix(parent) else { return false };
    let Some(rest) = rest.strip_prefix('/') else { return world.has(Defect::PatternMatchesPrefix) };
    let one_level = !rest.contains('/');
    match last {
        "*" => one_level || world.has(Defect::StarMatchesDeeper),
        _ => one_level || !world.has(Defect::DoubleStarMatchesOneLevel),
    }
}

/// Whether a defect lets a pattern without a wildcard match another name.
fn matches_otherwise(world: &World, pattern: &str, name: &str) -> bool {
    let without_marks = |text: &str| text.replace(|letter: char| letter != '/' && !letter.is_ascii_alphanumeric(), "");
    let parent = |text: &str| text.rsplit_once('/').map(|(parent, last)| (parent.to_owned(), last.to_owned()));
    let (above, beside) = (parent(pattern), parent(name));
    let siblings = above.as_ref().map(|(path, _)| path) == beside.as_ref().map(|(path, _)| path);
    let braces = above.is_some_and(|(_, last)| last.starts_with('{') && last.ends_with('}'));
    match pattern.strip_suffix('*') {
        Some(start) => world.has(Defect::GlobPatterns) && name.starts_with(start.trim_end_matches('*')),
        None => {
            (world.has(Defect::SiblingsMatch) && siblings)
                || (world.has(Defect::BracesMatch) && siblings && braces)
                || (world.has(Defect::MarksIgnored) && without_marks(pattern) == without_marks(name))
                || (world.has(Defect::NameMatchesBelow) && name.starts_with(&format!("{pattern}/")))
        }
    }
}
