//! The decoder of WebSocket frames: where a stream is cut changes nothing, and what it holds is bounded.

use bayeux_server::websocket::codec::{Decoder, Incoming, Refused};
use bytes::Bytes;

use crate::cut::cuts;

/// Above what a frame's short length can say, so that both forms of a length are of use.
const LIMIT: usize = 300;
/// The payload of a control frame.
const CONTROL: usize = 125;

pub(crate) fn run(input: &[u8]) {
    let Some((stream, ways)) = cuts(input) else { return };
    let whole = decode(&[stream]);
    for pieces in ways {
        assert_eq!(decode(&pieces), whole);
    }
    for incoming in &whole.0 {
        match incoming {
            Incoming::Text(text) => assert!(text.len() <= LIMIT && std::str::from_utf8(text).is_ok()),
            Incoming::Ping(payload) => assert!(payload.len() <= CONTROL),
            Incoming::Close(Some(code)) => assert!(*code >= 1000 && !matches!(code, 1005 | 1006 | 1015)),
            Incoming::Pong | Incoming::Close(None) => {}
        }
    }
}

fn decode(pieces: &[&[u8]]) -> (Vec<Incoming>, Option<Refused>) {
    let mut decoder = Decoder::new(LIMIT);
    let mut found = Vec::new();
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            let decoded = decoder.decode(&mut input);
            assert!(decoder.buffered() <= LIMIT + CONTROL, "{} bytes are held", decoder.buffered());
            match decoded {
                Ok(Some(incoming)) => found.push(incoming),
                Ok(None) => break,
                Err(refused) => {
                    assert_eq!(decoder.buffered(), 0);
                    assert_eq!(decoder.decode(&mut input), Err(refused), "a refusal is for good");
                    return (found, Some(refused));
                }
            }
        }
        assert!(input.is_empty(), "what is not yielded is kept by the decoder");
    }
    (found, None)
}
