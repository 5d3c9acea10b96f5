//! The decoder of a chunked body (RFC 9112, 7.1), bounded in every part.

use bytes::{Buf, BytesMut};

/// Digits of a chunk's size: 1 TiB at most, above any limit of a body.
const MAX_SIZE_DIGITS: usize = 10;
/// A size line with its extensions, and all trailers together.
pub(crate) const MAX_LINE_BYTES: usize = 1024;

/// A chunked body on its way.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data { left: usize },
    DataEnd,
    Trailers { bytes: usize },
}

/// Why the body can't be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadBody {
    Malformed,
    TooLarge,
}

impl Chunked {
    pub(super) const fn new(limit: usize) -> Self {
        Self { state: State::Size, limit }
    }

    /// Moves what is there of the body from `input` to `body`. Returns whether that was the end of it.
    pub(super) fn decode(&mut self, input: &mut BytesMut, body: &mut Vec<u8>) -> Result<bool, BadBody> {
        loop {
            match self.state {
                State::Size => {
                    let Some(line) = line(input)? else { return Ok(false) };
                    let size = read_size(&line)?;
                    if size > self.limit - body.len() {
                        return Err(BadBody::TooLarge);
                    }
                    self.state = if size == 0 { State::Trailers { bytes: 0 } } else { State::Data { left: size } };
                }
                State::Data { left } => {
                    let here = left.min(input.len());
                    body.extend_from_slice(&input[..here]);
                    input.advance(here);
                    if here < left {
                        self.state = State::Data { left: left - here };
                        return Ok(false);
                    }
                    self.state = State::DataEnd;
                }
                State::DataEnd => match line(input)? {
                    None => return Ok(false),
                    Some(line) if line.is_empty() => self.state = State::Size,
                    Some(_) => return Err(BadBody::Malformed),
                },
                State::Trailers { bytes } => match line(input)? {
                    None => return Ok(false),
                    Some(line) if line.is_empty() => return Ok(true),
                    Some(line) => {
                        let bytes = bytes + line.len();
                        if bytes > MAX_LINE_BYTES {
                            return Err(BadBody::Malformed);
                        }
                        self.state = State::Trailers { bytes };
                    }
                },
            }
        }
    }
}

/// Takes a line that ends with CR LF, without its end.
fn line(input: &mut BytesMut) -> Result<Option<BytesMut>, BadBody> {
    let Some(end) = input.iter().take(MAX_LINE_BYTES + 2).position(|byte| *byte == b'\n') else {
        return if input.len() >= MAX_LINE_BYTES + 2 { Err(BadBody::Malformed) } else { Ok(None) };
    };
    let mut line = input.split_to(end + 1);
    line.truncate(end);
    if line.last() != Some(&b'\r') {
        return Err(BadBody::Malformed);
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

/// The size in front of any extension.
fn read_size(line: &[u8]) -> Result<usize, BadBody> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(BadBody::Malformed);
    }
    let significant = digits.iter().skip_while(|digit| **digit == b'0').count();
    if significant > MAX_SIZE_DIGITS {
        return Err(BadBody::TooLarge);
    }
    let text = std::str::from_utf8(digits).map_err(|_| BadBody::Malformed)?;
    usize::from_str_radix(text, 16).map_err(|_| BadBody::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &[u8], cut: usize) -> Result<(bool, Vec<u8>, Vec<u8>), BadBody> {
        let (mut chunked, mut body) = (Chunked::new(64), Vec::new());
        let mut input = BytesMut::from(&text[..cut.min(text.len())]);
        let mut done = chunked.decode(&mut input, &mut body)?;
        if !done {
            input.extend_from_slice(&text[cut.min(text.len())..]);
            done = chunked.decode(&mut input, &mut body)?;
        } else {
            input.extend_from_slice(&text[cut.min(text.len())..]);
        }
        Ok((done, body, input.to_vec()))
    }

    #[test]
    fn a_body_reads_the_same_wherever_it_is_cut() {
        let text = b"3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nGET";
        for cut in 0..=text.len() {
            assert_eq!(decode(text, cut), Ok((true, b"abc0123456789".to_vec(), b"GET".to_vec())), "{cut}");
        }
    }

    #[test]
    fn the_longest_line_is_read_wherever_it_is_cut_and_no_longer_one() {
        for (length, expected) in
            [(MAX_LINE_BYTES, Ok((true, Vec::new(), Vec::new()))), (MAX_LINE_BYTES + 1, Err(BadBody::Malformed))]
        {
            let text = [b"0;", &vec![b'x'; length - 2][..], b"\r\n\r\n"].concat();
            for cut in 0..=text.len() {
                assert_eq!(decode(&text, cut), expected, "{length} {cut}");
            }
        }
    }

    #[test]
    fn what_is_malformed_or_too_large_is_refused() {
        for (text, why) in [
            (&b"x\r\n"[..], BadBody::Malformed),
            (b"\r\n", BadBody::Malformed),
            (b"-1\r\n", BadBody::Malformed),
            (b"0x1\r\na\r\n", BadBody::Malformed),
            (b"1\na\r\n", BadBody::Malformed),
            (b"1\r\nab\r\n", BadBody::Malformed),
            (b"fffffff\r\n", BadBody::TooLarge),
            (b"ffffffffffffffffffffff\r\n", BadBody::TooLarge),
            (b"fffffffffffffffffffffx\r\n", BadBody::Malformed),
            (b"41\r\n", BadBody::TooLarge),
        ] {
            assert_eq!(decode(text, 0), Err(why), "{text:?}");
        }
        assert_eq!(decode(&[b'1'; 2000], 0), Err(BadBody::Malformed));
        let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(400)].concat();
        assert_eq!(decode(&trailers, 0), Err(BadBody::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_the_body_stays_below_its_limit(text: Vec<u8>, cut: usize) {
            if let Ok((_, body, _)) = decode(&text, cut) {
                prop_assert!(body.len() <= 64);
            }
        }
    }
}
