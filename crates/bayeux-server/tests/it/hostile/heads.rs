//! Requests whose head or framing two readers could take differently (RFC 9112), or that ask for what is not served.

use super::Counter;

/// What stands behind each head, and must never be served.
pub(crate) const SMUGGLED: &str = "GET /other HTTP/1.1\r\nHost: a\r\n\r\n";

/// A request that is refused.
pub(crate) struct BadRequest {
    pub(crate) name: &'static str,
    /// Request line and headers, without the empty line; then what follows it.
    pub(crate) head: &'static str,
    pub(crate) body: &'static str,
    /// The status under our own front, and under actix.
    pub(crate) status: (u16, u16),
    /// What counts it; actix refuses most of them before they come to us.
    pub(crate) counter: Counter,
}

const fn bad(name: &'static str, head: &'static str, status: u16, mounted: u16) -> BadRequest {
    BadRequest { name, head, body: "[]", status: (status, mounted), counter: Counter::heads_malformed }
}

/// Chunks that are none: the body is refused, and so is what follows.
const fn chunks(name: &'static str, body: &'static str, mounted: u16) -> BadRequest {
    let head = "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    BadRequest { name, head, body, status: (400, mounted), counter: Counter::bodies_malformed }
}

pub(crate) const REQUESTS: &[BadRequest] = &[
    bad(
        "length and chunks",
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        400,
        400,
    ),
    bad(
        "chunks and length",
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        400,
        400,
    ),
    bad("two lengths", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n", 400, 400),
    bad(
        "the same length twice",
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n",
        400,
        400,
    ),
    bad("a list of lengths", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n", 400, 400),
    bad("a list of two lengths", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 3\r\n", 400, 400),
    bad("a negative length", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n", 400, 400),
    bad("a length with a plus", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n", 400, 400),
    bad("a hexadecimal length", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n", 400, 400),
    bad("a length with a point", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2.0\r\n", 400, 400),
    bad("a length with an exponent", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2e0\r\n", 400, 400),
    bad("a length with letters", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2x\r\n", 400, 400),
    bad("a length in quotes", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: \"2\"\r\n", 400, 400),
    bad("a length with a space", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2 2\r\n", 400, 400),
    bad("a length with an underscore", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2_0\r\n", 400, 400),
    bad("an empty length", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n", 400, 400),
    bad(
        "a length beyond 64 bits",
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551618\r\n",
        400,
        400,
    ),
    bad("gzip", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n", 400, 400),
    bad("gzip, chunked", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", 400, 400),
    bad("chunked, identity", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n", 400, 400),
    bad("identity, chunked", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n", 400, 400),
    bad("chunked, chunked", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n", 400, 400),
    bad("xchunked", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n", 400, 400),
    bad("chunked with a parameter", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;x=1\r\n", 400, 400),
    bad("chunked in quotes", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n", 400, 400),
    bad("an empty coding", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n", 400, 400),
    bad(
        "coding twice",
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        400,
        400,
    ),
    bad(
        "coding twice, once unknown",
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        400,
        400,
    ),
    bad(
        "a vertical tab in front of the coding",
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n",
        400,
        400,
    ),
    bad("chunks in HTTP/1.0", "POST /bayeux HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", 400, 400),
    bad("a space in front of the colon", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n", 400, 400),
    bad(
        "a tab in front of the colon",
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n",
        400,
        400,
    ),
    bad("a NUL in a name", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer\0Encoding: chunked\r\n", 400, 400),
    bad("a NUL in a value", "POST /bayeux HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n", 400, 400),
    bad("no colon", "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length 2\r\n", 400, 400),
    bad("no name", "POST /bayeux HTTP/1.1\r\nHost: a\r\n: 2\r\n", 400, 400),
    bad("a folded header", "POST /bayeux HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 2\r\n", 400, 400),
    bad("a header folded by a tab", "POST /bayeux HTTP/1.1\r\nHost: a\r\nX: y\r\n\tContent-Length: 2\r\n", 400, 400),
    bad("a folded coding", "POST /bayeux HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n", 400, 400),
    bad("a first header that is folded", "POST /bayeux HTTP/1.1\r\n Host: a\r\nHost: a\r\n", 400, 400),
    bad("a bare line feed", "POST /bayeux HTTP/1.1\r\nHost: a\nContent-Length: 2\r\n", 400, 200),
    bad(
        "a bare line feed behind the request line",
        "POST /bayeux HTTP/1.1\nHost: a\r\nContent-Length: 2\r\n",
        400,
        200,
    ),
    bad("a bare carriage return", "POST /bayeux HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: 2\r\n", 400, 400),
    bad("two hosts", "POST /bayeux HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 2\r\n", 400, 400),
    bad("the same host twice", "POST /bayeux HTTP/1.1\r\nHost: a\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("no host", "POST /bayeux HTTP/1.1\r\nContent-Length: 2\r\n", 400, 400),
    bad("two spaces", "POST  /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("two spaces in front of the version", "POST /bayeux  HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("a tab in the request line", "POST\t/bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("something behind the version", "POST /bayeux HTTP/1.1 x\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("a space in the target", "POST /bay eux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("HTTP/9.1", "POST /bayeux HTTP/9.1\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("HTTP/2.0", "PRI * HTTP/2.0\r\n", 400, 400),
    bad("no version", "POST /bayeux\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("a version in lower case", "POST /bayeux http/1.1\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("no method", " /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad("an odd method", "PO\u{1}ST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", 400, 400),
    bad(
        "an expectation that is unknown",
        "POST /bayeux HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: x\r\n",
        417,
        200,
    ),
    chunks("no size", "\r\n[]\r\n0\r\n\r\n", 400),
    chunks("a negative size", "-1\r\n[]\r\n0\r\n\r\n", 400),
    chunks("a size with a plus", "+2\r\n[]\r\n0\r\n\r\n", 400),
    chunks("a size with a prefix", "0x2\r\n[]\r\n0\r\n\r\n", 400),
    chunks("a size that is no number", "z\r\n[]\r\n0\r\n\r\n", 400),
    chunks("a size with letters behind", "2x\r\n[]\r\n0\r\n\r\n", 400),
    chunks("a size with an underscore", "0_2\r\n[]\r\n0\r\n\r\n", 400),
    chunks("a space in front of a size", " 2\r\n[]\r\n0\r\n\r\n", 400),
    chunks("a size that is too small", "1\r\n[]\r\n0\r\n\r\n", 400),
    chunks("a size that is too large", "3\r\n[]\r\n0\r\n\r\n", 400),
    chunks("something behind the data", "2\r\n[]x\r\n0\r\n\r\n", 400),
    chunks("a bare line feed behind a size", "2\n[]\r\n0\r\n\r\n", 400),
    chunks("a bare line feed behind an extension", "2;x\n[]\r\n0\r\n\r\n", 400),
    chunks("a bare line feed behind the data", "2\r\n[]\n0\r\n\r\n", 400),
    chunks("a bare carriage return behind a size", "2\r[]\r\n0\r\n\r\n", 400),
    chunks("a bare line feed in the trailers", "2\r\n[]\r\n0\r\nX: y\n\r\n", 200),
];
