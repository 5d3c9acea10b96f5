//! Requests that are sound HTTP and are refused by the endpoint: methods, types of bodies, sizes, upgrades.

use super::Counter::{self, bodies_malformed, bodies_too_large, bodies_unsupported, methods_refused, upgrades_refused};

/// A request: method, headers, body; its status, and what counts it.
pub(crate) type Ask = (&'static str, &'static [(&'static str, &'static str)], &'static [u8], u16, Counter);

const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
const VERSION: (&str, &str) = ("Sec-WebSocket-Version", "13");
const CONNECTION: (&str, &str) = ("Connection", "Upgrade");
const WEBSOCKET: (&str, &str) = ("Upgrade", "websocket");

pub(crate) const ASKS: &[Ask] = &[
    ("PUT", &[], b"[]", 405, methods_refused),
    ("DELETE", &[], b"", 405, methods_refused),
    ("PATCH", &[], b"[]", 405, methods_refused),
    ("TRACE", &[], b"", 405, methods_refused),
    ("post", &[], b"[]", 405, methods_refused),
    ("POSTX", &[], b"[]", 405, methods_refused),
    ("PROPFIND", &[], b"", 405, methods_refused),
    ("POST", &[("Content-Type", "text/xml")], b"<a/>", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "application/xml")], b"<a/>", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "text/html")], b"<a>", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "image/png")], b"\x89PNG", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "application/octet-stream")], b"\0\0", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "multipart/form-data; boundary=x")], b"--x\r\n\r\n--x--", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "application/jsonx")], b"x", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "json")], b"x", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "*/*")], b"x", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "application/json, text/xml")], b"x", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "text/xml; application/json")], b"x", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "text/xml")], b"", 415, bodies_unsupported),
    ("POST", &[("Content-Type", "text/xml")], b"[{\"channel\"", 400, bodies_malformed),
    ("POST", &[("Content-Type", "application/json")], b"<a/>", 400, bodies_malformed),
    ("POST", &[("Content-Type", "APPLICATION/JSON;charset=utf-16")], b"\xfe\xff", 400, bodies_malformed),
    ("POST", &[("Content-Type", "text/plain")], b"message", 400, bodies_malformed),
    ("POST", &[("Content-Type", "")], b"x", 400, bodies_malformed),
    ("POST", &[("Content-Type", "application/x-www-form-urlencoded")], b"message=", 400, bodies_malformed),
    (
        "POST",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        b"message=%5B%5D&message=%5B",
        400,
        bodies_malformed,
    ),
    ("POST", &[("Content-Type", "application/x-www-form-urlencoded")], b"message=%FF", 400, bodies_malformed),
    ("POST", &[("Content-Type", "application/x-www-form-urlencoded")], b"message=%5B%5", 400, bodies_malformed),
    ("POST", &[("Content-Type", "application/x-www-form-urlencoded")], b"messages=%5B%5D", 400, bodies_malformed),
    ("POST", &[("Content-Type", "application/x-www-form-urlencoded")], b"%6dessage=%5B%5D", 400, bodies_malformed),
    ("POST", &[("Content-Encoding", "gzip")], b"\x1f\x8b", 415, bodies_unsupported),
    ("POST", &[("Content-Encoding", "gzip")], b"[]", 415, bodies_unsupported),
    ("POST", &[("Content-Encoding", "deflate")], b"[]", 415, bodies_unsupported),
    ("POST", &[("Content-Encoding", "br")], b"[]", 415, bodies_unsupported),
    ("POST", &[("Content-Encoding", "zstd")], b"[]", 415, bodies_unsupported),
    ("POST", &[("Content-Encoding", "GZIP")], b"[]", 415, bodies_unsupported),
    ("POST", &[("Content-Encoding", "identity, gzip")], b"[]", 415, bodies_unsupported),
    ("POST", &[("Content-Encoding", "identity"), ("Content-Encoding", "gzip")], b"[]", 415, bodies_unsupported),
    ("POST", &[("Content-Encoding", "")], b"[]", 415, bodies_unsupported),
    ("POST", &[WEBSOCKET, CONNECTION, VERSION, KEY], b"", 400, upgrades_refused),
    ("HEAD", &[WEBSOCKET, CONNECTION, VERSION, KEY], b"", 400, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, VERSION, KEY], b"\x81\x82\0\0\0\0[]", 400, upgrades_refused),
    ("GET", &[WEBSOCKET, VERSION, KEY], b"", 400, upgrades_refused),
    ("GET", &[WEBSOCKET, ("Connection", "keep-alive"), VERSION, KEY], b"", 400, upgrades_refused),
    ("GET", &[WEBSOCKET, ("Connection", "Upgraded"), VERSION, KEY], b"", 400, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, KEY], b"", 426, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, ("Sec-WebSocket-Version", "0"), KEY], b"", 426, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, ("Sec-WebSocket-Version", "12"), KEY], b"", 426, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, ("Sec-WebSocket-Version", "013"), KEY], b"", 426, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, ("Sec-WebSocket-Version", "13, 8"), KEY], b"", 426, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, ("Sec-WebSocket-Version", "x"), KEY], b"", 426, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, VERSION], b"", 400, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, VERSION, ("Sec-WebSocket-Key", "")], b"", 400, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, VERSION, ("Sec-WebSocket-Key", "short")], b"", 400, upgrades_refused),
    ("GET", &[WEBSOCKET, CONNECTION, VERSION, ("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ==")], b"", 400, upgrades_refused),
    (
        "GET",
        &[WEBSOCKET, CONNECTION, VERSION, ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")],
        b"",
        400,
        upgrades_refused,
    ),
    (
        "GET",
        &[WEBSOCKET, CONNECTION, VERSION, ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTEyMzQ=")],
        b"",
        400,
        upgrades_refused,
    ),
];

/// Bodies that declare, or turn out to have, more bytes than one may have: head and what follows it.
pub(crate) const TOO_LARGE: &[(&str, &str, Counter)] = &[
    ("Content-Length: 65537\r\n\r\n", "[", bodies_too_large),
    ("Content-Length: 1073741824\r\n\r\n", "[", bodies_too_large),
    ("Content-Length: 9223372036854775808\r\n\r\n", "[", bodies_too_large),
    ("Content-Length: 18446744073709551615\r\n\r\n", "[", bodies_too_large),
    ("Content-Length: 00000000000000000065537\r\n\r\n", "[", bodies_too_large),
    ("Transfer-Encoding: chunked\r\n\r\n10001\r\n", CHUNK, bodies_too_large),
    ("Transfer-Encoding: chunked\r\n\r\n40000000\r\n", CHUNK, bodies_too_large),
    ("Transfer-Encoding: chunked\r\n\r\n40000000;a=b\r\n", CHUNK, bodies_too_large),
    ("Transfer-Encoding: chunked\r\n\r\n000000000000040000000\r\n", CHUNK, bodies_too_large),
];

/// As much as actix has to see of a chunk.
const CHUNK: &str = match std::str::from_utf8(&[b' '; 66_000]) {
    Ok(text) => text,
    Err(_) => "",
};
