//! Clocks: the wall clock (UTC) for people and their deadlines, and the boot-time clock for all other waits.
//!
//! The wall clock can be set. The boot-time clock only moves forward, continues while the machine is suspended, and is
//! meaningless in another process or after a reboot.

mod system;
mod virtual_clock;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

pub use system::SystemClock;
pub(crate) use system::{boot_now, pause};
pub use virtual_clock::VirtualClock;

/// A reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// The wall clock. It can go back; the order of events is that of sequence numbers.
    pub utc: Timestamp,
    /// The boot-time clock. In a run's state: since its driver took it; everything recorded earlier is at zero, so that a
    /// wait which counts from there starts again in full in a new process.
    pub boot: Duration,
}

/// A source of time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// The boot-time clock: starts at an arbitrary moment, never goes back, and continues during a suspend.
    fn boot(&self) -> Duration;
    /// A time that only moves forward: the wall clock at this process's first reading, plus what the boot-time clock counted
    /// since. For intervals within this process that are also shown to people.
    fn steady(&self) -> Timestamp;
    /// Returns when the boot-time clock has advanced by `time`, or later. Only the driver calls it.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// Whether time passes only when the driver sleeps. Such a driver performs in a fixed order and sleeps only when nothing
    /// is in flight and no commit is pending, so that the same seed gives the same journal.
    fn is_virtual(&self) -> bool {
        false
    }
    /// Both clocks.
    fn read(&self) -> Now {
        Now { utc: self.now(), boot: self.boot() }
    }
}
