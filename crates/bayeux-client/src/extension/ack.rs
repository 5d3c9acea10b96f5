//! `ack`: what the server sends until it is acknowledged (BX-ACK-1, BX-ACK-3).

use bayeux_protocol::{Ext, ExtValue, Message, MetaChannel};

use super::{Extension, set_ext};

/// Acknowledges what was read to its end.
///
/// The core hands a batch over as a whole or not at all, so the number of its last connect reply says what was read. What
/// still comes on a connection after that was given up is not looked at: it comes again.
#[derive(Debug, Default)]
pub(crate) struct Ack {
    /// The number of the last reply; nothing if the server does not take part.
    number: Option<u64>,
}

impl Ack {
    /// Whether both sides want it in this session.
    pub(crate) const fn is_on(&self) -> bool {
        self.number.is_some()
    }
}

impl Extension for Ack {
    fn outgoing(&mut self, message: &mut Message) {
        match message.channel.as_deref() {
            Some(channel) if is(channel, MetaChannel::Handshake) => {
                self.number = None;
                set_ext(message, "ack", &true.into());
            }
            Some(channel) if is(channel, MetaChannel::Connect) => {
                if let Some(number) = self.number {
                    set_ext(message, "ack", &number.into());
                }
            }
            _ => {}
        }
    }

    fn incoming(&mut self, message: &mut Message) {
        let Some(channel) = message.channel.as_deref() else { return };
        if message.successful != Some(true) {
            return;
        }
        let ack = message.ext.as_ref().and_then(|ext| Ext::read(ext).ack);
        match ack {
            Some(ExtValue::Wanted(true)) if is(channel, MetaChannel::Handshake) => self.number = Some(0),
            // It never decreases (BX-ACK-2); what says otherwise is not believed.
            Some(ExtValue::Number(number)) if is(channel, MetaChannel::Connect) => {
                self.number = self.number.map(|known| known.max(number));
            }
            _ => {}
        }
    }
}

fn is(channel: &str, meta: MetaChannel) -> bool {
    meta.as_str() == Some(channel)
}

#[cfg(test)]
mod tests {
    use bayeux_protocol::{DecodeLimits, decode_batch};

    use super::*;

    fn message(text: &str) -> Message {
        decode_batch(text.as_bytes(), &DecodeLimits::default()).expect("it is a batch").remove(0)
    }

    fn sent(ack: &mut Ack) -> Option<String> {
        let mut connect = message(r#"{"channel":"/meta/connect"}"#);
        ack.outgoing(&mut connect);
        connect.ext.map(|ext| ext.as_str().to_owned())
    }

    #[test]
    fn bx_ack_1_it_is_used_if_both_want_it() {
        let mut ack = Ack::default();
        let mut handshake = message(r#"{"channel":"/meta/handshake","ext":{"a":1}}"#);
        ack.outgoing(&mut handshake);
        assert_eq!(handshake.ext.expect("it is there").as_str(), r#"{"a":1,"ack":true}"#);
        ack.incoming(&mut message(r#"{"channel":"/meta/handshake","successful":true,"ext":{"ack":false}}"#));
        assert_eq!(sent(&mut ack), None);
        ack.incoming(&mut message(r#"{"channel":"/meta/handshake","successful":true,"ext":{"ack":{"enabled":true}}}"#));
        assert_eq!(sent(&mut ack).as_deref(), Some(r#"{"ack":0}"#));
    }

    #[test]
    fn bx_ack_3_the_number_of_the_last_reply_is_repeated() {
        let mut ack = Ack::default();
        ack.incoming(&mut message(r#"{"channel":"/meta/connect","successful":true,"ext":{"ack":5}}"#));
        assert_eq!(sent(&mut ack), None);
        ack.incoming(&mut message(r#"{"channel":"/meta/handshake","successful":true,"ext":{"ack":true}}"#));
        for (reply, expected) in
            [(r#"{"ack":7}"#, r#"{"ack":7}"#), (r#"{}"#, r#"{"ack":7}"#), (r#"{"ack":6}"#, r#"{"ack":7}"#)]
        {
            ack.incoming(&mut message(&format!(r#"{{"channel":"/meta/connect","successful":true,"ext":{reply}}}"#)));
            assert_eq!(sent(&mut ack).as_deref(), Some(expected));
        }
    }
}
