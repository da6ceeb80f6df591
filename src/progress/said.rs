//! Remembers what was written and is not repeated: headings, and waits until their next reminder.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use twinspan_engine::{RunId, StepKey, Wait, WaitKind};
use twinspan_plans::NodeId;

/// Outlives one call of the driver, so that a run that is driven again is not shown from its start.
#[derive(Debug, Default)]
pub(crate) struct Said(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// Each heading is written once, also when steps under several headings are active.
    headings: BTreeSet<(RunId, NodeId)>,
    waits: BTreeMap<(RunId, StepKey), SaidWait>,
}

/// A wait as it was last written.
#[derive(Debug)]
struct SaidWait {
    kind: WaitKind,
    what: String,
    since: Timestamp,
    /// Number of reminders that were due at that time.
    reminders: u128,
}

/// What to write about a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saying {
    /// The wait is new, or its text has changed.
    News,
    /// The wait was written, and a reminder is due.
    Reminder,
    /// The wait was written, and no reminder is due.
    Nothing,
}

impl Said {
    /// Whether the heading has to be written now.
    pub(super) fn heading(&self, run: RunId, heading: NodeId) -> bool {
        self.with(|memory| memory.headings.insert((run, heading)))
    }

    /// What to write at `now` about a wait that began at `since`. Another check is not a change; another text is.
    /// Reminders that
    /// were missed while no process ran are replaced by one.
    pub(super) fn wait(
        &self,
        run: RunId,
        step: &StepKey,
        wait: &Wait,
        since: Timestamp,
        remind: Option<Duration>,
        now: Timestamp,
    ) -> Saying {
        let reminders = remind.map_or(0, |every| passed(since, now, every));
        self.with(|memory| {
            let known = memory.waits.get_mut(&(run, step.clone()));
            if let Some(said) = known
                && said.kind == wait.kind
                && said.what == wait.what
                && said.since == since
            {
                let due = reminders > said.reminders;
                said.reminders = reminders.max(said.reminders);
                return if due { Saying::Reminder } else { Saying::Nothing };
            }
            let said = SaidWait { kind: wait.kind, what: wait.what.clone(), since, reminders };
            memory.waits.insert((run, step.clone()), said);
            Saying::News
        })
    }

    /// Records that the wait has ended: the next wait is new.
    pub(super) fn wait_ended(&self, run: RunId, step: &StepKey) {
        self.with(|memory| memory.waits.remove(&(run, step.clone())));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The number of whole periods `every` between `since` and `now`.
fn passed(since: Timestamp, now: Timestamp, every: Duration) -> u128 {
    let time = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    time.as_nanos().checked_div(every.as_nanos()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    #[test]
    fn somebody_is_reminded_each_time_the_span_has_passed_and_once_for_all_that_were_missed() {
        let said = Said::default();
        let begin = Timestamp::UNIX_EPOCH;
        let wait = Wait::new(WaitKind::Person, "the invitation has not been accepted");
        let step = StepKey::from("accepted");
        let run = RunId::of_seed(1);
        let every = Some(Duration::from_secs(86_400));
        let at = |after: SignedDuration| said.wait(run, &step, &wait, begin, every, begin + after);
        assert_eq!(at(SignedDuration::ZERO), Saying::News);
        assert_eq!(at(SignedDuration::from_hours(23)), Saying::Nothing);
        assert_eq!(at(DAY), Saying::Reminder);
        assert_eq!(at(DAY + SignedDuration::from_mins(10)), Saying::Nothing);
        assert_eq!(at(DAY * 2), Saying::Reminder);
        // No process ran on the third and fourth day.
        assert_eq!(at(DAY * 5), Saying::Reminder);
        assert_eq!(at(DAY * 5), Saying::Nothing);
        said.wait_ended(run, &step);
        assert_eq!(at(DAY * 5), Saying::News, "another wait of the same words");
    }

    #[test]
    fn who_comes_late_is_told_before_being_reminded() {
        let said = Said::default();
        let wait = Wait::new(WaitKind::Person, "w");
        let begin = Timestamp::UNIX_EPOCH;
        let step = StepKey::from("s");
        let every = Some(Duration::from_secs(86_400));
        let at =
            |wait: &Wait, days| said.wait(RunId::of_seed(1), &step, wait, begin, every, begin + DAY * days);
        assert_eq!(at(&wait, 3), Saying::News);
        assert_eq!(at(&wait, 3), Saying::Nothing);
        assert_eq!(at(&Wait::new(WaitKind::Person, "other words"), 3), Saying::News);
        assert_eq!(at(&Wait::new(WaitKind::Person, "other words"), 4), Saying::Reminder);
    }

    #[test]
    fn without_a_span_nobody_is_reminded() {
        let said = Said::default();
        let wait = Wait::new(WaitKind::Person, "w");
        let begin = Timestamp::UNIX_EPOCH;
        let step = StepKey::from("s");
        for (remind, days) in [(None, 0), (None, 400), (Some(Duration::ZERO), 400)] {
            let saying = said.wait(RunId::of_seed(1), &step, &wait, begin, remind, begin + DAY * days);
            assert_ne!(saying, Saying::Reminder, "{remind:?}");
        }
    }
}
