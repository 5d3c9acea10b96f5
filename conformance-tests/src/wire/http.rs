//! HTTP (RFC 9112) from the client's side: requests as the bytes that a case wants, and responses read strictly.

use super::stream::Stream;
use super::{MAX_MESSAGE, WireError};
use tokio::time::Instant;

/// A request that is still to become bytes.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// GET, POST …
    pub method: String,
    /// Path and query, as they stand in the request line.
    pub target: String,
    /// Header fields in their order; Host and the body's length are added unless they are among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

/// How a body is sent.
#[derive(Debug, Clone, Default)]
pub enum Body {
    /// No body, and nothing that says so.
    #[default]
    None,
    /// With a Content-Length.
    Sized(Vec<u8>),
    /// In chunks cut at these places.
    Chunked(Vec<Vec<u8>>),
}

impl Request {
    /// The bytes of this request.
    pub fn encode(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            head.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = Vec::new();
        match &self.body {
            Body::None => bytes.extend_from_slice(format!("{head}\r\n").as_bytes()),
            Body::Sized(body) => {
                if !self.has("content-length") {
                    head.push_str(&format!("Content-Length: {}\r\n", body.len()));
                }
                bytes.extend_from_slice(format!("{head}\r\n").as_bytes());
                bytes.extend_from_slice(body);
            }
            Body::Chunked(chunks) => {
                bytes.extend_from_slice(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
                for chunk in chunks {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields in their order.
    pub headers: Vec<(String, String)>,
    /// The body, out of its chunks.
    pub body: Vec<u8>,
    /// When its first byte had come.
    pub first_byte: Instant,
    /// When its last byte had come.
    pub last_byte: Instant,
    /// The connection may serve another request.
    pub reusable: bool,
}

impl Response {
    /// The first header field of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The head of a response.
#[derive(Debug, Clone)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// HTTP/1.0, whose connections end after the response.
    pub old: bool,
    /// Header fields in their order.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first header field of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// How long the body is, if that is said.
    pub fn length(&self) -> Result<Option<usize>, WireError> {
        let said = self.header("content-length").filter(|_| !self.is_chunked());
        said.map(|text| text.parse().map_err(|_| WireError::malformed(format!("Content-Length: {text}")))).transpose()
    }

    /// Whether the body comes in chunks.
    pub fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

/// Reads one final response; interim ones (1xx, but 101) are passed over. `method` is the request's.
pub async fn read_response(stream: &mut Stream, method: &str) -> Result<Response, WireError> {
    let (head, first_byte) = read_final_head(stream).await?;
    read_rest(stream, method, head, first_byte).await
}

/// Reads the head of one final response; beside it, when its first byte had come.
pub async fn read_final_head(stream: &mut Stream) -> Result<(Head, Instant), WireError> {
    if stream.buffer.is_empty() {
        stream.fill(false).await?;
    }
    let first_byte = Instant::now();
    loop {
        let head = read_head(stream).await?;
        if head.status >= 200 || head.status == 101 {
            return Ok((head, first_byte));
        }
    }
}

/// Reads what comes behind a head.
pub async fn read_rest(
    stream: &mut Stream,
    method: &str,
    head: Head,
    first_byte: Instant,
) -> Result<Response, WireError> {
    let keeps = header(&head.headers, "connection").is_none_or(|value| !value.to_ascii_lowercase().contains("close"));
    let mut reusable = keeps && !head.old && head.status != 101;
    let body = if method == "HEAD" || matches!(head.status, 101 | 204 | 304) {
        Vec::new()
    } else if head.is_chunked() {
        read_chunks(stream).await?
    } else if let Some(length) = head.length()? {
        read_sized(stream, length).await?
    } else {
        reusable = false;
        read_to_end(stream).await?
    };
    Ok(Response { status: head.status, headers: head.headers, body, first_byte, last_byte: Instant::now(), reusable })
}

/// Reads one head, whatever its status.
pub async fn read_head(stream: &mut Stream) -> Result<Head, WireError> {
    parse_head(&take_head(stream).await?)
}

/// The bytes of the next head, without the empty line.
pub(super) async fn take_head(stream: &mut Stream) -> Result<Vec<u8>, WireError> {
    let end = loop {
        if let Some(at) = find(&stream.buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if stream.buffer.len() > 256 << 10 {
            return Err(WireError::TooLarge);
        }
        let partial = !stream.buffer.is_empty();
        stream.fill(partial).await?;
    };
    let mut head: Vec<u8> = stream.buffer.drain(..end).collect();
    head.truncate(end - 4);
    Ok(head)
}

fn parse_head(head: &[u8]) -> Result<Head, WireError> {
    let text = std::str::from_utf8(head).map_err(|_| WireError::malformed("a head that is not UTF-8"))?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut words = first.splitn(3, ' ');
    let old = match words.next() {
        Some("HTTP/1.1") => false,
        Some("HTTP/1.0") => true,
        _ => return Err(WireError::malformed(format!("status line {first:?}"))),
    };
    let status = words.next().filter(|code| code.len() == 3).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| WireError::malformed(format!("status line {first:?}")))?;
    Ok(Head { status, old, headers: parse_fields(lines)? })
}

/// The fields of a head, below its first line.
pub(super) fn parse_fields<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<(String, String)>, WireError> {
    lines
        .map(|line| match line.split_once(':') {
            Some((name, value)) if !name.is_empty() && !name.contains([' ', '\t']) => {
                Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
            }
            _ => Err(WireError::malformed(format!("header line {line:?}"))),
        })
        .collect()
}

pub(super) async fn read_sized(stream: &mut Stream, length: usize) -> Result<Vec<u8>, WireError> {
    if length > MAX_MESSAGE {
        return Err(WireError::TooLarge);
    }
    while stream.buffer.len() < length {
        stream.fill(true).await?;
    }
    Ok(stream.buffer.drain(..length).collect())
}

/// Reads what has come of a body that goes on, a chunk at most; none at its end. `left` is how much of one is still to come whose
/// length was said; any other that is not in chunks ends with its connection.
pub async fn read_part(
    stream: &mut Stream,
    head: &Head,
    left: &mut Option<usize>,
) -> Result<Option<Vec<u8>>, WireError> {
    if head.is_chunked() {
        return read_chunk(stream).await;
    }
    if *left == Some(0) {
        return Ok(None);
    }
    if stream.buffer.is_empty() {
        match stream.fill(left.is_some()).await {
            Err(WireError::Closed { .. }) if left.is_none() => return Ok(None),
            filled => filled?,
        }
    }
    let length = stream.buffer.len().min(left.unwrap_or(usize::MAX));
    *left = left.map(|left| left - length);
    Ok(Some(stream.buffer.drain(..length).collect()))
}

async fn read_to_end(stream: &mut Stream) -> Result<Vec<u8>, WireError> {
    loop {
        match stream.fill(true).await {
            Ok(()) => {}
            Err(WireError::Closed { .. }) => return Ok(std::mem::take(&mut stream.buffer)),
            Err(error) => return Err(error),
        }
    }
}

pub(super) async fn read_chunks(stream: &mut Stream) -> Result<Vec<u8>, WireError> {
    let mut body = Vec::new();
    while let Some(chunk) = read_chunk(stream).await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_MESSAGE {
            return Err(WireError::TooLarge);
        }
    }
    Ok(body)
}

/// Reads one chunk of a chunked body; none after the last one, whose trailers are passed over.
pub async fn read_chunk(stream: &mut Stream) -> Result<Option<Vec<u8>>, WireError> {
    let line = read_line(stream).await?;
    let size = line.split(';').next().unwrap_or_default().trim();
    let size = usize::from_str_radix(size, 16).map_err(|_| WireError::malformed(format!("chunk size {line:?}")))?;
    if size == 0 {
        while !read_line(stream).await?.is_empty() {}
        return Ok(None);
    }
    let mut chunk = read_sized(stream, size.saturating_add(2)).await?;
    if !chunk.ends_with(b"\r\n") {
        return Err(WireError::malformed("a chunk that does not end where its size says"));
    }
    chunk.truncate(size);
    Ok(Some(chunk))
}

async fn read_line(stream: &mut Stream) -> Result<String, WireError> {
    loop {
        if let Some(at) = find(&stream.buffer, b"\r\n") {
            let line: Vec<u8> = stream.buffer.drain(..at + 2).collect();
            return String::from_utf8(line[..at].to_vec())
                .map_err(|_| WireError::malformed("a line that is not UTF-8"));
        }
        stream.fill(true).await?;
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}
