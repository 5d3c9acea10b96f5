//! What peers send and are given is not for the log; what of it is told there is escaped and cut.

use std::io::Write;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    binary::{Binary, command},
    client::{Http, Ws, handshake},
};

/// Words that must appear in no log.
#[derive(Default)]
struct Canaries(Vec<String>);

impl Canaries {
    /// A new one, of letters that a channel and a cookie may have too.
    fn plant(&mut self) -> String {
        let canary = format!("canary{:03}song", self.0.len());
        self.0.push(canary.clone());
        canary
    }

    /// What the server made and gave to one peer.
    fn keep(&mut self, secret: &str) {
        assert!(secret.len() >= 16, "{secret} could be anywhere");
        self.0.push(secret.to_owned());
    }

    fn keep_session(&mut self, http: &Http) {
        self.keep(&http.id);
        self.keep(http.cookie.as_deref().and_then(|cookie| cookie.split_once('=')).expect("a cookie").1);
    }
}

/// Messages with a canary wherever a peer can put one.
fn messages(canaries: &mut Canaries) -> Vec<Value> {
    let mut c = || canaries.plant();
    vec![
        json!({"channel": "/a", "id": c(), "data": {"password": c(), c(): 1}, "ext": {"token": c()}, c(): c()}),
        json!({"channel": format!("/{}", c()), "data": c(), "advice": {c(): c()}, "error": c(), "timestamp": c()}),
        json!({"channel": "/meta/subscribe", "subscription": [format!("/{}", c()), format!("/{}/**", c())], "ext": {c(): c()}}),
        json!({"channel": "/meta/unsubscribe", "subscription": format!("/{}", c()), "id": c()}),
        json!({"channel": "/meta/connect", "connectionType": c(), "id": c(), "ext": {"token": c()}}),
        json!({"channel": format!("/meta/{}", c()), "data": c()}),
        json!({"channel": format!("//{}", c()), "data": c()}),
        json!({"channel": "/a", "clientId": c(), "data": c()}),
        json!({"channel": "/a", "data": c(), "version": [c()]}),
        json!({"channel": format!("/service/{}", c()), "data": c(), "id": c()}),
    ]
}

/// Sessions on both transports, and whatever may go wrong between a peer and the server.
fn misbehave(server: &Binary, canaries: &mut Canaries) {
    let (mut http, mut socket) = (Http::session(server), Ws::session(server));
    canaries.keep_session(&http);
    canaries.keep_session(&socket.http);
    for _ in 0..5 {
        canaries.keep_session(&Http::session(server));
        canaries.keep_session(&Ws::session(server).http);
    }
    for message in messages(canaries) {
        http.post(json!([message]));
    }
    for message in messages(canaries) {
        socket.call(json!([message]));
    }
    let mut thief = Http::open(server);
    thief.cookie = Some(format!("BAYEUX_BROWSER={}; session={}", canaries.plant(), canaries.plant()));
    for (id, operation) in [(&http.id, "/meta/disconnect"), (&socket.http.id, "/meta/connect"), (&http.id, "/a")] {
        thief.id.clone_from(id);
        let message = json!({"channel": operation, "connectionType": "websocket", "data": canaries.plant()});
        assert_eq!(thief.post(json!([message]))[0]["error"], "402::session_unknown");
    }
    let token = canaries.plant();
    for body in [
        canaries.plant(),
        format!("[{{\"{}\":", canaries.plant()),
        format!("{{\"{0}\":1,\"{0}\":2}}", canaries.plant()),
        format!("[{{\"data\":\"{}\\ud800\"}}]", canaries.plant()),
        format!("message={}", canaries.plant()),
    ] {
        let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
        assert_eq!(Http::open(server).request("POST", "/bayeux", &headers, body.as_bytes()).status, 400);
        let mut peer = Ws::open(server);
        peer.frame(0x81, body.as_bytes());
        peer.read();
    }
    let mut peer = Ws::open(server);
    peer.frame(0x88, &[&1000_u16.to_be_bytes()[..], canaries.plant().as_bytes()].concat());
    peer.read();
    let (path, xml) = (format!("/bayeux/{}?token={}", canaries.plant(), canaries.plant()), canaries.plant());
    http.request("POST", &path, &[], handshake().to_string().as_bytes());
    http.request("GET", &path, &[("Referer", &xml)], b"");
    http.request("POST", &path, &[("Content-Type", &xml)], xml.as_bytes());
    http.request("PUT", &path, &[("Sec-WebSocket-Key", &xml)], b"");
    ask_by_url(server, &http, canaries);
    let foreign = [("Origin", "https://evil.example"), ("Cookie", xml.as_str())];
    assert_eq!(Http::open(server).request("POST", &path, &foreign, xml.as_bytes()).status, 403);
    let malformed = Http::open(server);
    let sent = malformed.stream().write_all(format!("{}\r\n{}\r\n\r\n", canaries.plant(), canaries.plant()).as_bytes());
    sent.expect("the server reads");
    let last = http.again(server).post(json!([{"channel": "/a", "data": canaries.plant()}]));
    assert_eq!(last[0]["successful"], true);
}

/// A URL may name a session, and have messages in it: served, refused, malformed, and of another site's page.
fn ask_by_url(server: &Binary, session: &Http, canaries: &mut Canaries) {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for kind in ["eventsource", "iframe", "callback-polling", "long-polling"] {
        let connect = json!([{"channel": "/meta/connect", "connectionType": kind, "clientId": session.id, "advice": {"timeout": 0}}]);
        let connect = connect.to_string();
        let (name, word) = (canaries.plant(), canaries.plant());
        for path in [
            format!("/bayeux?message={}", encoded(&connect)),
            format!("/bayeux/{}?message={}&jsonp={name}", session.id, encoded(&connect)),
            format!("/bayeux?message={}&origin={}", encoded(&connect), encoded("https://evil.example")),
            format!("/bayeux?message={}", encoded(&connect.replace(']', &word))),
            format!("/bayeux?jsonp={}&message={connect}", encoded(&format!("{name}()"))).replace('"', "%22"),
            format!("/bayeux/{}", session.id),
            format!("/bayeux/{word}"),
        ] {
            for headers in [&[("Accept", "text/event-stream")][..], &[("Origin", "https://evil.example")]] {
                let mut peer = session.again(server);
                peer.ask("GET", &path, headers, b"");
                assert!([200, 400, 403].contains(&peer.answer_head().status), "{path}");
            }
        }
    }
}

/// The log of a server that was stopped, each byte of it for people's eyes.
fn log_of(server: Binary) -> String {
    server.signal(Signal::TERM);
    let (status, log) = server.end();
    assert!(status.success(), "{status}: {log}");
    assert!(log.lines().any(|line| line.contains("counted: ")), "{log}");
    let odd = |byte: u8| byte != b'\n' && !(b' '..=b'~').contains(&byte);
    assert_eq!(log.bytes().find(|byte| odd(*byte)), None, "{log}");
    log
}

#[test]
fn a_hundred_canaries_are_in_no_log() {
    for args in [
        &["--log-format", "text"][..],
        &["--log-format", "json", "--callback-polling"],
        &["--front", "actix"],
        &["--front", "actix", "--callback-polling"],
    ] {
        let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        let server = Binary::start(&mut command(&args));
        let mut canaries = Canaries::default();
        misbehave(&server, &mut canaries);
        let log = log_of(server);
        for told in ["refused a foreign origin", "a session was used without its BAYEUX_BROWSER cookie"] {
            assert!(log.contains(told), "{told} is not in {log}");
        }
        assert!(canaries.0.len() >= 100, "only {} canaries", canaries.0.len());
        let heard: Vec<_> = canaries.0.iter().filter(|canary| log.contains(*canary)).collect();
        assert!(heard.is_empty(), "{heard:?} in {log}");
    }
}

#[test]
fn no_url_is_in_a_log_of_whatever_level() {
    for args in [&["--callback-polling"][..], &[], &["--front", "actix", "--callback-polling"]] {
        let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        let server = Binary::start(command(&args).env("RUST_LOG", "info,bayeux=trace"));
        let mut canaries = Canaries::default();
        let session = Http::session(&server);
        canaries.keep_session(&session);
        ask_by_url(&server, &session, &mut canaries);
        let log = log_of(server);
        assert!(log.contains("refused a malformed query"), "{log}");
        let heard: Vec<_> = canaries.0.iter().filter(|canary| log.contains(*canary)).collect();
        assert!(heard.is_empty(), "{heard:?} in {log}");
    }
}

/// One line a second may tell of a foreign origin, so each of these has a server of its own.
#[test]
fn what_a_peer_can_put_into_a_log_is_escaped_and_cut() {
    let long = "x".repeat(5000);
    let texts = [
        format!("https://{long}"),
        "https://a\u{202e}b\u{85}c\u{2028}d\u{1f600}".repeat(20),
        "https://\"quoted\"\\n\\u001b[31m refused=1 level=error".to_owned(),
    ];
    for text in texts {
        let args = ["serve", "--listen", "127.0.0.1:0"];
        let server = Binary::start(command(&args).env("RUST_LOG", "info,bayeux=debug"));
        assert_eq!(Http::open(&server).request("POST", "/bayeux", &[("Origin", &text)], b"[]").status, 403);
        let field = format!("\u{7}\u{1b}[31m\n\u{202e}{text}");
        let twice = format!("{{{0}:1,{0}:2}}", json!(field));
        assert_eq!(Http::open(&server).request("POST", "/bayeux", &[], twice.as_bytes()).status, 400);
        let mut socket = Ws::open(&server);
        socket.frame(0x81, twice.as_bytes());
        socket.read();
        let log = log_of(server);
        assert!(log.contains("refused a foreign origin"), "{log}");
        assert_eq!(log.lines().filter(|line| line.contains("occurs twice")).count(), 2, "{log}");
        assert!(!log.contains(&"x".repeat(65)), "{log}");
        // 64 characters, each escaped as ten at most.
        let longest = log.lines().map(str::len).max().unwrap_or_default();
        assert!(longest < 300 + 10 * 64, "a line of {longest} bytes in {log}");
    }
}
