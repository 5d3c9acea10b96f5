//! Durations, sizes and addresses as people write them.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

/// Where to listen: what was written, and the addresses it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) text: String,
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Reads an address or a name, and a port.
pub(crate) fn parse_listen(text: &str) -> Result<Listen, String> {
    let found: Vec<_> = text.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    if found.is_empty() {
        return Err(
            "write an address or a name of this machine, and a port, as in 127.0.0.1:8080 or localhost:8080".to_owned()
        );
    }
    Ok(Listen { text: text.to_owned(), addresses: found })
}

/// Reads `500ms`, `20s`, `2m`, `1h`, or a plain number of milliseconds; up to a day.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "ms" | "" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    const DAY: u64 = 86_400_000;
    let millis =
        factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor)).filter(|millis| *millis <= DAY);
    millis.map(Duration::from_millis).ok_or_else(|| "write a time as 500ms, 20s, 2m or 1h, up to a day".to_owned())
}

/// As [`parse_duration`], but not nothing.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text)?;
    if span.is_zero() { Err("write a time above zero, such as 10s".to_owned()) } else { Ok(span) }
}

/// Reads `64KiB`, `16MiB`, `1GiB`, or a plain number of bytes; up to a TiB.
pub(crate) fn parse_bytes(text: &str) -> Result<usize, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    let bytes = bytes.filter(|bytes| *bytes <= 1 << 40).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| "write a size as 64KiB, 16MiB, 1GiB, or a number of bytes, up to 1024GiB".to_owned())
}

/// As [`parse_bytes`], but not nothing.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let size = parse_bytes(text)?;
    if size == 0 { Err("write a size above zero, such as 64KiB".to_owned()) } else { Ok(size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_be_names() {
        assert_eq!(parse_listen("127.0.0.1:80").map(|it| it.addresses), Ok(vec![([127, 0, 0, 1], 80).into()]));
        assert!(
            parse_listen("localhost:80").is_ok_and(|it| it.addresses.iter().all(|address| address.ip().is_loopback()))
        );
        for text in ["", "80", "127.0.0.1", ":80x", "127.0.0.1:99999", "no such name:80"] {
            assert!(parse_listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_read_as_written() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("64KiB", 65_536),
            ("16MiB", 16 << 20),
            ("1GiB", 1 << 30),
            ("1024GiB", 1 << 40),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "KiB", "-1", "1.5GiB", "64KB", "64k", "64 KiB", "1025GiB", "99999999999999999999", "17179869184GiB"]
        {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert!(parse_size("0KiB").is_err());
    }

    #[test]
    fn durations_read_as_written() {
        for (text, millis) in [
            ("0", 0),
            ("250", 250),
            ("500ms", 500),
            ("20s", 20_000),
            ("2m", 120_000),
            ("1440m", 86_400_000),
            ("24h", 86_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "1.5s", "-1", "25h", "1d", "20 s", "1441m", "99999999999999999999"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
