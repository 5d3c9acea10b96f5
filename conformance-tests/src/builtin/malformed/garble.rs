//! Makes texts that are nearly batches: valid messages of every kind, of which fields or bytes are then changed.

use crate::json::{Json, object};
use fastrand::Rng;

/// What the messages of a text name.
pub(super) struct Garbler<'a> {
    /// A session.
    pub(super) client_id: &'a str,
    /// The beginning of channels.
    pub(super) base: &'a str,
    /// The transport of connects.
    pub(super) transport: &'a str,
    /// Which text it is: publishes go to `<base>/at/<mark>/x`.
    pub(super) mark: &'a str,
}

impl Garbler<'_> {
    /// A batch of one to three messages of which one to three fields each are wrong.
    pub(super) fn messages(&self, random: &mut Rng) -> Vec<u8> {
        let messages: Vec<String> = (0..random.usize(1..4)).map(|at| self.wrong_message(at, random)).collect();
        let text = messages.join(",");
        // Now and then what stands around them is no array, or has something else in it.
        match random.u8(..20) {
            0 => text,
            1 => format!("[[{text}]]"),
            2 => format!("[{text},{}]", odd(random)),
            _ => format!("[{text}]"),
        }
        .into_bytes()
    }

    /// A valid batch of which one to four places are changed.
    pub(super) fn bytes(&self, random: &mut Rng) -> Vec<u8> {
        let messages: Vec<Json> = (0..random.usize(1..4)).map(|at| self.message(at, random)).collect();
        let mut text = Json::Array(messages).to_string().into_bytes();
        for _ in 0..random.usize(1..5) {
            damage(&mut text, random);
        }
        text
    }

    fn wrong_message(&self, at: usize, random: &mut Rng) -> String {
        let mut members: Vec<(String, String)> = match self.message(at, random) {
            Json::Object(members) => members.into_iter().map(|(name, value)| (name, value.to_string())).collect(),
            other => vec![("data".into(), other.to_string())],
        };
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..members.len());
            match random.u8(..6) {
                0 if members.len() > 1 => drop(members.swap_remove(at)),
                1 => members.push((members[at].0.clone(), odd(random))),
                2 => members.push((FIELDS[random.usize(..FIELDS.len())].into(), odd(random))),
                3 => members[at].0 = members[at].0.to_uppercase(),
                _ => members[at].1 = odd(random),
            }
        }
        random.shuffle(&mut members);
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("{}:{value}", Json::from(name.as_str()))).collect();
        format!("{{{}}}", members.join(","))
    }

    /// At most the first one of a batch is a connect: what becomes of two is for other cases.
    fn message(&self, at: usize, random: &mut Rng) -> Json {
        let channel = format!("{}/at/{}/x", self.base, self.mark);
        let mut message = match random.u8(..8) {
            0 => object([
                ("channel", "/meta/handshake".into()),
                ("version", "1.0".into()),
                ("minimumVersion", "0.9".into()),
                ("supportedConnectionTypes", vec![Json::from(self.transport)].into()),
            ]),
            1 if at == 0 => object([
                ("channel", "/meta/connect".into()),
                ("connectionType", self.transport.into()),
                ("advice", object([("timeout", 0.into())])),
            ]),
            2 => object([("channel", "/meta/subscribe".into()), ("subscription", format!("{}/y", self.base).into())]),
            3 => object([
                ("channel", "/meta/unsubscribe".into()),
                ("subscription", vec![Json::from(format!("{}/y", self.base))].into()),
            ]),
            4 => object([("channel", "/meta/disconnect".into())]),
            5 => object([("channel", "/service/x".into()), ("data", object([("é", "漢😀".into())]))]),
            _ => object([("channel", channel.into()), ("data", object([("n", 1.into())]))]),
        };
        message.set("id", random.u16(..).to_string().into());
        message.set("clientId", self.client_id.into());
        message
    }
}

const FIELDS: [&str; 12] = [
    "channel",
    "clientId",
    "id",
    "data",
    "subscription",
    "advice",
    "ext",
    "successful",
    "error",
    "timestamp",
    "connectionType",
    "x-unknown",
];

/// A value as text that is seldom what a field should be, and not always JSON.
fn odd(random: &mut Rng) -> String {
    const VALUES: [&str; 36] = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        "1e308",
        "1e400",
        "-0",
        "18446744073709551616",
        "01",
        "NaN",
        "\"\"",
        "\"/\"",
        "\"//\"",
        "\"/a//b\"",
        "\"/*/a\"",
        "\"/**\"",
        "\"/meta/\"",
        "\"/meta/connect\"",
        "\"/service/\"",
        "\"a b\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\r\\nX: y\"",
        "\"\u{feff}\"",
        "\"\u{202e}é\"",
        "[]",
        "[null]",
        "[[\"/a\"]]",
        "[\"/a\",5]",
        "{}",
        "{\"timeout\":-1}",
        "{\"timeout\":1e18,\"interval\":\"x\"}",
        "{\"__proto__\":{\"a\":1}}",
        "'x'",
    ];
    match random.u8(..12) {
        0 => format!("\"{}\"", "x".repeat(random.usize(1..3000))),
        1 => format!("\"{}\"", "/a".repeat(random.usize(1..300))),
        2 => {
            let depth = random.usize(1..60);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        3 => "9".repeat(random.usize(1..400)),
        _ => VALUES[random.usize(..VALUES.len())].to_owned(),
    }
}

fn damage(text: &mut Vec<u8>, random: &mut Rng) {
    if text.is_empty() {
        return text.push(b'[');
    }
    let at = random.usize(..text.len());
    let end = (at + random.usize(1..20)).min(text.len());
    match random.u8(..8) {
        0 => text[at] ^= 1 << random.u8(..8),
        1 => text[at] = random.u8(..),
        2 => drop(text.drain(at..end)),
        3 => text.truncate(at),
        4 => {
            let piece = text[at..end].to_vec();
            let place = random.usize(..text.len());
            drop(text.splice(place..place, piece));
        }
        5 => {
            const PIECES: [&[u8]; 10] =
                [b"[", b"]", b"{", b"}", b"\"", b"\\", b",", b"\xc3\x28", b"\xed\xa0\x80", b"\x00"];
            drop(text.splice(at..at, PIECES[random.usize(..PIECES.len())].iter().copied()));
        }
        6 => text.swap(at, end - 1),
        _ => text.extend_from_slice(b" x"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    type Make = fn(&Garbler<'_>, &mut Rng) -> Vec<u8>;

    const BOTH: [Make; 2] = [|garbler, random| garbler.messages(random), |garbler, random| garbler.bytes(random)];

    fn some(make: Make, seed: u64) -> Vec<Vec<u8>> {
        let mut random = Rng::with_seed(seed);
        let garbler = Garbler { client_id: "abc", base: "/base", transport: "long-polling", mark: "1-ab" };
        (0..1000).map(|_| make(&garbler, &mut random)).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_texts() {
        for make in BOTH {
            assert_eq!(some(make, 1), some(make, 1));
            assert_ne!(some(make, 1), some(make, 2));
        }
    }

    #[test]
    fn some_texts_are_json_and_some_are_not() {
        for make in BOTH {
            let readable = some(make, 3).iter().filter(|text| parse(text).is_ok()).count();
            assert!((50..950).contains(&readable), "{readable} of 1000");
        }
    }
}
