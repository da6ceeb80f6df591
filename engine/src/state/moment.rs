//! When an event was recorded, and how long ago that is.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Now;
use crate::ids::Seq;
use crate::state::RunState;

/// When an event was recorded, by both clocks and in the order of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The wall clock: for people.
    pub(crate) utc: Timestamp,
    /// The boot-time clock since the driver took the run; zero for what an earlier driver recorded.
    pub(crate) boot: Duration,
    /// The event's place in the journal.
    pub(crate) seq: Seq,
}

impl Moment {
    /// The same moment with another time for people.
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

    /// How long ago `moment` is, for waits that go on across a restart. What an earlier driver recorded is as old as the
    /// wall clock says at the take-over: never negative, should that clock have been ahead then.
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
