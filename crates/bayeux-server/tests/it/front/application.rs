//! The application beside the endpoint: its routes, its middleware, its peers' addresses.

use bayeux_server::FrontOptions;

use crate::{
    client::{Http, Ws, connect, handshake},
    server::{Front, Server, options},
};

#[test]
fn an_application_beside_the_endpoint_works_as_ever() {
    let server = Server::start(Front::Own);
    let mut peer = Http::open(&server);
    let local = peer.stream().local_addr().expect("an address").to_string();
    let answer = peer.request("GET", "/peer", &[], b"");
    assert_eq!(String::from_utf8_lossy(&answer.body), format!("http {local}"));
    assert_eq!(answer.header("x-application"), Some("yes"), "its middleware has seen it");
    let body = vec![b'x'; 100_000];
    assert_eq!(peer.request("POST", "/echo", &[], &body).body, body, "what was read before is in front");
    assert_eq!(peer.request("GET", "/nothing", &[], b"").status, 404);
}

#[test]
fn without_an_application_any_other_path_is_answered_by_the_front() {
    let mut limits = FrontOptions::default();
    limits.endpoint_only = true;
    let server = Server::with_limits(Front::Own, options(), limits);
    let mut peer = Http::session(&server);
    let answer = peer.request("GET", "/other", &[], b"");
    assert_eq!((answer.status, answer.header("x-application")), (404, None));
    assert!(String::from_utf8_lossy(&answer.body).contains("/bayeux"));
    let head = peer.request("HEAD", "/other", &[], b"");
    assert_eq!((head.status, head.body.len()), (404, 0));
    assert_eq!(peer.post(connect("1"))[0]["successful"], true, "the connection stays with the front");
    assert_eq!(peer.request("POST", "/other", &[], b"[]").header("connection"), Some("close"), "a body is not read");
}

/// A browser that has loaded a page of the application uses the same connection for the endpoint.
#[test]
fn requests_for_the_endpoint_on_the_applications_connections_go_to_the_endpoint() {
    let server = Server::start(Front::Own);
    let mut peer = Http::open(&server);
    assert_eq!(peer.request("GET", "/other", &[], b"").body, b"other");
    let answer = peer.request("POST", "/bayeux", &[], handshake().to_string().as_bytes());
    assert_eq!(answer.header("x-application"), None, "not the application's middleware");
    peer.id = answer.messages()[0]["clientId"].as_str().expect("a session").to_owned();
    assert_eq!(peer.post(connect("1"))[0]["successful"], true);
    let mut socket = Ws::upgrade(peer);
    assert_eq!(socket.call(connect("2"))[0]["successful"], true);
}

#[test]
fn a_connection_of_the_endpoint_becomes_the_applications_when_it_asks_for_that() {
    let server = Server::start(Front::Own);
    let mut peer = Http::session(&server);
    assert_eq!(peer.request("GET", "/other", &[], b"").body, b"other");
    assert_eq!(peer.post(connect("1"))[0]["successful"], true);
}
