//! `Framing`: the batches in a response that goes on, however it is cut into pieces (BX-ST-2).

use bayeux_protocol::ConnectionType;

use crate::error::NetworkFault;

/// What a stream is made of, as far as it was read.
#[derive(Debug)]
pub(super) struct Framing {
    form: Form,
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// Whether the last line ended with a carriage return, whose line feed may follow.
    ended_by_return: bool,
    /// The data of the event that has not ended yet.
    data: Vec<u8>,
    /// For a batch.
    max_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Server-sent events (BX-ST-1).
    Events,
    /// Lines (BX-ST-8).
    Lines,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Batch(Vec<u8>),
    /// Something that means nothing (BX-ST-3).
    Beat,
}

impl Framing {
    pub(super) fn new(kind: &ConnectionType, max_bytes: usize) -> Self {
        let form = if *kind == ConnectionType::EventSource { Form::Events } else { Form::Lines };
        Self { form, line: Vec::new(), ended_by_return: false, data: Vec::new(), max_bytes }
    }

    /// Takes what was read, and says what it completes.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<Vec<Piece>, NetworkFault> {
        let mut pieces = Vec::new();
        if std::mem::take(&mut self.ended_by_return) {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(at) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.keep(&bytes[..at])?;
            let ended_by_return = bytes[at] == b'\r';
            bytes = &bytes[at + 1..];
            if ended_by_return {
                self.ended_by_return = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            let line = std::mem::take(&mut self.line);
            pieces.extend(self.line_ended(line)?);
        }
        self.keep(bytes)?;
        Ok(pieces)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), NetworkFault> {
        // A field's name comes on top.
        if self.line.len() + self.data.len() + bytes.len() > self.max_bytes.saturating_add(16) {
            return Err(NetworkFault::TooLarge { limit: self.max_bytes });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn line_ended(&mut self, line: Vec<u8>) -> Result<Option<Piece>, NetworkFault> {
        if self.form == Form::Lines {
            return Ok(Some(if line.trim_ascii().is_empty() { Piece::Beat } else { Piece::Batch(line) }));
        }
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Ok(Some(if data.is_empty() { Piece::Beat } else { Piece::Batch(data) }));
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => {
                let value = &line[at + 1..];
                (&line[..at], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (&line[..], &[][..]),
        };
        // The number of an event is that of `ack` too, which goes with the next connect; and when that comes, advice says.
        if field.strip_prefix("\u{feff}".as_bytes()).unwrap_or(field) == b"data" {
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        id: String,
        #[serde(default)]
        parts: Vec<String>,
        #[serde(default)]
        hex: Vec<String>,
        batches: Vec<Value>,
    }

    fn unhex(text: &str) -> Vec<u8> {
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
        (0..text.len()).step_by(2).map(byte).collect()
    }

    fn batches(framing: &mut Framing, pieces: &[Vec<u8>]) -> Vec<Value> {
        let read = pieces.iter().flat_map(|piece| framing.read(piece).expect("it is small"));
        let batches = read.filter_map(|piece| match piece {
            Piece::Batch(text) => Some(serde_json::from_slice(&text).expect("a batch is whole")),
            Piece::Beat => None,
        });
        batches.collect()
    }

    fn run(kind: &ConnectionType, text: &str) {
        let vectors: Vectors = serde_json::from_str(text).expect("vectors");
        assert!(vectors.vectors.len() > 5);
        for vector in vectors.vectors {
            let parts = vector.parts.iter().map(|part| part.as_bytes().to_vec());
            let pieces: Vec<_> = parts.chain(vector.hex.iter().map(|hex| unhex(hex))).collect();
            assert_eq!(batches(&mut Framing::new(kind, 1000), &pieces), vector.batches, "{}", vector.id);
            let bytes: Vec<_> = pieces.concat().into_iter().map(|byte| vec![byte]).collect();
            assert_eq!(batches(&mut Framing::new(kind, 1000), &bytes), vector.batches, "{}, byte by byte", vector.id);
        }
    }

    #[test]
    fn bx_st_1_events_are_read_however_they_are_cut() {
        run(&ConnectionType::EventSource, include_str!("../../../../protocol-spec/vectors/event-stream.json"));
    }

    #[test]
    fn bx_st_8_lines_are_read_however_they_are_cut() {
        run(&ConnectionType::XhrStreaming, include_str!("../../../../protocol-spec/vectors/stream-lines.json"));
    }

    #[test]
    fn bx_hrd_6_a_batch_without_end_is_not_kept() {
        for kind in [ConnectionType::EventSource, ConnectionType::XhrStreaming] {
            let mut framing = Framing::new(&kind, 1000);
            let error = (0..100).find_map(|_| framing.read(b"data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").err());
            assert_eq!(error, Some(NetworkFault::TooLarge { limit: 1000 }));
            let mut framing = Framing::new(&kind, 1000);
            let beats = framing.read(&b":\n\n".repeat(1000)).map(|pieces| pieces.len());
            assert!(beats.is_ok_and(|beats| beats >= 1000), "many small ones are no large one");
        }
        let mut framing = Framing::new(&ConnectionType::EventSource, 1000);
        let error = (0..100).find_map(|_| framing.read(b"data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n").err());
        assert_eq!(error, Some(NetworkFault::TooLarge { limit: 1000 }), "nor one of many lines");
    }
}
