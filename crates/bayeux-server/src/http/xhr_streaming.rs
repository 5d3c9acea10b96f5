//! `xhr-streaming` (BX-ST-8): the answer to a POST that goes on, a line for each batch. A page reads it with XMLHttpRequest, as far
//! as it has come, or with `fetch`.

use bayeux_engine::Framing;

use super::wire::{EventFields, Headers, Wire, stream_headers};

/// Lines of JSON.
pub(super) struct XhrStreaming;

impl Wire for XhrStreaming {
    fn headers(&mut self) -> Headers {
        stream_headers("application/x-ndjson;charset=UTF-8")
    }

    fn batch(&self, array: &[u8], _fields: EventFields, out: &mut Vec<u8>) {
        out.extend_from_slice(array);
        out.push(b'\n');
    }

    fn shares(&self) -> Option<Framing> {
        Some(Framing::Line)
    }
}

#[cfg(test)]
mod tests {
    use bayeux_engine::{Frame, HEADROOM};

    use super::*;
    use crate::http::wire::{beat, piece, whole};

    #[test]
    fn bx_st_8_each_batch_is_a_line() {
        let frame = Frame::Own([&[0; HEADROOM][..], b"[{},{}]"].concat());
        for first in [true, false] {
            assert_eq!(
                piece(&XhrStreaming, first, &frame, EventFields { id: Some(1), retry: None }).framed(),
                "8\r\n[{},{}]\n\r\n"
            );
        }
        assert_eq!(beat(&XhrStreaming).framed(), "1\r\n\n\r\n");
        assert_eq!(whole(&XhrStreaming, b"[]", EventFields::default()), "[]\n");
    }
}
