//! HTTP (RFC 9112) from the server's side: requests read strictly.

use super::http::{header, parse_fields, read_chunks, read_sized, take_head};
use super::stream::Stream;
use super::websocket::accept_key;
use super::{MAX_MESSAGE, WireError};

/// A request that a client sent.
#[derive(Debug, Clone)]
pub struct Served {
    /// GET, POST …
    pub method: String,
    /// Path and query, as they stand in the request line.
    pub target: String,
    /// HTTP/1.0, whose connections end after the response.
    pub old: bool,
    /// Head fields in their order.
    pub headers: Vec<(String, String)>,
    /// The body, out of its chunks.
    pub body: Vec<u8>,
}

impl Served {
    /// The first head field of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The path, without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether the client keeps the connection for another request.
    pub fn keeps(&self) -> bool {
        let close = self.header("connection").is_some_and(|value| value.to_ascii_lowercase().contains("close"));
        !close && !self.old
    }

    /// What accepts its wish for a WebSocket, if it has one.
    pub fn upgrade(&self) -> Option<Vec<u8>> {
        let wish = self.header("upgrade").filter(|value| value.eq_ignore_ascii_case("websocket"));
        let key = self.header("sec-websocket-key").filter(|_| wish.is_some() && self.method == "GET")?;
        let accept = accept_key(key);
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
        Some(format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes())
    }

    /// The request as text, for transcripts.
    pub fn text(&self) -> Vec<u8> {
        let mut text = format!("{} {}\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            text.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        text.push(b'\n');
        text.extend_from_slice(&self.body);
        text
    }
}

/// Reads the next request of a connection.
pub async fn read_request(stream: &mut Stream) -> Result<Served, WireError> {
    let head = take_head(stream).await?;
    let mut request = parse(&head)?;
    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        stream.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    request.body = if let Some(coding) = request.header("transfer-encoding") {
        if !coding.eq_ignore_ascii_case("chunked") {
            return Err(WireError::malformed(format!("Transfer-Encoding: {coding}")));
        }
        read_chunks(stream).await?
    } else if let Some(length) = request.header("content-length") {
        let length = length.parse().map_err(|_| WireError::malformed(format!("Content-Length: {length}")))?;
        if length > MAX_MESSAGE {
            return Err(WireError::TooLarge);
        }
        read_sized(stream, length).await?
    } else {
        Vec::new()
    };
    Ok(request)
}

fn parse(head: &[u8]) -> Result<Served, WireError> {
    let text = std::str::from_utf8(head).map_err(|_| WireError::malformed("a head that is not UTF-8"))?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let words: Vec<_> = first.split(' ').collect();
    let (method, target, old) = match words.as_slice() {
        [method, target, "HTTP/1.1"] => (*method, *target, false),
        [method, target, "HTTP/1.0"] => (*method, *target, true),
        _ => return Err(WireError::malformed(format!("request line {first:?}"))),
    };
    let headers = parse_fields(lines)?;
    Ok(Served { method: method.to_owned(), target: target.to_owned(), old, headers, body: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_or_refused() {
        let request = parse(b"POST /a/b?c HTTP/1.1\r\nHost: h\r\nConnection: close").expect("a request");
        assert_eq!((request.method.as_str(), request.path(), request.keeps()), ("POST", "/a/b", false));
        assert!(parse(b"POST /a HTTP/1.1\r\nHost: h").expect("a request").keeps());
        assert!(!parse(b"POST /a HTTP/1.0\r\nHost: h").expect("a request").keeps());
        for wrong in ["POST /a", "POST /a HTTP/2", "POST /a b HTTP/1.1", "POST /a HTTP/1.1\r\nno field"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_key_of_the_standard_is_answered_as_there() {
        let head = b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let answer = parse(head).expect("a request").upgrade().expect("a wish for a WebSocket");
        assert!(String::from_utf8_lossy(&answer).contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(parse(b"GET / HTTP/1.1\r\nHost: h").expect("a request").upgrade().is_none());
    }
}
