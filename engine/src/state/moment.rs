//! The time of an event, and how long ago that was.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Now;
use crate::ids::Seq;
use crate::state::RunState;

/// The time of an event, by both clocks and in the order of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The wall clock: for people.
    pub(crate) utc: Timestamp,
    /// The boot-time clock since the driver took the run; zero for events of an earlier driver.
    pub(crate) boot: Duration,
    /// The event's position in the journal.
    pub(crate) seq: Seq,
}

impl Moment {
    /// The same moment with another wall-clock time.
    pub(crate) fn told(self, utc: Timestamp) -> Self {
        Moment { utc, ..self }
    }
}

impl RunState {
    /// Sets the boot-time clock to a reading that counts from when the driver took the run; called before each event that
    /// this driver records. A journal that is only read stays at zero.
    pub(crate) fn advance(&mut self, boot: Duration) {
        self.boot = self.boot.max(boot);
    }

    /// How long ago `moment` was, for waits that continue across a restart. An event of an earlier driver is as old as the
    /// wall clock said at the take-over; never negative, in case that clock was ahead.
    pub(crate) fn elapsed(&self, moment: Moment, now: Now) -> Duration {
        match self.took {
            Some((seq, took)) if moment.seq < seq => {
                let before = Duration::try_from(took.duration_since(moment.utc)).unwrap_or_default();
                before.saturating_add(now.boot)
            }
            _ => now.boot.saturating_sub(moment.boot),
        }
    }
}
