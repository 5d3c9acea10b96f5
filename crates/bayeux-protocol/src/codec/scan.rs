//! `Scanner`: one pass over JSON text that checks everything a peer could choke on, and copies values compactly on the way.

use std::{borrow::Cow, ops::Range};

use crate::{DecodeError, limits::DEPTH_CEILING};

/// Reads JSON text from the start to the end. Its recursion is bounded by the depth limit.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    max_depth: usize,
    /// Where values that are copied go, without white space.
    copied: Vec<u8>,
    /// While a value is copied: from where on that is still to be done. White space alone interrupts it.
    copying: Option<usize>,
}

/// A string in the text.
#[derive(Clone, Copy)]
pub(crate) struct RawString<'a> {
    /// Between the quotes.
    inner: &'a str,
    escaped: bool,
}

/// What kind of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl<'a> Scanner<'a> {
    /// Checks that `text` is UTF-8, all of it, once.
    pub(crate) fn new(text: &'a [u8], max_depth: usize) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(text).map_err(|error| DecodeError::InvalidUtf8 { at: error.valid_up_to() })?;
        let max_depth = max_depth.min(DEPTH_CEILING);
        Ok(Self { text, at: 0, depth: 0, max_depth, copied: Vec::new(), copying: None })
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(crate) const fn left(&self) -> usize {
        self.text.len() - self.at
    }

    /// Goes back to where a value began that was read without fault.
    pub(crate) const fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn into_copied(self) -> Vec<u8> {
        self.copied
    }

    /// The next byte that is no white space, if any.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        match self.text.as_bytes().get(self.at).copied() {
            Some(space) if is_space(space) => self.skip_space(),
            next => next,
        }
    }

    #[cold]
    fn skip_space(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        if let Some(from) = self.copying {
            self.copied.extend_from_slice(&bytes[from..self.at]);
        }
        while bytes.get(self.at).copied().is_some_and(is_space) {
            self.at += 1;
        }
        self.copying = self.copying.map(|_| self.at);
        bytes.get(self.at).copied()
    }

    /// What kind of value comes next.
    pub(crate) fn next_kind(&mut self) -> Result<Next, DecodeError> {
        match self.peek() {
            Some(b'{') => Ok(Next::Object),
            Some(b'[') => Ok(Next::Array),
            Some(b'"') => Ok(Next::String),
            Some(b't' | b'f') => Ok(Next::Bool),
            Some(b'n') => Ok(Next::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Next::Number),
            _ => Err(self.expected("a value")),
        }
    }

    /// Only white space is left.
    pub(crate) fn end(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(DecodeError::Trailing { at: self.at }),
        }
    }

    /// Goes into an array or object: past its opening bracket. To be left by [`Scanner::more`].
    pub(crate) fn enter(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > self.max_depth {
            return Err(DecodeError::TooDeep { limit: self.max_depth, at: self.at });
        }
        self.token(1);
        Ok(())
    }

    /// Whether another element follows; if not, goes past the closing bracket. `first` says that none was read yet.
    pub(crate) fn more(&mut self, close: u8, first: bool) -> Result<bool, DecodeError> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.token(1);
                self.depth -= 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.token(1);
                match self.peek() {
                    Some(byte) if byte == close => Err(self.expected("another element")),
                    _ => Ok(true),
                }
            }
            _ if first => Ok(true),
            _ => Err(self.expected(if close == b']' { "`,` or `]`" } else { "`,` or `}`" })),
        }
    }

    /// The key of the next field, past its colon.
    pub(crate) fn key(&mut self) -> Result<RawString<'a>, DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a field name in quotes"));
        }
        let key = self.string()?;
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.token(1);
        Ok(key)
    }

    /// Checks a value and skips it.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        match self.next_kind()? {
            Next::Object => {
                self.enter()?;
                let mut first = true;
                while self.more(b'}', first)? {
                    first = false;
                    self.key()?;
                    self.skip()?;
                }
                Ok(())
            }
            Next::Array => {
                self.enter()?;
                let mut first = true;
                while self.more(b']', first)? {
                    first = false;
                    self.skip()?;
                }
                Ok(())
            }
            Next::String => self.string().map(|_| ()),
            Next::Number => self.number().map(|_| ()),
            Next::Bool | Next::Null => self.word().map(|_| ()),
        }
    }

    /// Checks a value and copies it without white space; returns its place in what [`Scanner::into_copied`] yields.
    pub(crate) fn copied_value(&mut self) -> Result<Range<usize>, DecodeError> {
        self.peek();
        let start = self.copied.len();
        self.copying = Some(self.at);
        self.skip()?;
        if let Some(from) = self.copying.take() {
            self.copied.extend_from_slice(&self.text.as_bytes()[from..self.at]);
        }
        Ok(start..self.copied.len())
    }

    /// `true`, `false` or `null`.
    pub(crate) fn word(&mut self) -> Result<Option<bool>, DecodeError> {
        let rest = &self.text[self.at..];
        let (word, value) = match rest.as_bytes().first() {
            Some(b't') => ("true", Some(true)),
            Some(b'f') => ("false", Some(false)),
            _ => ("null", None),
        };
        if !rest.starts_with(word) {
            return Err(self.expected("true, false or null"));
        }
        self.token(word.len());
        Ok(value)
    }

    /// A number, in its own spelling.
    pub(crate) fn number(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start;
        if bytes.get(end) == Some(&b'-') {
            end += 1;
        }
        let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = digits(end);
        let leading_zero = whole > 1 && bytes[end] == b'0';
        end += whole;
        let mut complete = whole > 0 && !leading_zero;
        if complete && bytes.get(end) == Some(&b'.') {
            let fraction = digits(end + 1);
            end += 1 + fraction;
            complete = fraction > 0;
        }
        let mut exponent = 0;
        if complete && matches!(bytes.get(end), Some(b'e' | b'E')) {
            end += 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            exponent = digits(end);
            end += exponent;
            complete = exponent > 0;
        }
        if !complete {
            return Err(DecodeError::Syntax { at: start, expected: "a number" });
        }
        let number = &self.text[start..end];
        // 300 digits without an exponent are below the largest double; only others have to be computed.
        let suspicious = exponent > 0 || number.len() > 300;
        if suspicious && !number.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(DecodeError::NumberOutOfRange { at: start });
        }
        self.token(end - start);
        Ok(number)
    }

    /// A string, past its closing quote.
    pub(crate) fn string(&mut self) -> Result<RawString<'a>, DecodeError> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let (mut end, mut escaped) = (start, false);
        loop {
            end += ordinary(&bytes[end..]);
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += escape(bytes, end)?;
                }
                Some(0x00..=0x1f) => return Err(DecodeError::ControlByte { at: end }),
                Some(_) => end += 1,
                None => return Err(DecodeError::UnexpectedEnd { at: end }),
            }
        }
        let inner = &self.text[start..end];
        self.token(end + 1 - self.at);
        Ok(RawString { inner, escaped })
    }

    pub(crate) fn expected(&self, expected: &'static str) -> DecodeError {
        if self.at >= self.text.len() {
            DecodeError::UnexpectedEnd { at: self.at }
        } else {
            DecodeError::Syntax { at: self.at, expected }
        }
    }

    /// Goes past `length` bytes.
    const fn token(&mut self, length: usize) {
        self.at += length;
    }
}

impl<'a> RawString<'a> {
    /// The text it stands for.
    pub(crate) fn decode(self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.inner);
        }
        let mut text = String::with_capacity(self.inner.len());
        let mut rest = self.inner;
        while let Some(at) = rest.find('\\') {
            text.push_str(&rest[..at]);
            let (c, length) = unescape(&rest.as_bytes()[at..]);
            text.push(c);
            rest = &rest[at + length..];
        }
        text.push_str(rest);
        Cow::Owned(text)
    }

    pub(crate) fn boxed(self) -> Box<str> {
        self.decode().into()
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// How many bytes in front are neither quote nor backslash nor control byte, counted eight at a time.
fn ordinary(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    // The lowest byte with its highest bit set is the first that is below the limit; what is above it may be wrong.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let mut count = 0;
    for chunk in bytes.chunks_exact(8) {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        let word = u64::from_le_bytes(eight);
        let quotes = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslashes = below(word ^ (ONES * u64::from(b'\\')), 1);
        let special = quotes | backslashes | below(word, 0x20);
        if special != 0 {
            return count + special.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    count
}

/// Checks the escape at `at`; returns its length. A pair of surrogates is one escape.
fn escape(bytes: &[u8], at: usize) -> Result<usize, DecodeError> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => match hex(bytes, at + 2) {
            Some(0xd800..=0xdbff) => {
                let low = (bytes.get(at + 6), bytes.get(at + 7), hex(bytes, at + 8));
                match low {
                    (Some(b'\\'), Some(b'u'), Some(0xdc00..=0xdfff)) => Ok(12),
                    _ => Err(DecodeError::LoneSurrogate { at }),
                }
            }
            Some(0xdc00..=0xdfff) => Err(DecodeError::LoneSurrogate { at }),
            Some(_) => Ok(6),
            None => Err(DecodeError::Syntax { at, expected: "four hexadecimal digits" }),
        },
        Some(_) => Err(DecodeError::Syntax { at, expected: "an escape" }),
        None => Err(DecodeError::UnexpectedEnd { at }),
    }
}

/// The character of an escape that was checked, and the escape's length.
fn unescape(bytes: &[u8]) -> (char, usize) {
    match bytes.get(1) {
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'n') => ('\n', 2),
        Some(b'r') => ('\r', 2),
        Some(b't') => ('\t', 2),
        Some(b'u') => {
            let high = hex(bytes, 2).unwrap_or(0xfffd);
            match (high, hex(bytes, 8)) {
                (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                    let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
                }
                _ => (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            }
        }
        Some(other) => (char::from(*other), 2),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}

/// Four hexadecimal digits.
fn hex(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_bytes_are_counted_wherever_the_first_other_one_is() {
        for length in 0..40 {
            for at in 0..=length {
                for special in [b'"', b'\\', 0, 0x1f] {
                    for other in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                        let mut bytes = vec![other; length];
                        bytes.extend([special; 9]);
                        bytes[at] = special;
                        // What does not fill eight bytes is left to whoever looks at each.
                        assert_eq!(ordinary(&bytes), at.min((length + 9) / 8 * 8), "{length} {at} {special} {other}");
                    }
                }
            }
        }
    }
}
