//! Writes JSON without spaces, everything that was read as it was.

use super::Json;
use std::fmt::{Display, Formatter, Result, Write};

impl Display for Json {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Number(text) => out.write_str(text),
            Self::String(text) => string(text, out),
            Self::Array(items) => {
                out.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    comma(index, out)?;
                    write!(out, "{item}")?;
                }
                out.write_char(']')
            }
            Self::Object(members) => {
                out.write_char('{')?;
                for (index, (name, value)) in members.iter().enumerate() {
                    comma(index, out)?;
                    string(name, out)?;
                    write!(out, ":{value}")?;
                }
                out.write_char('}')
            }
        }
    }
}

fn comma(index: usize, out: &mut Formatter<'_>) -> Result {
    if index > 0 { out.write_char(',') } else { Ok(()) }
}

fn string(text: &str, out: &mut Formatter<'_>) -> Result {
    out.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\0'..='\u{1f}' | '\u{7f}' => write!(out, "\\u{:04x}", u32::from(letter))?,
            _ => out.write_char(letter)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use crate::json::parse;

    #[test]
    fn what_is_read_is_written_the_same() {
        for text in ["null", "[]", "{}", r#"{"a":[1,-2.50e+10,"x\"\\\n\u0001é😀"],"b":{"c":false}}"#] {
            assert_eq!(parse(text.as_bytes()).expect(text).value.to_string(), text);
        }
    }
}
