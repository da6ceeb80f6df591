//! The repair of everything that drifted in a run and that needs no decision of a person.

use std::collections::BTreeSet;

use twinspan_engine::{Choice, Mend, Origin, RunId, RunState, Signal, Standing, StepKey, mends};

use crate::error::CommandError;
use crate::repair_preview::RepairView;
use crate::ui::Ui;

/// The steps to repair, and the steps that are left to a decision.
pub(crate) struct RepairPlan {
    run: RunId,
    mends: Vec<Mend>,
    /// Steps whose repair would delete a resource that the run does not own, or that another run owns.
    left: Vec<StepKey>,
    preview: Option<RepairView>,
}

/// Plans the repair of everything that the last verification found drifted.
pub(crate) fn plan(run: RunId, state: &RunState) -> Result<RepairPlan, CommandError> {
    let drifted =
        state.steps().filter(|item| item.standing().is_some_and(|(_, standing)| standing.is_drift()));
    let mut plan = RepairPlan { run, mends: Vec::new(), left: Vec::new(), preview: None };
    let mut known: BTreeSet<StepKey> = BTreeSet::new();
    for item in drifted {
        let refused = |refused: twinspan_engine::NotRepairable| CommandError::usage(refused.what);
        for mend in mends(state, item.key()).map_err(refused)? {
            if known.insert(mend.step.clone()) {
                if may_repair(state, &mend) {
                    plan.mends.push(mend);
                } else {
                    plan.left.push(mend.step);
                }
            }
        }
    }
    // A step that another step is repaired after has to come before it in the list.
    let order: Vec<StepKey> = state.steps().map(|item| item.key().clone()).collect();
    plan.mends.sort_by_key(|mend| order.iter().position(|key| *key == mend.step));
    if let Some(first) = plan.mends.first() {
        plan.preview = Some(RepairView::new(run, state, &first.step, &plan.mends));
    }
    Ok(plan)
}

/// Whether no decision is needed: the repair deletes only resources of this run, and touches none of another run.
fn may_repair(state: &RunState, mend: &Mend) -> bool {
    let Some(item) = state.find(&mend.step) else { return false };
    let taken = item.standing().is_some_and(|(_, standing)| matches!(standing, Standing::Taken { .. }));
    let own = matches!(item.origin(), Some(Origin::Made | Origin::EarlierRun));
    !taken && (mend.choice != Some(Choice::Recreate) || own)
}

impl RepairPlan {
    pub(crate) fn leaves_some(&self) -> bool {
        !self.left.is_empty()
    }

    /// Lists what is repaired, and what is left.
    pub(crate) fn say(&self, ui: &Ui) {
        if let Some(preview) = &self.preview {
            ui.talk_text(&preview.text(ui.talk_width()));
        }
        for step in &self.left {
            ui.talk(&format!(
                "left  {step}: the resource is not owned by this run; decide with: twinspan repair {} {step}",
                self.run.short()
            ));
        }
    }

    /// The signal for the repair; `None`: nothing is repaired.
    pub(crate) fn signal(&self) -> Option<Signal> {
        let step = self.mends.first()?.step.clone();
        Some(Signal::Repair { step, mends: self.mends.clone() })
    }
}
