//! The meaning of a failure, by its class; limits of waits and retries.

use std::time::Duration;

use jiff::Timestamp;

use crate::decide::facts::StepCase;
use crate::decide::limits;
use crate::event::StepEvent;
use crate::failure::{FailureClass, StepError};
use crate::observation::Phase;
use crate::state::moment::Moment;
use crate::state::record::WaitMark;
use crate::state::{Direction, StepState};
use crate::suggested;
use crate::wait::{Wait, WaitKind};

/// Error code of a step that waited too long.
const GAVE_UP: &str = "GaveUpWaiting";

impl StepCase<'_> {
    /// The wall-clock time after an interval.
    pub(super) fn later(&self, after: Duration) -> Timestamp {
        self.now.utc.saturating_add(after).unwrap_or(Timestamp::MAX)
    }

    /// The event for a failure that certainly changed nothing.
    pub(super) fn failed(&self, error: &StepError, phase: Phase) -> StepEvent {
        if let StepState::Uncertain { attempt, ended, direction, .. } = &self.record.state {
            // The read failed, not the write: the outcome stays unknown until a read succeeds (U1).
            let error = self.worded(error);
            let count = self.record.failed_looks + 1;
            let after = match &error.wait {
                Some(wait) => wait
                    .next_check
                    .or(error.retry_after)
                    .unwrap_or_else(|| limits::look(wait.kind).delay(count)),
                None => self.retry_delay(count, &error),
            };
            return StepEvent::Uncertain {
                attempt: *attempt,
                phase: direction.write(),
                error: Some(error),
                ended: *ended,
                next_check: self.later(after),
            };
        }
        // A refused write begins again with a probe: the resource may have changed meanwhile.
        let again = if phase.writes() { phase.direction().probe() } else { phase };
        match error.class {
            FailureClass::Transient | FailureClass::ConflictRetryable | FailureClass::ReplicationLag => {
                self.try_again(error.clone(), phase)
            }
            FailureClass::Throttled => {
                let mut wait = self.words(error, WaitKind::Limit);
                wait.next_check = error.retry_after.or(wait.next_check);
                self.waiting(wait, again)
            }
            FailureClass::InProgress => self.waiting(self.words(error, WaitKind::Program), again),
            FailureClass::Propagation => {
                let mut wait = self.words(error, WaitKind::Remote);
                let looks = self.record.wait_mark(wait.kind, true).map_or(0, |mark| mark.looks);
                wait.next_check.get_or_insert_with(|| limits::PROPAGATION_LOOK.interval(looks + 1));
                self.waiting_within(wait, again, Some(limits::PROPAGATION), Some(error))
            }
            FailureClass::Credential => self.waiting(self.words(error, WaitKind::Credential), again),
            FailureClass::NeedsPerson => self.waiting(self.words(error, WaitKind::Person), again),
            FailureClass::Permission => self.waiting(self.words(error, WaitKind::Permission), again),
            FailureClass::Policy | FailureClass::PlanWrong | FailureClass::Bug => {
                self.stopped(error.clone(), phase)
            }
        }
    }

    /// The events for a read that proves that an uncertain write had no effect: the same as if its own response had said so.
    pub(super) fn found_not_done(&self, error: &StepError) -> Vec<StepEvent> {
        let write = self.record.state.direction().unwrap_or(Direction::Forward).write();
        let failures = self.record.failures.count.max(1);
        let settled = StepEvent::RetryWait {
            error: error.clone(),
            phase: write,
            failures,
            since: self.failing_since(),
            until: self.later(self.retry_delay(failures, error)),
        };
        match error.class {
            FailureClass::Policy | FailureClass::PlanWrong | FailureClass::Bug => {
                vec![settled, self.stopped(error.clone(), write)]
            }
            _ => vec![settled],
        }
    }

    /// The write was sent, and its outcome is unknown.
    pub(super) fn uncertain(&self, error: &StepError, ended: Timestamp) -> StepEvent {
        // Only a read can show the outcome, so the first comes soon, whatever the class of the failure.
        let delay = self.retry_delay(1, error);
        let direction = self.record.state.direction().unwrap_or(Direction::Forward);
        StepEvent::Uncertain {
            attempt: self.record.attempts,
            phase: direction.write(),
            error: Some(StepError { wait: None, ..error.clone() }),
            ended,
            next_check: self.later(delay),
        }
    }

    /// The step fails, or its undo stops.
    pub(super) fn stopped(&self, error: StepError, phase: Phase) -> StepEvent {
        match phase.direction() {
            Direction::Undo if !self.record.replacing => StepEvent::UndoStopped { error },
            Direction::Forward | Direction::Undo => StepEvent::Failed { error, phase },
        }
    }

    /// Retries by the schedule, until the limits are reached.
    pub(super) fn try_again(&self, error: StepError, phase: Phase) -> StepEvent {
        let failures = self.record.failures.count + 1;
        let first = self.record.failures.since;
        let since = self.failing_since();
        if self.is_too_much(failures, first) {
            return self.stopped(self.given_up(&error, failures, since), phase);
        }
        StepEvent::RetryWait {
            until: self.later(self.retry_delay(failures, &error)),
            error,
            phase,
            failures,
            since,
        }
    }

    /// The write was accepted, and a read does not show its effect yet.
    pub(super) fn not_visible(&self, what: &str, phase: Phase) -> StepEvent {
        self.try_again(StepError::new(FailureClass::ReplicationLag, what), phase)
    }

    /// The end of a step whose retry limits are reached, before another write.
    pub(super) fn exhausted(&self, phase: Phase) -> Option<StepEvent> {
        let failures = self.record.failures;
        let (first, error) = (failures.since?, self.record.last_error.as_ref()?);
        self.is_too_much(failures.count, Some(first))
            .then(|| self.stopped(self.given_up(error, failures.count, first.utc), phase))
    }

    /// When the first of the failures in a row was; now, if there was none.
    pub(super) fn failing_since(&self) -> Timestamp {
        self.record.failures.since.map_or(self.now.utc, |first| first.utc)
    }

    fn is_too_much(&self, failures: u32, first: Option<Moment>) -> bool {
        let (attempts, within) = limits::bounds(self.step);
        let tried = first.map(|first| self.state.elapsed(first, self.now)).unwrap_or_default();
        let late = within.is_some_and(|within| tried >= within);
        late || attempts.is_some_and(|attempts| failures >= attempts)
    }

    fn given_up(&self, error: &StepError, failures: u32, since: Timestamp) -> StepError {
        let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times") };
        StepError {
            message: format!("{error} (failed {times} since {since})"),
            hint: Some(error.hint.clone().unwrap_or_else(|| self.retry_hint())),
            ..error.clone()
        }
    }

    fn retry_hint(&self) -> String {
        format!("when the cause is gone: {}", suggested::of_step("retry", self.run, &self.item.key))
    }

    pub(super) fn retry_delay(&self, count: u32, error: &StepError) -> Duration {
        let seed = format!("{}/{}/{}/{}", self.state.seed(), self.run, self.item.key, self.record.attempts);
        let delay = limits::retry(self.step).jittered(count, &seed);
        error.retry_after.map_or(delay, |told| told.max(delay))
    }

    /// Adds the wait of the error's class, if the class has one.
    fn worded(&self, error: &StepError) -> StepError {
        let kind = match error.class {
            FailureClass::Throttled => WaitKind::Limit,
            FailureClass::InProgress => WaitKind::Program,
            FailureClass::Credential => WaitKind::Credential,
            FailureClass::NeedsPerson => WaitKind::Person,
            FailureClass::Permission => WaitKind::Permission,
            _ => return StepError { wait: None, ..error.clone() },
        };
        error.clone().wait(self.words(error, kind))
    }

    fn words(&self, error: &StepError, kind: WaitKind) -> Wait {
        match &error.wait {
            Some(wait) => (**wait).clone(),
            None => {
                let wait = Wait::new(kind, error.message.clone());
                match &error.hint {
                    Some(hint) => wait.action(hint.clone()),
                    None => wait,
                }
            }
        }
    }

    /// Waits for the next check; the first check of a wait sets its deadline.
    pub(super) fn waiting(&self, wait: Wait, phase: Phase) -> StepEvent {
        let bound = limits::give_up_after(self.step, wait.kind);
        self.waiting_within(wait, phase, bound, None)
    }

    /// The time left until a wait's deadline. For people the deadline is a date of the wall clock; for the remote it is an
    /// interval of the boot-time clock, which setting the wall clock does not change.
    fn left(&self, kind: WaitKind, mark: Option<&WaitMark>, deadline: Timestamp) -> Duration {
        let until = |from: Timestamp| Duration::try_from(deadline.duration_since(from)).unwrap_or_default();
        match mark.filter(|_| !kind.needs_a_person()) {
            Some(mark) => until(mark.since.utc).saturating_sub(self.state.elapsed(mark.since, self.now)),
            None => until(self.now.utc),
        }
    }

    fn waiting_within(
        &self,
        wait: Wait,
        phase: Phase,
        bound: Option<Duration>,
        cause: Option<&StepError>,
    ) -> StepEvent {
        let mark = self.record.wait_mark(wait.kind, bound.is_some());
        let since = mark.map_or(self.now.utc, |mark| mark.since.utc);
        let deadline = match mark {
            Some(mark) => mark.deadline,
            None => bound.map(|bound| self.later(bound)),
        };
        let left = deadline.map(|deadline| self.left(wait.kind, mark, deadline));
        if left.is_some_and(|left| left.is_zero()) {
            let class = match (wait.kind, cause) {
                (_, Some(cause)) => cause.class,
                (WaitKind::Permission, _) => FailureClass::Permission,
                (WaitKind::Credential, _) => FailureClass::Credential,
                (WaitKind::Person | WaitKind::Approval, _) => FailureClass::NeedsPerson,
                _ => FailureClass::Transient,
            };
            let error = StepError {
                causes: cause.map(|cause| cause.causes.clone()).unwrap_or_default(),
                references: cause.map(|cause| cause.references.clone()).unwrap_or_default(),
                ..StepError::new(class, format!("gave up waiting (since {since}): {}", wait.what))
            };
            let hint = wait.action.clone().map_or_else(
                || self.retry_hint(),
                |action| format!("{action}; then {}", suggested::of_step("retry", self.run, &self.item.key)),
            );
            return self.stopped(error.code(GAVE_UP).hint(hint), phase);
        }
        let looks = mark.map_or(0, |mark| mark.looks);
        let after = wait.next_check.unwrap_or_else(|| limits::look(wait.kind).interval(looks + 1));
        let after = left.map_or(after, |left| after.min(left));
        StepEvent::Waiting { wait, phase, since, next_check: self.later(after), deadline }
    }
}
