//! Where nothing changes for a while, a line says that it is still at work.

use jiff::{SignedDuration, Timestamp};

/// Without a change for this long, somebody who reads along would begin to wonder.
const EVERY: SignedDuration = SignedDuration::from_secs(30);

/// When something was said last.
#[derive(Debug, Default)]
pub(super) struct Heartbeat(Option<Timestamp>);

impl Heartbeat {
    /// Something was said.
    pub(super) fn said(&mut self, at: Timestamp) {
        self.0 = Some(at);
    }

    /// Whether it is time for a line; if so, it counts as said.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let last = *self.0.get_or_insert(now);
        let due = now.duration_since(last) >= EVERY;
        if due {
            self.0 = Some(now);
        }
        due
    }
}
