//! Reads JSON strictly (RFC 8259), and notes what a lenient reader would pass over.

use super::Json;

/// How deep arrays and objects may be nested in what a peer sends, before reading it is given up.
pub const MAX_DEPTH: usize = 512;

/// A value, and what was odd about its text.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The value.
    pub value: Json,
    /// What a lenient reader would have hidden.
    pub oddities: Vec<Oddity>,
}

/// Something that is JSON, but that readers understand differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// An object has two members of this name.
    DuplicateMember(String),
    /// A string holds `\ud800`…`\udfff` without its other half.
    LoneSurrogate,
}

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}: {what}")]
pub struct ParseError {
    /// The offset of the first byte that does not fit.
    pub at: usize,
    /// What was wrong.
    pub what: &'static str,
}

/// Reads one value that takes up the whole text.
pub fn parse(text: &[u8]) -> Result<Parsed, ParseError> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(ParseError { at: error.valid_up_to(), what: "invalid UTF-8" });
    }
    let mut reader = Reader { text, at: 0, oddities: Vec::new() };
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.error("something follows the value"));
    }
    Ok(Parsed { value, oddities: reader.oddities })
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    oddities: Vec<Oddity>,
}

impl Reader<'_> {
    fn error(&self, what: &'static str) -> ParseError {
        ParseError { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8, what: &'static str) -> Result<(), ParseError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(what))
    }

    fn value(&mut self, depth: usize) -> Result<Json, ParseError> {
        if depth > MAX_DEPTH {
            return Err(self.error("nested too deep"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.error("no value starts like this")),
            None => Err(self.error("the text ends where a value should be")),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, ParseError> {
        if self.text[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.error("no value starts like this"))
    }

    fn array(&mut self, depth: usize) -> Result<Json, ParseError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(Json::Array(items));
            }
            self.eat(b',', "a comma or ] should be here")?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, ParseError> {
        self.at += 1;
        let mut members: Vec<(String, Json)> = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error("the name of a member should be here"));
            }
            let name = self.string()?;
            self.space();
            self.eat(b':', "a colon should be here")?;
            self.space();
            let value = self.value(depth + 1)?;
            if members.iter().any(|(other, _)| *other == name) {
                self.oddities.push(Oddity::DuplicateMember(name.clone()));
            }
            members.push((name, value));
            self.space();
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(Json::Object(members));
            }
            self.eat(b',', "a comma or } should be here")?;
        }
    }

    fn number(&mut self) -> Result<Json, ParseError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.error("a digit should be here")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).expect("digits are ASCII");
        Ok(Json::Number(text.to_owned()))
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("a digit should be here")) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(std::str::from_utf8(&self.text[start..self.at]).expect("the whole text is UTF-8"));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("the text ends within a string")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), ParseError> {
        self.at += 1;
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(out),
            _ => return Err(self.error("no escape starts like this")),
        };
        self.at += 1;
        out.push(plain);
        Ok(())
    }

    fn unicode(&mut self, out: &mut String) -> Result<(), ParseError> {
        let unit = self.hex()?;
        if let Some(plain) = char::from_u32(unit) {
            out.push(plain);
            return Ok(());
        }
        // Half of a pair. A high one must be followed by a low one; what does not fit stays for the next turn.
        let second = self.at;
        if unit < 0xdc00 && self.text[self.at..].starts_with(b"\\u") {
            self.at += 1;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                out.push(char::from_u32(code).expect("a pair of surrogates is a character"));
                return Ok(());
            }
            self.at = second;
        }
        self.oddities.push(Oddity::LoneSurrogate);
        out.push(char::REPLACEMENT_CHARACTER);
        Ok(())
    }

    /// Reads `uXXXX`, standing on the `u`.
    fn hex(&mut self) -> Result<u32, ParseError> {
        self.at += 1;
        let digits = self.text.get(self.at..self.at + 4).ok_or_else(|| self.error("four hex digits should be here"))?;
        let text = std::str::from_utf8(digits).map_err(|_| self.error("four hex digits should be here"))?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(self.error("four hex digits should be here"));
        }
        let unit = u32::from_str_radix(text, 16).map_err(|_| self.error("four hex digits should be here"))?;
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_is_refused_where_it_starts_to_be_wrong() {
        for (text, at) in [
            ("", 0),
            ("[1,]", 3),
            ("{\"a\":1,}", 7),
            ("01", 1),
            ("1.", 2),
            ("-", 1),
            ("NaN", 0),
            ("'a'", 0),
            ("[1] x", 4),
            ("\"a", 2),
            ("\"\u{1}\"", 1),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 3),
            ("{a:1}", 1),
            ("\u{feff}[]", 0),
        ] {
            assert_eq!(parse(text.as_bytes()).expect_err(text).at, at, "{text}");
        }
        assert_eq!(parse(b"\"\xff\"").expect_err("UTF-8").what, "invalid UTF-8");
    }

    #[test]
    fn oddities_are_seen() {
        let parsed = parse(br#"{"a":"\ud83d\ude00 \ud83d \ude00","a":1}"#).expect("JSON");
        assert_eq!(
            parsed.oddities,
            [Oddity::LoneSurrogate, Oddity::LoneSurrogate, Oddity::DuplicateMember("a".into())]
        );
        let Json::Object(members) = &parsed.value else { panic!("an object") };
        assert_eq!(members[0].1.as_str(), Some("😀 \u{fffd} \u{fffd}"));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(MAX_DEPTH + 2);
        assert_eq!(parse(deep.as_bytes()).expect_err("deep").what, "nested too deep");
        let fine = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(parse(fine.as_bytes()).is_ok());
    }
}
