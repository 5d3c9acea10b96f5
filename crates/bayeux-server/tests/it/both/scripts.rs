//! `callback-polling`: what a script element can ask, and what it can't.

use std::net::Ipv4Addr;

use bayeux_server::Options;
use serde_json::{Value, json};

use super::FRONT;
use crate::{
    client::{Http, Response, channels, connect, handshake},
    server::{Server, wait_until},
    transport::{Receiver, TRANSPORTS, Transport, ask_by_get, call_by_script, encoded, script_messages},
};

/// What a browser says with a script that another site's page asks for.
const FOREIGN: [&[(&str, &str)]; 5] = [
    &[("Sec-Fetch-Site", "cross-site")],
    &[("Sec-Fetch-Site", "same-site")],
    &[("Origin", "https://evil.example")],
    &[("Origin", "null")],
    &[("Origin", "https://listed.example"), ("Sec-Fetch-Site", "cross-site")],
];

fn ask(http: &mut Http, batch: &Value, headers: &[(&str, &str)]) -> Response {
    ask_by_get(http, batch, "&jsonp=cb", headers);
    http.answer()
}

fn call(http: &mut Http, batch: &Value, headers: &[(&str, &str)]) -> Value {
    script_messages(&ask(http, batch, headers)).remove(0)
}

#[test]
fn bx_cp_7_the_replies_are_a_call_that_nothing_can_be_made_of_but_a_call() {
    let server = Server::start(FRONT);
    let mut peer = Http::open(&server);
    let answer = ask(&mut peer, &handshake(), &[]);
    for (name, value) in [
        ("content-type", "text/javascript;charset=UTF-8"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment; filename=f.txt"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    assert!(answer.header("set-cookie").is_some_and(|cookie| cookie.ends_with("HttpOnly; SameSite=Lax")));
    let reply = script_messages(&answer).remove(0);
    assert_eq!(reply["successful"], true);
    let types = ["websocket", "long-polling", "callback-polling", "eventsource", "xhr-streaming", "iframe"];
    assert_eq!(reply["supportedConnectionTypes"], json!([&types[..], &["cross-origin-long-polling"]].concat()));
    peer.id = reply["clientId"].as_str().expect("a session").to_owned();
    let batch = json!([
        {"channel": "/meta/subscribe", "subscription": "/a"},
        {"channel": "/meta/connect", "connectionType": "callback-polling"},
    ]);
    assert_eq!(channels(&call_by_script(&mut peer, &batch)), ["/meta/subscribe", "/meta/connect"]);
    let data = "</script><!--\u{2028}\u{2029}\\";
    let ack = call_by_script(&mut peer, &json!([{"channel": "/a", "data": data}]));
    assert_eq!(channels(&ack), ["/a"], "events come with the replies to connects: {ack:?}");
    let answer = ask(&mut peer, &Transport::CallbackPolling.connect("c"), &[]);
    let messages = script_messages(&answer);
    assert_eq!((channels(&messages), &messages[0]["data"]), (vec!["/a", "/meta/connect"], &json!(data)));
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!body.contains(['<', '\u{2028}', '\u{2029}']), "{body}");
    // Without a name it is the one that the protocol names.
    ask_by_get(&mut peer, &json!([{"channel": "/a", "data": 1}]), "", &[]);
    assert!(peer.answer().body.starts_with(b"/**/jsonpcallback([{"));
}

#[test]
fn bx_lp_1_a_connect_by_script_is_held_until_there_is_an_event() {
    let server = Server::start(FRONT);
    let mut session = Http::session(&server);
    session.subscribe("/a");
    let mut held = Receiver::served(&server, &session, Transport::CallbackPolling, "held");
    assert_eq!(server.bayeux.engine().connections(), 1);
    session.post(json!([{"channel": "/a", "data": 1}]));
    assert_eq!(channels(&held.messages()), ["/a", "/meta/connect"]);
}

#[test]
fn bx_cp_2_a_name_that_could_be_more_than_a_name_is_refused() {
    let server = Server::start(FRONT);
    let long = "x".repeat(65);
    for name in ["", "a b", "alert(1)//", "a;b", "</script>", "a\r\nb", "a[0]", "é", "\0", "a=b", &long] {
        let before = server.bayeux.stats().bodies_malformed;
        let mut peer = Http::open(&server);
        ask_by_get(&mut peer, &handshake(), &format!("&jsonp={}", encoded(name.as_bytes())), &[]);
        let answer = peer.answer();
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("text/plain;charset=UTF-8")), "{name}");
        assert_eq!(server.bayeux.stats().bodies_malformed, before + 1);
    }
    for query in ["jsonp=cb", "jsonp=cb&message=", "jsonp=cb&message=%5B", "jsonp=cb&message=x&message=[]"] {
        let answer = Http::open(&server).request("GET", &format!("/bayeux?{query}"), FOREIGN[0], b"");
        assert_eq!(answer.status, 400, "{query}");
    }
    assert_eq!(server.bayeux.engine().stats().sessions_opened, 0);
}

/// As it is by default.
#[test]
fn where_it_is_not_offered_a_script_gets_the_page_for_people() {
    let mut options = Options::default();
    options.shards = 2;
    let server = Server::with(FRONT, options);
    let mut peer = Http::open(&server);
    let answer = ask(&mut peer, &handshake(), &[]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html;charset=UTF-8")));
    assert_eq!(server.bayeux.engine().stats().sessions_opened, 0);
    let reply = peer.post(handshake()).remove(0);
    let types = ["websocket", "long-polling", "eventsource", "xhr-streaming", "iframe"];
    assert_eq!(reply["supportedConnectionTypes"], json!(types));
}

/// Sessions of other sites' pages have nothing in common with those that a cookie names.
#[test]
fn bx_cp_5_the_cookie_of_another_sites_request_opens_nothing() {
    let server = Server::start(FRONT);
    let mut session = Http::session(&server);
    session.subscribe("/mine");
    let cookie = session.cookie.clone().expect("a cookie");
    for headers in FOREIGN {
        for batch in [
            json!([{"channel": "/mine", "data": "stolen"}]),
            json!([{"channel": "/meta/disconnect"}]),
            Transport::CallbackPolling.connect("stolen"),
        ] {
            // The browser adds the cookie; it is the session's own.
            let reply = call(&mut session.again(&server), &batch, headers);
            assert_eq!(reply["error"], "402::session_unknown", "{headers:?} {batch}");
        }
        // A session of its own such a page may have, without a cookie.
        let mut own = Http::open(&server);
        own.cookie = Some(cookie.clone());
        let answer = ask(&mut own, &handshake(), headers);
        assert_eq!(answer.header("set-cookie"), None, "{headers:?}");
        own.id = script_messages(&answer)[0]["clientId"].as_str().expect("a session").to_owned();
        let ok = |reply: Value| reply["successful"] == true;
        assert!(ok(call(&mut own, &Transport::CallbackPolling.connect("1"), headers)), "{headers:?}");
        assert!(ok(call(&mut own, &json!([{"channel": "/meta/subscribe", "subscription": "/a"}]), headers)));
        let batch = json!([{"channel": "/a", "data": 1}]);
        // Its address has it, whatever it comes with: Faye's page goes on by POST. No other has.
        assert!(ok(own.again(&server).post(batch.clone()).remove(0)), "{headers:?}: by a POST");
        for cookie in [None, Some(cookie.clone())] {
            for transport in TRANSPORTS {
                let mut elsewhere = Http::open_from(&server, Ipv4Addr::new(127, 0, 0, 2)).of(&own);
                elsewhere.cookie.clone_from(&cookie);
                let headers = if transport == Transport::CallbackPolling { headers } else { &[] };
                let mut stolen = Receiver::ask(elsewhere, transport, &transport.connect("stolen"), headers);
                assert!(!ok(stolen.messages().remove(0)), "{headers:?}: by {transport:?} from another address");
            }
        }
        assert!(ok(call(&mut own, &batch, headers)));
        let messages = script_messages(&ask(&mut own, &Transport::CallbackPolling.connect("2"), headers));
        assert_eq!(messages[0], json!({"channel": "/a", "data": 1}), "it is undisturbed");
        wait_until(|| server.bayeux.engine().connections() == 0);
    }
    assert_eq!(channels(&session.again(&server).post(connect("after"))), ["/meta/connect"], "nothing was published");
}
