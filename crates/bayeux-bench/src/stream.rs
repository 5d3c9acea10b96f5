//! A response that goes on and on: how it is asked for, and its chunks, each a whole batch.

use std::{io, ops::Range};

use memchr::memmem;

use crate::args::{Transport, Url};

/// What a stream has next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The head of the response.
    Head { end: usize },
    /// A batch, or something that means nothing.
    Chunk { body: Range<usize>, end: usize },
    /// Its end.
    End { end: usize },
}

/// The first part of `bytes`, if it is complete: `in_body`, a chunk; before, the head.
///
/// # Errors
///
/// A head or a chunk that can't be read.
pub(crate) fn next(bytes: &[u8], in_body: bool) -> io::Result<Option<Part>> {
    if !in_body {
        let Some(head) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
        if !bytes.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(format!("a stream was refused: {}", bytes[..head].escape_ascii())));
        }
        return Ok(Some(Part::Head { end: head + 4 }));
    }
    let Some(line) = memmem::find(bytes, b"\r\n") else { return Ok(None) };
    let size = std::str::from_utf8(&bytes[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
    let size = size.ok_or_else(|| io::Error::other(format!("a chunk of {}", bytes[..line].escape_ascii())))?;
    let (begin, end) = (line + 2, line + 2 + size + 2);
    Ok((bytes.len() >= end).then_some(match size {
        0 => Part::End { end },
        _ => Part::Chunk { body: begin..begin + size, end },
    }))
}

/// The request by which `connect`, one message in an array, opens a stream.
pub(crate) fn request(transport: Transport, server: &Url, cookie: &str, connect: &str) -> Vec<u8> {
    let Url { address, path } = server;
    let query: String = connect.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
    let accept = if transport == Transport::Eventsource { "Accept: text/event-stream\r\n" } else { "" };
    format!("GET {path}?message={query} HTTP/1.1\r\nHost: {address}\r\n{accept}{cookie}\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_once_they_are_complete() {
        let bytes = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n5\r\n[{}]\n\r\n0\r\n\r\nrest";
        let mut at = 0;
        let mut parts = Vec::new();
        for in_body in [false, true, true] {
            let cuts = at..bytes.len();
            let part = cuts.into_iter().find_map(|cut| next(&bytes[at..cut], in_body).expect("a part"));
            let part = part.expect("it is complete");
            let (Part::Head { end } | Part::Chunk { end, .. } | Part::End { end }) = part;
            at += end;
            parts.push(part);
        }
        let [Part::Head { .. }, Part::Chunk { body, .. }, Part::End { .. }] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((body.len(), &bytes[at..]), (5, &b"rest"[..]));
        assert!(next(b"HTTP/1.1 403 Forbidden\r\n\r\n", false).is_err());
        assert!(next(b"x\r\n", true).is_err());
    }
}
