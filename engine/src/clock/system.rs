//! The machine's time: the one file that reads it and sleeps by it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use super::Clock;

/// The longest single sleep. A wall clock may be set, and a machine may be suspended: a sleeper looks again.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// The machine's clock, in whole microseconds: what the journal keeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this file owns the machine's time")]
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            loop {
                let left = at.duration_since(self.now());
                match Duration::try_from(left) {
                    Ok(left) if !left.is_zero() => pause(left.min(LONGEST_SLEEP)).await,
                    _ => return,
                }
            }
        })
    }
}

/// Time since this machine was started, also while it slept: what leases are counted on.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn boot_now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let whole = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(whole, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Time since this machine was started; on macOS it counts sleep, too.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::disallowed_methods, reason = "this file owns the machine's time")]
pub(crate) fn boot_now() -> Duration {
    static STARTED: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    STARTED.get_or_init(std::time::Instant::now).elapsed()
}

/// Waits in real time, whatever clock the run has: for other processes and for the journal.
pub(crate) async fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "this file owns sleeping")]
    tokio::time::sleep(time).await;
}
