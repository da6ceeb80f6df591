//! The status of a run: computed from its steps and the operator's instructions.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::Outcome;
use crate::ids::{Epoch, StepKey};
use crate::state::item::ItemId;
use crate::state::step_state::StepState;
use crate::state::{Goal, RunState};
use crate::wait::WaitKind;

/// The status of a run: computed from its steps, the operator's instructions, and (by the backend) its lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum RunStatus {
    /// Created; no driver has taken it yet.
    Queued,
    /// A driver holds the run and work is in progress.
    Running,
    /// Pause or cancel was requested; requests in flight are finishing.
    Draining,
    /// Paused by an operator.
    Paused,
    /// Nothing can continue until something outside the run happens.
    Waiting {
        /// What it waits for, without repeats.
        on: Vec<WaitKind>,
    },
    /// Failures or decisions prevent progress; resumable.
    Halted {
        /// Steps that failed.
        failed: Vec<StepKey>,
        /// Steps that need a decision.
        undecided: Vec<StepKey>,
    },
    /// Work is left, and no process drives the run.
    Interrupted,
    /// A driver is undoing the run.
    Undoing,
    /// An undo is unfinished, and no process drives the run.
    UndoInterrupted,
    /// Undo cannot continue by itself.
    UndoStopped,
    /// Ended: every applicable step is done.
    Done {
        /// How many steps were skipped by a person.
        skipped: usize,
    },
    /// Ended: cancelled.
    Cancelled {
        /// How many writes are still uncertain.
        uncertain: usize,
    },
    /// Ended: undone.
    Undone,
}

impl RunStatus {
    /// Every name that a status can have.
    pub const NAMES: [&'static str; 13] = [
        "queued",
        "running",
        "draining",
        "paused",
        "waiting",
        "halted",
        "interrupted",
        "undoing",
        "undo-interrupted",
        "undo-stopped",
        "done",
        "cancelled",
        "undone",
    ];

    /// The status name, stable for machines.
    pub fn name(&self) -> &'static str {
        match self {
            RunStatus::Queued => "queued",
            RunStatus::Running => "running",
            RunStatus::Draining => "draining",
            RunStatus::Paused => "paused",
            RunStatus::Waiting { .. } => "waiting",
            RunStatus::Halted { .. } => "halted",
            RunStatus::Interrupted => "interrupted",
            RunStatus::Undoing => "undoing",
            RunStatus::UndoInterrupted => "undo-interrupted",
            RunStatus::UndoStopped => "undo-stopped",
            RunStatus::Done { .. } => "done",
            RunStatus::Cancelled { .. } => "cancelled",
            RunStatus::Undone => "undone",
        }
    }

    /// The status when no process drives the run: running becomes interrupted.
    #[must_use]
    pub fn undriven(self) -> Self {
        match self {
            RunStatus::Running | RunStatus::Draining => RunStatus::Interrupted,
            RunStatus::Undoing => RunStatus::UndoInterrupted,
            other => other,
        }
    }
}

/// Sets of steps by state; updated with every change of state.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Continue by themselves.
    pub(crate) working: BTreeSet<ItemId>,
    /// Wait for something outside the run.
    pub(crate) waiting: BTreeSet<ItemId>,
    /// Steps and blocks that failed.
    pub(crate) failed: BTreeSet<ItemId>,
    /// Need a decision.
    pub(crate) undecided: BTreeSet<ItemId>,
    /// Intents whose outcome is not journaled.
    pub(crate) intended: BTreeSet<ItemId>,
    /// Writes whose outcome is not proven.
    pub(crate) open: BTreeSet<ItemId>,
    /// Undo stopped.
    pub(crate) stopped: BTreeSet<ItemId>,
    pub(crate) skipped: usize,
    /// Would continue, but their `for_each` element has no slot: part of `working`.
    pub(crate) held: BTreeSet<ItemId>,
}

impl Tally {
    pub(crate) fn moved(&mut self, id: ItemId, before: &StepState, now: &StepState) {
        fn keep(set: &mut BTreeSet<ItemId>, id: ItemId, before: bool, now: bool) {
            match (before, now) {
                (false, true) => drop(set.insert(id)),
                (true, false) => drop(set.remove(&id)),
                _ => {}
            }
        }
        let mut each = |set: fn(&mut Tally) -> &mut BTreeSet<ItemId>, test: fn(&StepState) -> bool| {
            keep(set(self), id, test(before), test(now));
        };
        each(|tally| &mut tally.working, StepState::is_working);
        each(|tally| &mut tally.waiting, |state| state.wait().is_some());
        each(|tally| &mut tally.failed, |state| matches!(state, StepState::Failed { .. }));
        each(|tally| &mut tally.undecided, |state| matches!(state, StepState::NeedsDecision { .. }));
        each(|tally| &mut tally.intended, |state| matches!(state, StepState::Intended { .. }));
        each(|tally| &mut tally.open, StepState::is_open_attempt);
        each(|tally| &mut tally.stopped, |state| matches!(state, StepState::UndoStopped { .. }));
        let skipped = |state: &StepState| usize::from(matches!(state, StepState::Skipped { .. }));
        self.skipped = self.skipped + skipped(now) - skipped(before);
    }

    pub(crate) fn block_failed(&mut self, id: ItemId, failed: bool) {
        if failed {
            self.failed.insert(id);
        } else {
            self.failed.remove(&id);
        }
    }
}

impl RunState {
    /// The status, as far as the events tell.
    pub fn status(&self, _now: Timestamp) -> RunStatus {
        match self.outcome {
            Some(Outcome::Done) => return RunStatus::Done { skipped: self.tally.skipped },
            Some(Outcome::Cancelled) => return RunStatus::Cancelled { uncertain: self.tally.open.len() },
            Some(Outcome::Undone) => return RunStatus::Undone,
            None => {}
        }
        if self.control.pause.is_some() || self.control.goal == Goal::Cancel {
            return if self.is_draining() || self.control.pause.is_none() {
                RunStatus::Draining
            } else {
                RunStatus::Paused
            };
        }
        if self.epoch == Epoch::default() {
            return RunStatus::Queued;
        }
        let undo = self.control.goal == Goal::Undo;
        if self.tally.working.len() > self.tally.held.len() || self.agenda.has_records() {
            return if undo { RunStatus::Undoing } else { RunStatus::Running };
        }
        if self.is_complete() || undo && self.search_is_due() {
            return if undo { RunStatus::Undoing } else { RunStatus::Running };
        }
        if !self.tally.waiting.is_empty() {
            return RunStatus::Waiting { on: self.waits_on() };
        }
        if undo {
            return RunStatus::UndoStopped;
        }
        let keys = |set: &BTreeSet<ItemId>| set.iter().map(|id| self.item(*id).key.clone()).collect();
        RunStatus::Halted { failed: keys(&self.tally.failed), undecided: keys(&self.tally.undecided) }
    }

    /// Whether writes that were in flight when pause or cancel was requested are still open.
    pub(crate) fn is_draining(&self) -> bool {
        match &self.control.fence {
            None => true,
            Some(fence) => self.tally.intended.iter().any(|id| fence.contains(&self.item(*id).key)),
        }
    }

    /// Whether the goal is reached and only the end is left to record.
    pub(crate) fn is_complete(&self) -> bool {
        match self.control.goal {
            Goal::Finish => self.roots_left == 0 && self.reopened.is_empty() && self.head.is_some(),
            Goal::Cancel => !self.is_draining(),
            Goal::Undo => !self.search_is_due() && self.undo.is_empty() && self.tally.intended.is_empty(),
        }
    }

    fn waits_on(&self) -> Vec<WaitKind> {
        let kinds: BTreeSet<WaitKind> = self
            .tally
            .waiting
            .iter()
            .filter_map(|id| self.item(*id).step()?.state.wait())
            .map(|wait| wait.kind)
            .collect();
        kinds.into_iter().collect()
    }
}
