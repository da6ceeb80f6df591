//! Every number that a plan does not say: how often, how long, how soon.

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

/// Longest time of one attempt.
pub(crate) const TIMEOUT: Duration = minutes(5);
/// No retry begins later than this after the first failure.
const WITHIN: Duration = minutes(15);
/// How long a right that was given just now may take to be effective.
pub(super) const PROPAGATION: Duration = minutes(15);
/// How soon that is looked at: mostly it takes less than the longest time that is known.
pub(super) const PROPAGATION_LOOK: Schedule = Schedule::new(seconds(5), seconds(60));
/// How long the other side may take.
const REMOTE: Duration = minutes(30);
/// Between two reads that have to agree that something is gone.
pub(super) const AGREEING: Duration = seconds(3);
/// How many reads in a row have to agree that something is gone: a removal is answered before it is done, and the reads
/// that follow go to copies of which some know it later.
pub(super) const GONE: u32 = 3;

const RETRY: Schedule = Schedule::new(seconds(1), seconds(60));
const PEOPLE: Schedule = Schedule::new(seconds(30), minutes(10));
/// What the remote does by itself is mostly done at once; what is not, takes minutes.
const OTHERS: Schedule = Schedule::new(Duration::from_millis(500), seconds(30));
const PROGRAM: Schedule = Schedule::new(seconds(1), seconds(10));
const LIMIT: Schedule = Schedule::new(seconds(5), minutes(5));

/// The schedule of a step's retries.
pub(super) fn retry(step: &StepDef) -> Schedule {
    Schedule::new(step.retry.first.unwrap_or(RETRY.first), step.retry.cap.unwrap_or(RETRY.cap))
}

/// After how many failures it gives up, and how long after the first.
pub(super) fn bounds(step: &StepDef) -> (Option<u32>, Option<Duration>) {
    match (step.retry.attempts, step.retry.within) {
        (None, None) => (None, Some(WITHIN)),
        (attempts, within) => (attempts, within),
    }
}

/// How soon a wait is looked at again.
pub(super) fn look(kind: WaitKind) -> Schedule {
    match kind {
        WaitKind::Person | WaitKind::Approval | WaitKind::Credential | WaitKind::Permission => PEOPLE,
        WaitKind::Remote | WaitKind::Claim | WaitKind::Timer | WaitKind::Window => OTHERS,
        WaitKind::Limit => LIMIT,
        WaitKind::Program => PROGRAM,
    }
}

/// How long a wait may last; `None`: for ever. What the plan says counts for everything that somebody could end; a
/// timer, a window and a rate limit end by themselves.
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
