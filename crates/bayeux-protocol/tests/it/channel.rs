use bayeux_protocol::{
    ChannelError, ChannelKind, ChannelName, ChannelPattern, ChannelRules, Grammar, MatchKeys, MetaChannel, Version,
    Wildcard,
};
use proptest::prelude::*;

fn name(text: &str) -> Result<ChannelName, ChannelError> {
    ChannelName::parse(text, &ChannelRules::default())
}

fn pattern(text: &str) -> Result<ChannelPattern, ChannelError> {
    ChannelPattern::parse(text, &ChannelRules::default())
}

fn strict() -> ChannelRules {
    ChannelRules { grammar: Grammar::Strict, ..ChannelRules::default() }
}

#[test]
fn bx_ch_1_names_under_the_lenient_grammar() {
    for text in ["/a", "/a/b", "/a b/c", "/a*", "/*a", "/***", "/a.b", "/{x}", "/a+b#c", "/-_!~()$@", "/A9"] {
        assert_eq!(name(text).as_ref().map(ChannelName::as_str), Ok(text), "{text}");
    }
    assert_eq!(name("/a/b/").as_ref().map(ChannelName::as_str), Ok("/a/b"), "one trailing slash is dropped");
    for (text, error) in [
        ("", ChannelError::Empty),
        ("a", ChannelError::NoLeadingSlash),
        ("a/b", ChannelError::NoLeadingSlash),
        ("/", ChannelError::EmptySegment),
        ("//", ChannelError::EmptySegment),
        ("/a//b", ChannelError::EmptySegment),
        ("/a//", ChannelError::EmptySegment),
        ("/é", ChannelError::BadCharacter { at: 1 }),
        ("/a=b", ChannelError::BadCharacter { at: 2 }),
        ("/a\0", ChannelError::BadCharacter { at: 2 }),
        ("/*", ChannelError::WildcardInName),
        ("/a/**", ChannelError::WildcardInName),
        ("/a/*/b", ChannelError::WildcardInName),
    ] {
        assert_eq!(name(text), Err(error), "{text}");
    }
    let long = format!("/{}", "a".repeat(255));
    assert_eq!(name(&long), Err(ChannelError::TooLong { limit: 255 }));
    assert!(name(&long[..255]).is_ok());
    assert!(name(&"/a".repeat(16)).is_ok());
    assert_eq!(name(&"/a".repeat(17)), Err(ChannelError::TooManySegments { limit: 16 }));
}

#[test]
fn bx_ch_1_each_grammar_has_these_characters_and_no_other() {
    for (rules, signs) in [(ChannelRules::default(), " !#$()*+-./@_{}~"), (strict(), "-_!~()$@/")] {
        for byte in 0..=0x7f_u8 {
            let text = format!("/a{}b", char::from(byte));
            let allowed = byte.is_ascii_alphanumeric() || signs.as_bytes().contains(&byte);
            assert_eq!(ChannelName::parse(&text, &rules).is_ok(), allowed, "{text:?} {:?}", rules.grammar);
        }
    }
}

#[test]
fn bx_ch_1_names_under_the_strict_grammar() {
    for text in ["/a", "/a/b", "/-_!~()$@/x9"] {
        assert!(ChannelName::parse(text, &strict()).is_ok(), "{text}");
    }
    for text in ["/a/", "/a b", "/a.b", "/a*", "/{x}", "/a+b", "/#"] {
        assert!(ChannelName::parse(text, &strict()).is_err(), "{text}");
    }
    for text in ["/*", "/**", "/a/*", "/a/**"] {
        assert!(ChannelPattern::parse(text, &strict()).is_ok(), "{text}");
    }
    for text in ["/a*", "/*/a", "/a/**/", "/***", "*", "/a//*", "/a/*/*"] {
        assert!(ChannelPattern::parse(text, &strict()).is_err(), "{text}");
    }
}

#[test]
fn bx_ch_2_a_wildcard_is_the_last_whole_segment() {
    for (text, wildcard) in [
        ("/a", Wildcard::None),
        ("/*", Wildcard::One),
        ("/a/*", Wildcard::One),
        ("/**", Wildcard::Many),
        ("/a*", Wildcard::None),
    ] {
        assert_eq!(pattern(text).map(|pattern| pattern.wildcard()), Ok(wildcard), "{text}");
    }
    for text in ["/*/a", "/**/a", "/a/*/b", "/a/**/*", "/*/*"] {
        assert_eq!(pattern(text), Err(ChannelError::WildcardNotLast), "{text}");
    }
}

#[test]
fn bx_ch_5_the_kind_is_that_of_the_canonical_text() {
    let kind = |text: &str| name(text).map(|name| name.kind());
    for meta in [
        MetaChannel::Handshake,
        MetaChannel::Connect,
        MetaChannel::Disconnect,
        MetaChannel::Subscribe,
        MetaChannel::Unsubscribe,
    ] {
        let text = meta.as_str().expect("known");
        assert_eq!(kind(text), Ok(ChannelKind::Meta(meta)));
        assert_eq!(kind(&format!("{text}/")), Ok(ChannelKind::Meta(meta)));
        assert_eq!(kind(&format!("{text}/x")), Ok(ChannelKind::Meta(MetaChannel::Unknown)));
        assert_eq!(kind(&format!("{text} ")), Ok(ChannelKind::Meta(MetaChannel::Unknown)));
        assert_eq!(kind(&text.to_uppercase()), Ok(ChannelKind::Broadcast));
    }
    assert_eq!(kind("/service/x"), Ok(ChannelKind::Service));
    for text in ["/meta", "/meta/", "/service", "/metax", "/services/x", "/x/meta/connect"] {
        assert_eq!(kind(text), Ok(ChannelKind::Broadcast), "{text}");
    }
    let all = pattern("/**").expect("a pattern");
    for text in ["/meta/connect", "/service/x"] {
        assert!(!all.matches(&name(text).expect("a name")), "{text}");
    }
}

#[test]
fn bx_ver_1_bx_ver_2_versions_compare_by_element() {
    let order = ["0.9", "1.0", "1.0.1", "1.1", "1.2", "1.10", "1.10a", "2", "10.0"];
    let versions: Vec<_> = order.iter().map(|text| Version::parse(text).expect(text)).collect();
    assert!(versions.is_sorted() && versions.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(Version::parse("1").map(|it| it.cmp(&versions[1])), Some(std::cmp::Ordering::Equal));
    for text in ["", "a", "1.", ".1", "1..0", "1.-", "v1", "1.0 ", "1,0", &"1".repeat(33)] {
        assert_eq!(Version::parse(text), None, "{text}");
    }
}

/// The obvious matcher.
fn naive(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<_>, Vec<_>) = (pattern.split('/').skip(1).collect(), name.split('/').skip(1).collect());
    match pattern.split_last() {
        Some((&"*", stem)) => name.len() == pattern.len() && name.starts_with(stem),
        Some((&"**", stem)) => name.len() > stem.len() && name.starts_with(stem),
        _ => pattern == name,
    }
}

fn segments() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "a*"]), 1..5)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

fn any_pattern() -> impl Strategy<Value = String> {
    (prop::option::of(segments()), prop::sample::select(vec!["", "/*", "/**"])).prop_map(
        |(stem, wildcard)| match stem {
            Some(stem) => format!("{stem}{wildcard}"),
            None => {
                if wildcard.is_empty() {
                    "/a".to_owned()
                } else {
                    wildcard.to_owned()
                }
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_matcher_agrees_with_the_naive_one(pattern_text in any_pattern(), name_text in segments()) {
        let (parsed, channel) = (pattern(&pattern_text).expect("a pattern"), name(&name_text).expect("a name"));
        let expected = naive(&pattern_text, &name_text);
        prop_assert_eq!(parsed.matches(&channel), expected);
        prop_assert_eq!(MatchKeys::new(&channel).iter().any(|key| key == pattern_text), expected);
    }

    #[test]
    fn match_keys_are_segments_and_two_more(text in segments()) {
        let channel = name(&text).expect("a name");
        let keys = MatchKeys::new(&channel);
        prop_assert_eq!(keys.len(), channel.segments().count() + 2);
        prop_assert!(keys.iter().all(|key| pattern(key).is_ok_and(|pattern| pattern.matches(&channel))));
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        for rules in [ChannelRules::default(), strict()] {
            if let Ok(name) = ChannelName::parse(&text, &rules) {
                prop_assert_eq!(ChannelName::parse(name.as_str(), &rules), Ok(name.clone()), "canonical text stays");
                let _ = MatchKeys::new(&name);
            }
            let _ = ChannelPattern::parse(&text, &rules);
        }
    }
}
