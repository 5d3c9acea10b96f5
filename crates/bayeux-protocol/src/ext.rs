//! `Ext`: the part of `ext` that this implementation knows (BX-FLD-13): `ack` and `gap`. Everything else in it is left alone.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{Json, message::Object};

/// What the other side asks for, or says, in `ext`. What is of another form counts as absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ext {
    /// `ext.ack`.
    pub ack: Option<ExtValue>,
    /// `ext.gap`.
    pub gap: Option<ExtValue>,
}

/// The value of an extension's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtValue {
    /// `true`, `false`, or an object with `enabled`: in a handshake, whether the extension is wanted.
    Wanted(bool),
    /// A number that is not below 0, without its fraction.
    Number(u64),
}

/// What a reply to a connect says in `ext`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectExt {
    /// The number of the batch that ends with this reply.
    pub ack: Option<u64>,
    /// How many deliveries are missing.
    pub missing: Option<u64>,
}

impl Ext {
    /// Reads `ext`; nothing that may be in it is an error.
    pub fn read(ext: &Json) -> Self {
        ext.to().unwrap_or_default()
    }
}

impl ConnectExt {
    /// Whether there is nothing to say.
    pub(crate) const fn is_empty(&self) -> bool {
        self.ack.is_none() && self.missing.is_none()
    }

    /// Appends it as a JSON object.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut object = Object { out, empty: true };
        object.number("ack", self.ack.map(number));
        if let Some(missing) = self.missing {
            object.value("gap", |out| {
                let mut gap = Object { out, empty: true };
                gap.number("missing", Some(number(missing)));
                gap.end();
            });
        }
        object.end();
    }
}

/// Reads an object without building it.
struct ExtVisitor;

impl<'de> Visitor<'de> for ExtVisitor {
    type Value = Ext;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ext, A::Error> {
        let mut ext = Ext::default();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match &*key {
                "ack" => ext.ack = map.next_value::<Value>()?.0,
                "gap" => ext.gap = map.next_value::<Value>()?.0,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(ext)
    }
}

impl<'de> Deserialize<'de> for Ext {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ExtVisitor)
    }
}

/// What one key has, if it is of a form that means something.
struct Value(Option<ExtValue>);

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, wanted: bool) -> Result<Value, E> {
        Ok(Value(Some(ExtValue::Wanted(wanted))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value(Some(ExtValue::Number(number))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value(u64::try_from(number).ok().map(ExtValue::Number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        // A cast takes what is beyond u64 for its greatest.
        Ok(Value((number >= 0.0).then_some(ExtValue::Number(number as u64))))
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value(None))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut enabled = None;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            let value = map.next_value::<Value>()?;
            if &*key == "enabled" {
                enabled = value.0.filter(|value| matches!(value, ExtValue::Wanted(_)));
            }
        }
        Ok(Value(enabled))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_in_ext_is_read_or_left_alone() {
        let wanted = |wanted| Some(ExtValue::Wanted(wanted));
        let number = |number| Some(ExtValue::Number(number));
        for (text, ack, gap) in [
            ("{}", None, None),
            (r#"{"ack":true}"#, wanted(true), None),
            (r#"{"ack":false,"gap":true,"other":[{"ack":1}]}"#, wanted(false), wanted(true)),
            (r#"{"ack":{"enabled":true,"batch":3}}"#, wanted(true), None),
            (r#"{"ack":3,"gap":0}"#, number(3), number(0)),
            (r#"{"ack":3.9}"#, number(3), None),
            (r#"{"ack":-1}"#, None, None),
            (r#"{"ack":1e300}"#, number(u64::MAX), None),
            (r#"{"ack":"3"}"#, None, None),
            (r#"{"ack":null,"gap":[1]}"#, None, None),
            (r#"{"ack":{"enabled":1}}"#, None, None),
        ] {
            let ext = Json::parse(text.as_bytes(), 8).expect("it is JSON");
            assert_eq!(Ext::read(&ext), Ext { ack, gap }, "{text}");
        }
    }

    #[test]
    fn what_a_connect_reply_says_is_an_object() {
        let encode = |ext: ConnectExt| {
            let mut out = Vec::new();
            ext.encode(&mut out);
            String::from_utf8(out).expect("it is text")
        };
        assert_eq!(encode(ConnectExt { ack: Some(7), missing: None }), r#"{"ack":7}"#);
        assert_eq!(encode(ConnectExt { ack: None, missing: Some(0) }), r#"{"gap":{"missing":0}}"#);
    }
}
