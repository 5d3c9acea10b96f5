//! The head of a response, as bytes.

use std::{borrow::Cow, cell::RefCell, time::SystemTime};

use bytes::Bytes;

use crate::websocket::Upgraded;

/// What becomes of the connection after the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Another request may follow.
    Stay,
    /// As `Stay`, said aloud: HTTP/1.0 closes unless it is told not to.
    StayOld,
    /// It is closed.
    Close,
    /// As `Close`, to a peer of HTTP/1.0, which knows no chunks.
    CloseOld,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Bytes(usize),
    /// With its last chunk, or with the connection where the peer knows no chunks.
    Streamed,
}

impl After {
    pub(super) const fn stays(self) -> bool {
        matches!(self, Self::Stay | Self::StayOld)
    }

    /// The same, and then it is closed.
    pub(super) const fn closing(self) -> Self {
        match self {
            Self::Stay | Self::Close => Self::Close,
            Self::StayOld | Self::CloseOld => Self::CloseOld,
        }
    }

    /// Whether the peer knows chunks.
    pub(super) const fn chunks(self) -> bool {
        matches!(self, Self::Stay | Self::Close)
    }
}

/// A body up to this size is copied behind its head: one piece is cheaper to write than two.
const SHORT_BYTES: usize = 4096;

thread_local! {
    /// Where the start of a response is put together: the kernel takes most of them whole, so they need no memory of their own.
    static START: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Gives `run` the head of a response, and of its body what is in `body`, if that is short; what is left of it is to be written behind.
pub(super) fn with_start<R>(
    status: u16,
    headers: &[(&'static str, Cow<'static, str>)],
    length: Length,
    body: &mut Bytes,
    after: After,
    run: impl FnOnce(&[u8]) -> R,
) -> R {
    START.with_borrow_mut(|out| {
        out.clear();
        start(out, status, headers, length, after);
        if body.len() <= SHORT_BYTES {
            out.extend_from_slice(&std::mem::take(body));
        }
        run(out)
    })
}

fn start(out: &mut Vec<u8>, status: u16, headers: &[(&'static str, Cow<'static, str>)], length: Length, after: After) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, status.into());
    line(out, &[" ", reason(status)]);
    for (name, value) in headers.iter().filter(|(name, _)| *name != "Connection") {
        line(out, &[name, ": ", value]);
    }
    match after {
        After::Stay => {}
        After::StayOld => line(out, &["Connection: keep-alive"]),
        After::Close | After::CloseOld => line(out, &["Connection: close"]),
    }
    match length {
        Length::Bytes(_) if status == 204 => {}
        Length::Bytes(length) => {
            out.extend_from_slice(b"Content-Length: ");
            decimal(out, length);
            line(out, &[]);
        }
        Length::Streamed if after.chunks() => line(out, &["Transfer-Encoding: chunked"]),
        Length::Streamed => {}
    }
    date(out);
    line(out, &[]);
}

fn decimal(out: &mut Vec<u8>, number: usize) {
    if number >= 10 {
        decimal(out, number / 10);
    }
    out.push(b'0' + (number % 10) as u8);
}

/// The answer to a granted upgrade.
pub(super) fn switching(upgraded: &Upgraded) -> Bytes {
    let mut out = Vec::with_capacity(320);
    line(&mut out, &["HTTP/1.1 101 Switching Protocols"]);
    line(&mut out, &["Upgrade: websocket"]);
    line(&mut out, &["Connection: Upgrade"]);
    line(&mut out, &["Sec-WebSocket-Accept: ", &upgraded.accept]);
    if let Some(cookie) = &upgraded.cookie {
        line(&mut out, &["Set-Cookie: ", cookie]);
    }
    date(&mut out);
    line(&mut out, &[]);
    out.into()
}

fn line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// The date is written anew once a second, not for each response.
fn date(out: &mut Vec<u8>) {
    thread_local! {
        static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    DATE.with_borrow_mut(|(written, text)| {
        if *written != second {
            *written = second;
            *text = httpdate::fmt_http_date(now);
        }
        line(out, &["Date: ", text]);
    });
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "",
    }
}
