//! `eventsource` (BX-ST-1): a stream of server-sent events, whose data are each a batch.
//!
//! A browser opens the stream anew by itself when it ends, and then names the last event that it had (BX-ST-5).

use std::time::Duration;

use bayeux_engine::Framing;

use super::wire::{EventFields, Headers, Wire, stream_headers};

/// A browser that lost its stream waits so long at least: a server that is gone for a moment is not to be stormed.
const MIN_RETRY: Duration = Duration::from_secs(1);

/// Server-sent events.
pub(super) struct EventSource {
    retry: Duration,
}

impl EventSource {
    /// For clients that are to leave `interval` between two connects.
    pub(super) fn new(interval: Duration) -> Self {
        Self { retry: interval.max(MIN_RETRY) }
    }
}

impl Wire for EventSource {
    fn headers(&mut self) -> Headers {
        stream_headers("text/event-stream;charset=UTF-8")
    }

    fn open(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("retry: {}\n\n", self.retry.as_millis()).as_bytes());
    }

    fn batch(&self, array: &[u8], fields: EventFields, out: &mut Vec<u8>) {
        if let Some(retry) = fields.retry {
            out.extend_from_slice(format!("retry: {}\n", retry.max(MIN_RETRY).as_millis()).as_bytes());
        }
        if let Some(id) = fields.id {
            out.extend_from_slice(format!("id: {id}\n").as_bytes());
        }
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(array);
        out.extend_from_slice(b"\n\n");
    }

    fn beat(&self) -> &'static [u8] {
        b":\n\n"
    }

    fn shares(&self) -> Option<Framing> {
        Some(Framing::Event)
    }
}

#[cfg(test)]
mod tests {
    use bayeux_engine::{Frame, HEADROOM};

    use super::*;
    use crate::http::wire::{beat, piece, whole};

    #[test]
    fn bx_st_1_each_batch_is_the_data_of_an_event() {
        let wire = EventSource::new(Duration::ZERO);
        let frame = Frame::Own([&[0; HEADROOM][..], br#"[{"data":"a\nb"}]"#].concat());
        let read = |first, id, retry: Option<u64>| {
            piece(&wire, first, &frame, EventFields { id, retry: retry.map(Duration::from_millis) }).data()
        };
        assert_eq!(read(true, None, None), "retry: 1000\n\ndata: [{\"data\":\"a\\nb\"}]\n\n");
        assert_eq!(read(false, Some(7), None), "id: 7\ndata: [{\"data\":\"a\\nb\"}]\n\n");
        assert_eq!(read(false, Some(7), Some(2000)), "retry: 2000\nid: 7\ndata: [{\"data\":\"a\\nb\"}]\n\n");
        assert_eq!(read(false, None, Some(0)), "retry: 1000\ndata: [{\"data\":\"a\\nb\"}]\n\n", "it is not to storm");
        assert_eq!(beat(&wire).data(), ":\n\n");
        let slow = EventSource::new(Duration::from_millis(2500));
        assert_eq!(whole(&slow, b"[]", EventFields::default()), "retry: 2500\n\ndata: []\n\n");
    }
}
