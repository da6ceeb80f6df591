//! Times and spans for people. Times are always UTC, so that logs of two tenants can be compared.

use jiff::Timestamp;

/// `2026-11-23T08:31:07Z`.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `08:31`; with the date if `at` is not on the day of `now`.
pub(crate) fn since(at: Timestamp, now: Timestamp) -> String {
    let same_day = at.strftime("%Y-%m-%d").to_string() == now.strftime("%Y-%m-%d").to_string();
    at.strftime(if same_day { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
}

/// `30 s`, `10 min`, `2 h 5 min`, `3 d`.
pub(crate) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let two = |big: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// The span from `from` to `to`, in words.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> String {
    span(to.duration_since(from).as_secs())
}

/// The time until `at`, counted from `now`: `in 30 s`, or `now`.
pub(crate) fn ahead(now: Timestamp, at: Timestamp) -> String {
    match at.duration_since(now).as_secs() {
        ..1 => "now".to_owned(),
        seconds => format!("in {}", span(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_due_now() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |millis| Timestamp::from_millisecond(millis).unwrap_or(now);
        assert_eq!(ahead(now, at(30_900)), "in 30 s");
        assert_eq!(ahead(now, at(900)), "now");
        assert_eq!(ahead(at(5_000), now), "now");
    }

    #[test]
    fn spans_name_two_units_at_most() {
        for (seconds, text) in [
            (-3, "0 s"),
            (30, "30 s"),
            (600, "10 min"),
            (605, "10 min 5 s"),
            (7_500, "2 h 5 min"),
            (259_200, "3 d"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn another_day_is_named() {
        let at = Timestamp::UNIX_EPOCH;
        assert_eq!(since(at, at), "00:00");
        assert_eq!(since(at, Timestamp::from_second(90_000).unwrap_or(at)), "1970-01-01 00:00");
    }
}
