//! Texts that are no batch: over HTTP a body that is refused with a status, over a socket a message that closes it.

use super::Counter;

/// A text, and what both transports make of it.
pub(crate) struct BadText {
    pub(crate) name: String,
    pub(crate) text: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) close: u16,
}

impl BadText {
    /// The counters that tell of it, over HTTP and over a socket.
    pub(crate) const fn counters(&self) -> (Counter, Counter) {
        let body = if self.status == 413 { Counter::bodies_too_large } else { Counter::bodies_malformed };
        (body, Counter::sockets_refused)
    }
}

/// Bad as JSON, as a batch, or by a limit. The texts that are long are made here.
const TEXTS: &[(&str, &[u8], u16)] = &[
    ("nothing", b"", 1007),
    ("white space", b" \t\r\n", 1007),
    ("null", b"null", 1007),
    ("true", b"true", 1007),
    ("a number", b"7", 1007),
    ("a string", b"\"[]\"", 1007),
    ("an array of null", b"[null]", 1007),
    ("an array of numbers", b"[1,2]", 1007),
    ("an array of strings", b"[\"/meta/connect\"]", 1007),
    ("an array in an array", b"[[{\"channel\":\"/h\"}]]", 1007),
    ("two arrays", b"[][]", 1007),
    ("two objects", b"{}{}", 1007),
    ("a comma in front", b"[,{}]", 1007),
    ("a comma behind", b"[{},]", 1007),
    ("two commas", b"[{},,{}]", 1007),
    ("no comma", b"[{}{}]", 1007),
    ("a comma behind a field", b"{\"channel\":\"/h\",}", 1007),
    ("no colon", b"{\"channel\" \"/h\"}", 1007),
    ("a key that is a number", b"{1:2}", 1007),
    ("a key without quotes", b"{channel:\"/h\"}", 1007),
    ("single quotes", b"{'channel':'/h'}", 1007),
    ("a comment", b"[/* */]", 1007),
    ("NaN", b"{\"channel\":\"/h\",\"data\":NaN}", 1007),
    ("Infinity", b"{\"channel\":\"/h\",\"data\":Infinity}", 1007),
    ("undefined", b"{\"channel\":\"/h\",\"data\":undefined}", 1007),
    ("True", b"{\"channel\":\"/h\",\"data\":True}", 1007),
    ("a plus sign", b"{\"channel\":\"/h\",\"data\":+1}", 1007),
    ("a zero in front", b"{\"channel\":\"/h\",\"data\":01}", 1007),
    ("a hexadecimal number", b"{\"channel\":\"/h\",\"data\":0x1}", 1007),
    ("a point without digits", b"{\"channel\":\"/h\",\"data\":1.}", 1007),
    ("a point in front", b"{\"channel\":\"/h\",\"data\":.5}", 1007),
    ("an exponent without digits", b"{\"channel\":\"/h\",\"data\":1e}", 1007),
    ("a minus sign alone", b"{\"channel\":\"/h\",\"data\":-}", 1007),
    ("1e999", b"{\"channel\":\"/h\",\"data\":1e999}", 1007),
    ("-1e999", b"{\"channel\":\"/h\",\"data\":-1e999}", 1007),
    ("1e999 in an unknown field", b"{\"channel\":\"/h\",\"x\":{\"y\":[1e999]}}", 1007),
    ("1e999 as an id", b"{\"channel\":\"/h\",\"id\":1e999}", 1007),
    ("a raw newline in a string", b"{\"channel\":\"/h\",\"data\":\"a\nb\"}", 1007),
    ("a raw NUL in a string", b"{\"channel\":\"/h\",\"data\":\"a\0b\"}", 1007),
    ("a NUL behind", b"[]\0", 1007),
    ("an unknown escape", b"{\"channel\":\"/h\",\"data\":\"\\x41\"}", 1007),
    ("a short escape", b"{\"channel\":\"/h\",\"data\":\"\\u00\"}", 1007),
    ("an escape that is no number", b"{\"channel\":\"/h\",\"data\":\"\\u00zz\"}", 1007),
    ("a lone high surrogate", b"{\"channel\":\"/h\",\"data\":\"\\ud800\"}", 1007),
    ("a lone low surrogate", b"{\"channel\":\"/h\",\"data\":\"\\udc00\"}", 1007),
    ("two high surrogates", b"{\"channel\":\"/h\",\"data\":\"\\ud800\\ud800\"}", 1007),
    ("a surrogate pair turned round", b"{\"channel\":\"/h\",\"data\":\"\\udc00\\ud800\"}", 1007),
    ("a lone surrogate in a key", b"{\"channel\":\"/h\",\"\\ud800\":1}", 1007),
    ("a lone surrogate in an unknown field", b"{\"channel\":\"/h\",\"x\":\"\\ud800\"}", 1007),
    ("a byte that is no UTF-8", b"{\"channel\":\"/h\",\"data\":\"\xff\"}", 1007),
    ("UTF-8 that is cut", b"{\"channel\":\"/h\",\"data\":\"\xc3\"}", 1007),
    ("UTF-8 that is overlong", b"{\"channel\":\"/h\",\"data\":\"\xc0\xaf\"}", 1007),
    ("a surrogate in UTF-8", b"{\"channel\":\"/h\",\"data\":\"\xed\xa0\x80\"}", 1007),
    ("beyond the last character", b"{\"channel\":\"/h\",\"data\":\"\xf4\x90\x80\x80\"}", 1007),
    ("no UTF-8 in an unknown field", b"{\"channel\":\"/h\",\"x\":\"\xff\"}", 1007),
    ("no UTF-8 in a key", b"{\"channel\":\"/h\",\"\xfe\":1}", 1007),
    ("a byte order mark", b"\xef\xbb\xbf[]", 1007),
    ("UTF-16", b"[\0]\0", 1007),
    ("channel twice", b"{\"channel\":\"/h\",\"channel\":\"/i\",\"data\":1}", 1007),
    ("channel twice, once escaped", b"{\"channel\":\"/h\",\"ch\\u0061nnel\":\"/i\",\"data\":1}", 1007),
    ("clientId twice", b"{\"channel\":\"/h\",\"clientId\":\"a\",\"clientId\":\"b\",\"data\":1}", 1007),
    ("data twice", b"{\"channel\":\"/h\",\"data\":1,\"data\":2}", 1007),
    ("ext twice", b"{\"channel\":\"/h\",\"ext\":{},\"ext\":{},\"data\":1}", 1007),
    ("an unknown field twice", b"{\"channel\":\"/h\",\"x\":1,\"x\":2,\"data\":1}", 1007),
];

/// Every bad text, the cuts of a valid batch of the session `id` among them: on `/h` nothing may arrive.
pub(crate) fn bad_texts(id: &str) -> Vec<BadText> {
    let mut all: Vec<_> = TEXTS.iter().map(|(name, text, close)| bad(name, text, 400, *close)).collect();
    let valid = format!(
        r#"[{{"channel":"/h","data":{{"é":[1,true]}},"id":"1","clientId":"{id}"}},{{"channel":"/h","data":2,"clientId":"{id}"}}]"#
    );
    all.extend((0..valid.len()).map(|cut| bad(&format!("cut at {cut}"), &valid.as_bytes()[..cut], 400, 1007)));
    let deep = |open: &str, n: usize| format!("[{{\"channel\":\"/h\",\"data\":{}", open.repeat(n));
    for (name, text, status, close) in [
        ("33 deep", format!("{}1{}}}]", deep("[", 32), "]".repeat(32)), 400, 1008),
        ("30,000 arrays deep", deep("[", 30_000), 400, 1008),
        ("10,000 objects deep", deep("{\"a\":", 10_000), 400, 1008),
        ("30,000 deep in an unknown field", format!("[{{\"x\":{}", "[".repeat(30_000)), 400, 1008),
        ("30,000 deep outside of a message", "[".repeat(30_000), 400, 1007),
        ("1,025 messages", format!("[{}{{}}]", "{},".repeat(1024)), 400, 1008),
        ("65 fields", format!("{{{}\"z\":1}}", (0..64).map(|n| format!("\"{n}\":1,")).collect::<String>()), 400, 1007),
        ("30,000 messages, over the limit of bytes", format!("[{}{{}}]", "{},".repeat(29_999)), 413, 1009),
        ("a byte over the limit of bytes", " ".repeat(64 * 1024 + 1), 413, 1009),
        ("a number of 60,000 digits and an exponent", format!("{{\"data\":{}e99999}}", "9".repeat(60_000)), 400, 1007),
        ("60,000 bytes of white space", " ".repeat(60_000), 400, 1007),
    ] {
        all.push(bad(name, text.as_bytes(), status, close));
    }
    all
}

fn bad(name: &str, text: &[u8], status: u16, close: u16) -> BadText {
    BadText { name: name.to_owned(), text: text.to_vec(), status, close }
}
