//! The one function that changes a step's state; it refuses an event that does not fit.

use std::sync::Arc;

use serde_json::Value;

use crate::event::{Origin, StepEvent};
use crate::failure::{FailureClass, StepError};
use crate::observation::Phase;
use crate::state::moment::Moment;
use crate::state::step_state::{Absence, Change, Direction, Proof, StepState, Waiting};
use crate::wait::WaitKind;

/// Why undo keeps the effect of a step with `ensure: absent`.
const STAYS_REMOVED: &str =
    "the plan deleted it (ensure: absent); this run did not create it and cannot restore it";

impl StepState {
    /// The state after `change`; the only place where a step changes its state. `None`: the change does not fit.
    pub(crate) fn next(&self, change: Change<'_>, at: Moment) -> Option<StepState> {
        match change {
            Change::NeedsMet => match self {
                StepState::Pending => Some(StepState::Probing { direction: Direction::Forward }),
                _ => None,
            },
            Change::ConditionFalse => match self {
                StepState::Pending => Some(StepState::ConditionFalse),
                _ => None,
            },
            Change::DriverTook => Some(match self {
                StepState::Intended { direction, attempt, .. } => StepState::Uncertain {
                    direction: *direction,
                    attempt: *attempt,
                    error: None,
                    ended: at.utc,
                    next_check: at.utc,
                    absent: Absence::default(),
                },
                other => other.clone(),
            }),
            Change::TakeBack => match self {
                StepState::Intended { .. } | StepState::Uncertain { .. } => None,
                _ => Some(StepState::Probing { direction: Direction::Undo }),
            },
            Change::NothingToTakeBack => match self {
                StepState::Intended { .. } | StepState::Uncertain { .. } => None,
                StepState::Probing { .. }
                | StepState::ConfirmingAbsence { .. }
                | StepState::Waiting(_)
                | StepState::RetryWait { .. }
                | StepState::Skipping
                | StepState::Verifying { .. } => Some(StepState::Cancelled),
                other => Some(other.clone()),
            },
            Change::StaysRemoved => match self {
                StepState::Intended { .. } | StepState::Uncertain { .. } => None,
                _ => Some(StepState::Kept { reason: STAYS_REMOVED.to_owned() }),
            },
            Change::Event(event) => self.after(event, at),
        }
    }

    fn after(&self, event: &StepEvent, at: Moment) -> Option<StepState> {
        let looking = self.phase();
        let direction = self.direction();
        let may_stop = direction.is_some() && !matches!(self, StepState::Uncertain { .. });
        match event {
            StepEvent::CreatedEarlier { .. } => Some(self.clone()),
            StepEvent::Unchanged { output, evidence } => {
                let looked = looking == Some(Phase::Probe) && !matches!(self, StepState::Skipping);
                looked.then(|| {
                    StepState::Unchanged(Arc::new(Proof {
                        output: output.clone(),
                        origin: Origin::PreExisting,
                        evidence: evidence.clone(),
                    }))
                })
            }
            StepEvent::Waiting { wait, phase, since, next_check, deadline } => {
                // Out of Uncertain only by evidence: the resource was found, changing towards what is wanted.
                let proven = looking == Some(*phase) && phase.direction().verify() == *phase;
                ((may_stop || proven) && direction == Some(phase.direction()) && *self != StepState::Skipping)
                    .then(|| {
                        StepState::Waiting(Box::new(Waiting {
                            wait: wait.clone(),
                            phase: *phase,
                            since: *since,
                            next_check: *next_check,
                            deadline: *deadline,
                        }))
                    })
            }
            StepEvent::NeedsDecision { decision, phase, .. } => {
                (looking.is_some_and(|looking| !looking.writes()) && direction == Some(phase.direction()))
                    .then(|| StepState::NeedsDecision {
                        decision: Box::new(decision.clone()),
                        phase: *phase,
                        since: at.utc,
                    })
            }
            // A delete may follow a probe on the way forward: a person decided to recreate the resource.
            StepEvent::Intended { attempt, phase, epoch, found, .. } => (phase.writes()
                && (looking == Some(phase.direction().probe()) || looking == Some(Phase::Probe))
                && *self != StepState::Skipping)
                .then(|| StepState::Intended {
                    direction: phase.direction(),
                    attempt: *attempt,
                    epoch: *epoch,
                    found: found.clone().map(Arc::new),
                }),
            StepEvent::NotSent { attempt, phase } => match self {
                StepState::Intended { direction, attempt: mine, .. }
                    if mine == attempt && *direction == phase.direction() =>
                {
                    Some(StepState::Probing { direction: *direction })
                }
                _ => None,
            },
            StepEvent::Accepted { attempt, phase, ended, .. } => match self {
                StepState::Intended { direction, attempt: mine, .. }
                    if mine == attempt && *direction == phase.direction() =>
                {
                    Some(StepState::Verifying {
                        direction: *direction,
                        attempt: *attempt,
                        ended: *ended,
                        next_check: *ended,
                        absent: Absence::default(),
                    })
                }
                _ => None,
            },
            StepEvent::Uncertain { attempt, phase, error, ended, next_check } => {
                let absent = match self {
                    StepState::Intended { direction, attempt: mine, .. }
                        if mine == attempt && *direction == phase.direction() =>
                    {
                        Absence::default()
                    }
                    StepState::Uncertain { direction, attempt: mine, absent, .. }
                        if mine == attempt && *direction == phase.direction() =>
                    {
                        *absent
                    }
                    _ => return None,
                };
                Some(StepState::Uncertain {
                    direction: phase.direction(),
                    attempt: *attempt,
                    error: error.clone().map(Box::new),
                    ended: *ended,
                    next_check: *next_check,
                    absent,
                })
            }
            StepEvent::StillAbsent { read_began, next_check, .. } => match self {
                StepState::Uncertain { direction, attempt, error, ended, absent, .. } => {
                    // This read succeeded: what the previous one waited for is available.
                    let error = error.clone().map(|error| Box::new(StepError { wait: None, ..*error }));
                    Some(StepState::Uncertain {
                        direction: *direction,
                        attempt: *attempt,
                        error,
                        ended: *ended,
                        next_check: *next_check,
                        absent: absent.and_a_read(at),
                    })
                }
                StepState::Verifying { direction, attempt, ended, absent, .. } => {
                    Some(StepState::Verifying {
                        direction: *direction,
                        attempt: *attempt,
                        ended: *ended,
                        next_check: *next_check,
                        absent: absent.and_a_read(at),
                    })
                }
                StepState::ConfirmingAbsence { absent, .. } => Some(StepState::ConfirmingAbsence {
                    absent: absent.and_a_read(at),
                    next_check: *next_check,
                }),
                StepState::Skipping => None,
                // The probe found nothing, as wanted, before anything was sent: the absence still has to last.
                _ if looking == Some(Phase::Probe) => Some(StepState::ConfirmingAbsence {
                    absent: Absence::default().and_a_read(at),
                    next_check: *next_check,
                }),
                _ if looking == Some(Phase::Verify) => Some(StepState::Verifying {
                    direction: Direction::Forward,
                    attempt: 0,
                    ended: *read_began,
                    next_check: *next_check,
                    absent: Absence::default().and_a_read(at),
                }),
                // The same during undo.
                _ if looking
                    .is_some_and(|looking| looking.direction() == Direction::Undo && !looking.writes()) =>
                {
                    Some(StepState::Verifying {
                        direction: Direction::Undo,
                        attempt: 0,
                        ended: *read_began,
                        next_check: *next_check,
                        absent: Absence::default().and_a_read(at),
                    })
                }
                _ => None,
            },
            StepEvent::RetryWait { error, phase, failures, since, until } => (direction
                == Some(phase.direction())
                && *self != StepState::Skipping)
                .then(|| StepState::RetryWait {
                    error: Box::new(error.clone()),
                    phase: *phase,
                    failures: *failures,
                    since: *since,
                    until: *until,
                }),
            StepEvent::Done { output, origin, evidence } => {
                let looked = matches!(looking, Some(Phase::Probe | Phase::Verify));
                (looked && *self != StepState::Skipping).then(|| {
                    StepState::Done(Arc::new(Proof {
                        output: output.clone(),
                        origin: origin.clone(),
                        evidence: evidence.clone(),
                    }))
                })
            }
            StepEvent::Failed { error, phase } => {
                let may = may_stop && *self != StepState::Skipping;
                (may || *self == StepState::Pending)
                    .then(|| StepState::Failed { error: Box::new(error.clone()), phase: *phase })
            }
            StepEvent::SkipAsked { .. } => self.next_would_skip().then_some(StepState::Skipping),
            StepEvent::Skipped { output, seen } => (*self == StepState::Skipping)
                .then(|| StepState::Skipped { output: output.clone().map(Arc::new), seen: seen.clone() }),
            StepEvent::Cancelled => {
                let may = matches!(
                    self,
                    StepState::Pending
                        | StepState::Skipping
                        | StepState::Probing { .. }
                        | StepState::ConfirmingAbsence { .. }
                        | StepState::Waiting(_)
                        | StepState::NeedsDecision { .. }
                        | StepState::RetryWait { .. }
                );
                may.then_some(StepState::Cancelled)
            }
            StepEvent::Approved(_) => match self {
                StepState::Waiting(waiting) if waiting.wait.kind == WaitKind::Approval => {
                    Some(StepState::Probing { direction: waiting.phase.direction() })
                }
                _ => None,
            },
            StepEvent::Rejected { by, reason } => match self {
                StepState::Waiting(waiting) if waiting.wait.kind == WaitKind::Approval => {
                    let why = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                    Some(StepState::Failed {
                        error: Box::new(StepError::new(
                            FailureClass::PlanWrong,
                            format!("rejected by {by}{why}"),
                        )),
                        phase: waiting.phase,
                    })
                }
                _ => None,
            },
            StepEvent::CheckNow => match self {
                StepState::Waiting(waiting) => Some(StepState::Waiting(Box::new(Waiting {
                    next_check: at.utc,
                    since: at.utc,
                    deadline: None,
                    ..(**waiting).clone()
                }))),
                StepState::RetryWait { error, phase, .. } => Some(StepState::RetryWait {
                    error: error.clone(),
                    phase: *phase,
                    failures: 0,
                    since: at.utc,
                    until: at.utc,
                }),
                StepState::Uncertain { direction, attempt, error, ended, absent, .. } => {
                    Some(StepState::Uncertain {
                        direction: *direction,
                        attempt: *attempt,
                        error: error.clone(),
                        ended: *ended,
                        next_check: at.utc,
                        absent: *absent,
                    })
                }
                StepState::Failed { .. } => Some(StepState::Probing { direction: Direction::Forward }),
                StepState::UndoStopped { .. } => Some(StepState::Probing { direction: Direction::Undo }),
                // The cause may be repaired by now, and then there is nothing left to decide.
                StepState::NeedsDecision { phase, .. } => {
                    Some(StepState::Probing { direction: phase.direction() })
                }
                _ => None,
            },
            StepEvent::SlotWanted => (looking == Some(Phase::Probe) && *self != StepState::Skipping)
                .then_some(StepState::Probing { direction: Direction::Forward }),
            StepEvent::Decided { .. } => match self {
                StepState::NeedsDecision { phase, .. } => {
                    Some(StepState::Probing { direction: phase.direction() })
                }
                _ => None,
            },
            StepEvent::Provided { output, value, .. } => Some(match self {
                StepState::Skipped { output: before, seen } => {
                    let mut fields = match before.as_deref() {
                        Some(Value::Object(fields)) => fields.clone(),
                        _ => serde_json::Map::new(),
                    };
                    fields.insert(output.clone(), value.clone());
                    StepState::Skipped { output: Some(Arc::new(Value::Object(fields))), seen: seen.clone() }
                }
                other => other.clone(),
            }),
            StepEvent::Reopened { after, .. } => self.may_reopen().then(|| {
                if after.is_empty() {
                    StepState::Probing { direction: Direction::Forward }
                } else {
                    StepState::Pending
                }
            }),
            StepEvent::UndoCalledOff { settling: true, .. } => {
                (direction == Some(Direction::Undo)).then(|| self.clone())
            }
            StepEvent::UndoCalledOff { after, settling: false } => {
                let ended = matches!(
                    self,
                    StepState::Undone(_)
                        | StepState::Kept { .. }
                        | StepState::UndoStopped { .. }
                        | StepState::Cancelled
                );
                (ended || (may_stop && direction == Some(Direction::Undo))).then(|| {
                    if after.is_empty() {
                        StepState::Probing { direction: Direction::Forward }
                    } else {
                        StepState::Pending
                    }
                })
            }
            StepEvent::Deleted { .. } => matches!(looking, Some(Phase::UndoProbe | Phase::UndoVerify))
                .then_some(StepState::Probing { direction: Direction::Forward }),
            StepEvent::Undone { evidence } => {
                let looked = matches!(looking, Some(Phase::UndoProbe | Phase::UndoVerify));
                looked.then(|| StepState::Undone(Box::new(evidence.clone())))
            }
            StepEvent::Kept { reason } => (may_stop && direction == Some(Direction::Undo))
                .then(|| StepState::Kept { reason: reason.clone() }),
            StepEvent::UndoStopped { error } => (may_stop && direction == Some(Direction::Undo))
                .then(|| StepState::UndoStopped { error: Box::new(error.clone()) }),
        }
    }
}
