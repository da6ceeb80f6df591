//! The state of one step: one enum that carries the data of each state. `transition` holds all changes.

mod transition;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::decision::Decision;
use crate::event::{Origin, StepEvent};
use crate::failure::StepError;
use crate::ids::Epoch;
use crate::observation::Evidence;
use crate::observation::Phase;
use crate::state::moment::Moment;
use crate::wait::Wait;

/// The direction of a step: forward, or undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Towards what the plan wants.
    Forward,
    /// Undo.
    Undo,
}

/// The state of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// A need is not met yet.
    Pending,
    /// Its `when`, or that of a block around it, is false.
    ConditionFalse,
    /// A probe is due or in progress.
    Probing {
        /// Forward, or undo.
        direction: Direction,
    },
    /// Confirming absence: nothing was found, as wanted; believed once reads agree.
    ConfirmingAbsence {
        /// Reads that found nothing.
        absent: Absence,
        /// When the next check is due.
        next_check: Timestamp,
    },
    /// Waits, and is checked again.
    Waiting(Box<Waiting>),
    /// A person has to decide.
    NeedsDecision {
        /// The decision and its choices.
        decision: Box<Decision>,
        /// The phase that led to it.
        phase: Phase,
        /// Since when.
        since: Timestamp,
    },
    /// The intent is durable: the write is about to be sent, or in flight.
    Intended {
        /// Forward, or undo.
        direction: Direction,
        /// Number of the attempt.
        attempt: u32,
        /// The driver that may send it.
        epoch: Epoch,
        /// For a delete: what is to be deleted.
        found: Option<Arc<Value>>,
    },
    /// Sent, response unknown: only reads can tell the outcome.
    Uncertain {
        /// Forward, or undo.
        direction: Direction,
        /// Number of the attempt.
        attempt: u32,
        /// What is known of it.
        error: Option<Box<StepError>>,
        /// When sending ended, as far as known.
        ended: Timestamp,
        /// When the next check is due.
        next_check: Timestamp,
        /// Reads since then that found nothing.
        absent: Absence,
    },
    /// The remote accepted the write; a read that begins later has to prove it.
    Verifying {
        /// Forward, or undo.
        direction: Direction,
        /// Number of the attempt.
        attempt: u32,
        /// When the write ended.
        ended: Timestamp,
        /// When the next check is due.
        next_check: Timestamp,
        /// For a delete: reads that found nothing.
        absent: Absence,
    },
    /// A transient failure; tries again later.
    RetryWait {
        /// What happened.
        error: Box<StepError>,
        /// The phase that is retried.
        phase: Phase,
        /// Failures so far.
        failures: u32,
        /// When the first of them was.
        since: Timestamp,
        /// When the retry is due.
        until: Timestamp,
    },
    /// An operator skips it; its check runs once more for the record.
    Skipping,
    /// The first probe found the resource as wanted.
    Unchanged(Arc<Proof>),
    /// The effect is proven.
    Done(Arc<Proof>),
    /// Cannot continue.
    Failed {
        /// Why.
        error: Box<StepError>,
        /// The phase that failed.
        phase: Phase,
    },
    /// Skipped by an operator.
    Skipped {
        /// Outputs, where there are any.
        output: Option<Arc<Value>>,
        /// What its check found.
        seen: String,
    },
    /// The run's end prevents it from starting.
    Cancelled,
    /// The resource was deleted by undo, and that is proven.
    Undone(Box<Evidence>),
    /// Undo kept the resource.
    Kept {
        /// Why.
        reason: String,
    },
    /// Undo cannot continue at this step.
    UndoStopped {
        /// Why.
        error: Box<StepError>,
    },
}

/// An open wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// What it waits for, and who can end it.
    pub wait: Wait,
    /// The phase that is repeated.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// When the next check is due.
    pub next_check: Timestamp,
    /// When the wait times out; `None`: never.
    pub deadline: Option<Timestamp>,
}

/// The state of a resource as a read proved it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The current values.
    pub output: Value,
    /// Who created it.
    pub origin: Origin,
    /// The evidence.
    pub evidence: Evidence,
}

/// Reads in a row that found nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absence {
    /// How many.
    pub reads: u32,
    /// When the first of them was recorded, on the boot-time clock since the driver took the run.
    pub since: Option<Duration>,
}

/// Every cause of a change of a step's state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// All its needs are met, and its condition is true.
    NeedsMet,
    /// Its condition, or that of a block around it, is false.
    ConditionFalse,
    /// Another driver took the run.
    DriverTook,
    /// It is the step's turn to be undone.
    TakeBack,
    /// The run is undone, and this step created nothing.
    NothingToTakeBack,
    /// The run is undone, but what this step deleted for the plan cannot be recreated.
    StaysRemoved,
    /// An event of the step.
    Event(&'a StepEvent),
}

impl Phase {
    /// The direction of the phase.
    pub fn direction(self) -> Direction {
        match self {
            Phase::Probe | Phase::Apply | Phase::Verify => Direction::Forward,
            Phase::UndoProbe | Phase::Undo | Phase::UndoVerify => Direction::Undo,
        }
    }
}

impl Direction {
    /// The read before the write.
    pub(crate) fn probe(self) -> Phase {
        match self {
            Direction::Forward => Phase::Probe,
            Direction::Undo => Phase::UndoProbe,
        }
    }

    /// The write.
    pub(crate) fn write(self) -> Phase {
        match self {
            Direction::Forward => Phase::Apply,
            Direction::Undo => Phase::Undo,
        }
    }

    /// The read after the write.
    pub(crate) fn verify(self) -> Phase {
        match self {
            Direction::Forward => Phase::Verify,
            Direction::Undo => Phase::UndoVerify,
        }
    }
}

impl Absence {
    fn and_a_read(self, at: Moment) -> Self {
        Absence { reads: self.reads + 1, since: Some(self.since.unwrap_or(at.boot)) }
    }
}

impl StepState {
    /// The phase that must be performed for the step to leave this state by itself.
    pub fn phase(&self) -> Option<Phase> {
        match self {
            StepState::Probing { direction } => Some(direction.probe()),
            StepState::Skipping | StepState::ConfirmingAbsence { .. } => Some(Phase::Probe),
            StepState::Waiting(waiting) => Some(waiting.phase),
            // A write is never repeated without a probe: the earlier one may have taken effect.
            StepState::RetryWait { phase, .. } if phase.writes() => Some(phase.direction().probe()),
            StepState::RetryWait { phase, .. } => Some(*phase),
            StepState::Intended { direction, .. } => Some(direction.write()),
            StepState::Uncertain { direction, .. } | StepState::Verifying { direction, .. } => {
                Some(direction.verify())
            }
            _ => None,
        }
    }

    /// When that phase is due; `None`: at once, or never.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        match self {
            // The limit of a wait for the remote is an interval: its next check is already set within that.
            StepState::Waiting(waiting) => Some(match waiting.deadline {
                Some(deadline) if waiting.wait.kind.needs_a_person() => waiting.next_check.min(deadline),
                Some(_) | None => waiting.next_check,
            }),
            StepState::RetryWait { until, .. } => Some(*until),
            StepState::Uncertain { next_check, .. }
            | StepState::Verifying { next_check, .. }
            | StepState::ConfirmingAbsence { next_check, .. } => Some(*next_check),
            _ => None,
        }
    }

    /// The direction, while the step is in progress.
    pub fn direction(&self) -> Option<Direction> {
        match self {
            StepState::NeedsDecision { phase, .. } => Some(phase.direction()),
            other => other.phase().map(Phase::direction),
        }
    }

    /// Whether a delete request of undo is about to be sent, or was sent and is not proven.
    pub fn is_deleting(&self) -> bool {
        matches!(
            self,
            StepState::Intended { direction: Direction::Undo, .. }
                | StepState::Uncertain { direction: Direction::Undo, .. }
                | StepState::Verifying { direction: Direction::Undo, .. }
        )
    }

    /// Whether a write's outcome is not proven yet.
    pub fn is_open_attempt(&self) -> bool {
        match self {
            StepState::Intended { .. } | StepState::Uncertain { .. } | StepState::Verifying { .. } => true,
            StepState::Waiting(waiting) => waiting.phase == Phase::Verify,
            StepState::RetryWait { phase, .. } | StepState::NeedsDecision { phase, .. } => {
                *phase == Phase::Verify
            }
            _ => false,
        }
    }

    /// Whether a change was announced or sent and is not proven yet, in either direction.
    pub(crate) fn is_changing(&self) -> bool {
        let looking_after =
            self.phase().is_some_and(|phase| !matches!(phase, Phase::Probe | Phase::UndoProbe));
        looking_after || self.is_open_attempt()
    }

    /// Whether the step continues by itself, without anything from outside.
    pub fn is_working(&self) -> bool {
        match self {
            StepState::Probing { .. }
            | StepState::ConfirmingAbsence { .. }
            | StepState::Skipping
            | StepState::Intended { .. }
            | StepState::Verifying { .. }
            | StepState::RetryWait { .. } => true,
            StepState::Uncertain { error, .. } => error.as_ref().is_none_or(|error| error.wait.is_none()),
            _ => false,
        }
    }

    /// Whether its `for_each` element keeps its slot: it continues, or waits for something that no person does. A write of
    /// unknown outcome keeps the slot whatever the step waits for.
    pub(crate) fn keeps_slot(&self) -> bool {
        match self {
            StepState::Waiting(waiting) => !waiting.wait.kind.needs_a_person(),
            StepState::Uncertain { .. } => true,
            other => other.is_working(),
        }
    }

    /// Whether `halt_after` counts it: it failed, or needs a decision.
    pub(crate) fn counts_against(&self) -> bool {
        match self {
            StepState::Failed { .. } => true,
            StepState::NeedsDecision { phase, .. } => phase.direction() == Direction::Forward,
            _ => false,
        }
    }

    /// What it waits for, if it waits.
    pub fn wait(&self) -> Option<&Wait> {
        match self {
            StepState::Waiting(waiting) => Some(&waiting.wait),
            StepState::Uncertain { error: Some(error), .. } => error.wait.as_deref(),
            _ => None,
        }
    }

    /// Whether dependents that read no outputs of it may begin.
    pub fn is_met(&self) -> bool {
        matches!(
            self,
            StepState::Unchanged(_)
                | StepState::Done(_)
                | StepState::ConditionFalse
                | StepState::Skipped { .. }
        )
    }

    /// Whether an operator may skip it: no write of it is open.
    pub(crate) fn next_would_skip(&self) -> bool {
        match self {
            StepState::Pending | StepState::ConfirmingAbsence { .. } | StepState::Failed { .. } => true,
            StepState::Probing { direction } => *direction == Direction::Forward,
            StepState::Waiting(waiting) => waiting.phase == Phase::Probe,
            StepState::NeedsDecision { phase, .. } => phase.direction() == Direction::Forward,
            StepState::RetryWait { phase, .. } => matches!(phase, Phase::Probe | Phase::Apply),
            _ => false,
        }
    }

    /// Whether a repair may begin it again with a probe: no write of it is open.
    pub(crate) fn may_reopen(&self) -> bool {
        match self {
            StepState::Done(_) | StepState::Unchanged(_) | StepState::Failed { .. } => true,
            StepState::NeedsDecision { phase, .. } => phase.direction() == Direction::Forward,
            StepState::Waiting(waiting) => waiting.phase == Phase::Probe,
            StepState::RetryWait { phase, .. } => matches!(phase, Phase::Probe | Phase::Apply),
            StepState::Probing { direction } => *direction == Direction::Forward,
            _ => false,
        }
    }

    /// Every name that a state can have.
    pub const NAMES: [&'static str; 25] = [
        "pending",
        "condition-false",
        "probing",
        "waiting",
        "needs-decision",
        "intended",
        "uncertain",
        "verifying",
        "retry-wait",
        "unchanged",
        "done",
        "failed",
        "skipping",
        "skipped",
        "cancelled",
        "undo-probing",
        "undo-waiting",
        "undo-needs-decision",
        "undo-intended",
        "undo-uncertain",
        "undo-verifying",
        "undo-retry-wait",
        "undone",
        "kept",
        "undo-stopped",
    ];

    /// The state's name, stable for machines.
    pub fn name(&self) -> &'static str {
        let back = self.direction() == Some(Direction::Undo);
        match self {
            StepState::Pending => "pending",
            StepState::ConditionFalse => "condition-false",
            StepState::Probing { .. } if back => "undo-probing",
            StepState::Probing { .. } | StepState::ConfirmingAbsence { .. } => "probing",
            StepState::Waiting(_) if back => "undo-waiting",
            StepState::Waiting(_) => "waiting",
            StepState::NeedsDecision { .. } if back => "undo-needs-decision",
            StepState::NeedsDecision { .. } => "needs-decision",
            StepState::Intended { .. } if back => "undo-intended",
            StepState::Intended { .. } => "intended",
            StepState::Uncertain { .. } if back => "undo-uncertain",
            StepState::Uncertain { .. } => "uncertain",
            StepState::Verifying { .. } if back => "undo-verifying",
            StepState::Verifying { .. } => "verifying",
            StepState::RetryWait { .. } if back => "undo-retry-wait",
            StepState::RetryWait { .. } => "retry-wait",
            StepState::Skipping => "skipping",
            StepState::Unchanged(_) => "unchanged",
            StepState::Done(_) => "done",
            StepState::Failed { .. } => "failed",
            StepState::Skipped { .. } => "skipped",
            StepState::Cancelled => "cancelled",
            StepState::Undone(_) => "undone",
            StepState::Kept { .. } => "kept",
            StepState::UndoStopped { .. } => "undo-stopped",
        }
    }
}

impl StepEvent {
    /// The event's name, stable for machines.
    pub fn name(&self) -> &'static str {
        match self {
            StepEvent::CreatedEarlier { .. } => "created-earlier",
            StepEvent::Unchanged { .. } => "unchanged",
            StepEvent::Waiting { .. } => "waiting",
            StepEvent::NeedsDecision { .. } => "needs-decision",
            StepEvent::Intended { .. } => "intended",
            StepEvent::NotSent { .. } => "not-sent",
            StepEvent::Accepted { .. } => "accepted",
            StepEvent::Uncertain { .. } => "uncertain",
            StepEvent::StillAbsent { .. } => "still-absent",
            StepEvent::RetryWait { .. } => "retry-wait",
            StepEvent::Done { .. } => "done",
            StepEvent::Failed { .. } => "failed",
            StepEvent::SkipAsked { .. } => "skip-asked",
            StepEvent::Skipped { .. } => "skipped",
            StepEvent::Cancelled => "cancelled",
            StepEvent::Approved(_) => "approved",
            StepEvent::Rejected { .. } => "rejected",
            StepEvent::CheckNow => "check-now",
            StepEvent::SlotWanted => "slot-wanted",
            StepEvent::Decided { .. } => "decided",
            StepEvent::Provided { .. } => "provided",
            StepEvent::Reopened { .. } => "reopened",
            StepEvent::UndoCalledOff { .. } => "undo-called-off",
            StepEvent::Deleted { .. } => "deleted",
            StepEvent::Undone { .. } => "undone",
            StepEvent::Kept { .. } => "kept",
            StepEvent::UndoStopped { .. } => "undo-stopped",
        }
    }
}
