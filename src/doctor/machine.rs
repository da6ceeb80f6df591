//! The machine: free space and clock.

use jiff::{SignedDuration, Timestamp};
use twinspan_engine::{Clock, SystemClock};

use super::Check;
use crate::report::view::{between, stamp};

const MIB: u64 = 1 << 20;

/// Minimum free space: a run of a thousand steps needs a few MiB, and its log up to 64.
const TOO_LITTLE: u64 = 128 * MIB;

/// Version 0.1.0 is newer than this time, so a clock that shows an earlier time is wrong.
const NOT_BEFORE: i64 = 1_767_225_600;

/// Tolerance: a clock that is adjusted gradually may be slightly behind an earlier reading.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

pub(super) fn check_space(free: u64) -> Check {
    let seen = format!("{} are free on the journal's disk", size(free));
    if free < TOO_LITTLE {
        Check::wrong("space", seen, "free some space: a run stops as soon as its journal cannot be written")
    } else {
        Check::ok("space", seen)
    }
}

/// Checks that the clock is not behind the newest event.
pub(super) fn check_clock(newest: Option<Timestamp>, checks: &mut Vec<Check>) {
    checks.push(clock(newest, SystemClock.now()));
}

fn clock(newest: Option<Timestamp>, now: Timestamp) -> Check {
    let action = "set the clock (timedatectl set-ntp true): waits, deadlines and tokens depend on it";
    if now.as_second() < NOT_BEFORE {
        return Check::wrong(
            "clock",
            format!("it shows {}, before this program was built", stamp(now)),
            action,
        );
    }
    match newest {
        Some(newest) if newest.duration_since(now) > SLACK => Check::wrong(
            "clock",
            format!(
                "it shows {}, but the newest event is from {}, {} later",
                stamp(now),
                stamp(newest),
                between(now, newest)
            ),
            action,
        ),
        Some(newest) => {
            Check::ok("clock", format!("{}, {} after the newest event", stamp(now), between(newest, now)))
        }
        None => Check::ok("clock", stamp(now)),
    }
}

/// `84 KiB`, `12 GiB`.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", MIB), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= 2 * unit) {
        Some((name, unit)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_clock_that_was_set_back_is_noticed() {
        let now = Timestamp::from_second(NOT_BEFORE + 1_000_000).unwrap();
        let after = |seconds| Some(now + SignedDuration::from_secs(seconds));
        for (newest, state) in
            [(None, State::Ok), (after(-3600), State::Ok), (after(1), State::Ok), (after(3600), State::Wrong)]
        {
            assert_eq!(clock(newest, now).state, state, "{newest:?}");
        }
        assert!(clock(after(3600), now).seen.contains("1 h later"));
        assert_eq!(clock(None, Timestamp::UNIX_EPOCH).state, State::Wrong);
    }

    #[test]
    fn too_little_space_is_wrong() {
        assert_eq!(check_space(TOO_LITTLE - 1).state, State::Wrong);
        assert_eq!(check_space(TOO_LITTLE).state, State::Ok);
        assert_eq!(
            [size(100), size(5 << 10), size(300 << 20), size(3 << 30)],
            ["100 bytes", "5 KiB", "300 MiB", "3 GiB"]
        );
    }
}
