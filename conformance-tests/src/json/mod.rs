//! JSON as it was sent: members in their order, duplicates kept, numbers as text.
//!
//! The suite judges what a peer writes, so it can't use a reader that repairs or hides: a duplicate member, a lone
//! surrogate or a rounded number must be seen. It shares no code with the implementations that it judges.

mod parse;
mod write;

pub use parse::{MAX_DEPTH, Oddity, ParseError, Parsed, parse};

/// A JSON value. Equality is that of JSON values: the order of members does not count, and `1.0` equals `1`.
#[derive(Debug, Clone)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A string; a lone surrogate stands in it as U+FFFD and among [`Parsed::oddities`].
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object: its members in their order, duplicates included.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// A truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A number, as a double.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The last member of this name, as most readers understand duplicates.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The text of a member that is a string.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Sets a member of an object, in the place of one of the same name. Anything else stays as it is.
    pub fn set(&mut self, name: &str, value: Self) {
        let Self::Object(members) = self else { return };
        match members.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => members.push((name.to_owned(), value)),
        }
    }

    /// Takes a member out of an object.
    pub fn remove(&mut self, name: &str) -> Option<Self> {
        let Self::Object(members) = self else { return None };
        let at = members.iter().position(|(key, _)| key == name)?;
        Some(members.remove(at).1)
    }

    /// The name of its type, as the cases call it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Whether two values are the same JSON value.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b || same_number(a, b),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| other.get(key).is_some_and(|found| value.same(found)))
            }
            _ => false,
        }
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.same(other)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value.to_string())
    }
}

impl From<Vec<Self>> for Json {
    fn from(items: Vec<Self>) -> Self {
        Self::Array(items)
    }
}

/// An object of these members.
pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Numbers beyond 2^53 are the same only if they are written the same: a double would hide that one was rounded.
fn same_number(a: &str, b: &str) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b && a.abs() < EXACT,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        parse(text.as_bytes()).expect(text).value
    }

    #[test]
    fn values_are_the_same_as_json_and_not_as_text() {
        assert!(json(r#"{"a":1,"b":[true,null]}"#).same(&json(r#"{"b":[true,null],"a":1.0}"#)));
        assert!(!json(r#"{"a":1}"#).same(&json(r#"{"a":1,"b":2}"#)));
        assert!(!json("[1,2]").same(&json("[2,1]")));
        assert!(!json("9007199254740993").same(&json("9007199254740992")));
        assert!(json("9007199254740993").same(&json("9007199254740993")));
    }

    #[test]
    fn a_duplicate_is_kept_and_the_last_one_counts() {
        let value = json(r#"{"a":1,"a":2}"#);
        assert_eq!(value.as_object().expect("an object").len(), 2);
        assert_eq!(value.get("a").and_then(Json::as_f64), Some(2.0));
        assert_eq!(value.to_string(), r#"{"a":1,"a":2}"#);
    }
}
