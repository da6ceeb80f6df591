//! Where a run stands: folded from its events, never stored as a second truth.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use twinspan_plans::Plan;

use crate::event::Recorded;
use crate::ids::StepKey;
use crate::wait::WaitKind;

/// Where a run stands.
#[derive(Debug)]
pub struct RunState {
    plan: Arc<Plan>,
}

/// The status of a run, computed from its steps, from what the operator wants, and (by the backend) from its lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum RunStatus {
    /// Accepted; no driver has had it.
    Queued,
    /// Something is in progress, and a driver has it.
    Running,
    /// Pause or cancel was asked for; requests in flight end.
    Draining,
    /// Paused by an operator.
    Paused,
    /// Nothing can move until something outside happens.
    Waiting {
        /// For what, without repeats.
        on: Vec<WaitKind>,
    },
    /// Nothing can move because of failures or decisions; resumable.
    Halted {
        /// Steps that failed.
        failed: Vec<StepKey>,
        /// Steps that need a decision.
        undecided: Vec<StepKey>,
    },
    /// Work is left and its driver is dead.
    Interrupted,
    /// Being taken back.
    Undoing,
    /// Undo cannot go on by itself.
    UndoStopped,
    /// Ended: everything applicable is done.
    Succeeded {
        /// How many steps were skipped by a person.
        skipped: usize,
    },
    /// Ended: cancelled.
    Cancelled {
        /// How many writes are still uncertain.
        uncertain: usize,
    },
    /// Ended: taken back.
    Undone,
}

/// An event does not fit the state: the journal is damaged, or a rule has a mistake.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("event {event} is not possible for {item} in state {state}")]
pub struct IllegalTransition {
    /// The step or the run.
    pub item: String,
    /// Name of its state.
    pub state: &'static str,
    /// Name of the event.
    pub event: &'static str,
}

impl RunState {
    /// A run of `plan` before its first event.
    pub fn new(plan: Arc<Plan>) -> Self {
        RunState { plan }
    }

    /// Its plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Its status, as far as its events tell.
    pub fn status(&self, _now: Timestamp) -> RunStatus {
        RunStatus::Queued
    }
}

/// Takes an event in. Adds no rule of its own: everything that the event means is in the event.
pub fn fold(_state: &mut RunState, _event: &Recorded) -> Result<(), IllegalTransition> {
    Ok(())
}
