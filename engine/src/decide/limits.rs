//! Default numbers for everything that a plan leaves open: how often, how long, how soon.

use std::time::Duration;

use twinspan_plans::StepDef;

use crate::schedule::Schedule;
use crate::wait::WaitKind;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// Time limit of one attempt.
pub(crate) const TIMEOUT: Duration = minutes(5);
/// No retry begins later than this after the first failure.
const WITHIN: Duration = minutes(15);
/// How long a new permission may take to become effective.
pub(super) const PROPAGATION: Duration = minutes(15);
/// How soon it is checked: usually it takes much less than the documented maximum.
pub(super) const PROPAGATION_LOOK: Schedule = Schedule::new(seconds(5), seconds(60));
/// Time limit of a wait for the remote.
const REMOTE: Duration = minutes(30);
/// Interval between two reads that must agree on an absence.
pub(super) const AGREEING: Duration = seconds(3);
/// How many reads in a row must agree on an absence: the remote accepts a delete before it is complete, and reads go to
/// replicas of which some are late.
pub(super) const GONE: u32 = 3;

const RETRY: Schedule = Schedule::new(seconds(1), seconds(60));
const PEOPLE: Schedule = Schedule::new(seconds(30), minutes(10));
/// Most operations of the remote finish at once; the rest take minutes.
const OTHERS: Schedule = Schedule::new(Duration::from_millis(500), seconds(30));
const PROGRAM: Schedule = Schedule::new(seconds(1), seconds(10));
const LIMIT: Schedule = Schedule::new(seconds(5), minutes(5));

/// The schedule of a step's retries.
pub(super) fn retry(step: &StepDef) -> Schedule {
    Schedule::new(step.retry.first.unwrap_or(RETRY.first), step.retry.cap.unwrap_or(RETRY.cap))
}

/// The limits of retries: number of failures, and time since the first.
pub(super) fn bounds(step: &StepDef) -> (Option<u32>, Option<Duration>) {
    match (step.retry.attempts, step.retry.within) {
        (None, None) => (None, Some(WITHIN)),
        (attempts, within) => (attempts, within),
    }
}

/// The schedule of checks of a wait.
pub(super) fn look(kind: WaitKind) -> Schedule {
    match kind {
        WaitKind::Person | WaitKind::Approval | WaitKind::Credential | WaitKind::Permission => PEOPLE,
        WaitKind::Remote | WaitKind::Claim | WaitKind::Timer | WaitKind::Window => OTHERS,
        WaitKind::Limit => LIMIT,
        WaitKind::Program => PROGRAM,
    }
}

/// How long a wait may last; `None`: no limit. `give_up_after` of the plan applies to every wait that a person or the remote
/// can end; a timer, a window and a rate limit end by themselves.
pub(super) fn give_up_after(step: &StepDef, kind: WaitKind) -> Option<Duration> {
    match kind {
        WaitKind::Timer | WaitKind::Window | WaitKind::Limit | WaitKind::Program => None,
        WaitKind::Remote => Some(step.give_up_after.unwrap_or(REMOTE)),
        WaitKind::Person
        | WaitKind::Approval
        | WaitKind::Credential
        | WaitKind::Permission
        | WaitKind::Claim => step.give_up_after,
    }
}
