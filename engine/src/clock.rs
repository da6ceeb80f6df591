//! Clocks: the wall clock (UTC), for people and their deadlines, and the boot-time clock, for every other wait.
//!
//! The wall clock can be set. The boot-time clock only goes forward, and goes on while the machine is suspended, but means
//! nothing in another process or after a reboot.

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
    /// The wall clock. It can go back: order comes from sequence numbers, never from it.
    pub utc: Timestamp,
    /// The boot-time clock. In a run's state: since its driver took it; everything recorded earlier is at zero, so that a
    /// wait that counts from there starts again in full in a new process.
    pub boot: Duration,
}

/// Where the time comes from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// The boot-time clock: counts from an arbitrary moment, never goes back, and goes on during a suspend.
    fn boot(&self) -> Duration;
    /// A date that only goes forward: the wall clock as it was when this process first read it, and what the boot-time
    /// clock counted since. For spans within this process that are also shown to people.
    fn steady(&self) -> Timestamp;
    /// Returns when the boot-time clock has gone on by `time`, or later. Only the driver calls it.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// Whether time passes only because the driver sleeps. Such a driver performs in a fixed order and sleeps only when
    /// nothing is in flight and no commit is pending, so that the same seed gives the same journal.
    fn is_virtual(&self) -> bool {
        false
    }
    /// Both clocks.
    fn read(&self) -> Now {
        Now { utc: self.now(), boot: self.boot() }
    }
}
