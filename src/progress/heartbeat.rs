//! The heartbeat: without a change for a while, a line says that the run continues.

use jiff::{SignedDuration, Timestamp};

/// Time without a change after which a heartbeat line is written.
const EVERY: SignedDuration = SignedDuration::from_secs(30);

/// The time of the last line.
#[derive(Debug, Default)]
pub(super) struct Heartbeat(Option<Timestamp>);

impl Heartbeat {
    /// Records that a line was written.
    pub(super) fn said(&mut self, at: Timestamp) {
        self.0 = Some(at);
    }

    /// Whether a heartbeat line is due; if so, records it as written.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let last = *self.0.get_or_insert(now);
        let due = now.duration_since(last) >= EVERY;
        if due {
            self.0 = Some(now);
        }
        due
    }
}
