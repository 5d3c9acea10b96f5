//! Just enough HTTP/1.1 to see where a message ends and what its body is.

use std::{borrow::Cow, io};

use memchr::memmem;

/// Bodies longer than this are taken for nonsense.
const MOST_BYTES: usize = 1 << 28;

/// A complete request or response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'b> {
    pub(crate) head: &'b [u8],
    /// Without the chunks' sizes, so that nothing is torn by them.
    pub(crate) body: Cow<'b, [u8]>,
    /// Where the next message begins.
    pub(crate) end: usize,
}

/// The first message of `bytes`, if it is complete. Without a length and chunks it is taken to have no body.
///
/// # Errors
///
/// A length or chunk that can't be read.
pub(crate) fn next(bytes: &[u8]) -> io::Result<Option<Message<'_>>> {
    let Some(blank) = memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, rest) = bytes.split_at(blank + 4);
    let (mut length, mut chunked) = (0, false);
    for line in head.split(|byte| *byte == b'\n') {
        if let Some(value) = value_of(line, b"content-length:") {
            length = number(value, 10)?;
        } else if let Some(value) = value_of(line, b"transfer-encoding:") {
            chunked = value.eq_ignore_ascii_case(b"chunked");
        }
    }
    if chunked {
        return Ok(unchunk(rest)?.map(|(body, used)| Message { head, body, end: head.len() + used }));
    }
    let body = rest.get(..length).map(Cow::Borrowed);
    Ok(body.map(|body| Message { head, body, end: head.len() + length }))
}

fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (before, value) = line.split_at_checked(name.len())?;
    before.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8], radix: u32) -> io::Result<usize> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| usize::from_str_radix(digits, radix).ok())
        .filter(|number| *number <= MOST_BYTES)
        .ok_or_else(|| io::Error::other("an HTTP message whose length can't be read"))
}

/// The body, and how many bytes it took, if its last chunk and trailers are there.
fn unchunk(bytes: &[u8]) -> io::Result<Option<(Cow<'_, [u8]>, usize)>> {
    let (mut body, mut at) = (Cow::Borrowed(&bytes[..0]), 0);
    loop {
        let Some(line) = memmem::find(&bytes[at..], b"\r\n") else {
            return Ok(None);
        };
        let size = bytes[at..at + line].split(|byte| *byte == b';').next().unwrap_or_default();
        let size = number(size.trim_ascii(), 16)?;
        at += line + 2;
        if size == 0 {
            return Ok(end_of_trailers(bytes, at).map(|end| (body, end)));
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else {
            return Ok(None);
        };
        if body.is_empty() {
            body = Cow::Borrowed(&chunk[..size]);
        } else {
            body.to_mut().extend_from_slice(&chunk[..size]);
        }
        at += size + 2;
    }
}

fn end_of_trailers(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = memmem::find(&bytes[at..], b"\r\n")?;
        at += line + 2;
        if line == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_complete_at_its_last_byte() {
        for (message, body) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
                "abc0123456789",
            ),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""),
        ] {
            for cut in 0..message.len() {
                assert_eq!(next(&message.as_bytes()[..cut]).expect("well-formed"), None, "{cut} of {message}");
            }
            let longer = format!("{message}GET");
            let found = next(longer.as_bytes()).expect("well-formed").expect("complete");
            assert_eq!((&*found.body, found.end), (body.as_bytes(), message.len()));
        }
    }

    #[test]
    fn a_length_that_cannot_be_read_is_an_error() {
        for message in [
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello\r\n",
        ] {
            assert!(next(message.as_bytes()).is_err(), "{message}");
        }
    }
}
