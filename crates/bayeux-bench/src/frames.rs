//! WebSocket frames as a client writes them and as both sides read them.

/// A masked text frame. The mask is zero: it costs the server the same, and the load nothing.
pub(crate) fn client_text(payload: &[u8], out: &mut Vec<u8>) {
    header(0x80, payload.len(), out);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// A server's text frame.
pub(crate) fn server_text(payload: &[u8], out: &mut Vec<u8>) {
    header(0, payload.len(), out);
    out.extend_from_slice(payload);
}

fn header(mask_bit: u8, length: usize, out: &mut Vec<u8>) {
    out.push(0x81);
    match length {
        0..=125 => out.push(mask_bit | length as u8),
        126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// The first frame of `bytes`, if it is complete: where its payload is, and where the next frame begins.
pub(crate) fn next(bytes: &[u8]) -> Option<(std::ops::Range<usize>, usize)> {
    let second = *bytes.get(1)?;
    let (length, mut at): (usize, usize) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        length => (usize::from(length), 2),
    };
    if second & 0x80 != 0 {
        at += 4;
    }
    let end = at.checked_add(length)?;
    (bytes.len() >= end).then_some((at..end, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_once_it_is_complete() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for write in [client_text, server_text] {
                let payload = vec![b'x'; length];
                let mut bytes = Vec::new();
                write(&payload, &mut bytes);
                assert_eq!(next(&bytes[..bytes.len() - 1]), None);
                bytes.extend_from_slice(b"\x81");
                let (range, end) = next(&bytes).expect("complete");
                assert_eq!((&bytes[range], end), (&payload[..], bytes.len() - 1));
            }
        }
    }
}
