//! A request's head, read by `httparse` and judged strictly: what two readers could take differently is refused (RFC 9112).

use std::{mem::MaybeUninit, net::IpAddr};

use bytes::{Buf, BytesMut};

use crate::{
    http::{Head, Method, gate::CrossSite},
    websocket::accept::Upgrade,
};

/// Headers of one request.
pub(crate) const MAX_HEADERS: usize = 64;

/// A head, borrowed from the bytes it was read from.
pub(super) struct RequestHead<'h> {
    pub(super) method: &'h str,
    /// Without scheme, authority and query.
    pub(super) path: &'h str,
    /// What is behind the question mark; nothing, without one.
    query: &'h str,
    /// HTTP/1.1 or later.
    modern: bool,
    headers: &'h [httparse::Header<'h>],
}

/// Why a head can't be served: the peer's fault, and the end of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadHead {
    #[error("the request line or a header is malformed")]
    Malformed,
    #[error("a line of the head ends without a carriage return")]
    BareLineFeed,
    #[error("the head has more than {MAX_HEADERS} headers")]
    TooManyHeaders,
    #[error("one Host header is needed")]
    Host,
    #[error("the length of the body is told in more than one way, or in none that is known")]
    Framing,
    #[error("Expect can only be 100-continue")]
    Expectation,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Sized(u64),
    Chunked,
}

impl BadHead {
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::TooManyHeaders => 431,
            Self::Expectation => 417,
            Self::Malformed | Self::BareLineFeed | Self::Host | Self::Framing => 400,
        }
    }
}

/// Skips empty lines in front of a head (RFC 9112, 2.2); returns the head's length if it has come whole. `seen` is how far it
/// was looked for already.
pub(super) fn find_head(input: &mut BytesMut, seen: &mut usize) -> Option<usize> {
    while input.starts_with(b"\r\n") {
        input.advance(2);
    }
    let end = end_of_head(input, *seen);
    *seen = input.len();
    end
}

/// Where the head that begins `bytes` ends, if it has come whole; looks from `seen` on.
fn end_of_head(bytes: &[u8], seen: usize) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let from = seen.saturating_sub(END.len() - 1);
    memchr::memmem::find(bytes.get(from..)?, END).map(|at| from + at + END.len())
}

/// Reads a whole head and gives it to `run`.
pub(super) fn with_head<R>(bytes: &[u8], run: impl FnOnce(&RequestHead<'_>) -> R) -> Result<R, BadHead> {
    if memchr::memchr_iter(b'\n', bytes).any(|at| at > 0 && bytes[at - 1] != b'\r') {
        return Err(BadHead::BareLineFeed);
    }
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(BadHead::TooManyHeaders),
        _ => return Err(BadHead::Malformed),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(BadHead::Malformed);
    };
    let (path, query) = split_target(target);
    Ok(run(&RequestHead { method, path, query, modern: version >= 1, headers: request.headers }))
}

impl<'h> RequestHead<'h> {
    /// What the endpoint has to know; `suffix` is what of the path is behind its own.
    pub(super) fn endpoint_head(&self, suffix: &'h str, peer: IpAddr, secure: bool) -> Head<'h> {
        let raw = |name| self.all(name).next();
        Head {
            method: match self.method {
                "POST" => Method::Post,
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                "OPTIONS" => Method::Options,
                _ => Method::Other,
            },
            site: CrossSite {
                origin: raw("origin").map(|value| std::str::from_utf8(value).unwrap_or("null")),
                more_origins: self.all("origin").count() > 1,
                sec_fetch_site: raw("sec-fetch-site").map(|value| std::str::from_utf8(value).unwrap_or("cross-site")),
                host: self.text("host"),
                secure: None,
            },
            cookies: self.all("cookie").collect(),
            suffix,
            query: self.query,
            content_type: self.text("content-type"),
            accept: self.text("accept"),
            last_event_id: self.text("last-event-id"),
            encoded: self.all("content-encoding").any(|value| !value.trim_ascii().eq_ignore_ascii_case(b"identity")),
            peer,
            secure,
        }
    }

    /// What a WebSocket's upgrade is judged by, if this asks for one.
    pub(super) fn upgrade(&self) -> Option<Upgrade<'h>> {
        self.has_token("upgrade", "websocket").then(|| Upgrade {
            get: self.method == "GET",
            body: self.all("transfer-encoding").next().is_some()
                || self.all("content-length").any(|length| length != b"0"),
            upgrade: self.text("upgrade"),
            connection: self.text("connection"),
            version: self.text("sec-websocket-version"),
            key: self.text("sec-websocket-key"),
        })
    }

    /// Whether the peer wants to send another request after this one.
    pub(super) fn keeps_alive(&self) -> bool {
        if self.modern { !self.has_token("connection", "close") } else { self.has_token("connection", "keep-alive") }
    }

    /// Whether the peer is of HTTP/1.0 and has to be told that the connection stays.
    pub(super) const fn is_old(&self) -> bool {
        !self.modern
    }

    /// Whether the body is sent only once it is asked for.
    pub(super) fn expects_continue(&self) -> Result<bool, BadHead> {
        match self.text("expect") {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("100-continue") => Ok(self.modern),
            Some(_) => Err(BadHead::Expectation),
        }
    }

    /// How the body is framed (RFC 9112, 6.3). Whatever a proxy could read in another way is refused.
    pub(super) fn framing(&self) -> Result<Framing, BadHead> {
        let hosts = self.all("host").count();
        if hosts > 1 || (hosts == 0 && self.modern) {
            return Err(BadHead::Host);
        }
        let mut lengths = self.all("content-length");
        let mut codings = self.all("transfer-encoding");
        let framing = match (lengths.next(), codings.next()) {
            (None, None) => Framing::None,
            (Some(length), None) => Framing::Sized(read_length(length).ok_or(BadHead::Framing)?),
            (None, Some(coding)) if self.modern && coding.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
            _ => return Err(BadHead::Framing),
        };
        if lengths.next().is_some() || codings.next().is_some() { Err(BadHead::Framing) } else { Ok(framing) }
    }

    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    fn text(&self, name: &'static str) -> Option<&'h str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }

    fn has_token(&self, name: &'static str, token: &str) -> bool {
        self.all(name).any(|value| {
            value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        })
    }
}

/// Digits alone: no sign, no list.
fn read_length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// The path of a target in origin form or absolute form, of any other form all of it; and its query.
fn split_target(target: &str) -> (&str, &str) {
    let absolute = if target.starts_with('/') { None } else { target.split_once("://") };
    let path = match absolute {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => target,
    };
    let path = path.split_once('#').map_or(path, |(path, _)| path);
    path.split_once('?').unwrap_or((path, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(lines: &str) -> Result<Framing, BadHead> {
        with_head(format!("POST /b HTTP/1.1\r\n{lines}\r\n").as_bytes(), |head| head.framing()).and_then(|it| it)
    }

    #[test]
    fn a_body_has_one_end_or_the_request_is_refused() {
        let host = "Host: a\r\n";
        for (lines, expected) in [
            ("", Ok(Framing::None)),
            ("Content-Length: 0\r\n", Ok(Framing::Sized(0))),
            ("content-length:12\r\n", Ok(Framing::Sized(12))),
            ("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked)),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", Err(BadHead::Framing)),
            ("Content-Length: 1\r\nContent-Length: 1\r\n", Err(BadHead::Framing)),
            ("Content-Length: 1, 1\r\n", Err(BadHead::Framing)),
            ("Content-Length: +1\r\n", Err(BadHead::Framing)),
            ("Content-Length: -1\r\n", Err(BadHead::Framing)),
            ("Content-Length: 0x1\r\n", Err(BadHead::Framing)),
            ("Content-Length: \r\n", Err(BadHead::Framing)),
            ("Content-Length: 99999999999999999999\r\n", Err(BadHead::Framing)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(BadHead::Framing)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(BadHead::Framing)),
            ("Transfer-Encoding: xchunked\r\n", Err(BadHead::Framing)),
            ("Transfer-Encoding: \"chunked\"\r\n", Err(BadHead::Framing)),
            ("Transfer-Encoding : chunked\r\n", Err(BadHead::Malformed)),
            ("Content-Length: 1\n", Err(BadHead::BareLineFeed)),
            ("X: a\r\n folded: b\r\n", Err(BadHead::Malformed)),
            ("X: a\0b\r\n", Err(BadHead::Malformed)),
            ("Host: b\r\n", Err(BadHead::Host)),
        ] {
            assert_eq!(framing(&format!("{host}{lines}")), expected, "{lines:?}");
        }
        assert_eq!(framing(""), Err(BadHead::Host));
        let old = with_head(b"POST /b HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", |head| head.framing());
        assert_eq!(old, Ok(Err(BadHead::Framing)));
    }

    #[test]
    fn path_and_query_are_found_in_every_form_of_target() {
        for (target, path, query) in [
            ("/bayeux", "/bayeux", ""),
            ("/bayeux?", "/bayeux", ""),
            ("/bayeux?a=/b", "/bayeux", "a=/b"),
            ("/bayeux?a=b?c#d?e", "/bayeux", "a=b?c"),
            ("/bayeux#a?b", "/bayeux", ""),
            ("http://host:1/bayeux/x?y", "/bayeux/x", "y"),
            ("http://host", "/", ""),
            ("/a?u=http://b/c", "/a", "u=http://b/c"),
            ("*", "*", ""),
        ] {
            assert_eq!(split_target(target), (path, query), "{target}");
        }
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_it_was_cut() {
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        let end = bytes.len() - 4;
        for seen in 0..end {
            assert_eq!(end_of_head(&bytes[..end - 1], seen.min(end - 1)), None);
            assert_eq!(end_of_head(bytes, seen), Some(end), "{seen}");
        }
    }

    #[test]
    fn whether_the_connection_stays_depends_on_version_and_header() {
        for (head, stays) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ] {
            assert_eq!(with_head(head.as_bytes(), |head| head.keeps_alive()), Ok(stays), "{head}");
        }
    }

    #[test]
    fn too_many_headers_are_told_from_malformed_ones() {
        let many = "X: y\r\n".repeat(MAX_HEADERS + 1);
        assert_eq!(framing(&many), Err(BadHead::TooManyHeaders));
        assert_eq!(BadHead::TooManyHeaders.status(), 431);
    }
}
