use super::FRONT;
use crate::{
    client::{Http, UPGRADE, handshake},
    server::Server,
};

fn post(peer: &mut Http, headers: &[(&str, &str)]) -> crate::client::Response {
    peer.request("POST", "/bayeux", headers, handshake().to_string().as_bytes())
}

#[test]
fn bx_hrd_8_a_foreign_post_has_no_effect() {
    let server = Server::start(FRONT);
    for headers in [
        &[("Origin", "https://evil.example")][..],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", "http://app.example")],
        &[("Origin", "https://evil.example"), ("Content-Type", "text/plain")],
    ] {
        // The body is not read, so the connection ends with the refusal.
        let response = post(&mut Http::open(&server), headers);
        assert_eq!(response.status, 403, "{headers:?}");
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    assert_eq!(server.bayeux.engine().stats().sessions_opened, 0);
    assert_eq!(server.bayeux.stats().cross_site_refused, 5);
    assert_eq!(
        post(&mut Http::open(&server), &[("Origin", "http://app.example"), ("Sec-Fetch-Site", "same-origin")]).status,
        200
    );
}

#[test]
fn a_listed_origin_gets_cors_with_credentials() {
    let server = Server::start(FRONT);
    let mut peer = Http::open(&server);
    let listed = [("Origin", "https://listed.example"), ("Sec-Fetch-Site", "cross-site")];
    let response = post(&mut peer, &listed);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("access-control-allow-origin"), Some("https://listed.example"));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(response.header("vary"), Some("Origin"));
    assert!(response.header("set-cookie").is_some_and(|cookie| cookie.ends_with("SameSite=None; Secure; Partitioned")));
    let preflight = peer.request("OPTIONS", "/bayeux", &listed, b"");
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some("Content-Type, Pragma, X-Requested-With, Authorization")
    );
    assert_eq!(peer.request("OPTIONS", "/bayeux", &[("Origin", "https://evil.example")], b"").status, 403);
}

#[test]
fn bx_hrd_8_a_foreign_upgrade_is_refused_before_the_101() {
    let server = Server::start(FRONT);
    for (origin, status) in
        [("https://evil.example", 403), ("http://app.example", 101), ("https://listed.example", 101)]
    {
        let mut peer = Http::open(&server);
        let headers = [&UPGRADE[..], &[("Origin", origin)]].concat();
        assert_eq!(peer.request("GET", "/bayeux", &headers, b"").status, status, "{origin}");
    }
}
