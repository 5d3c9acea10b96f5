use super::*;

const HOST: &str = "app.example:8080";

fn judge(origin: Option<&str>, site: Option<&str>) -> Site {
    let listed = AllowedOrigins::parse([
        "https://listed.example",
        "http://localhost:3000",
        "http://[::1]:4000",
    ]);
    let head = CrossSite {
        origin,
        more_origins: false,
        sec_fetch_site: site,
        host: Some(HOST),
    };
    listed.expect("all are origins").judge(&head)
}

#[test]
fn bx_hrd_8_the_table_of_origins() {
    let same = [
        "http://app.example:8080",
        "https://app.example:8080",
        "HTTP://APP.EXAMPLE:8080",
        "http://App.Example:8080",
    ];
    let listed = [
        "https://listed.example",
        "https://listed.example:443",
        "HTTPS://LISTED.EXAMPLE",
        "http://localhost:3000",
        "http://[::1]:4000",
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
        assert_eq!(
            judge(Some(origin), None),
            Site::Listed(origin.to_owned()),
            "{origin}"
        );
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
        (
            Some("http://app.example:8080"),
            Some("same-origin"),
            Site::Same,
        ),
        (
            Some("http://app.example:8080"),
            Some("cross-site"),
            Site::Foreign,
        ),
        (
            Some("https://listed.example"),
            Some("cross-site"),
            Site::Listed("https://listed.example".to_owned()),
        ),
        (
            Some("https://evil.example"),
            Some("same-origin"),
            Site::Foreign,
        ),
    ] {
        assert_eq!(judge(origin, site), expected, "{origin:?} {site:?}");
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
    let head = CrossSite {
        more_origins: false,
        ..head
    };
    assert_eq!(AllowedOrigins::default().judge(&head), Site::Same);
    let head = CrossSite { host: None, ..head };
    assert_eq!(AllowedOrigins::default().judge(&head), Site::Foreign);
}

#[test]
fn the_default_port_may_be_left_out() {
    for (origin, host) in [
        ("http://a", "a:80"),
        ("http://a:80", "a"),
        ("https://a", "a:443"),
        ("https://a:443", "a"),
    ] {
        let head = CrossSite {
            origin: Some(origin),
            host: Some(host),
            ..CrossSite::default()
        };
        assert_eq!(
            AllowedOrigins::default().judge(&head),
            Site::Same,
            "{origin} {host}"
        );
    }
}

#[test]
fn a_list_that_lets_anybody_in_is_refused() {
    for text in ["*", "null", "https://*.example"] {
        assert_eq!(
            AllowedOrigins::parse([text]),
            Err(OriginError::Anybody(text.to_owned()))
        );
    }
    for text in [
        "app.example",
        "https://app.example/",
        "https://u@app.example",
        "",
        "ftp://app.example",
    ] {
        assert_eq!(
            AllowedOrigins::parse([text]),
            Err(OriginError::Form(text.to_owned()))
        );
    }
}
