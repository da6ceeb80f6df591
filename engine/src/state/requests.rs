//! Requests whose response is not known and that may still take effect: a driver that died, a time-out or a broken
//! connection ends the waiting for a response, not the request.

use std::time::Duration;

use crate::state::moment::Moment;

/// An attempt whose request may still take effect: sent, as far as is known, and without a definite response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsettled {
    /// Number of the attempt.
    pub(crate) attempt: u32,
    /// Its last possible send: when the request failed or timed out; after the death of its driver, the take-over.
    pub(crate) sent: Moment,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Creates or updates.
    Put,
    /// Deletes.
    Delete,
}

/// The unsettled attempts of one step. All requests of a kind have the same window, so that the last attempt of a sort
/// speaks for those before it: its window ends last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    put: Option<Unsettled>,
    delete: Option<Unsettled>,
}

impl Requests {
    /// An attempt's response did not come. Neither a later read nor a later attempt takes it back: only time does.
    pub(crate) fn unsettled(&mut self, does: Does, attempt: u32, sent: Moment) {
        let entry = match does {
            Does::Put => &mut self.put,
            Does::Delete => &mut self.delete,
        };
        *entry = Some(Unsettled { attempt, sent });
    }

    /// The last that deletes.
    pub(crate) fn last_delete(&self) -> Option<Unsettled> {
        self.delete
    }

    /// The last of both.
    pub(crate) fn last(&self) -> Option<Unsettled> {
        later(self.put, self.delete)
    }
}

/// The one that was sent last.
pub(crate) fn later(one: Option<Unsettled>, other: Option<Unsettled>) -> Option<Unsettled> {
    [one, other].into_iter().flatten().max_by_key(|unsettled| (unsettled.sent.boot, unsettled.sent.seq))
}

impl Unsettled {
    /// How long its request may still take effect; `None`: not any more.
    pub(crate) fn left(&self, window: Duration, now: Duration) -> Option<Duration> {
        let left = self.sent.boot.saturating_add(window).saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }
}
