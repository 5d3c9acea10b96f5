use std::io::Read;

use serde_json::json;

use super::FRONT;
use crate::{
    client::{Http, channels, connect, handshake},
    server::{Server, options, wait_until},
};

#[test]
fn bx_lp_1_a_held_poll_gets_events_before_its_reply() {
    let server = Server::start(FRONT);
    let mut subscriber = Http::session(&server);
    subscriber.subscribe("/a");
    subscriber.ask_batch(connect("held"));
    let mut publisher = Http::session(&server);
    let ack = publisher.post(json!([{"channel": "/a", "data": {"x": "é"}, "id": 5}]));
    assert_eq!(ack, [json!({"channel": "/a", "id": 5, "successful": true})]);
    let response = subscriber.answer();
    assert_eq!(response.header("content-type"), Some("application/json;charset=UTF-8"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    let messages = response.messages();
    assert_eq!(channels(&messages), ["/a", "/meta/connect"]);
    assert_eq!(messages[0], json!({"channel": "/a", "data": {"x": "é"}}));
    assert_eq!(messages[1]["id"], "held");
}

#[test]
fn a_held_poll_outlasts_the_timeout_again_and_again() {
    let server = Server::start(FRONT);
    let mut peer = Http::session(&server);
    for n in 0..4 {
        let id = n.to_string();
        assert_eq!(peer.post(connect(&id))[0]["id"], json!(id));
    }
}

#[test]
fn bx_sec_3_the_cookie_is_set_once_and_needed_later() {
    let server = Server::start(FRONT);
    let mut peer = Http::open(&server);
    let response = peer.request("POST", "/bayeux", &[], handshake().to_string().as_bytes());
    let cookie = response.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("BAYEUX_BROWSER=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    peer.id = response.messages()[0]["clientId"].as_str().expect("a session").to_owned();
    let again = peer.request("POST", "/bayeux", &[], handshake().to_string().as_bytes());
    assert_eq!(again.header("set-cookie"), None, "a valid one came");
    let genuine = peer.cookie.take();
    for cookie in [None, Some("BAYEUX_BROWSER=forged".to_owned())] {
        peer.cookie = cookie;
        let reply = peer.post(connect("1")).remove(0);
        assert_eq!(reply["error"], "402::session_unknown");
        assert_eq!(reply["advice"], json!({"reconnect": "handshake", "interval": 1000, "timeout": 400}));
    }
    peer.cookie = Some("BAYEUX_BROWSER=forged".to_owned());
    let replaced = peer.request("POST", "/bayeux", &[], handshake().to_string().as_bytes());
    assert!(replaced.header("set-cookie").is_some(), "a forged one is replaced");
    peer.cookie = genuine;
    assert_eq!(peer.post(connect("2"))[0]["successful"], true);
}

#[test]
fn bx_ext_1_every_suffix_of_the_path_is_the_endpoint() {
    let server = Server::start(FRONT);
    let mut peer = Http::open(&server);
    for path in ["/bayeux", "/bayeux/", "/bayeux/handshake", "/bayeux/a/b", "/deep/er/comet", "/deep/er/comet/connect"]
    {
        let response = peer.request("POST", path, &[], handshake().to_string().as_bytes());
        assert_eq!((response.status, response.messages()[0]["successful"].as_bool()), (200, Some(true)), "{path}");
    }
    assert_eq!(peer.request("GET", "/other", &[], b"").body, b"other", "the application's own routes stay");
    assert_eq!(peer.request("POST", "/bayeuxx", &[], b"[]").status, 404);
}

#[test]
fn bodies_are_told_apart_by_content() {
    let server = Server::start(FRONT);
    let mut peer = Http::open(&server);
    let array = handshake().to_string();
    let bare = handshake()[0].to_string();
    for content_type in [
        None,
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        Some("text/json"),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let headers: Vec<_> = content_type.map(|value| ("Content-Type", value)).into_iter().collect();
        for body in [&array, &bare] {
            let response = peer.request("POST", "/bayeux", &headers, body.as_bytes());
            assert_eq!((response.status, response.messages().len()), (200, 1), "{content_type:?}");
        }
    }
    assert_eq!(peer.request("POST", "/bayeux", &[], b"[]").messages().len(), 0);
    let form = "message=%7B%22channel%22%3A%22%2Fmeta%2Fhandshake%22%2C%22version%22%3A%221.0%22%2C%22\
                supportedConnectionTypes%22%3A%5B%22long-polling%22%5D%7D&message=%5B%5D";
    for content_type in ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8"] {
        let response = peer.request("POST", "/bayeux", &[("Content-Type", content_type)], form.as_bytes());
        assert_eq!(response.messages()[0]["successful"], true, "a form as {content_type}");
    }
    let form = peer.request("POST", "/bayeux", &[("Content-Type", "text/plain")], b"message=%5B");
    assert_eq!(form.status, 400);
    let xml = peer.request("POST", "/bayeux", &[("Content-Type", "text/xml")], b"<a/>");
    assert_eq!(xml.status, 415);
    let encoded = peer.request("POST", "/bayeux", &[("Content-Encoding", "gzip")], b"[]");
    assert_eq!(encoded.status, 415);
    assert_eq!(server.bayeux.stats().bodies_unsupported, 2);
}

#[test]
fn bx_hrd_1_a_malformed_body_is_refused_whole() {
    let server = Server::start(FRONT);
    let mut peer = Http::session(&server);
    peer.subscribe("/a");
    let deep = format!("[{{\"x\":{}", "[".repeat(30_000));
    let publish = format!(r#"{{"channel":"/a","data":1,"clientId":"{}"}}"#, peer.id);
    let cut = format!("[{publish},{{]");
    let many = format!("[{}{{}}]", "{},".repeat(1024));
    for body in ["", "x", "[", "null", "[1]", &cut, &deep, &many, "[{\"a\":1e999}]", "[{\"a\":\"\\ud800\"}]"] {
        let response = peer.request("POST", "/bayeux", &[("Content-Type", "application/json")], body.as_bytes());
        assert_eq!(response.status, 400, "{body:.40}");
        assert!(response.body.starts_with(b"The body is no Bayeux batch: "));
    }
    assert_eq!(server.bayeux.stats().bodies_malformed, 10);
    assert_eq!(channels(&peer.post(connect("after"))), ["/meta/connect"], "nothing took effect");
}

#[test]
fn bx_lm_1_an_oversized_body_is_refused_from_its_declared_length() {
    let server = Server::start(FRONT);
    let mut peer = Http::open(&server);
    peer.write("POST /bayeux HTTP/1.1\r\nHost: app.example\r\nContent-Length: 1073741824\r\n\r\n[");
    assert_eq!(peer.answer().status, 413);
    let mut peer = Http::open(&server);
    let chunk = format!("{:x}\r\n{}\r\n", 4096, " ".repeat(4096));
    peer.write(format!(
        "POST /bayeux HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        chunk.repeat(17)
    ));
    assert_eq!(peer.answer().status, 413);
    assert_eq!(server.bayeux.stats().bodies_too_large, 2);
}

#[test]
fn a_browser_that_opens_the_endpoint_gets_a_page() {
    let server = Server::start(FRONT);
    let mut peer = Http::open(&server);
    let page = peer.request("GET", "/bayeux", &[], b"");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html;charset=UTF-8")));
    let html = String::from_utf8_lossy(&page.body).into_owned();
    assert!(html.contains("Bayeux") && html.contains(env!("CARGO_PKG_VERSION")) && !html.contains("{{"), "{html}");
    let head = peer.request("HEAD", "/bayeux", &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, page.header("content-length")));
    for method in ["PUT", "DELETE"] {
        let response = peer.request(method, "/bayeux", &[], b"");
        assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD, POST, OPTIONS")));
    }
}

/// Rule 14: what a vanished poll would have got is still there, whether it ended by RST or by FIN.
#[test]
fn a_vanished_poll_takes_no_messages_with_it() {
    for reset in [true, false] {
        let server = Server::start(FRONT);
        let mut peer = Http::session(&server);
        peer.subscribe("/a");
        let mut gone = peer.again(&server);
        gone.ask_batch(connect("gone"));
        wait_until(|| server.bayeux.engine().connections() == 1);
        if reset {
            // Closing with unread bytes in the buffer would do; a zero linger is the direct way.
            let socket = socket2::SockRef::from(gone.stream());
            socket.set_linger(Some(std::time::Duration::ZERO)).expect("a socket option");
        } else {
            gone.stream().shutdown(std::net::Shutdown::Write).expect("half closed");
            let mut rest = Vec::new();
            let _ = gone.stream().read_to_end(&mut rest);
        }
        drop(gone);
        wait_until(|| server.bayeux.engine().connections() == 0);
        let mut publisher = Http::session(&server);
        publisher.post(json!([{"channel": "/a", "data": 1}]));
        assert_eq!(channels(&peer.post(connect("next"))), ["/a", "/meta/connect"]);
    }
}

#[test]
fn a_second_poll_answers_the_first_and_gets_the_events() {
    let server = Server::start(FRONT);
    let mut first = Http::session(&server);
    first.subscribe("/a");
    let mut second = first.again(&server);
    first.ask_batch(connect("old"));
    wait_until(|| server.bayeux.engine().connections() == 1);
    second.ask_batch(connect("new"));
    let reply = first.answer().messages();
    assert_eq!((reply.len(), reply[0]["id"].as_str()), (1, Some("old")));
    assert_eq!((reply[0]["successful"].as_bool(), reply[0]["advice"]["interval"].as_i64()), (Some(true), Some(2000)));
    first.post(json!([{"channel": "/a", "data": 1}]));
    let reply = second.answer().messages();
    assert_eq!((channels(&reply), reply[1]["id"].as_str()), (vec!["/a", "/meta/connect"], Some("new")));
}

#[test]
fn a_client_that_asks_for_empty_replies_in_a_loop_is_slowed_down() {
    let mut options = options();
    options.engine.max_empty_replies = 20;
    let server = Server::with(FRONT, options);
    let mut peer = Http::session(&server);
    let begin = std::time::Instant::now();
    for _ in 0..40 {
        peer.post(json!([{"channel": "/meta/connect", "connectionType": "long-polling", "advice": {"timeout": 0}}]));
    }
    assert!(begin.elapsed().as_millis() >= 900, "{:?}", begin.elapsed());
    assert!(server.bayeux.engine().stats().replies_delayed >= 1);
}
