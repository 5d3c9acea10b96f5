//! Chunked bodies: where they are cut changes nothing, they stay below their limit, and they end where they say.

use bayeux_server::fuzzing;

use crate::cut::cuts;

const LIMIT: usize = 300;

pub(crate) fn run(input: &[u8]) {
    let Some((stream, ways)) = cuts(input) else { return };
    let whole = fuzzing::chunked(&[stream], LIMIT);
    for pieces in ways {
        assert_eq!(fuzzing::chunked(&pieces, LIMIT), whole);
    }
    let Ok(Some((body, rest))) = whole else { return };
    assert!(body.len() <= LIMIT);
    assert!(stream.ends_with(&rest));
    assert!(stream[..stream.len() - rest.len()].ends_with(b"\r\n"));
    let mut plain = Vec::new();
    for chunk in body.chunks(7) {
        plain.extend(format!("{:x}\r\n", chunk.len()).bytes());
        plain.extend([chunk, b"\r\n"].concat());
    }
    plain.extend(b"0\r\n\r\n");
    plain.extend(&rest);
    assert_eq!(fuzzing::chunked(&[&plain], LIMIT), Ok(Some((body, rest))), "the same body, chunked in another way");
}
