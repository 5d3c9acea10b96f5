//! Channel names and patterns, against a reading of the rules that splits everything into segments first.

use bayeux_protocol::{ChannelKind, ChannelName, ChannelPattern, ChannelRules, Grammar, MatchKeys};

/// The first byte chooses the rules; then a name and a pattern, with a line feed between them.
pub(crate) fn run(input: &[u8]) {
    let Some((choice, texts)) = input.split_first() else { return };
    let Ok(texts) = std::str::from_utf8(texts) else { return };
    let grammar = if choice & 1 == 0 { Grammar::Lenient } else { Grammar::Strict };
    let rules = if choice & 2 == 0 {
        ChannelRules { grammar, ..ChannelRules::default() }
    } else {
        ChannelRules { grammar, max_bytes: 12, max_segments: 3 }
    };
    let (name, pattern) = texts.split_once('\n').unwrap_or((texts, texts));
    let parsed_name = ChannelName::parse(name, &rules).ok();
    let parsed_pattern = ChannelPattern::parse(pattern, &rules).ok();
    assert_eq!(parsed_name.as_ref().map(ChannelName::as_str), read(name, &rules, false).as_deref(), "{name:?}");
    assert_eq!(
        parsed_pattern.as_ref().map(ChannelPattern::as_str),
        read(pattern, &rules, true).as_deref(),
        "{pattern:?}"
    );
    if let Some(name) = &parsed_name {
        again(name, &rules);
        keys(name);
        if let Some(pattern) = &parsed_pattern {
            matching(pattern, name);
        }
    }
}

/// The canonical text, if the text is a name (or a pattern) under the rules.
fn read(text: &str, rules: &ChannelRules, pattern: bool) -> Option<String> {
    if text.len() > rules.max_bytes {
        return None;
    }
    let mut segments: Vec<&str> = text.split('/').collect();
    if !segments.remove(0).is_empty() {
        return None;
    }
    if rules.grammar == Grammar::Lenient && segments.len() > 1 && segments.last() == Some(&"") {
        segments.pop();
    }
    if segments.is_empty() || segments.len() > rules.max_segments {
        return None;
    }
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        let marks = match rules.grammar {
            Grammar::Lenient => " !#$()*+-.@_{}~",
            Grammar::Strict => "-_!~()$@",
        };
        let good = match *segment {
            "" => false,
            "*" | "**" => pattern && is_last,
            other => other.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c)),
        };
        if !good {
            return None;
        }
    }
    Some(format!("/{}", segments.join("/")))
}

/// A canonical text stands for itself, and a name is a pattern that matches itself alone.
fn again(name: &ChannelName, rules: &ChannelRules) {
    assert_eq!(ChannelName::parse(name.as_str(), rules).as_ref(), Ok(name));
    let pattern = ChannelPattern::parse(name.as_str(), rules).expect("a name is a pattern");
    assert!(pattern.matches(name));
    assert_eq!(pattern.kind(), name.kind());
    assert_eq!(name.segments().collect::<Vec<_>>().join("/"), name.as_str()[1..]);
}

/// Each key is a pattern that matches.
fn keys(name: &ChannelName) {
    if name.kind() != ChannelKind::Broadcast {
        return;
    }
    let keys = MatchKeys::new(name);
    assert_eq!(keys.len(), name.segments().count() + 2);
    assert_eq!(keys.iter().count(), keys.len());
    let rules = ChannelRules { max_bytes: usize::MAX, max_segments: usize::MAX, ..ChannelRules::default() };
    for key in keys.iter() {
        let pattern = ChannelPattern::parse(key, &rules).expect("a key is a pattern");
        assert_eq!(pattern.as_str(), key);
        assert!(pattern.matches(name), "{key} {name}");
    }
}

fn matching(pattern: &ChannelPattern, name: &ChannelName) {
    let expected = matches(pattern.as_str(), name.as_str());
    assert_eq!(pattern.matches(name), expected, "{pattern} {name}");
    if name.kind() == ChannelKind::Broadcast {
        assert_eq!(MatchKeys::new(name).iter().any(|key| key == pattern.as_str()), expected, "{pattern} {name}");
    }
}

/// Segment by segment; what is reserved matches only what is reserved in the same way.
fn matches(pattern: &str, name: &str) -> bool {
    let reserved = |text: &str| ["/meta/", "/service/"].into_iter().find(|prefix| text.starts_with(prefix));
    if reserved(pattern) != reserved(name) {
        return false;
    }
    let (pattern, name): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), name.split('/').collect());
    let (last, stem) = pattern.split_last().expect("a text splits into one part at least");
    match *last {
        "*" => name.len() == pattern.len() && name.starts_with(stem),
        "**" => name.len() >= pattern.len() && name.starts_with(stem),
        _ => name == pattern,
    }
}
