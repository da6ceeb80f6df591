//! Where one step stands: one enum that carries what belongs to each state. What changes it is in `transition`.

mod transition;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::event::{Evidence, Origin, StepEvent};
use crate::failure::StepError;
use crate::ids::Epoch;
use crate::state::moment::Moment;
use crate::step::{Decision, Phase};
use crate::wait::Wait;

/// Whether a step goes on or is being taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Towards what the plan wants.
    Forward,
    /// Taken back.
    Back,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// Its needs are not met yet.
    Pending,
    /// Its `when`, or that of a block around it, is false.
    ConditionFalse,
    /// A look at what is there is due or on its way.
    Probing {
        /// On, or back.
        way: Way,
    },
    /// Nothing is there, which is what is wanted: believed once reads agree.
    Doubting {
        /// Reads that found nothing.
        absent: Absence,
        /// When the next look is due.
        look_again: Timestamp,
    },
    /// Waits, and is looked at again.
    Waiting(Box<Waiting>),
    /// A person has to decide.
    NeedsDecision {
        /// What about.
        decision: Box<Decision>,
        /// What was being done.
        phase: Phase,
        /// Since when.
        since: Timestamp,
    },
    /// The intent is durable: the write is about to be sent, or on its way.
    Intended {
        /// On, or back.
        way: Way,
        /// Number of the attempt.
        attempt: u32,
        /// The driver that may send it.
        epoch: Epoch,
        /// For a removal: what is to be removed.
        found: Option<Arc<Value>>,
    },
    /// Sent, answer unknown: only reads can tell.
    Uncertain {
        /// On, or back.
        way: Way,
        /// Number of the attempt.
        attempt: u32,
        /// What is known of it.
        error: Option<Box<StepError>>,
        /// When the sending ended, as far as we know.
        ended: Timestamp,
        /// When the next look is due.
        look_again: Timestamp,
        /// Reads since then that found nothing.
        absent: Absence,
    },
    /// Accepted; a read that begins later has to prove it.
    Verifying {
        /// On, or back.
        way: Way,
        /// Number of the attempt.
        attempt: u32,
        /// When the write ended.
        ended: Timestamp,
        /// When the next look is due.
        look_again: Timestamp,
        /// For a removal: reads that found nothing.
        absent: Absence,
    },
    /// Tries again later.
    RetryWait {
        /// What happened.
        error: Box<StepError>,
        /// What is tried again.
        phase: Phase,
        /// Failures so far.
        failures: u32,
        /// When the first of them was.
        since: Timestamp,
        /// When.
        until: Timestamp,
    },
    /// A person leaves it out; its check runs once more for the record.
    Skipping,
    /// Found as wanted at first sight.
    Unchanged(Arc<Proof>),
    /// Proven.
    Done(Arc<Proof>),
    /// Cannot go on.
    Failed {
        /// Why.
        error: Box<StepError>,
        /// What was being done.
        phase: Phase,
    },
    /// Left out by a person.
    Skipped {
        /// Outputs, where there are any.
        output: Option<Arc<Value>>,
        /// What its check saw.
        seen: String,
    },
    /// Will not begin any more.
    Cancelled,
    /// Taken back, and proven gone.
    Undone(Box<Evidence>),
    /// Undo left it in place.
    Kept {
        /// Why.
        reason: String,
    },
    /// Undo cannot go on here.
    UndoStopped {
        /// Why.
        error: Box<StepError>,
    },
}

/// A wait that is going on.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// For what, and who can end it.
    pub wait: Wait,
    /// What is asked again.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// When it is looked at again.
    pub look_again: Timestamp,
    /// When it gives up; `None`: never.
    pub deadline: Option<Timestamp>,
}

/// A state that was proven by a read.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// What is there.
    pub output: Value,
    /// Who made it.
    pub origin: Origin,
    /// How it is known.
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

/// Everything that can change a step's state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// Its needs are met and it is applicable.
    NeedsMet,
    /// It, or a block around it, is not applicable.
    ConditionFalse,
    /// Another driver has the run.
    DriverTook,
    /// Its turn has come to be taken back.
    TakeBack,
    /// Its run is taken back, and it made nothing.
    NothingToTakeBack,
    /// Its run is taken back, and what it removed by the plan's order does not come back.
    StaysRemoved,
    /// An event of the step.
    Event(&'a StepEvent),
}

impl Phase {
    /// On, or back.
    pub fn way(self) -> Way {
        match self {
            Phase::Probe | Phase::Apply | Phase::Verify => Way::Forward,
            Phase::UndoProbe | Phase::Undo | Phase::UndoVerify => Way::Back,
        }
    }
}

impl Way {
    /// The read before the write.
    pub(crate) fn probe(self) -> Phase {
        match self {
            Way::Forward => Phase::Probe,
            Way::Back => Phase::UndoProbe,
        }
    }

    /// The write.
    pub(crate) fn write(self) -> Phase {
        match self {
            Way::Forward => Phase::Apply,
            Way::Back => Phase::Undo,
        }
    }

    /// The read after the write.
    pub(crate) fn verify(self) -> Phase {
        match self {
            Way::Forward => Phase::Verify,
            Way::Back => Phase::UndoVerify,
        }
    }
}

impl Absence {
    fn and_a_read(self, at: Moment) -> Self {
        Absence { reads: self.reads + 1, since: Some(self.since.unwrap_or(at.boot)) }
    }
}

impl StepState {
    /// What has to be performed next for it to leave this state by itself.
    pub fn phase(&self) -> Option<Phase> {
        match self {
            StepState::Probing { way } => Some(way.probe()),
            StepState::Skipping | StepState::Doubting { .. } => Some(Phase::Probe),
            StepState::Waiting(waiting) => Some(waiting.phase),
            // A write is never repeated without a look.
            StepState::RetryWait { phase, .. } if phase.writes() => Some(phase.way().probe()),
            StepState::RetryWait { phase, .. } => Some(*phase),
            StepState::Intended { way, .. } => Some(way.write()),
            StepState::Uncertain { way, .. } | StepState::Verifying { way, .. } => Some(way.verify()),
            _ => None,
        }
    }

    /// When that is due; `None`: at once, or never.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        match self {
            // What the remote is given is a span: its next check is set within it.
            StepState::Waiting(waiting) => Some(match waiting.deadline {
                Some(deadline) if waiting.wait.kind.needs_somebody() => waiting.look_again.min(deadline),
                Some(_) | None => waiting.look_again,
            }),
            StepState::RetryWait { until, .. } => Some(*until),
            StepState::Uncertain { look_again, .. }
            | StepState::Verifying { look_again, .. }
            | StepState::Doubting { look_again, .. } => Some(*look_again),
            _ => None,
        }
    }

    /// On or back, while it is under way.
    pub fn way(&self) -> Option<Way> {
        match self {
            StepState::NeedsDecision { phase, .. } => Some(phase.way()),
            other => other.phase().map(Phase::way),
        }
    }

    /// Number of the write whose outcome is not proven yet, if there is one.
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

    /// Whether a change was announced or sent and is not proven yet, on or back.
    pub(crate) fn is_changing(&self) -> bool {
        let looking_after =
            self.phase().is_some_and(|phase| !matches!(phase, Phase::Probe | Phase::UndoProbe));
        looking_after || self.is_open_attempt()
    }

    /// Whether it moves by itself, without anything from outside.
    pub fn is_working(&self) -> bool {
        match self {
            StepState::Probing { .. }
            | StepState::Doubting { .. }
            | StepState::Skipping
            | StepState::Intended { .. }
            | StepState::Verifying { .. }
            | StepState::RetryWait { .. } => true,
            StepState::Uncertain { error, .. } => error.as_ref().is_none_or(|error| error.wait.is_none()),
            _ => false,
        }
    }

    /// Whether its `for_each` element keeps its slot: it moves, or waits for something that no person does. A write of
    /// unknown outcome keeps it whatever it waits for.
    pub(crate) fn keeps_slot(&self) -> bool {
        match self {
            StepState::Waiting(waiting) => !waiting.wait.kind.needs_somebody(),
            StepState::Uncertain { .. } => true,
            other => other.is_working(),
        }
    }

    /// Whether `halt_after` counts it: it failed, or needs a decision.
    pub(crate) fn counts_against(&self) -> bool {
        match self {
            StepState::Failed { .. } => true,
            StepState::NeedsDecision { phase, .. } => phase.way() == Way::Forward,
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

    /// Whether what depends on it may begin, when nothing of it is read.
    pub fn is_met(&self) -> bool {
        matches!(
            self,
            StepState::Unchanged(_)
                | StepState::Done(_)
                | StepState::ConditionFalse
                | StepState::Skipped { .. }
        )
    }

    /// Whether a person may leave it out: nothing that it sent is open.
    pub(crate) fn next_would_skip(&self) -> bool {
        match self {
            StepState::Pending | StepState::Doubting { .. } | StepState::Failed { .. } => true,
            StepState::Probing { way } => *way == Way::Forward,
            StepState::Waiting(waiting) => waiting.phase == Phase::Probe,
            StepState::NeedsDecision { phase, .. } => phase.way() == Way::Forward,
            StepState::RetryWait { phase, .. } => matches!(phase, Phase::Probe | Phase::Apply),
            _ => false,
        }
    }

    /// Whether it may begin again with a look, to be repaired: nothing that it sent is open.
    pub(crate) fn may_reopen(&self) -> bool {
        match self {
            StepState::Done(_) | StepState::Unchanged(_) | StepState::Failed { .. } => true,
            StepState::NeedsDecision { phase, .. } => phase.way() == Way::Forward,
            StepState::Waiting(waiting) => waiting.phase == Phase::Probe,
            StepState::RetryWait { phase, .. } => matches!(phase, Phase::Probe | Phase::Apply),
            StepState::Probing { way } => *way == Way::Forward,
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

    /// Its name: stable, for machines.
    pub fn name(&self) -> &'static str {
        let back = self.way() == Some(Way::Back);
        match self {
            StepState::Pending => "pending",
            StepState::ConditionFalse => "condition-false",
            StepState::Probing { .. } if back => "undo-probing",
            StepState::Probing { .. } | StepState::Doubting { .. } => "probing",
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
    /// Its name: stable, for machines.
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
            StepEvent::LookNow => "look-now",
            StepEvent::SlotWanted => "slot-wanted",
            StepEvent::Decided { .. } => "decided",
            StepEvent::Provided { .. } => "provided",
            StepEvent::Reopened { .. } => "reopened",
            StepEvent::UndoCalledOff { .. } => "undo-called-off",
            StepEvent::Removed { .. } => "removed",
            StepEvent::Undone { .. } => "undone",
            StepEvent::Kept { .. } => "kept",
            StepEvent::UndoStopped { .. } => "undo-stopped",
        }
    }
}
