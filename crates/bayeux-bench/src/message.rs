//! What is published: the room, the number and the filler; and how the number is found again without parsing JSON.

use memchr::memmem;

use crate::frames;

/// Rooms there may be, so that room and number fit twelve digits.
pub(crate) const MOST_ROOMS: usize = 800;
const ROOM_SPAN: u64 = 1_000_000_000;
/// Makes every number twelve digits, so that all messages are equally long.
const BASE: u64 = 100_000_000_000;
const DIGITS: usize = 12;
const KEY: &[u8] = b"\"s\":";
/// Bytes of `data` without filler.
pub(crate) const LEAST_PAYLOAD: usize = r#"{"s":123456789012,"p":""}"#.len();

/// The channel of a room.
pub(crate) fn channel(room: usize) -> String {
    format!("/bench/{room}")
}

/// The room of a publish, which begins with its channel; for the floor.
pub(crate) fn room_of(message: &[u8]) -> Option<usize> {
    let digits = message.strip_prefix(b"{\"channel\":\"/bench/")?;
    let end = memchr::memchr(b'"', digits)?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// Makes publishes, each one text frame.
pub(crate) struct Template {
    filler: String,
    /// What a server needs besides channel and data, and where an array begins and ends; nothing at the floor.
    session: Option<String>,
}

impl Template {
    /// `payload`: bytes of `data`, at least [`LEAST_PAYLOAD`]; `client_id`: `None` at the floor.
    pub(crate) fn new(payload: usize, client_id: Option<&str>) -> Self {
        Self {
            filler: "x".repeat(payload.saturating_sub(LEAST_PAYLOAD)),
            session: client_id.map(|id| format!(r#","clientId":"{id}","id":"p"}}]"#)),
        }
    }

    pub(crate) fn frame(&self, room: usize, number: u64, out: &mut Vec<u8>) {
        let wire = BASE + room as u64 * ROOM_SPAN + number;
        let (begin, end) = self.session.as_deref().map_or(("", "}"), |session| ("[", session));
        let channel = channel(room);
        let text = format!(r#"{begin}{{"channel":"{channel}","data":{{"s":{wire},"p":"{}"}}{end}"#, self.filler);
        frames::client(frames::Kind::Text, text.as_bytes(), out);
    }
}

/// Room and number of each delivery in `body`; `None` where a number is not one of ours.
pub(crate) fn numbers(body: &[u8]) -> impl Iterator<Item = Option<(usize, u64)>> {
    memmem::find_iter(body, KEY).map(move |at| {
        let digits = body.get(at + KEY.len()..at + KEY.len() + DIGITS)?;
        let number = digits.iter().try_fold(0, |sum, digit| match digit {
            b'0'..=b'9' => Some(sum * 10 + u64::from(digit - b'0')),
            _ => None,
        })?;
        let number = u64::checked_sub(number, BASE)?;
        Some((usize::try_from(number / ROOM_SPAN).ok()?, number % ROOM_SPAN))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(template: &Template, room: usize, number: u64) -> String {
        let mut bytes = Vec::new();
        template.frame(room, number, &mut bytes);
        let frame = frames::next(&bytes).expect("a frame").expect("complete");
        String::from_utf8(bytes[frame.payload].to_vec()).expect("UTF-8")
    }

    #[test]
    fn a_publish_is_as_long_as_was_asked_for_and_tells_its_room_and_number() {
        let floor = Template::new(100, None);
        let message = text(&floor, 42, 7);
        let data = &message[message.find("\"data\":").expect("data") + 7..message.len() - 1];
        assert_eq!(data.len(), 100);
        assert_eq!(room_of(message.as_bytes()), Some(42));
        let two = format!("[{message},{}]", text(&floor, 799, 8));
        assert_eq!(numbers(two.as_bytes()).collect::<Vec<_>>(), [Some((42, 7)), Some((799, 8))]);

        let served = text(&Template::new(100, Some("abc")), 42, 7);
        assert_eq!(served, format!(r#"[{},"clientId":"abc","id":"p"}}]"#, &message[..message.len() - 1]));
    }

    #[test]
    fn what_is_no_number_of_ours_is_said_to_be_none() {
        for strange in [r#"{"s":12}"#, r#"{"s":1234567890x2}"#, r#"{"s":012345678901}"#, r#"{"s":"#] {
            assert_eq!(numbers(strange.as_bytes()).collect::<Vec<_>>(), [None], "{strange}");
        }
        assert_eq!(numbers(br#"[{"successful":true}]"#).count(), 0);
    }
}
