//! Encoding: replies, deliveries, strings.

use bytes::Bytes;

use crate::{Advice, ChannelName, ConnectExt, Json, Message, MessageId, message::Object};

/// One JSON array of messages (BX-MSG-2).
pub fn encode_batch<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<u8> {
    let mut out = vec![b'['];
    for message in messages {
        if out.len() > 1 {
            out.push(b',');
        }
        message.encode(&mut out);
    }
    out.push(b']');
    out
}

/// A delivery without its closing brace: `{"channel":"/a","data":…`. Encoded once for all subscribers; `ext` can be appended
/// for one of them without encoding again (BX-DL-4).
pub fn encode_delivery_head(channel: &ChannelName, data: &Json) -> Bytes {
    let mut out = Vec::with_capacity(channel.as_str().len() + data.as_bytes().len() + 24);
    out.extend_from_slice(b"{\"channel\":");
    write_json_string(channel.as_str(), &mut out);
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(data.as_bytes());
    out.into()
}

/// Appends a reply to a connect: as [`Message::encode`] would, without a message. A held connect is the one request that comes as
/// often as events do. An `error` says that it was not successful.
pub fn encode_connect_reply(
    id: Option<&MessageId>,
    client_id: &str,
    error: Option<&str>,
    advice: &Advice,
    ext: ConnectExt,
    out: &mut Vec<u8>,
) {
    let mut object = Object { out, empty: true };
    object.text("channel", Some("/meta/connect"));
    object.id(id);
    object.flag("successful", Some(error.is_none()));
    object.text("clientId", Some(client_id));
    object.text("error", error);
    object.value("advice", |out| advice.encode(out));
    if !ext.is_empty() {
        object.value("ext", |out| ext.encode(out));
    }
    object.end();
}

/// Appends `text` as a JSON string.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    // Most texts need no escape: then they are looked at without branches, and copied in one piece.
    if !bytes.iter().fold(false, |any, byte| any | matches!(byte, b'"' | b'\\' | 0x00..=0x1f)) {
        out.extend_from_slice(bytes);
        return out.push(b'"');
    }
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x00..=0x1f => &[],
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// Appends a JSON array of strings.
pub(crate) fn write_json_strings<'a>(texts: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (n, text) in texts.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_json_string(text, out);
    }
    out.push(b']');
}
