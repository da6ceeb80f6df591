//! Time is asked for, never grabbed: the driver is the only one who sleeps.

mod system;
mod virtual_clock;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;

pub use system::SystemClock;
pub(crate) use system::{boot_now, pause};
pub use virtual_clock::VirtualClock;

/// Where the time comes from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;
    /// Returns at `at` or later. Only the driver calls it.
    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// Whether time passes only because the driver sleeps. Such a driver performs in a fixed order and sleeps only when
    /// nothing is in flight and no commit is pending, so that the same seed gives the same journal.
    fn is_virtual(&self) -> bool {
        false
    }
}
