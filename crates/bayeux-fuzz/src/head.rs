//! Heads of requests: where they are cut changes nothing, and where the body ends is what every reader would say.

use bayeux_server::fuzzing::{self, Body};

use crate::cut::cuts;

pub(crate) fn run(input: &[u8]) {
    let Some((stream, ways)) = cuts(input) else { return };
    let whole = fuzzing::head(&[stream]);
    for pieces in ways {
        assert_eq!(fuzzing::head(&pieces), whole);
    }
    let Some((bytes, Ok(head))) = whole else { return };
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.next();
    let names: Vec<_> = lines.filter_map(|line| line.split(|byte| *byte == b':').next()).collect();
    let count = |name: &[u8]| names.iter().filter(|found| found.eq_ignore_ascii_case(name)).count();
    let told = (count(b"content-length"), count(b"transfer-encoding"));
    match head.body {
        Ok(Body::None) => assert_eq!(told, (0, 0)),
        Ok(Body::Sized(_)) => assert_eq!(told, (1, 0)),
        Ok(Body::Chunked) => assert_eq!(told, (0, 1)),
        Err(_) => {}
    }
    assert!(head.body.is_err() || count(b"host") <= 1);
    assert!(!head.path.contains(['?', '#']));
    assert_eq!(count(b"cookie"), head.cookies);
}
