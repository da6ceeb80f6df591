//! The system clocks: the only file that reads them and sleeps.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;

use super::Clock;

/// The longest single sleep. The runtime's timers stop while the machine is suspended, the boot-time clock does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// The first reading of both clocks in this process.
static FIRST: OnceLock<(Timestamp, Duration)> = OnceLock::new();

/// The system clocks; the wall clock in whole microseconds, the resolution of the journal.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this file owns the machine's time")]
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn boot(&self) -> Duration {
        boot_now()
    }

    fn steady(&self) -> Timestamp {
        let (utc, boot) = *FIRST.get_or_init(|| (self.now(), self.boot()));
        utc.saturating_add(self.boot().saturating_sub(boot)).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let until = self.boot().saturating_add(time);
        Box::pin(async move {
            loop {
                let left = until.saturating_sub(self.boot());
                if left.is_zero() {
                    return;
                }
                pause(left.min(LONGEST_SLEEP)).await;
            }
        })
    }
}

/// The clock that counts from the start of the machine, suspends included.
#[cfg(target_os = "linux")]
pub(crate) fn boot_now() -> Duration {
    since_boot(rustix::time::ClockId::Boottime)
}

/// The monotonic clock of this platform; on macOS it continues during a suspend.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn boot_now() -> Duration {
    since_boot(rustix::time::ClockId::Monotonic)
}

/// The monotonic clock, from its first reading in this process.
#[cfg(not(unix))]
pub(crate) fn boot_now() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    #[expect(clippy::disallowed_methods, reason = "this file owns the machine's time")]
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    FIRST.elapsed()
}

#[cfg(unix)]
fn since_boot(clock: rustix::time::ClockId) -> Duration {
    let read = rustix::time::clock_gettime(clock);
    // Neither part is negative: the clock counts from the start of the machine.
    let seconds = u64::try_from(read.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(read.tv_nsec).unwrap_or_default())
}

/// Waits in real time, even for a run with a virtual clock: for other processes and for the journal.
pub(crate) async fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "this file owns sleeping")]
    tokio::time::sleep(time).await;
}
