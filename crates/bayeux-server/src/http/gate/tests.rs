use proptest::prelude::*;

use super::*;

const HOST: &str = "app.example:8080";

fn judge(origin: Option<&str>, site: Option<&str>) -> Site {
    let listed = AllowedOrigins::parse([
        "https://listed.example",
        "http://localhost:3000",
        "http://[0:0:0:0:0:0:0:1]:4000",
        "https://xn--bcher-kva.example",
    ]);
    let head = CrossSite { origin, sec_fetch_site: site, host: Some(HOST), ..CrossSite::default() };
    listed.expect("all are origins").judge(&head)
}

#[test]
fn bx_hrd_8_the_table_of_origins() {
    let same =
        ["http://app.example:8080", "https://app.example:8080", "HTTP://APP.EXAMPLE:8080", "http://App.Example:8080"];
    let listed = [
        "https://listed.example",
        "https://listed.example:443",
        "HTTPS://LISTED.EXAMPLE",
        "http://localhost:3000",
        "http://[::1]:4000",
        "https://xn--bcher-kva.example",
        "https://XN--BCHER-KVA.example:443",
    ];
    let foreign = [
        "",
        " ",
        "null",
        "NULL",
        "*",
        "http://",
        "https://",
        "://app.example:8080",
        "app.example:8080",
        "//app.example:8080",
        "http://app.example",
        "https://app.example",
        "http://app.example:80",
        "http://app.example:8081",
        "http://app.example:80800",
        "http://app.example:08080x",
        "http://app.example:",
        "http://app.example:-1",
        "http://app.example:+8080",
        "http://app.example:08080",
        "http://app.example: 8080",
        "http://app.example:65536",
        "http://app.example:73616",
        "http://app.example:0x1f90",
        "http://app.example:\u{ff18}080",
        "http://app.example:8080:8080",
        "http://app.example:8080/",
        "http://app.example:8080/path",
        "http://app.example:8080?x",
        "http://app.example:8080#x",
        "http://app.example:8080,http://evil.example",
        "http://app.example:8080 http://evil.example",
        " http://app.example:8080",
        "http://app.example:8080 ",
        "http://evilapp.example:8080",
        "http://app.example.evil:8080",
        "http://sub.app.example:8080",
        "http://app.example.:8080",
        "http://app-example:8080",
        "http://appXexample:8080",
        "http://user@app.example:8080",
        "http://user:pass@app.example:8080",
        "http://app.example@evil.example:8080",
        "http://app.example%2eevil:8080",
        "http://app.example\\evil:8080",
        "http://äpp.example:8080",
        "http://xn--pp-xka.example:8080",
        "ws://app.example:8080",
        "wss://app.example:8080",
        "ftp://app.example:8080",
        "file://app.example:8080",
        "data:text/html,x",
        "javascript://app.example:8080",
        "chrome-extension://abcdef",
        "http://listed.example",
        "https://listed.example:8443",
        "https://evil.listed.example",
        "https://listed.example.evil",
        "https://listedXexample",
        "https://xlisted.example",
        "http://localhost",
        "https://localhost:3000",
        "http://localhost:30000",
        "http://127.0.0.1:3000",
        "http://[::1]",
        "http://[::2]:4000",
        "https://[::1]:4000",
        "http://[::1%25eth0]:4000",
        "http://[::ffff:127.0.0.1]:4000",
        "http://[]:4000",
        "http://[localhost]:3000",
        "http://[::1]x:4000",
        "https://b\u{fc}cher.example",
        "https://xn--bcher-kva.example.",
        "https://xn--bcher-kvb.example",
        "http://app.example\t:8080",
        "http://app.example\n:8080",
        "http://app.example:8080\r\nX: y",
        "http:/app.example:8080",
        "http:///app.example:8080",
        "http://.app.example:8080",
        "null http://app.example:8080",
        "http://[::1:4000",
        "http://::1:4000",
        "http://localhost:3000\0",
        "http://\u{ff4c}ocalhost:3000",
    ];
    assert!(same.len() + listed.len() + foreign.len() >= 60);
    for origin in same {
        assert_eq!(judge(Some(origin), None), Site::Same, "{origin}");
    }
    for origin in listed {
        assert_eq!(judge(Some(origin), None), Site::Listed(origin.to_owned()), "{origin}");
    }
    for origin in foreign {
        assert_eq!(judge(Some(origin), None), Site::Foreign, "{origin}");
    }
}

#[test]
fn bx_hrd_8_sec_fetch_site_must_agree() {
    for (origin, site, expected) in [
        (None, None, Site::Same),
        (None, Some("same-origin"), Site::Same),
        (None, Some("none"), Site::Same),
        (None, Some("same-site"), Site::Foreign),
        (None, Some("cross-site"), Site::Foreign),
        (None, Some("bogus"), Site::Foreign),
        (Some("http://app.example:8080"), Some("same-origin"), Site::Same),
        (Some("http://app.example:8080"), Some("cross-site"), Site::Foreign),
        (Some("https://listed.example"), Some("cross-site"), Site::Listed("https://listed.example".to_owned())),
        (Some("https://evil.example"), Some("same-origin"), Site::Foreign),
        (Some("null"), Some("same-origin"), Site::Foreign),
        (Some("null"), Some("none"), Site::Foreign),
        (Some("http://app.example:8080"), Some("same-site"), Site::Foreign),
        (None, Some(""), Site::Foreign),
        (None, Some("Same-Origin"), Site::Foreign),
        (None, Some("same-origin, cross-site"), Site::Foreign),
    ] {
        assert_eq!(judge(origin, site), expected, "{origin:?} {site:?}");
    }
}

#[test]
fn bx_hrd_8_a_frame_is_judged_by_the_page_around_it() {
    let listed = AllowedOrigins::parse(["https://listed.example"]).expect("it is an origin");
    let (own, other, evil) = ("http://app.example:8080", "https://listed.example", "https://evil.example");
    for (parent, origin, site, allowed) in [
        (own, None, None, true),
        (own, None, Some("same-origin"), true),
        (own, None, Some("cross-site"), false),
        (own, Some(own), Some("same-origin"), true),
        (own, Some(evil), Some("same-origin"), false),
        (other, None, Some("cross-site"), true),
        (other, None, None, true),
        (other, Some(other), Some("cross-site"), true),
        (other, Some(evil), Some("cross-site"), false),
        (other, Some("null"), Some("cross-site"), false),
        (evil, None, None, false),
        (evil, Some(own), Some("same-origin"), false),
        ("null", None, Some("same-origin"), false),
        ("*", None, Some("same-origin"), false),
        ("", None, Some("same-origin"), false),
        ("https://listed.example'+alert(1)+'", None, None, false),
    ] {
        let head = CrossSite { origin, more_origins: false, sec_fetch_site: site, host: Some(HOST), secure: None };
        let judged = listed.judge_frame(&head, parent);
        assert_eq!(judged != Site::Foreign, allowed, "{parent} {origin:?} {site:?}");
        let twice = CrossSite { origin: Some(own), more_origins: true, ..head };
        assert_eq!(listed.judge_frame(&twice, parent), Site::Foreign, "{parent}");
    }
}

#[test]
fn two_origin_headers_are_foreign() {
    let head = CrossSite {
        origin: Some("http://app.example"),
        more_origins: true,
        host: Some("app.example"),
        ..CrossSite::default()
    };
    assert_eq!(AllowedOrigins::default().judge(&head), Site::Foreign);
    let head = CrossSite { more_origins: false, ..head };
    assert_eq!(AllowedOrigins::default().judge(&head), Site::Same);
    let head = CrossSite { host: None, ..head };
    assert_eq!(AllowedOrigins::default().judge(&head), Site::Foreign);
    let twice = CrossSite { origin: Some("https://listed.example"), more_origins: true, ..CrossSite::default() };
    let listed = AllowedOrigins::parse(["https://listed.example"]).expect("it is an origin");
    assert_eq!(listed.judge(&twice), Site::Foreign);
}

#[test]
fn a_host_that_is_none_makes_nothing_same() {
    for host in ["", " ", "a@b", "a/b", "a:b", "a:1:2", "[::1", "a,a", "a a"] {
        let origin = format!("http://{host}");
        let head = CrossSite { origin: Some(&origin), host: Some(host), ..CrossSite::default() };
        assert_eq!(AllowedOrigins::default().judge(&head), Site::Foreign, "{host}");
    }
}

#[test]
fn bx_hrd_8_cors_names_the_one_origin() {
    let origin = "https://listed.example";
    let cors =
        [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"), ("Vary", "Origin")];
    let preflight = [
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        ("Access-Control-Allow-Headers", "Content-Type, Pragma, X-Requested-With, Authorization"),
        ("Access-Control-Max-Age", "600"),
    ];
    let own = |headers: &[(&'static str, &str)]| -> Vec<_> {
        headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    assert_eq!(cors_headers(origin), own(&cors));
    assert_eq!(preflight_headers(origin), own(&[&cors[..], &preflight].concat()));
}

#[test]
fn the_default_port_may_be_left_out() {
    for (origin, host) in [("http://a", "a:80"), ("http://a:80", "a"), ("https://a", "a:443"), ("https://a:443", "a")] {
        let head = CrossSite { origin: Some(origin), host: Some(host), ..CrossSite::default() };
        assert_eq!(AllowedOrigins::default().judge(&head), Site::Same, "{origin} {host}");
    }
}

#[test]
fn bx_hrd_8_the_scheme_is_compared_where_it_is_known() {
    for (origin, secure, expected) in [
        ("http://app.example:8080", None, Site::Same),
        ("https://app.example:8080", None, Site::Same),
        ("http://app.example:8080", Some(false), Site::Same),
        ("https://app.example:8080", Some(false), Site::Foreign),
        ("http://app.example:8080", Some(true), Site::Foreign),
        ("https://app.example:8080", Some(true), Site::Same),
        ("HTTPS://app.example:8080", Some(true), Site::Same),
    ] {
        let head = CrossSite { origin: Some(origin), host: Some(HOST), secure, ..CrossSite::default() };
        assert_eq!(AllowedOrigins::default().judge(&head), expected, "{origin} {secure:?}");
        let listed = AllowedOrigins::parse([origin]).expect("it is an origin");
        assert_eq!(listed.judge(&head), Site::Listed(origin.to_owned()), "{origin} {secure:?}");
    }
}

#[test]
fn a_list_that_lets_anybody_in_is_refused() {
    for text in ["*", "null", "https://*.example"] {
        assert_eq!(AllowedOrigins::parse([text]), Err(OriginError::Anybody(text.to_owned())));
    }
    for text in [
        "app.example",
        "https://app.example/",
        "https://u@app.example",
        "",
        "ftp://app.example",
        "https://app.example:",
        "https://app.example:0443",
        "https://app.example?x",
        "https://b\u{fc}cher.example",
        "https://a.example, https://b.example",
    ] {
        assert_eq!(AllowedOrigins::parse([text]), Err(OriginError::Form(text.to_owned())));
    }
}

/// Texts that differ little from an origin that is let in.
fn near() -> impl Strategy<Value = String> {
    let good = prop::sample::select(vec![
        "http://app.example:8080",
        "https://app.example:8080",
        "https://listed.example",
        "http://localhost:3000",
    ]);
    let edit = ("[ -~\u{e9}\u{ff0e}\0]{0,3}", 0..30_usize, 0..3_usize);
    (good, prop::collection::vec(edit, 1..3)).prop_map(|(good, edits)| {
        edits.into_iter().fold(good.to_owned(), |text, (put, at, cut)| {
            let characters: Vec<char> = text.chars().collect();
            let at = at.min(characters.len());
            let (head, tail) = characters.split_at(at);
            head.iter().copied().chain(put.chars()).chain(tail.iter().skip(cut).copied()).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn bx_hrd_8_only_the_very_origins_are_let_in(origin in prop_oneof![4 => near(), 1 => any::<String>()]) {
        let lower = origin.to_ascii_lowercase();
        let expected = match lower.as_str() {
            "http://app.example:8080" | "https://app.example:8080" => Site::Same,
            "https://listed.example" | "https://listed.example:443" | "http://localhost:3000" => {
                Site::Listed(origin.clone())
            }
            _ => Site::Foreign,
        };
        prop_assert_eq!(judge(Some(&origin), None), expected);
    }

    #[test]
    fn no_text_panics(origin: String, site: String, host: String) {
        let head = CrossSite {
            origin: Some(&origin),
            more_origins: false,
            sec_fetch_site: Some(&site),
            host: Some(&host),
            secure: None,
        };
        prop_assert_eq!(AllowedOrigins::default().judge(&head), Site::Foreign);
        // What can be listed shows itself in the form that is listed.
        if let Ok(origin) = origin.parse::<Origin>() {
            prop_assert_eq!(origin.to_string().parse(), Ok(origin));
        }
    }

    #[test]
    fn what_is_listed_has_one_form(
        scheme in "[hH][tT][tT][pP][sS]?",
        host in prop_oneof!["[a-zA-Z0-9._-]{1,20}", any::<u128>().prop_map(|bits| format!("[{}]", Ipv6Addr::from(bits)))],
        port in prop::option::of(1..=u16::MAX),
    ) {
        let text = format!("{scheme}://{host}{}", port.map(|port| format!(":{port}")).unwrap_or_default());
        let origin: Origin = text.parse().expect("it has the form of an origin");
        let shown = origin.to_string();
        prop_assert_eq!(shown.parse(), Ok(origin));
        prop_assert!(!shown.bytes().any(|byte| byte.is_ascii_uppercase()));
        let default = if shown.starts_with("https") { ":443" } else { ":80" };
        prop_assert!(host.starts_with('[') || !shown.ends_with(default));
        let listed = AllowedOrigins::parse([&shown]).expect("it has the form of an origin");
        let head = CrossSite { origin: Some(&text), ..CrossSite::default() };
        prop_assert_eq!(listed.judge(&head), Site::Listed(text.clone()));
    }
}
