//! Durations as people write them: `30s`, `10m`, `24h`, `2d`, `1h30m`.

use std::time::Duration;

/// Maximum duration: ten years of 366 days. Longer durations are mistakes, and time stamps must not overflow.
const LONGEST: u64 = 10 * 366 * 24 * 60 * 60;

/// Parses a duration; `None`: not a duration.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let part = match &rest[..unit] {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" | "min" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(60 * 60)?),
            "d" => Duration::from_secs(number.checked_mul(24 * 60 * 60)?),
            "w" => Duration::from_secs(number.checked_mul(7 * 24 * 60 * 60)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = rest[unit..].trim_start();
    }
    (total.as_secs() <= LONGEST).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("30s"), Some(30));
        assert_eq!(seconds("1h30m"), Some(5400));
        assert_eq!(seconds("1h 30m"), Some(5400));
        assert_eq!(seconds("2d"), Some(172_800));
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        for bad in ["", "5", "m", "-5m", "1.5h", "5 parsecs", "99999999999999999999s", "20000d", "5é"] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }
}
