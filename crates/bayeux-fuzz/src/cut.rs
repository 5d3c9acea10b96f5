//! Streams that arrive in pieces: the first bytes of an input say where the rest of it is cut.

/// How many bytes of an input are the lengths of the pieces.
const LENGTHS: usize = 4;

/// A stream in pieces.
type Pieces<'a> = Vec<&'a [u8]>;

/// The stream, and the ways in which it is cut: as the input says, and byte by byte.
pub(crate) fn cuts(input: &[u8]) -> Option<(&[u8], [Pieces<'_>; 2])> {
    let (lengths, stream) = input.split_first_chunk::<LENGTHS>()?;
    Some((stream, [pieces(stream, lengths), pieces(stream, &[1])]))
}

/// Pieces of these lengths, over and over; one piece if all of them are 0.
fn pieces<'a>(mut stream: &'a [u8], lengths: &[u8]) -> Pieces<'a> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if stream.is_empty() || lengths.iter().all(|length| *length == 0) {
            pieces.push(stream);
            return pieces;
        }
        let (piece, rest) = stream.split_at(stream.len().min((*length).into()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}
