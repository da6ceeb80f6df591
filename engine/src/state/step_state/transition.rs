//! The one function that changes a step's state; it refuses an event that does not fit.

use std::sync::Arc;

use serde_json::Value;

use crate::event::{Origin, StepEvent};
use crate::failure::{FailureClass, StepError};
use crate::state::moment::Moment;
use crate::state::step_state::{Absence, Change, Proof, StepState, Waiting, Way};
use crate::step::Phase;
use crate::wait::WaitKind;

/// Why undo keeps the effect of a step with `ensure: absent`.
const STAYS_REMOVED: &str =
    "the plan deleted it (ensure: absent); this run did not create it and cannot restore it";

impl StepState {
    /// The state after `change`; the only place where a step changes its state. `None`: the change does not fit.
    pub(crate) fn next(&self, change: Change<'_>, at: Moment) -> Option<StepState> {
        match change {
            Change::NeedsMet => match self {
                StepState::Pending => Some(StepState::Probing { way: Way::Forward }),
                _ => None,
            },
            Change::ConditionFalse => match self {
                StepState::Pending => Some(StepState::ConditionFalse),
                _ => None,
            },
            Change::DriverTook => Some(match self {
                StepState::Intended { way, attempt, .. } => StepState::Uncertain {
                    way: *way,
                    attempt: *attempt,
                    error: None,
                    ended: at.utc,
                    look_again: at.utc,
                    absent: Absence::default(),
                },
                other => other.clone(),
            }),
            Change::TakeBack => match self {
                StepState::Intended { .. } | StepState::Uncertain { .. } => None,
                _ => Some(StepState::Probing { way: Way::Back }),
            },
            Change::NothingToTakeBack => match self {
                StepState::Intended { .. } | StepState::Uncertain { .. } => None,
                StepState::Probing { .. }
                | StepState::Doubting { .. }
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
        let way = self.way();
        let may_stop = way.is_some() && !matches!(self, StepState::Uncertain { .. });
        match event {
            StepEvent::CreatedEarlier { .. } => Some(self.clone()),
            StepEvent::Unchanged { output, evidence } => {
                let looked = looking == Some(Phase::Probe) && !matches!(self, StepState::Skipping);
                looked.then(|| {
                    StepState::Unchanged(Arc::new(Proof {
                        output: output.clone(),
                        origin: Origin::FoundInPlace,
                        evidence: evidence.clone(),
                    }))
                })
            }
            StepEvent::Waiting { wait, phase, since, look_again, deadline } => {
                // Out of Uncertain only by evidence: the resource was found, changing towards what is wanted.
                let proven = looking == Some(*phase) && phase.way().verify() == *phase;
                ((may_stop || proven) && way == Some(phase.way()) && *self != StepState::Skipping).then(
                    || {
                        StepState::Waiting(Box::new(Waiting {
                            wait: wait.clone(),
                            phase: *phase,
                            since: *since,
                            look_again: *look_again,
                            deadline: *deadline,
                        }))
                    },
                )
            }
            StepEvent::NeedsDecision { decision, phase, .. } => (looking
                .is_some_and(|looking| !looking.writes())
                && way == Some(phase.way()))
            .then(|| StepState::NeedsDecision {
                decision: Box::new(decision.clone()),
                phase: *phase,
                since: at.utc,
            }),
            // A delete may follow a probe on the way forward: a person decided to recreate the resource.
            StepEvent::Intended { attempt, phase, epoch, found, .. } => (phase.writes()
                && (looking == Some(phase.way().probe()) || looking == Some(Phase::Probe))
                && *self != StepState::Skipping)
                .then(|| StepState::Intended {
                    way: phase.way(),
                    attempt: *attempt,
                    epoch: *epoch,
                    found: found.clone().map(Arc::new),
                }),
            StepEvent::NotSent { attempt, phase } => match self {
                StepState::Intended { way, attempt: mine, .. } if mine == attempt && *way == phase.way() => {
                    Some(StepState::Probing { way: *way })
                }
                _ => None,
            },
            StepEvent::Accepted { attempt, phase, ended, .. } => match self {
                StepState::Intended { way, attempt: mine, .. } if mine == attempt && *way == phase.way() => {
                    Some(StepState::Verifying {
                        way: *way,
                        attempt: *attempt,
                        ended: *ended,
                        look_again: *ended,
                        absent: Absence::default(),
                    })
                }
                _ => None,
            },
            StepEvent::Uncertain { attempt, phase, error, ended, look_again } => {
                let absent = match self {
                    StepState::Intended { way, attempt: mine, .. }
                        if mine == attempt && *way == phase.way() =>
                    {
                        Absence::default()
                    }
                    StepState::Uncertain { way, attempt: mine, absent, .. }
                        if mine == attempt && *way == phase.way() =>
                    {
                        *absent
                    }
                    _ => return None,
                };
                Some(StepState::Uncertain {
                    way: phase.way(),
                    attempt: *attempt,
                    error: error.clone().map(Box::new),
                    ended: *ended,
                    look_again: *look_again,
                    absent,
                })
            }
            StepEvent::StillAbsent { read_began, look_again, .. } => match self {
                StepState::Uncertain { way, attempt, error, ended, absent, .. } => {
                    // This read succeeded: what the previous one waited for is available.
                    let error = error.clone().map(|error| Box::new(StepError { wait: None, ..*error }));
                    Some(StepState::Uncertain {
                        way: *way,
                        attempt: *attempt,
                        error,
                        ended: *ended,
                        look_again: *look_again,
                        absent: absent.and_a_read(at),
                    })
                }
                StepState::Verifying { way, attempt, ended, absent, .. } => Some(StepState::Verifying {
                    way: *way,
                    attempt: *attempt,
                    ended: *ended,
                    look_again: *look_again,
                    absent: absent.and_a_read(at),
                }),
                StepState::Doubting { absent, .. } => {
                    Some(StepState::Doubting { absent: absent.and_a_read(at), look_again: *look_again })
                }
                StepState::Skipping => None,
                // The probe found nothing, as wanted, before anything was sent: the absence still has to last.
                _ if looking == Some(Phase::Probe) => Some(StepState::Doubting {
                    absent: Absence::default().and_a_read(at),
                    look_again: *look_again,
                }),
                _ if looking == Some(Phase::Verify) => Some(StepState::Verifying {
                    way: Way::Forward,
                    attempt: 0,
                    ended: *read_began,
                    look_again: *look_again,
                    absent: Absence::default().and_a_read(at),
                }),
                // The same during undo.
                _ if looking.is_some_and(|looking| looking.way() == Way::Back && !looking.writes()) => {
                    Some(StepState::Verifying {
                        way: Way::Back,
                        attempt: 0,
                        ended: *read_began,
                        look_again: *look_again,
                        absent: Absence::default().and_a_read(at),
                    })
                }
                _ => None,
            },
            StepEvent::RetryWait { error, phase, failures, since, until } => {
                (way == Some(phase.way()) && *self != StepState::Skipping).then(|| StepState::RetryWait {
                    error: Box::new(error.clone()),
                    phase: *phase,
                    failures: *failures,
                    since: *since,
                    until: *until,
                })
            }
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
                        | StepState::Doubting { .. }
                        | StepState::Waiting(_)
                        | StepState::NeedsDecision { .. }
                        | StepState::RetryWait { .. }
                );
                may.then_some(StepState::Cancelled)
            }
            StepEvent::Approved(_) => match self {
                StepState::Waiting(waiting) if waiting.wait.kind == WaitKind::Approval => {
                    Some(StepState::Probing { way: waiting.phase.way() })
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
            StepEvent::LookNow => match self {
                StepState::Waiting(waiting) => Some(StepState::Waiting(Box::new(Waiting {
                    look_again: at.utc,
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
                StepState::Uncertain { way, attempt, error, ended, absent, .. } => {
                    Some(StepState::Uncertain {
                        way: *way,
                        attempt: *attempt,
                        error: error.clone(),
                        ended: *ended,
                        look_again: at.utc,
                        absent: *absent,
                    })
                }
                StepState::Failed { .. } => Some(StepState::Probing { way: Way::Forward }),
                StepState::UndoStopped { .. } => Some(StepState::Probing { way: Way::Back }),
                // The cause may be repaired by now, and then there is nothing left to decide.
                StepState::NeedsDecision { phase, .. } => Some(StepState::Probing { way: phase.way() }),
                _ => None,
            },
            StepEvent::SlotWanted => (looking == Some(Phase::Probe) && *self != StepState::Skipping)
                .then_some(StepState::Probing { way: Way::Forward }),
            StepEvent::Decided { .. } => match self {
                StepState::NeedsDecision { phase, .. } => Some(StepState::Probing { way: phase.way() }),
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
                if after.is_empty() { StepState::Probing { way: Way::Forward } } else { StepState::Pending }
            }),
            StepEvent::UndoCalledOff { settling: true, .. } => (way == Some(Way::Back)).then(|| self.clone()),
            StepEvent::UndoCalledOff { after, settling: false } => {
                let ended = matches!(
                    self,
                    StepState::Undone(_)
                        | StepState::Kept { .. }
                        | StepState::UndoStopped { .. }
                        | StepState::Cancelled
                );
                (ended || (may_stop && way == Some(Way::Back))).then(|| {
                    if after.is_empty() {
                        StepState::Probing { way: Way::Forward }
                    } else {
                        StepState::Pending
                    }
                })
            }
            StepEvent::Removed { .. } => matches!(looking, Some(Phase::UndoProbe | Phase::UndoVerify))
                .then_some(StepState::Probing { way: Way::Forward }),
            StepEvent::Undone { evidence } => {
                let looked = matches!(looking, Some(Phase::UndoProbe | Phase::UndoVerify));
                looked.then(|| StepState::Undone(Box::new(evidence.clone())))
            }
            StepEvent::Kept { reason } => {
                (may_stop && way == Some(Way::Back)).then(|| StepState::Kept { reason: reason.clone() })
            }
            StepEvent::UndoStopped { error } => (may_stop && way == Some(Way::Back))
                .then(|| StepState::UndoStopped { error: Box::new(error.clone()) }),
        }
    }
}
