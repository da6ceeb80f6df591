//! Requests without a known response that may still take effect. When a driver dies, a request times out or a connection
//! breaks, only the waiting for the response ends, not the request.

use std::time::Duration;

use crate::state::moment::Moment;

/// An attempt whose request may still take effect: sent, as far as known, and without a definite response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsettled {
    /// Number of the attempt.
    pub(crate) attempt: u32,
    /// The latest possible time of its send: when the request failed or timed out; after the death of its driver, the
    /// take-over.
    pub(crate) sent: Moment,
}

/// The effect of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Creates or updates.
    Put,
    /// Deletes.
    Delete,
}

/// The unsettled attempts of one step. All requests of a kind have the same request window, so the last attempt of each sort
/// covers the earlier ones: its window ends last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    put: Option<Unsettled>,
    delete: Option<Unsettled>,
}

impl Requests {
    /// Records an attempt without a response. Neither a later read nor a later attempt ends its request window: only time
    /// does.
    pub(crate) fn unsettled(&mut self, does: Does, attempt: u32, sent: Moment) {
        let entry = match does {
            Does::Put => &mut self.put,
            Does::Delete => &mut self.delete,
        };
        *entry = Some(Unsettled { attempt, sent });
    }

    /// The last attempt that deletes.
    pub(crate) fn last_delete(&self) -> Option<Unsettled> {
        self.delete
    }

    /// The last attempt of both sorts.
    pub(crate) fn last(&self) -> Option<Unsettled> {
        later(self.put, self.delete)
    }
}

/// The attempt that was sent last.
pub(crate) fn later(one: Option<Unsettled>, other: Option<Unsettled>) -> Option<Unsettled> {
    [one, other].into_iter().flatten().max_by_key(|unsettled| (unsettled.sent.boot, unsettled.sent.seq))
}

impl Unsettled {
    /// How long its request may still take effect; `None`: no longer.
    pub(crate) fn left(&self, window: Duration, now: Duration) -> Option<Duration> {
        let left = self.sent.boot.saturating_add(window).saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }
}
