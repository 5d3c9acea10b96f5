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
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    out
}

fn all(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<Incoming>, Refused> {
    let mut input = Bytes::copy_from_slice(bytes);
    let mut found = Vec::new();
    while let Some(incoming) = decoder.decode(&mut input)? {
        found.push(incoming);
    }
    assert!(
        input.is_empty(),
        "what is not yielded is kept by the decoder"
    );
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
    let expected = [
        Incoming::Ping(b"ping".to_vec()),
        Incoming::Text(b"abcd".to_vec()),
        Incoming::Text(b"next".to_vec()),
    ];
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
    assert_eq!(
        refused(&[0x81, 0xfe, 0, 125, 0, 0, 0, 0]),
        Refused::BadLength
    );
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
    let mut bytes = frame(0x01, b"", [0; 4]);
    for _ in 0..1024 {
        bytes.extend(frame(0x00, b"", [0; 4]));
    }
    assert_eq!(refused(&bytes), Refused::TooManyFragments);
}

#[test]
fn a_close_frame_tells_its_code() {
    let close = |payload: &[u8]| all(&mut Decoder::new(1000), &frame(0x88, payload, [1; 4]));
    assert_eq!(close(b""), Ok(vec![Incoming::Close(None)]));
    assert_eq!(
        close(&[0x03, 0xe8, b'x']),
        Ok(vec![Incoming::Close(Some(1000))])
    );
    for bad in [
        &[0x03][..],
        &[0x03, 0xed],
        &[0x00, 0x01],
        &[0x03, 0xe8, 0xff],
    ] {
        assert_eq!(close(bad), Err(Refused::BadClose), "{bad:?}");
    }
}

#[test]
fn an_idle_decoder_holds_no_buffer() {
    let mut decoder = Decoder::new(1000);
    let found = all(
        &mut decoder,
        &[frame(0x81, b"abc", [1; 4]), frame(0x89, b"x", [1; 4])].concat(),
    );
    assert_eq!(found.map(|found| found.len()), Ok(2));
    assert_eq!(
        (decoder.message.capacity(), decoder.control.capacity()),
        (0, 0)
    );
}

#[test]
fn server_frames_have_the_shortest_length() {
    for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        let mut out = Vec::new();
        encode_text(&vec![b'a'; length], &mut out);
        assert_eq!(out.len(), length + header);
    }
    let mut out = Vec::new();
    encode_close(1008, &"é".repeat(100), &mut out);
    assert_eq!(out.len(), 2 + 2 + 122, "cut between characters");
}

proptest! {
    #[test]
    fn any_cut_of_the_stream_gives_the_same_messages(
        messages in prop::collection::vec((any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 0..300), 1..4_usize), 1..6),
        cuts in prop::collection::vec(1..40_usize, 1..200),
    ) {
        let mut stream = Vec::new();
        for (mask, payload, pieces) in &messages {
            let size = payload.len().div_ceil(*pieces).max(1);
            let mut chunks: Vec<&[u8]> = payload.chunks(size).collect();
            if chunks.is_empty() {
                chunks.push(&[]);
            }
            let last = chunks.len() - 1;
            for (n, chunk) in chunks.into_iter().enumerate() {
                let first = u8::from(n == 0) | if n == last { 0x80 } else { 0 };
                stream.extend(frame(first, chunk, *mask));
            }
        }
        let expected: Vec<_> = messages.iter().map(|(_, payload, _)| Incoming::Text(payload.clone())).collect();
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
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = all(&mut Decoder::new(100), &bytes).is_ok();
    }
}
