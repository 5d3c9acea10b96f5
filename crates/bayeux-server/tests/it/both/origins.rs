//! Which origins may post, stream and upgrade, as the table says: with and without a list, on `app.example`.

use super::FRONT;
use crate::{
    client::{Http, UPGRADE, handshake},
    hostile::show,
    server::{Server, options},
    transport::{
        Transport::{EventSource, Iframe},
        ask_by_get, encoded,
    },
};

/// What an origin is to a server on `app.example`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// The server's own.
    Own,
    /// On the list, where there is one.
    Listed,
    Foreign,
}

use Who::{Foreign, Listed, Own};

const LIST: [&str; 5] = [
    "https://listed.example",
    "http://localhost:3000",
    "https://[2001:db8::1]:8443",
    "https://xn--bcher-kva.example",
    "https://app.example:8443",
];

/// `Origin` headers, as they stand in the request.
const ORIGINS: &[(&[&str], Who)] = &[
    (&[], Own),
    (&["http://app.example"], Own),
    (&["https://app.example"], Own),
    (&["http://app.example:80"], Own),
    (&["https://app.example:443"], Own),
    (&["HTTP://APP.EXAMPLE"], Own),
    (&["http://App.Example"], Own),
    (&["  http://app.example  "], Own),
    (&["\thttp://app.example"], Own),
    (&["https://listed.example"], Listed),
    (&["https://listed.example:443"], Listed),
    (&["HTTPS://Listed.Example"], Listed),
    (&["http://localhost:3000"], Listed),
    (&["https://[2001:db8::1]:8443"], Listed),
    (&["https://[2001:DB8:0:0:0:0:0:1]:8443"], Listed),
    (&["https://xn--bcher-kva.example"], Listed),
    (&["https://app.example:8443"], Listed),
    (&[""], Foreign),
    (&["null"], Foreign),
    (&["NULL"], Foreign),
    (&["*"], Foreign),
    (&["app.example"], Foreign),
    (&["//app.example"], Foreign),
    (&["http://"], Foreign),
    (&["https://"], Foreign),
    (&["http:app.example"], Foreign),
    (&["http:/app.example"], Foreign),
    (&["http:///app.example"], Foreign),
    (&["http://app.example:443"], Foreign),
    (&["https://app.example:80"], Foreign),
    (&["http://app.example:8080"], Foreign),
    (&["http://app.example:"], Foreign),
    (&["http://app.example:080"], Foreign),
    (&["http://app.example:+80"], Foreign),
    (&["http://app.example:65616"], Foreign),
    (&["http://app.example:80:80"], Foreign),
    (&["http://user@app.example"], Foreign),
    (&["http://user:pass@app.example"], Foreign),
    (&["http://app.example@evil.example"], Foreign),
    (&["http://app.example."], Foreign),
    (&["https://listed.example."], Foreign),
    (&["http://app.example/"], Foreign),
    (&["http://app.example/path"], Foreign),
    (&["http://app.example?x"], Foreign),
    (&["http://app.example#x"], Foreign),
    (&["https://app.example.evil.com"], Foreign),
    (&["http://evilapp.example"], Foreign),
    (&["http://evil.app.example"], Foreign),
    (&["http://app.example.evil"], Foreign),
    (&["http://appXexample"], Foreign),
    (&["http://app.exampl"], Foreign),
    (&["https://listed.example.evil.com"], Foreign),
    (&["https://evillisted.example"], Foreign),
    (&["https://sub.listed.example"], Foreign),
    (&["http://listed.example"], Foreign),
    (&["https://listed.example:8443"], Foreign),
    (&["http://localhost"], Foreign),
    (&["https://localhost:3000"], Foreign),
    (&["http://localhost:30000"], Foreign),
    (&["http://127.0.0.1:3000"], Foreign),
    (&["https://[2001:db8::1]"], Foreign),
    (&["https://[2001:db8::2]:8443"], Foreign),
    (&["https://2001:db8::1:8443"], Foreign),
    (&["https://b\u{fc}cher.example"], Foreign),
    (&["https://xn--bcher-kvb.example"], Foreign),
    (&["http://\u{ff41}pp.example"], Foreign),
    (&["ws://app.example"], Foreign),
    (&["wss://listed.example"], Foreign),
    (&["ftp://app.example"], Foreign),
    (&["file://"], Foreign),
    (&["file://app.example"], Foreign),
    (&["chrome-extension://abcdef"], Foreign),
    (&["data:text/html,x"], Foreign),
    (&["about:blank"], Foreign),
    (&["http://app.example http://app.example"], Foreign),
    (&["http://app.example, http://app.example"], Foreign),
    (&["http://app.example\tx"], Foreign),
    (&["http:// app.example"], Foreign),
    (&["http://app%2eexample"], Foreign),
    (&["http://app.example\\evil"], Foreign),
    (&["http://app.example", "http://app.example"], Foreign),
    (&["http://app.example", "https://evil.example"], Foreign),
    (&["https://evil.example", "http://app.example"], Foreign),
    (&["https://listed.example", "https://listed.example"], Foreign),
    (&["http://app.example", ""], Foreign),
];

#[test]
fn bx_hrd_8_the_table_of_origins_holds_for_posts_streams_and_upgrades_with_and_without_a_list() {
    let mut cases = 0;
    for list in [&LIST[..], &[]] {
        let mut options = options();
        options.allow_origin = bayeux_server::AllowedOrigins::parse(list).expect("they are origins");
        let server = Server::with(FRONT, options);
        for (origins, who) in ORIGINS {
            let allowed = *who == Own || (*who == Listed && !list.is_empty());
            let headers: Vec<_> = origins.iter().map(|origin| ("Origin", *origin)).collect();
            let before = server.bayeux.stats().cross_site_refused;
            let post = Http::open(&server).request("POST", "/bayeux", &headers, handshake().to_string().as_bytes());
            let upgrade = Http::open(&server).request("GET", "/bayeux", &[&UPGRADE[..], &headers].concat(), b"");
            let expected = if allowed { (200, 101) } else { (403, 403) };
            assert_eq!((post.status, upgrade.status), expected, "{origins:?} {list:?}");
            for transport in [EventSource, Iframe] {
                let mut stream = Http::open(&server);
                ask_by_get(&mut stream, &transport.connect("c"), "", &headers);
                let head = stream.answer_head();
                assert_eq!(head.status, expected.0, "{transport:?} {origins:?} {list:?}");
                let cors = origins.first().copied().filter(|_| *who == Listed && allowed);
                assert_eq!(head.header("access-control-allow-origin"), cors, "{transport:?} {origins:?} {list:?}");
                assert_eq!(head.header("access-control-allow-credentials"), cors.map(|_| "true"));
            }
            let cors = origins.first().copied().filter(|_| *who == Listed && allowed);
            assert_eq!(post.header("access-control-allow-origin"), cors, "{origins:?} {list:?}");
            assert_eq!(upgrade.header("access-control-allow-origin"), None);
            let refused = server.bayeux.stats().cross_site_refused - before;
            assert_eq!(refused, if allowed { 0 } else { 4 }, "{origins:?} {list:?}");
            cases += 4;
        }
        let opened = 2 * ORIGINS.iter().filter(|(_, who)| *who == Own || (*who == Listed && !list.is_empty())).count();
        assert_eq!(server.bayeux.engine().stats().sessions_opened as usize, opened / 2, "nothing else took effect");
    }
    show(&format!("origins: {} rows, {cases} cases", ORIGINS.len()));
    assert!(ORIGINS.len() >= 60);
}

/// A browser says nothing of the page around a frame: the frame's URL does, by what is the origin of that page. Each row of the table
/// but those of which a URL can say nothing.
#[test]
fn bx_st_17_the_page_around_a_frame_is_of_an_origin_that_may_have_it() {
    let mut options = options();
    options.allow_origin = bayeux_server::AllowedOrigins::parse(LIST).expect("they are origins");
    let server = Server::with(FRONT, options);
    let mut cases = 0;
    for (origins, who) in ORIGINS {
        let [origin] = origins else { continue };
        // What surrounds a header is no part of it; of a parameter it is one.
        let who = if origin.trim() == *origin { *who } else { Foreign };
        for site in [None, Some("same-origin"), Some("cross-site")] {
            let headers: Vec<_> = site.map(|site| ("Sec-Fetch-Site", site)).into_iter().collect();
            let mut frame = Http::open(&server);
            let parent = format!("&origin={}", encoded(origin.as_bytes()));
            ask_by_get(&mut frame, &Iframe.connect("c"), &parent, &headers);
            let head = frame.answer_head();
            // A page of another site that says it is of this one is not.
            let allowed = who == Listed || (who == Own && site != Some("cross-site"));
            assert_eq!(head.status, if allowed { 200 } else { 403 }, "{origin} {site:?}");
            if allowed {
                let policy = head.header("content-security-policy").expect("a policy");
                assert!(policy.ends_with(&format!("; frame-ancestors 'self' {}", LIST.join(" "))), "{policy}");
                let page = String::from_utf8_lossy(&frame.body(&head)).into_owned();
                let target = page.split_once("postMessage(b,'").and_then(|(_, rest)| rest.split_once("')}</script>"));
                let target = target.unwrap_or_else(|| panic!("no target in {page}")).0;
                let normal = |text: &str| text.to_ascii_lowercase().replace(":443", "").replace(":80", "");
                assert!(origin.contains("[2001") || normal(target) == normal(origin), "{target} {origin}");
            }
            cases += 1;
        }
    }
    show(&format!("frames: {cases} cases"));
    assert!(cases >= 180);
}
