//! `Chunk`: a piece of a body that comes in pieces, written once for every way in which a front may send it.

use bytes::{Buf, Bytes};

/// Hexadecimal digits of the largest length, and the end of their line.
const HEADER_BYTES: usize = 10;
const END_OF_LINE: &[u8] = b"\r\n";

/// A piece, with what `Transfer-Encoding: chunked` has around it: so bytes that many connections share need no copy, whoever frames
/// them.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// The header line, the data, the end of the data.
    framed: Bytes,
}

impl Chunk {
    /// Of what `fill` appends, which is not empty; about `bytes` are expected.
    pub(crate) fn of(bytes: usize, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut out = Vec::with_capacity(HEADER_BYTES + bytes + END_OF_LINE.len());
        out.resize(HEADER_BYTES, 0);
        fill(&mut out);
        let length = out.len() - HEADER_BYTES;
        debug_assert!(length > 0, "an empty chunk is the end of a body");
        let header = format!("{length:x}\r\n");
        let start = HEADER_BYTES - header.len();
        out[start..HEADER_BYTES].copy_from_slice(header.as_bytes());
        out.extend_from_slice(END_OF_LINE);
        let mut framed = Bytes::from(out);
        framed.advance(start);
        Self { framed }
    }

    /// Of bytes that another one was [framed](Self::framed) to.
    pub(crate) const fn shared(framed: Bytes) -> Self {
        Self { framed }
    }

    /// As it is in a chunked body.
    pub(crate) fn framed(self) -> Bytes {
        self.framed
    }

    /// As it is in any other body.
    pub(crate) fn data(self) -> Bytes {
        let header = self.framed.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.framed.slice(header..self.framed.len() - END_OF_LINE.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_a_chunk_and_its_own_data() {
        for length in [1, 9, 15, 16, 255, 256, 4095, 4096, 70_000, 1 << 20] {
            let data = vec![b'\n'; length];
            for expected in [0, length, 2 * length] {
                let chunk = Chunk::of(expected, |out| out.extend_from_slice(&data));
                let framed = [format!("{length:x}\r\n").as_bytes(), &data, b"\r\n"].concat();
                assert_eq!(chunk.clone().framed(), framed, "{length}");
                assert_eq!(Chunk::shared(chunk.framed()).data(), data, "{length}");
            }
        }
    }
}
