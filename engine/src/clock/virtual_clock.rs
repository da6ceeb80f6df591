//! Time that passes only when somebody sleeps: a rehearsal of days takes milliseconds.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};

use super::Clock;

/// A clock that stands still until it is told.
#[derive(Debug)]
pub struct VirtualClock {
    now: Mutex<Timestamp>,
}

impl VirtualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        VirtualClock { now: Mutex::new(now) }
    }

    /// Moves on by `time`; never back.
    pub fn advance(&self, time: SignedDuration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(time).map_or(*now, |later| whole(later).max(*now));
    }

    /// Moves on to `at`, unless it is later already.
    pub fn advance_to(&self, at: Timestamp) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = whole(at).max(*now);
    }
}

/// The next whole microsecond: what the journal keeps. Rounded down, a sleeper would wake before its time for ever.
fn whole(at: Timestamp) -> Timestamp {
    let down = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
    if down < at { down.saturating_add(SignedDuration::from_micros(1)).unwrap_or(at) } else { down }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sleeper is what makes time pass.
    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move { self.advance_to(at) })
    }

    fn is_virtual(&self) -> bool {
        true
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
    }
}
