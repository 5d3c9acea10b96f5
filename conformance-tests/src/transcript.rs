//! What went over the wire in one case, both ways, with times: kept for whatever did not pass.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// How much of one message is kept; the rest is counted.
const MAX_ENTRY: usize = 16 << 10;
/// How much of one case is kept.
const MAX_TRANSCRIPT: usize = 512 << 10;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the suite to the peer.
    Sent,
    /// From the peer to the suite.
    Received,
    /// A remark of the suite.
    Note,
}

/// One message, or one remark.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Since the case began.
    pub at: Duration,
    /// The simulated client.
    pub who: String,
    /// Which of its connections, from 1.
    pub connection: usize,
    /// Which way.
    pub direction: Direction,
    /// Head and body, or the frame, cut to 16 KiB.
    pub text: String,
}

/// The record of one case. Clones write to the same record.
#[derive(Debug, Clone)]
pub struct Transcript {
    inner: Rc<RefCell<Inner>>,
    start: Instant,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    size: usize,
    left_out: usize,
}

impl Transcript {
    /// An empty record whose time begins now.
    pub fn new() -> Self {
        Self { inner: Rc::default(), start: Instant::now() }
    }

    /// Adds what was sent or came.
    pub fn add(&self, who: &str, connection: usize, direction: Direction, bytes: &[u8]) {
        let mut inner = self.inner.borrow_mut();
        if inner.size > MAX_TRANSCRIPT {
            inner.left_out += 1;
            return;
        }
        let text = printable(bytes);
        inner.size += text.len();
        inner.entries.push(Entry { at: self.start.elapsed(), who: who.to_owned(), connection, direction, text });
    }

    /// Adds a remark.
    pub fn note(&self, who: &str, text: impl AsRef<str>) {
        self.add(who, 0, Direction::Note, text.as_ref().as_bytes());
    }

    /// Everything so far.
    pub fn entries(&self) -> Vec<Entry> {
        let inner = self.inner.borrow();
        let mut entries = inner.entries.clone();
        if inner.left_out > 0 {
            let text = format!("{} more messages were not recorded", inner.left_out);
            let at = self.start.elapsed();
            entries.push(Entry { at, who: String::new(), connection: 0, direction: Direction::Note, text });
        }
        entries
    }
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}

/// Text that can be printed: controls and invalid UTF-8 as escapes, long ones cut.
fn printable(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(MAX_ENTRY)];
    let mut out = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' | '\t' => out.push(letter),
                '\r' => {}
                _ if letter.is_control() => out.extend(letter.escape_unicode()),
                _ => out.push(letter),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if bytes.len() > shown.len() {
        out.push_str(&format!(" … {} bytes more", bytes.len() - shown.len()));
    }
    out
}
