//! Just enough HTTP to see where a message ends.

use memchr::memmem;

/// The length of the first complete request or response in `bytes`.
pub(crate) fn complete(bytes: &[u8]) -> Option<usize> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    if let Some(length) = content_length(&bytes[..head]) {
        return (bytes.len() >= head + length).then_some(head + length);
    }
    if memmem::find(&bytes[..head], b"chunked").is_some() {
        return chunked_end(&bytes[head..]).map(|end| head + end);
    }
    Some(head)
}

fn content_length(head: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(head).ok()?;
    let line =
        text.lines().find(|line| line.get(..15).is_some_and(|name| name.eq_ignore_ascii_case("content-length:")))?;
    line[15..].trim().parse().ok()
}

/// Where a chunked body ends, if it does.
fn chunked_end(mut body: &[u8]) -> Option<usize> {
    let whole = body.len();
    loop {
        let line = memmem::find(body, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).ok()?, 16).ok()?;
        let next = line + 2 + size + 2;
        if body.len() < next {
            return None;
        }
        body = &body[next..];
        if size == 0 {
            return Some(whole - body.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_complete_at_its_last_byte() {
        for message in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            for cut in 0..message.len() {
                assert_eq!(complete(&message.as_bytes()[..cut]), None, "{cut}");
            }
            assert_eq!(complete(format!("{message}GET").as_bytes()), Some(message.len()));
        }
    }
}
