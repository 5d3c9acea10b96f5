//! Bytes on a WebSocket that close it, by RFC 6455.

use super::Counter;

/// What is sent, and how the socket ends.
pub(crate) struct BadFrames {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) close: u16,
    pub(crate) counter: Counter,
}

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// A masked frame of `payload`, at most 125 bytes, whose first byte is `first`.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [first, 0x80 | payload.len() as u8].into_iter().chain(MASK).chain(masked).collect()
}

/// The header of a masked frame that declares `length` in `form`: 126 or 127.
fn header(first: u8, form: u8, length: u64) -> Vec<u8> {
    let length = length.to_be_bytes();
    let length = if form == 126 { &length[6..] } else { &length[..] };
    [&[first, 0x80 | form], length, &MASK].concat()
}

fn close(payload: &[u8]) -> Vec<u8> {
    frame(0x88, payload)
}

pub(crate) fn bad_frames() -> Vec<BadFrames> {
    let mut all = Vec::new();
    let mut add = |name: String, bytes: Vec<u8>, close| {
        all.push(BadFrames { name, bytes, close, counter: Counter::frames_refused });
    };
    for (name, first) in [("text", 0x81), ("ping", 0x89), ("pong", 0x8a), ("close", 0x88), ("continuation", 0x80)] {
        add(format!("{name}, unmasked"), vec![first, 0x02, b'[', b']'], 1002);
        for bit in [0x40, 0x20, 0x10, 0x70] {
            add(format!("{name} with reserved bits {bit:#x}"), frame(first | bit, b"[]"), 1002);
        }
    }
    for opcode in (3..=7).chain(11..=15) {
        add(format!("opcode {opcode}"), frame(0x80 | opcode, b"[]"), 1002);
        add(format!("opcode {opcode}, not final"), frame(opcode, b""), 1002);
    }
    for (name, opcode) in [("close", 8), ("ping", 9), ("pong", 10)] {
        add(format!("{name}, fragmented"), frame(opcode, b""), 1002);
        add(format!("{name} of 126 bytes"), header(0x80 | opcode, 126, 126), 1002);
        add(format!("{name} of 65,536 bytes"), header(0x80 | opcode, 127, 65_536), 1002);
        add(format!("{name} with a length of 2^63"), header(0x80 | opcode, 127, 1 << 63), 1002);
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535_u16] {
        add(format!("close with {code}"), close(&code.to_be_bytes()), 1002);
    }
    for (name, bytes, code) in LISTED {
        add((*name).to_owned(), bytes.to_vec(), *code);
    }
    for (name, bytes, code) in [
        ("binary", frame(0x82, b"[]"), 1003),
        ("binary, empty", frame(0x82, b""), 1003),
        ("binary, not final", frame(0x02, b"["), 1003),
        ("binary of 1 GiB", header(0x82, 127, 1 << 30), 1003),
        ("binary inside a text", [frame(0x01, b"["), frame(0x82, b"]")].concat(), 1003),
        ("a continuation of nothing, not final", frame(0x00, b"["), 1002),
        ("a text inside a text", [frame(0x01, b"["), frame(0x81, b"[]")].concat(), 1002),
        ("a text begun inside a text", [frame(0x01, b"["), frame(0x01, b"]")].concat(), 1002),
        ("a short length in two bytes", header(0x81, 126, 125), 1002),
        ("no length in two bytes", header(0x81, 126, 0), 1002),
        ("a short length in eight bytes", header(0x81, 127, 65_535), 1002),
        ("no length in eight bytes", header(0x81, 127, 0), 1002),
        ("a length of 2^63", header(0x81, 127, 1 << 63), 1002),
        ("a length of 2^64 - 1", header(0x81, 127, u64::MAX), 1002),
        ("a length of 2^63 - 1", header(0x81, 127, u64::MAX >> 1), 1009),
        ("1 GiB", header(0x81, 127, 1 << 30), 1009),
        ("1 GiB, as a fragment", header(0x01, 127, 1 << 30), 1009),
        ("1 GiB behind a fragment", [frame(0x01, b"["), header(0x80, 127, 1 << 30)].concat(), 1009),
        ("a byte over the limit", header(0x81, 127, 65_537), 1009),
        ("a byte over the limit in fragments", [frame(0x01, b"["), header(0x80, 127, 65_536)].concat(), 1009),
        ("dust: 1,025 empty fragments", [frame(0x01, b""), frame(0x00, b"").repeat(1024)].concat(), 1008),
        ("dust: 1,025 fragments of a byte", [frame(0x01, b"["), frame(0x00, b" ").repeat(1024)].concat(), 1008),
        (
            "dust with pings between",
            [frame(0x01, b""), [frame(0, b""), frame(0x89, b"")].concat().repeat(1024)].concat(),
            1008,
        ),
        ("a flood of empty pings", frame(0x89, b"").repeat(2_500), 1008),
        ("a flood of full pings", frame(0x89, &[b'x'; 125]).repeat(2_500), 1008),
        ("a flood of pongs", frame(0x8a, b"").repeat(2_500), 1008),
        ("a close of one byte", close(b"\x03"), 1002),
        ("a close whose reason is no UTF-8", close(b"\x03\xe8\xff"), 1007),
        ("a byte that is no UTF-8", frame(0x81, b"[\xff]"), 1007),
        ("UTF-8 cut by the end", frame(0x81, b"[\"\xc3"), 1007),
        ("UTF-8 cut by fragments and not mended", [frame(0x01, b"[\"\xc3"), frame(0x80, b"\x28\"]")].concat(), 1007),
        ("no UTF-8 in the first of two fragments", [frame(0x01, b"\xff"), frame(0x80, b"[]")].concat(), 1007),
        ("a surrogate in UTF-8", frame(0x81, b"[\"\xed\xa0\x80\"]"), 1007),
    ] {
        add(name.to_owned(), bytes, code);
    }
    all.push(BadFrames {
        name: "fragments that make no batch".to_owned(),
        bytes: [frame(0x01, b"[{"), frame(0x89, b"between"), frame(0x80, b"]")].concat(),
        close: 1007,
        counter: Counter::sockets_refused,
    });
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999_u16]) {
        let (name, bytes) = (format!("close with {code} is echoed"), close(&code.to_be_bytes()));
        all.push(BadFrames { name, bytes, close: code, counter: Counter::sockets_closed });
    }
    let (name, bytes) = ("close without a code".to_owned(), close(b""));
    all.push(BadFrames { name, bytes, close: 1000, counter: Counter::sockets_closed });
    all
}

/// Other protocols on the socket.
const LISTED: &[(&str, &[u8], u16)] = &[
    ("an HTTP request", b"GET /bayeux HTTP/1.1\r\nHost: a\r\n\r\n", 1002),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1002),
    ("a preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1002),
    ("zeros", &[0; 64], 1002),
    ("ones", &[0xff; 64], 1002),
];
