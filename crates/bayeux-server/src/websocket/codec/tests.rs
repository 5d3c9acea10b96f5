use proptest::prelude::*;

use super::*;

/// A client's frame.
fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

fn all(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<Incoming>, Refused> {
    let mut input = Bytes::copy_from_slice(bytes);
    let mut found = Vec::new();
    while let Some(incoming) = decoder.decode(&mut input)? {
        found.push(incoming);
    }
    assert!(input.is_empty(), "what is not yielded is kept by the decoder");
    Ok(found)
}

fn refused(bytes: &[u8]) -> Refused {
    all(&mut Decoder::new(1000), bytes).expect_err("the frame must be refused")
}

#[test]
fn bx_ws_2_a_text_message_comes_whole_however_it_is_fragmented() {
    let mut bytes = frame(0x01, b"ab", [1, 2, 3, 4]);
    bytes.extend(frame(0x89, b"ping", [9, 9, 9, 9]));
    bytes.extend(frame(0x00, b"", [0; 4]));
    bytes.extend(frame(0x80, b"cd", [5, 6, 7, 8]));
    bytes.extend(frame(0x81, b"next", [0; 4]));
    let found = all(&mut Decoder::new(1000), &bytes).expect("all of it is allowed");
    let expected =
        [Incoming::Ping(b"ping".to_vec()), Incoming::Text(b"abcd".to_vec()), Incoming::Text(b"next".to_vec())];
    assert_eq!(found, expected);
}

#[test]
fn bx_ws_5_what_is_not_allowed_is_refused_from_the_header() {
    assert_eq!(refused(&[0x81, 0x05]), Refused::Unmasked);
    assert_eq!(refused(&[0xc1, 0x85]), Refused::ReservedBit);
    assert_eq!(refused(&[0x83, 0x85]), Refused::UnknownOpcode);
    assert_eq!(refused(&[0x8b, 0x85]), Refused::UnknownOpcode);
    assert_eq!(refused(&[0x82, 0x85]), Refused::Binary);
    assert_eq!(refused(&[0x09, 0x80]), Refused::BadControl);
    assert_eq!(refused(&[0x89, 0xfe]), Refused::BadControl);
    assert_eq!(refused(&[0x80, 0x85]), Refused::BadFragment);
    let mut nested = frame(0x01, b"a", [0; 4]);
    nested.extend([0x81, 0x81]);
    assert_eq!(refused(&nested), Refused::BadFragment);
}

#[test]
fn bx_lm_1_a_length_over_the_limit_is_refused_before_its_payload() {
    let mut header = vec![0x81, 0xff];
    header.extend((1_u64 << 30).to_be_bytes());
    header.extend([0; 4]);
    assert_eq!(refused(&header), Refused::TooLarge(1000));
    for length in [u64::MAX, 1 << 63, 65_535, 3] {
        let mut header = vec![0x81, 0xff];
        header.extend(length.to_be_bytes());
        header.extend([0; 4]);
        assert_eq!(refused(&header), Refused::BadLength, "{length}");
    }
    assert_eq!(refused(&[0x81, 0xfe, 0, 125, 0, 0, 0, 0]), Refused::BadLength);
}

#[test]
fn bx_lm_1_the_limit_holds_for_all_fragments_together() {
    let mut bytes = frame(0x01, &[b'a'; 600], [0; 4]);
    bytes.extend(frame(0x80, &[b'a'; 400], [0; 4]));
    assert!(all(&mut Decoder::new(1000), &bytes).is_ok());
    let mut bytes = frame(0x01, &[b'a'; 600], [0; 4]);
    bytes.extend(frame(0x80, &[b'a'; 401], [0; 4]));
    assert_eq!(refused(&bytes), Refused::TooLarge(1000));
}

#[test]
fn bx_hrd_6_a_flood_of_empty_fragments_ends() {
    let begun = [frame(0x01, b"", [0; 4]), frame(0x00, b"", [0; 4]).repeat(1022)].concat();
    let whole = [begun.clone(), frame(0x80, b"", [0; 4])].concat();
    assert_eq!(
        all(&mut Decoder::new(1000), &whole.repeat(2)),
        Ok(vec![Incoming::Text(vec![]); 2]),
        "1,024 fragments are allowed, and each message has its own"
    );
    let over = [begun, frame(0x00, b"", [0; 4]).repeat(2)].concat();
    assert_eq!(refused(&over), Refused::TooManyFragments);
}

#[test]
fn bx_ws_5_each_refusal_has_its_close_code() {
    let codes = [
        (Refused::Binary, 1003),
        (Refused::NotUtf8, 1007),
        (Refused::TooManyFragments, 1008),
        (Refused::TooLarge(1), 1009),
        (Refused::Unmasked, 1002),
        (Refused::BadLength, 1002),
    ];
    for (refused, code) in codes {
        assert_eq!(refused.code(), code, "{refused}");
    }
}

#[test]
fn a_close_frame_tells_its_code() {
    let close = |payload: &[u8]| all(&mut Decoder::new(1000), &frame(0x88, payload, [1; 4]));
    assert_eq!(close(b""), Ok(vec![Incoming::Close(None)]));
    assert_eq!(close(&[0x03, 0xe8, b'x']), Ok(vec![Incoming::Close(Some(1000))]));
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        let payload = code.to_be_bytes();
        assert_eq!(close(&payload), Err(Refused::BadClose), "{code}");
    }
    assert_eq!(close(&[0x03]), Err(Refused::BadClose));
    assert_eq!(close(&[0x03, 0xe8, 0xff]), Err(Refused::NotUtf8));
}

#[test]
fn an_idle_decoder_holds_no_buffer() {
    assert!(size_of::<Decoder>() <= 64, "{}", size_of::<Decoder>());
    let mut decoder = Decoder::new(1000);
    let stream = [frame(0x81, b"abc", [1; 4]), frame(0x89, b"x", [1; 4])].concat();
    let found = all(&mut decoder, &stream);
    assert_eq!(found.map(|found| found.len()), Ok(2));
    assert_eq!(decoder.message.capacity(), 0);
    assert!(matches!(decoder.state, State::Header(_)));
}

#[test]
fn a_length_alone_reserves_nothing() {
    let mut decoder = Decoder::new(1 << 20);
    let mut header = vec![0x81, 0xff];
    header.extend((1_u64 << 20).to_be_bytes());
    header.extend([0; 4]);
    assert_eq!(all(&mut decoder, &header), Ok(vec![]));
    assert_eq!(decoder.message.capacity(), 0);
    assert_eq!(all(&mut decoder, b"begun"), Ok(vec![]));
    assert!(decoder.message.capacity() < 64);
}

#[test]
fn bx_ws_6_text_is_utf_8_as_a_whole() {
    let snowman = "☃".as_bytes();
    let (head, tail) = snowman.split_at(1);
    let cut = [frame(0x01, head, [1; 4]), frame(0x80, tail, [2; 4])].concat();
    assert_eq!(all(&mut Decoder::new(1000), &cut), Ok(vec![Incoming::Text(snowman.to_vec())]));
    for bad in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", head] {
        assert_eq!(refused(&frame(0x81, bad, [3; 4])), Refused::NotUtf8, "{bad:?}");
    }
}

#[test]
fn nothing_is_taken_for_a_frame_after_a_refused_one() {
    let ping = frame(0x89, b"x", [1; 4]);
    let oversized = [&[0x81, 0xfe, 0xff, 0xff, 0, 0, 0, 0][..], &ping].concat();
    let empty = [frame(0x01, b"", [0; 4]), frame(0x00, b"", [0; 4]).repeat(70_000)].concat();
    let bad_text = [frame(0x81, b"\xff", [1; 4]), ping.clone()].concat();
    let nested = [frame(0x01, b"kept", [1; 4]), frame(0x81, b"x", [1; 4])].concat();
    for (bytes, expected) in [
        (oversized, Refused::TooLarge(1000)),
        (empty, Refused::TooManyFragments),
        (bad_text, Refused::NotUtf8),
        (nested, Refused::BadFragment),
    ] {
        let mut decoder = Decoder::new(1000);
        let mut input = Bytes::from(bytes);
        for _ in 0..3 {
            assert_eq!(decoder.decode(&mut input), Err(expected));
        }
        assert_eq!(decoder.decode(&mut ping.clone().into()), Err(expected));
        assert_eq!(decoder.message.capacity(), 0);
    }
}

#[test]
fn server_frames_have_the_shortest_length() {
    for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        let mut out = Vec::new();
        encode_text(&vec![b'a'; length], &mut out);
        assert_eq!(out.len(), length + header);
    }
    let mut out = Vec::new();
    encode_pong(&[b'a'; 200], &mut out);
    assert_eq!(out.len(), 2 + 125);
    let mut out = Vec::new();
    encode_close(1008, &"é".repeat(100), &mut out);
    assert_eq!(out[..4], [0x88, 124, 0x03, 0xf0]);
    assert_eq!(out.len(), 2 + 2 + 122, "cut between characters");
}

/// A server's frame as a client would have sent it.
fn masked(server: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let header = match server[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    frame(server[0], &server[header..], mask)
}

proptest! {
    #[test]
    fn any_cut_of_the_stream_gives_the_same_messages(
        messages in prop::collection::vec((any::<[u8; 4]>(), ".{0,120}", 1..4_usize, prop::option::of(prop::collection::vec(any::<u8>(), 0..126))), 1..6),
        cuts in prop::collection::vec(1..40_usize, 1..200),
    ) {
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for (mask, text, pieces, ping) in &messages {
            let size = text.len().div_ceil(*pieces).max(1);
            let mut chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            if chunks.is_empty() {
                chunks.push(&[]);
            }
            let last = chunks.len() - 1;
            for (n, chunk) in chunks.into_iter().enumerate() {
                if let Some(ping) = ping.as_ref().filter(|_| n == last) {
                    stream.extend(frame(0x89, ping, *mask));
                    expected.push(Incoming::Ping(ping.clone()));
                }
                let first = u8::from(n == 0) | if n == last { 0x80 } else { 0 };
                stream.extend(frame(first, chunk, *mask));
            }
            expected.push(Incoming::Text(text.clone().into_bytes()));
        }
        let mut decoder = Decoder::new(1000);
        let (mut found, mut rest, mut cuts) = (Vec::new(), &stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*cuts.next().expect("it goes round")));
            found.extend(all(&mut decoder, now).expect("all of it is allowed"));
            rest = later;
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn what_is_encoded_and_masked_decodes_to_itself(
        parts in prop::collection::vec(prop_oneof![".{0,40}", "[a-z]{1,8}".prop_map(|text| text.repeat(10_000))], 0..4),
        ping in prop::collection::vec(any::<u8>(), 0..126),
        reason in ".{0,80}",
        mask: [u8; 4],
    ) {
        let (mut text, mut same, mut pong, mut close) = (vec![], vec![], vec![], vec![]);
        let whole = parts.concat().into_bytes();
        let mut in_place = [&[0; 10][..], &whole].concat();
        let start = encode_text_in_place(&mut in_place, 10);
        text.extend_from_slice(&in_place[start..]);
        encode_text(&whole, &mut same);
        prop_assert_eq!(&text, &same);
        encode_pong(&ping, &mut pong);
        prop_assert_eq!(&pong[2..], &ping[..]);
        encode_close(4000, &reason, &mut close);
        let stream = [masked(&text, mask), masked(&pong, mask), masked(&close, mask)].concat();
        let expected = vec![Incoming::Text(whole), Incoming::Pong, Incoming::Close(Some(4000))];
        prop_assert_eq!(all(&mut Decoder::new(1 << 20), &stream), Ok(expected));
    }

    #[test]
    fn arbitrary_bytes_never_panic_whatever_the_cut(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0x81), Just(0x01), Just(0x89)], 0..600),
        cut in 1..600_usize,
    ) {
        // Each frame is judged alone, so what comes out, up to the refusal, does not hang on the cut either.
        let outcome = |size: usize| {
            let (mut decoder, mut found) = (Decoder::new(100), Vec::new());
            for now in bytes.chunks(size) {
                let mut input = Bytes::copy_from_slice(now);
                loop {
                    match decoder.decode(&mut input) {
                        Ok(Some(incoming)) => found.push(incoming),
                        Ok(None) => break,
                        Err(refused) => return (found, Some(refused)),
                    }
                }
            }
            (found, None)
        };
        prop_assert_eq!(outcome(cut), outcome(600));
    }
}
