//! An answer that is decided: its messages, and what is done to the bytes.

use crate::case::{Answer, Cut, FrameSpec, Part};
use crate::json::Json;
use crate::pattern::{Variables, fill};
use crate::wire::websocket::Frame;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The answer to one message, or what is sent on a WebSocket without one.
#[derive(Debug, Clone, Default)]
pub(super) struct Outgoing {
    pub(super) messages: Vec<Json>,
    pub(super) manner: Manner,
    /// When the last of it was about to be written: its client may have it from then on, and not before.
    pub(super) written: Rc<Cell<Option<Instant>>>,
}

/// What is done to the bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    pub(super) delay: Duration,
    pub(super) never: bool,
    pub(super) http: Option<Exact>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) cut: Option<Cut>,
    pub(super) trickle: Option<(usize, Duration)>,
    pub(super) split: bool,
    pub(super) close: Option<u16>,
    pub(super) close_after: Option<u16>,
    pub(super) reversed: bool,
    pub(super) chunked: bool,
    pub(super) single: bool,
    pub(super) frames: Vec<Frame>,
}

/// A response that the case spells out.
#[derive(Debug, Clone)]
pub(super) struct Exact {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Manner {
    /// As the case wants it. `time` reads a time.
    pub(super) fn of(
        answer: &Answer,
        variables: &Variables,
        time: impl Fn(&str) -> Result<Duration, String>,
    ) -> Result<Self, String> {
        let http = match &answer.http {
            None => None,
            Some(http) => Some(Exact {
                status: http.status,
                headers: fields(&http.headers, variables)?,
                body: Part::bytes(&http.body, variables)?,
            }),
        };
        Ok(Self {
            delay: answer.delay.as_deref().map(&time).transpose()?.unwrap_or_default(),
            never: answer.never,
            http,
            headers: fields(&answer.headers, variables)?,
            cut: answer.cut,
            trickle: match &answer.trickle {
                None => None,
                Some((bytes, every)) => Some((*bytes, time(every)?)),
            },
            split: answer.split,
            close: answer.close,
            close_after: answer.close_after,
            reversed: answer.reversed,
            chunked: answer.chunked,
            single: answer.single,
            frames: Vec::new(),
        })
    }

    /// Whether the message is answered as if nothing was said of it.
    fn is_plain(&self) -> bool {
        self.delay.is_zero()
            && !self.never
            && self.http.is_none()
            && self.headers.is_empty()
            && self.cut.is_none()
            && self.trickle.is_none()
            && !self.split
            && self.close.is_none()
            && self.close_after.is_none()
            && !self.reversed
            && !self.chunked
            && !self.single
    }
}

fn fields(fields: &[(String, Json)], variables: &Variables) -> Result<Vec<(String, String)>, String> {
    fields
        .iter()
        .map(|(name, value)| match fill(value, variables)? {
            Json::String(text) => Ok((name.clone(), text)),
            other => Ok((name.clone(), other.to_string())),
        })
        .collect()
}

/// Frames as bytes can be made of them.
pub(super) fn frames(specs: &[FrameSpec], variables: &Variables) -> Result<Vec<Frame>, String> {
    specs
        .iter()
        .map(|spec| {
            Ok(Frame {
                fin: spec.fin,
                reserved: spec.reserved,
                opcode: spec.opcode,
                masked: !spec.masked,
                declared: spec.declared,
                payload: Part::bytes(&spec.payload, variables)?,
            })
        })
        .collect()
}

/// The one response to a batch whose messages were answered like this. The first answer that is special says what is
/// done to the whole.
pub(super) fn together(parts: Vec<Outgoing>) -> Outgoing {
    let manner = parts.iter().map(|part| &part.manner).find(|manner| !manner.is_plain()).cloned().unwrap_or_default();
    let mut groups: Vec<_> = parts.into_iter().map(|part| part.messages).collect();
    if manner.reversed {
        groups.reverse();
    }
    Outgoing { messages: groups.concat(), manner, written: Rc::default() }
}

impl Outgoing {
    /// The body, or the text of a frame.
    pub(super) fn body(&self) -> Vec<u8> {
        match (&self.manner.http, self.messages.as_slice()) {
            (Some(exact), _) => exact.body.clone(),
            (None, [message]) if self.manner.single => message.to_string().into_bytes(),
            (None, messages) => Json::Array(messages.to_vec()).to_string().into_bytes(),
        }
    }

    /// Head and body of the response over HTTP.
    pub(super) fn response(&self) -> (Vec<u8>, Vec<u8>) {
        let body = self.body();
        let (status, mut headers) = match &self.manner.http {
            Some(exact) => (exact.status, exact.headers.clone()),
            None => {
                let usual = ("Content-Type".to_owned(), "application/json;charset=UTF-8".to_owned());
                (200, [vec![usual], self.manner.headers.clone()].concat())
            }
        };
        if self.manner.chunked {
            headers.push(("Transfer-Encoding".into(), "chunked".into()));
        } else if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            headers.push(("Content-Length".into(), body.len().to_string()));
        }
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in &headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        (head.into_bytes(), if self.manner.chunked { chunks(&body) } else { body })
    }

    pub(super) fn has_been_written(&self, at: Instant) {
        self.written.set(Some(at));
    }
}

fn chunks(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(10) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200..300 => "OK",
        300..400 => "Elsewhere",
        400..500 => "Refused",
        _ => "Broken",
    }
}

/// Where to cut bytes so that a character is torn; in the middle if all are ASCII.
pub(super) fn torn(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte >= 0xc0).map_or(bytes.len() / 2, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replies_of_a_batch_stand_in_one_response() {
        let part = |n: u64, reversed| Outgoing {
            messages: vec![n.into()],
            manner: Manner { reversed, ..Manner::default() },
            ..Outgoing::default()
        };
        let body = |parts| String::from_utf8(together(parts).body()).expect("UTF-8");
        assert_eq!(body(vec![part(1, false), part(2, false)]), "[1,2]");
        assert_eq!(body(vec![part(1, false), part(2, true)]), "[2,1]");
    }

    #[test]
    fn a_character_is_torn() {
        let text = "aé".as_bytes();
        assert!(std::str::from_utf8(&text[..torn(text)]).is_err());
        assert_eq!(torn(b"abcd"), 2);
    }
}
