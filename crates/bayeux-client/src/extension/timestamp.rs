//! `timestamp`: when each message was sent (BX-FLD-8).

use std::time::SystemTime;

use bayeux_protocol::Message;

use super::Extension;

/// Gives each message that is sent a `timestamp`, as CometD's extension of this name does: `Tue, 01 Dec 2026 08:00:00 GMT`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timestamp;

impl Extension for Timestamp {
    fn outgoing(&mut self, message: &mut Message) {
        message.timestamp = Some(httpdate::fmt_http_date(SystemTime::now()).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bx_fld_8_a_message_says_when_it_was_sent() {
        let mut message = Message::default();
        let before = SystemTime::now();
        Timestamp.outgoing(&mut message);
        let sent = httpdate::parse_http_date(&message.timestamp.expect("it is there")).expect("it is a date");
        let off = sent.duration_since(before).unwrap_or_else(|error| error.duration());
        assert!(off.as_secs() < 5, "{off:?}");
    }
}
