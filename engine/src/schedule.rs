//! Schedules of retries and checks: `backoff`'s exponential policy, used without its timer and random numbers. The jitter is
//! derived from the run's seed, so that a replay uses the same times. No other file uses `backoff`.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use backoff::Clock;
use backoff::backoff::Backoff as _;
use backoff::exponential::{ExponentialBackoff, ExponentialBackoffBuilder};
use twinspan_plans::Digest;

/// Delays that double from `first` to `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The delay before the second attempt.
    pub(crate) first: Duration,
    /// The longest delay.
    pub(crate) cap: Duration,
}

/// Doublings after which any schedule has reached its cap.
const LONGEST: u32 = 64;

/// A constant clock: the policy only counts; our own rules limit retries.
#[derive(Debug, Default)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        #[expect(clippy::disallowed_methods, reason = "the policy wants an origin; no time is read off it")]
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        *ORIGIN
    }
}

impl Schedule {
    pub(crate) const fn new(first: Duration, cap: Duration) -> Self {
        Schedule { first, cap }
    }

    /// The delay after attempt `count`, from 1.
    pub(crate) fn delay(self, count: u32) -> Duration {
        let mut policy: ExponentialBackoff<Still> = ExponentialBackoffBuilder::<Still>::new()
            .with_initial_interval(self.first.min(self.cap))
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_interval(self.cap)
            .with_max_elapsed_time(None)
            .build();
        let mut delay = self.first.min(self.cap);
        for _ in 0..count.clamp(1, LONGEST) {
            delay = policy.next_backoff().unwrap_or(self.cap);
        }
        // The policy computes in floating nanoseconds.
        Duration::from_millis(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)).min(self.cap)
    }

    /// The delay before poll number `count`, from 1, so that polls take place `first`, twice, four times … that long after
    /// the beginning.
    pub(crate) fn interval(self, count: u32) -> Duration {
        self.delay(count.saturating_sub(1).max(1))
    }

    /// The delay, plus or minus a quarter, so that steps which failed together do not retry together.
    pub(crate) fn jittered(self, count: u32, seed: &str) -> Duration {
        let digest = Digest::of(format!("{seed}/{count}").as_bytes());
        let drawn = u16::from_be_bytes([digest.0[0], digest.0[1]]);
        let delay = self.delay(count);
        delay - delay / 4 + delay.mul_f64(f64::from(drawn) / (2.0 * 65_536.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule::new(Duration::from_secs(1), Duration::from_secs(60));

    #[test]
    fn delays_double_up_to_the_cap() {
        let delays: Vec<u64> = (1..=9).map(|count| SCHEDULE.delay(count).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(SCHEDULE.delay(u32::MAX), Duration::from_secs(60));
    }

    #[test]
    fn polls_are_made_at_doubled_times_after_the_beginning() {
        let schedule = Schedule::new(Duration::from_millis(500), Duration::from_secs(30));
        let mut at = Duration::ZERO;
        let made = (1..=9).map(|count| {
            at += schedule.interval(count);
            at.as_secs_f64()
        });
        assert_eq!(made.collect::<Vec<_>>(), [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 62.0, 92.0]);
    }

    #[test]
    fn jitter_is_the_same_for_the_same_seed_and_bounded() {
        let mut distinct = std::collections::BTreeSet::new();
        for count in 1..20 {
            let delay = SCHEDULE.jittered(count, "run/step/1");
            assert_eq!(delay, SCHEDULE.jittered(count, "run/step/1"));
            let plain = SCHEDULE.delay(count);
            assert!(delay >= plain.mul_f64(0.74) && delay <= plain.mul_f64(1.26), "{delay:?} for {plain:?}");
            distinct.insert(SCHEDULE.jittered(3, &format!("run/step/{count}")));
        }
        assert!(distinct.len() > 10, "seeds make a difference");
    }
}
