//! The result of the last verification. It changes no step: a run that succeeded stays succeeded; later drift is recorded
//! beside it.

use jiff::Timestamp;

use crate::finding::{DriftState, Finding};
use crate::ids::Seq;
use crate::signal::Actor;
use crate::state::item::ItemId;
use crate::state::step_state::StepState;
use crate::state::view::ItemView;
use crate::state::{Goal, RunState};

/// The last verification of all proven steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// When its first read began.
    pub began: Timestamp,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who ran it.
    pub by: Actor,
}

impl RunState {
    pub(crate) fn fold_verified(
        &mut self,
        by: &Actor,
        (began, after): (Timestamp, Seq),
        findings: &[Finding],
        at: Timestamp,
    ) {
        self.verified = Some(Verified { began, at, by: by.clone() });
        self.drifted.clear();
        for finding in findings {
            // A finding for a step that this state does not have is ignored.
            let Some(id) = self.lookup(&finding.step) else { continue };
            let Some(record) = self.item_mut(id).step_mut() else { continue };
            // Proven again since that verification.
            let newer = record.proven > after;
            if newer {
                continue;
            }
            record.drift = Some((at, finding.drift.clone()));
            if finding.drift.is_drift() {
                self.drifted.insert(id);
            }
        }
    }

    /// The last verification of all proven steps.
    pub fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    /// How many steps it found drifted that were not proven since; `None`: never verified, or the run is being undone.
    pub fn drift(&self) -> Option<usize> {
        let known = self.verified.as_ref().filter(|_| self.control.goal != Goal::Undo);
        known.map(|_| self.drifted.len())
    }

    pub(crate) fn drifted(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.drifted.iter().copied()
    }

    /// Steps whose proof can be read again, in levels: steps without needs first, and no dependencies within a level. A value
    /// that a person only stated cannot be read.
    pub(crate) fn verifiable(&self) -> Vec<Vec<ItemId>> {
        // During undo there is no wanted state to compare with.
        if self.control.goal == Goal::Undo {
            return Vec::new();
        }
        let in_place = |id: &ItemId| {
            self.item(*id).step().is_some_and(|record| match &record.state {
                StepState::Unchanged(proof) | StepState::Done(proof) => {
                    proof.origin != crate::event::Origin::Claimed && record.call.is_some()
                }
                _ => false,
            })
        };
        let levels = self.levels().into_iter();
        levels
            .map(|level| level.into_iter().filter(in_place).collect::<Vec<_>>())
            .filter(|level| !level.is_empty())
            .collect()
    }
}

impl<'a> ItemView<'a> {
    /// The result of the last verification for this step, and when it was recorded; `None`: it was not verified, or was
    /// proven since.
    pub fn drift(self) -> Option<(Timestamp, &'a DriftState)> {
        let record = self.record()?;
        record.drift.as_ref().map(|(at, drift)| (*at, drift))
    }
}
