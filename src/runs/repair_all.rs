//! The repair of everything that drifted in a run and that needs no decision of a person.

use std::collections::BTreeSet;

use twinspan_engine::{Repair, RunId, RunState, Signal, StepKey, repairs};

use crate::cli::error::CommandError;
use crate::cli::ui::Ui;
use crate::report::repair_preview::RepairView;

/// The steps to repair, and the steps that are left to a decision.
pub(crate) struct RepairPlan {
    run: RunId,
    repairs: Vec<Repair>,
    /// Steps whose repair would delete a resource that the run does not own, or that another run owns.
    left: Vec<StepKey>,
    preview: Option<RepairView>,
}

/// Plans the repair of everything that the last verification found drifted.
pub(crate) fn plan(run: RunId, state: &RunState) -> Result<RepairPlan, CommandError> {
    let drifted = state.steps().filter(|item| item.drift().is_some_and(|(_, drift)| drift.is_drift()));
    let mut plan = RepairPlan { run, repairs: Vec::new(), left: Vec::new(), preview: None };
    let mut known: BTreeSet<StepKey> = BTreeSet::new();
    for item in drifted {
        let refused = |refused: twinspan_engine::NotRepairable| CommandError::usage(refused.what);
        for repair in repairs(state, item.key()).map_err(refused)? {
            if known.insert(repair.step.clone()) {
                if state.find(&repair.step).is_some_and(|item| item.may_repair_unasked()) {
                    plan.repairs.push(repair);
                } else {
                    plan.left.push(repair.step);
                }
            }
        }
    }
    // A step that another step is repaired after has to come before it in the list.
    let order: Vec<StepKey> = state.steps().map(|item| item.key().clone()).collect();
    plan.repairs.sort_by_key(|repair| order.iter().position(|key| *key == repair.step));
    if let Some(first) = plan.repairs.first() {
        plan.preview = Some(RepairView::new(run, state, &first.step, &plan.repairs));
    }
    Ok(plan)
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
        let step = self.repairs.first()?.step.clone();
        Some(Signal::Repair { step, repairs: self.repairs.clone() })
    }
}
