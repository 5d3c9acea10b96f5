//! Durations as people write them.

use std::time::Duration;

/// Reads `500ms`, `20s`, `2m`, or a plain number of milliseconds; up to a day.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "ms" | "" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    const DAY: u64 = 86_400_000;
    let millis =
        factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor)).filter(|millis| *millis <= DAY);
    millis.map(Duration::from_millis).ok_or_else(|| "write a time as 500ms, 20s or 2m, up to a day".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_written() {
        for (text, millis) in
            [("0", 0), ("250", 250), ("500ms", 500), ("20s", 20_000), ("2m", 120_000), ("1440m", 86_400_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "1.5s", "-1", "1h", "20 s", "1441m", "99999999999999999999"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
