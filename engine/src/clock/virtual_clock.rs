//! A virtual clock: time passes only when the driver sleeps, so a rehearsal of days takes milliseconds.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Clock, Now};

/// A clock that moves only on request; both readings move together.
#[derive(Debug)]
pub struct VirtualClock {
    began: Timestamp,
    now: Mutex<Now>,
}

impl VirtualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        VirtualClock { began: now, now: Mutex::new(Now { utc: now, boot: Duration::ZERO }) }
    }

    /// Moves forward by `time`.
    pub fn advance(&self, time: SignedDuration) {
        let mut now = self.lock();
        let to = now.utc.saturating_add(time).map_or(now.utc, whole);
        go(&mut now, to);
    }

    /// Moves forward to `at`, unless it is later already.
    pub fn advance_to(&self, at: Timestamp) {
        go(&mut self.lock(), whole(at));
    }

    /// Sets the wall clock, as a person or a time server does; the boot-time clock does not change.
    pub fn set_wall(&self, at: Timestamp) {
        self.lock().utc = whole(at);
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn go(now: &mut Now, to: Timestamp) {
    if let Ok(step) = Duration::try_from(to.duration_since(now.utc)) {
        *now = Now { utc: to, boot: now.boot.saturating_add(step) };
    }
}

/// Rounds up to whole microseconds, the resolution of the journal. Rounded down, a sleeper would wake too early for ever.
fn whole(at: Timestamp) -> Timestamp {
    let down = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
    if down < at { down.saturating_add(SignedDuration::from_micros(1)).unwrap_or(at) } else { down }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.lock().utc
    }

    fn boot(&self) -> Duration {
        self.lock().boot
    }

    fn steady(&self) -> Timestamp {
        self.began.saturating_add(self.boot()).unwrap_or(Timestamp::MAX)
    }

    /// Sleeping advances the time.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move { self.advance(SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)) })
    }

    fn is_virtual(&self) -> bool {
        true
    }

    fn read(&self) -> Now {
        *self.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_never_wakes_before_its_time() {
        let begin = Timestamp::UNIX_EPOCH;
        let clock = VirtualClock::new(begin);
        let at = begin.saturating_add(SignedDuration::from_nanos(1_500)).unwrap_or(begin);
        clock.advance_to(at);
        assert!(clock.now() >= at);
        assert_eq!(clock.now().as_nanosecond(), 2_000);
        assert_eq!(clock.boot(), Duration::from_micros(2));
    }

    #[test]
    fn setting_the_wall_clock_does_not_move_the_boot_time_clock() {
        let clock = VirtualClock::new(Timestamp::UNIX_EPOCH);
        clock.advance(SignedDuration::from_secs(5));
        for hours in [-24, 24] {
            clock.set_wall(Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_hours(hours)).unwrap());
            assert_eq!(clock.boot(), Duration::from_secs(5));
            assert_eq!(clock.steady().as_second(), 5);
        }
        clock.advance(SignedDuration::from_secs(5));
        assert_eq!(clock.boot(), Duration::from_secs(10));
    }
}
