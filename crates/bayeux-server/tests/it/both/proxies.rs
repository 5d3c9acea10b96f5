//! `X-Forwarded-*`: what a listed proxy says is believed, and what anybody else says changes nothing.

use std::{net::Ipv4Addr, time::Duration};

use bayeux_server::TrustedProxies;
use serde_json::json;

use super::FRONT;
use crate::{
    client::{Http, Response, UPGRADE, Ws, connect, handshake},
    server::{Server, options},
};

/// Listed.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// Not listed.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 8);

fn start() -> Server {
    let mut options = options();
    options.engine.adopt_window = Duration::from_secs(60);
    options.trusted_proxies = TrustedProxies::parse([PROXY.to_string()]).expect("it is an address");
    Server::with(FRONT, options)
}

/// The ways by which a handshake or an upgrade gets to the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Post,
    /// In chunks: the head is read once more when the body is there.
    Chunks,
    /// On a connection on which the application was asked for something before.
    AfterApplication,
    Upgrade,
}

const WAYS: [Way; 4] = [Way::Post, Way::Chunks, Way::AfterApplication, Way::Upgrade];

impl Way {
    fn ask(self, server: &Server, from: Ipv4Addr, headers: &[(&str, &str)]) -> Response {
        let mut http = Http::open_from(server, from);
        let body = handshake().to_string();
        if self == Self::AfterApplication {
            assert_eq!(http.request("GET", "/other", &[], b"").body, b"other");
        }
        match self {
            Self::Upgrade => http.request("GET", "/bayeux", &[&UPGRADE[..], headers].concat(), b""),
            Self::Post | Self::AfterApplication => http.request("POST", "/bayeux", headers, body.as_bytes()),
            Self::Chunks => {
                let mut head = "POST /bayeux HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n".to_owned();
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                http.write(format!("{head}\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
                http.answer()
            }
        }
    }
}

/// Whether a request is let in, and whether the cookie is for TLS alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Refused,
    Plain,
    Secure,
}

use Came::{Plain, Refused, Secure};

type Header = (&'static str, &'static str);

const TLS: Header = ("X-Forwarded-Proto", "https");
const PLAIN: Header = ("X-Forwarded-Proto", "http");
const ELSEWHERE: Header = ("X-Forwarded-Host", "front.example");

/// Headers of a request to `app.example`, and what becomes of it: from the listed proxy, and from a stranger.
const CASES: &[(&[Header], Came, Came)] = &[
    (&[], Plain, Plain),
    (&[TLS], Secure, Plain),
    (&[PLAIN], Plain, Plain),
    (&[("x-forwarded-proto", "HTTPS")], Secure, Plain),
    (&[("X-Forwarded-Proto", "http, https")], Secure, Plain),
    (&[("X-Forwarded-Proto", "https, http")], Plain, Plain),
    (&[PLAIN, TLS], Secure, Plain),
    (&[TLS, PLAIN], Plain, Plain),
    (&[("X-Forwarded-Proto", "on")], Plain, Plain),
    (&[("Forwarded", "proto=https;host=front.example")], Plain, Plain),
    (&[("X-Forwarded-Ssl", "on"), ("X-Forwarded-Scheme", "https")], Plain, Plain),
    // The server's own origin.
    (&[("Origin", "http://app.example")], Plain, Plain),
    (&[("Origin", "https://app.example")], Plain, Plain),
    (&[("Origin", "https://app.example"), TLS], Secure, Plain),
    (&[("Origin", "http://app.example"), TLS], Refused, Plain),
    (&[("Origin", "https://app.example"), PLAIN], Refused, Plain),
    (&[("Origin", "http://app.example"), PLAIN], Plain, Plain),
    (&[("Origin", "https://app.example:443"), TLS], Secure, Plain),
    (&[("Origin", "http://front.example"), ELSEWHERE], Plain, Refused),
    (&[("Origin", "http://app.example"), ELSEWHERE], Refused, Plain),
    (&[("Origin", "https://front.example"), ELSEWHERE, TLS], Secure, Refused),
    (&[("Origin", "http://front.example"), ELSEWHERE, TLS], Refused, Refused),
    (&[("Origin", "http://front.example"), ELSEWHERE, ("X-Forwarded-Host", "app.example")], Refused, Refused),
    (&[("Origin", "http://app.example"), ELSEWHERE, ("X-Forwarded-Host", "app.example")], Plain, Plain),
    (&[("Origin", "http://app.example"), ("X-Forwarded-Host", "front.example/")], Plain, Plain),
    (&[("Origin", "http://app.example"), ("X-Forwarded-Host", "\u{fc}")], Plain, Plain),
    // A listed one stays that.
    (&[("Origin", "https://listed.example"), TLS, ELSEWHERE], Secure, Secure),
    (&[("Origin", "https://listed.example"), PLAIN], Secure, Secure),
    (&[("Origin", "https://evil.example"), TLS], Refused, Refused),
    (&[("Origin", "https://evil.example"), TLS, ("X-Forwarded-Host", "front.example, ")], Refused, Refused),
];

#[test]
fn scheme_and_host_are_believed_of_a_listed_proxy_alone() {
    let server = start();
    for (headers, of_proxy, of_stranger) in CASES {
        for (from, expected) in [(PROXY, of_proxy), (STRANGER, of_stranger)] {
            for way in WAYS {
                let response = way.ask(&server, from, headers);
                let cookie = response.header("set-cookie").unwrap_or_default();
                let came = match response.status {
                    403 => Refused,
                    200 | 101 if cookie.contains("; Secure") => Secure,
                    200 | 101 if cookie.contains("; HttpOnly") => Plain,
                    _ => panic!("{way:?} from {from}: {headers:?}: {response:?}"),
                };
                assert_eq!(came, *expected, "{way:?} from {from}: {headers:?}");
            }
        }
    }
}

#[test]
fn the_page_shows_the_url_under_which_the_browser_knows_the_server() {
    let server = start();
    let headers = [TLS, ("X-Forwarded-Host", "front.example:8443"), ("Forwarded", "proto=https;host=evil.example")];
    for (from, url) in [(PROXY, "https://front.example:8443/bayeux/x"), (STRANGER, "http://app.example/bayeux/x")] {
        for application in [false, true] {
            let mut http = Http::open_from(&server, from);
            if application {
                http.request("GET", "/other", &[], b"");
            }
            let page = http.request("GET", "/bayeux/x", &headers, b"");
            let text = String::from_utf8(page.body).expect("a page is text");
            assert!(text.contains(&format!(">{url}<")), "{from}: {text}");
        }
    }
}

/// A client without a cookie: by which connection it comes, and the address that its proxy gives it.
#[derive(Clone, Copy, Debug)]
struct Client(Ipv4Addr, &'static str);

impl Client {
    fn headers(self) -> Vec<Header> {
        if self.1.is_empty() { Vec::new() } else { vec![("X-Forwarded-For", self.1)] }
    }

    /// A session over HTTP; its id.
    fn handshakes(self, server: &Server) -> String {
        let batch = handshake().to_string();
        let reply = Http::open_from(server, self.0).request("POST", "/bayeux", &self.headers(), batch.as_bytes());
        reply.messages()[0]["clientId"].as_str().expect("a session").to_owned()
    }

    /// Whether a socket of this client may go on with a session of that id.
    fn goes_on(self, server: &Server, id: &str) -> bool {
        let mut http = Http::open_from(server, self.0);
        let response = http.request("GET", "/bayeux", &[&UPGRADE[..], &self.headers()].concat(), b"");
        assert_eq!(response.status, 101, "{response:?}");
        http.cookie = None;
        http.id = id.to_owned();
        let reply = Ws { http, response }.call(connect("1")).remove(0);
        assert_eq!(reply["successful"] == true, reply["error"].is_null(), "{reply}");
        reply["successful"] == true
    }
}

/// The address decides whether a socket without a cookie may adopt a session (BX-SEC-5).
#[test]
fn bx_sec_5_a_session_is_adopted_from_the_clients_address_not_from_the_proxys() {
    let server = start();
    for (owner, other, adopts) in [
        // By the proxy.
        (Client(PROXY, "192.0.2.1"), Client(PROXY, "192.0.2.1"), true),
        (Client(PROXY, "192.0.2.1"), Client(PROXY, "192.0.2.2"), false),
        (Client(PROXY, "192.0.2.1"), Client(PROXY, "192.0.2.1, 192.0.2.2"), false),
        (Client(PROXY, "192.0.2.1"), Client(PROXY, "192.0.2.2, 192.0.2.1"), true),
        (Client(PROXY, "192.0.2.1"), Client(PROXY, "192.0.2.1, 127.0.0.9"), true),
        (Client(PROXY, "192.0.2.1"), Client(PROXY, "::ffff:192.0.2.1"), true),
        (Client(PROXY, "192.0.2.1"), Client(PROXY, "192.0.2.1, x"), false),
        (Client(PROXY, "192.0.2.1"), Client(PROXY, ""), false),
        (Client(PROXY, ""), Client(PROXY, ""), true),
        // A stranger stays who it is, whatever it writes.
        (Client(PROXY, "192.0.2.1"), Client(STRANGER, "192.0.2.1"), false),
        (Client(STRANGER, "192.0.2.1"), Client(STRANGER, "192.0.2.2"), true),
        (Client(STRANGER, "192.0.2.1"), Client(PROXY, "192.0.2.1"), false),
        (Client(STRANGER, ""), Client(PROXY, "127.0.0.8"), true),
        (Client(PROXY, "127.0.0.8"), Client(STRANGER, "127.0.0.9"), true),
        (Client(PROXY, ""), Client(STRANGER, "127.0.0.9"), false),
    ] {
        let id = owner.handshakes(&server);
        assert_eq!(other.goes_on(&server, &id), adopts, "{owner:?}, then {other:?}");
    }
}

/// A list that does not fit a head is refused as any head; one that does is read no further than needed.
#[test]
fn long_and_malformed_lists_are_harmless() {
    let server = start();
    let long = |entry: &str, times| vec![entry; times].join(",");
    let lists = [long("127.0.0.9", 10_000), long("127.0.0.9", 1_500), long("x", 7_000), long("", 15_000), "1".repeat(15_000)];
    for list in &lists {
        for name in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"] {
            for way in WAYS {
                let status = way.ask(&server, PROXY, &[(name, list)]).status;
                let fits = list.len() <= 15_000;
                assert!([200, 101].contains(&status) || (!fits && [400, 431].contains(&status)), "{status} {way:?}");
            }
        }
    }
    let lines = vec![("X-Forwarded-For", "127.0.0.9"); 50];
    for way in WAYS {
        assert!([200, 101].contains(&way.ask(&server, PROXY, &lines).status), "{way:?}");
    }
    let mut session = Http::open(&server).with_session();
    assert_eq!(session.post(json!([{"channel": "/a", "data": 1}]))[0]["successful"], true);
}
