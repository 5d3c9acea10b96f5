//! `Version`: of the protocol, compared element by element (BX-VER-1, BX-VER-2).

use std::cmp::Ordering;

/// A protocol version such as `1.0`: a number, then elements that begin with a letter or digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'a>(&'a str);

impl<'a> Version<'a> {
    /// Reads a version; `None` if it does not have the form `integer *("." element)`, or is over 32 bytes.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut elements = text.split('.');
        let first = elements.next()?;
        let integer = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
        let element = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        (integer && text.len() <= 32 && elements.all(element)).then_some(Self(text))
    }
}

impl Ord for Version<'_> {
    /// Numbers compare as numbers, other elements as text after all numbers; what is missing counts as 0, so `1` is `1.0`.
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut ours, mut theirs) = (self.0.split('.'), other.0.split('.'));
        loop {
            let order = match (ours.next(), theirs.next()) {
                (None, None) => return Ordering::Equal,
                (ours, theirs) => compare(ours.unwrap_or("0"), theirs.unwrap_or("0")),
            };
            if order.is_ne() {
                return order;
            }
        }
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn compare(ours: &str, theirs: &str) -> Ordering {
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.trim_start_matches('0').to_owned());
    match (number(ours), number(theirs)) {
        (Some(ours), Some(theirs)) => ours.len().cmp(&theirs.len()).then(ours.cmp(&theirs)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => ours.cmp(theirs),
    }
}
