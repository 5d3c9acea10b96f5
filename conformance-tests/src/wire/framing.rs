//! The batches of a streamed response, out of bytes that come in any pieces: server-sent events, lines, and a page of scripts.

use super::{MAX_MESSAGE, WireError};

/// How batches are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each is the data of a server-sent event.
    Events,
    /// Each is a line.
    Lines,
    /// Each is what a script of a page calls a function with.
    Page,
}

/// What is in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What should be a batch, and the id of the event that it came in.
    Batch {
        /// Its bytes.
        text: Vec<u8>,
        /// The last id that the stream named.
        id: Option<String>,
    },
    /// A comment or white space.
    Beat,
    /// How long a browser is to wait before it opens the stream anew, in milliseconds.
    Retry(u64),
}

/// Puts together what was cut. The rest of what is not whole waits.
#[derive(Debug)]
pub struct Unframer {
    framing: Framing,
    rest: Vec<u8>,
    /// The end of a line or script was read: one line feed behind it belongs to it.
    ended: bool,
    data: Option<Vec<u8>>,
    id: Option<String>,
}

impl Framing {
    /// By the content type of a response; none for one that is no stream.
    pub fn of(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/event-stream" => Some(Self::Events),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Lines),
            "text/html" => Some(Self::Page),
            _ => None,
        }
    }
}

impl Unframer {
    /// Nothing read yet.
    pub fn new(framing: Framing) -> Self {
        Self { framing, rest: Vec::new(), ended: false, data: None, id: None }
    }

    /// Adds what was read; returns what is whole now.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, WireError> {
        self.rest.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        while self.step(&mut pieces) {}
        let kept = self.rest.len() + self.data.as_ref().map_or(0, Vec::len);
        if kept > MAX_MESSAGE { Err(WireError::TooLarge) } else { Ok(pieces) }
    }

    /// Takes the next whole part off the rest, if there is one.
    fn step(&mut self, pieces: &mut Vec<Piece>) -> bool {
        if self.ended && !self.rest.is_empty() {
            self.ended = false;
            if self.rest[0] == b'\n' {
                self.rest.remove(0);
            }
        }
        match self.framing {
            Framing::Page => self.script(pieces),
            Framing::Events => self.field(pieces),
            Framing::Lines => {
                let Some(line) = self.line(|byte| byte == b'\n') else { return false };
                let is_blank = line.trim_ascii().is_empty();
                pieces.push(if is_blank { Piece::Beat } else { Piece::Batch { text: line, id: None } });
                true
            }
        }
    }

    /// The next line, without its end.
    fn line(&mut self, ends: fn(u8) -> bool) -> Option<Vec<u8>> {
        let at = self.rest.iter().position(|byte| ends(*byte))?;
        self.ended = self.rest[at] == b'\r';
        let mut line: Vec<u8> = self.rest.drain(..=at).collect();
        line.truncate(at);
        Some(line)
    }

    /// The next line of an event stream, as browsers read it.
    fn field(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let Some(line) = self.line(|byte| matches!(byte, b'\n' | b'\r')) else { return false };
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"" if line.is_empty() => {
                pieces.extend(self.data.take().map(|text| Piece::Batch { text, id: self.id.clone() }));
            }
            b"" => pieces.push(Piece::Beat),
            b"data" => match &mut self.data {
                None => self.data = Some(value.to_vec()),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            b"id" => self.id = Some(text()),
            b"retry" => pieces.extend(text().parse().ok().map(Piece::Retry)),
            _ => {}
        }
        true
    }

    /// The next script, or white space in front of it.
    fn script(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let lower = self.rest.to_ascii_lowercase();
        let Some(start) = find(&lower, b"<script") else {
            let blank = self.rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.rest.drain(..blank);
            pieces.extend((blank > 0).then_some(Piece::Beat));
            return false;
        };
        let Some(open) = find(&lower[start..], b">").map(|at| start + at + 1) else { return false };
        let Some(close) = find(&lower[open..], b"</script").map(|at| open + at) else { return false };
        let Some(end) = find(&lower[close..], b">").map(|at| close + at + 1) else { return false };
        if start > 0 && self.rest[..start].trim_ascii().is_empty() {
            pieces.push(Piece::Beat);
        }
        if let Some(argument) = argument(&self.rest[open..close]) {
            pieces.push(Piece::Batch { text: argument.to_vec(), id: None });
        }
        self.rest.drain(..end);
        self.ended = true;
        true
    }
}

/// What a script calls a function with, if that is all that it does.
fn argument(script: &[u8]) -> Option<&[u8]> {
    let call = script.trim_ascii();
    let call = call.strip_suffix(b";").unwrap_or(call);
    let open = call.iter().position(|byte| *byte == b'(')?;
    let is_name = open > 0 && call[..open].iter().all(|byte| byte.is_ascii_alphanumeric() || b"_$.".contains(byte));
    if is_name { call[open + 1..].strip_suffix(b")") } else { None }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Json, parse};

    fn vectors(kind: &str) -> Vec<Json> {
        let path = format!("{}/../protocol-spec/vectors/{kind}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let file = parse(&text).expect("JSON").value;
        file.get("vectors").and_then(Json::as_array).expect("vectors").to_vec()
    }

    fn parts(vector: &Json) -> Vec<Vec<u8>> {
        let texts = |name: &str| vector.get(name).and_then(Json::as_array).map(<[Json]>::to_vec);
        let text = |part: &Json| part.as_str().expect("a text").to_owned();
        match texts("parts") {
            Some(parts) => parts.iter().map(|part| text(part).into_bytes()).collect(),
            None => texts("hex").expect("parts or hex").iter().map(|part| unhex(&text(part))).collect(),
        }
    }

    fn unhex(text: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("digits");
        (0..text.len()).step_by(2).map(digit).collect()
    }

    fn read(framing: Framing, parts: &[Vec<u8>]) -> Vec<Piece> {
        let mut unframer = Unframer::new(framing);
        parts.iter().flat_map(|part| unframer.push(part).expect("it is short")).collect()
    }

    #[test]
    fn the_streams_of_the_specification_have_the_batches_that_it_says_however_they_are_cut() {
        for (kind, framing) in
            [("event-stream", Framing::Events), ("stream-lines", Framing::Lines), ("stream-page", Framing::Page)]
        {
            for vector in vectors(kind) {
                let parts = parts(&vector);
                let single: Vec<_> = parts.concat().iter().map(|byte| vec![*byte]).collect();
                for parts in [parts.clone(), vec![parts.concat()], single] {
                    let pieces = read(framing, &parts);
                    let batches = pieces.iter().filter_map(|piece| match piece {
                        Piece::Batch { text, .. } => Some(parse(text).expect("JSON").value),
                        _ => None,
                    });
                    let wanted = vector.get("batches").and_then(Json::as_array).expect("batches");
                    assert_eq!(batches.collect::<Vec<_>>(), wanted, "{vector}");
                    let Some(ids) = vector.get("ids").and_then(Json::as_array) else { continue };
                    let found = pieces.iter().filter_map(|piece| match piece {
                        Piece::Batch { id, .. } => id.as_deref().map(Json::from),
                        _ => None,
                    });
                    assert_eq!(found.collect::<Vec<_>>(), ids, "{vector}");
                }
            }
        }
    }

    #[test]
    fn what_keeps_a_stream_open_is_seen() {
        let beats = |framing, text: &str| {
            let pieces = read(framing, &[text.as_bytes().to_vec()]);
            pieces.iter().filter(|piece| **piece == Piece::Beat).count()
        };
        assert_eq!(beats(Framing::Events, ":\n\n"), 1);
        assert_eq!(beats(Framing::Events, "data: []\n\n"), 0);
        assert_eq!(beats(Framing::Lines, "[]\n\n\n"), 2);
        assert_eq!(beats(Framing::Page, "<script>d([])</script>\n"), 0, "its own line feed");
        assert_eq!(beats(Framing::Page, "<script>d([])</script>\n\n"), 1);
        let retry = read(Framing::Events, &[b"retry: 1500\n\n".to_vec()]);
        assert_eq!(retry, [Piece::Retry(1500)]);
    }

    #[test]
    fn what_is_escaped_for_a_script_is_the_same_json_and_can_not_end_it() {
        for vector in vectors("script-json") {
            let text = |name: &str| vector.get_str(name).expect("a text").to_owned();
            let (plain, escaped) = (text("text"), text("escaped"));
            let value = |text: &str| parse(text.as_bytes()).expect("JSON").value;
            assert_eq!(value(&plain), value(&escaped), "{vector}");
            assert!(!escaped.contains(['<', '\u{2028}', '\u{2029}']), "{vector}");
            let pieces = read(Framing::Page, &[format!("<script>d({escaped})</script>").into_bytes()]);
            assert_eq!(pieces, [Piece::Batch { text: escaped.into_bytes(), id: None }]);
        }
    }
}
