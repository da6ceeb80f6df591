//! The extent of a repair: the step, its drifted needs, and their dependents.

use std::collections::BTreeSet;

use twinspan_plans::{EffectClass, Ensure};

use crate::event::{Origin, Outcome};
use crate::finding::DriftState;
use crate::ids::StepKey;
use crate::signal::{Choice, Repair};
use crate::state::item::ItemId;
use crate::state::{Goal, ItemView, RunState, StepState};

/// Why nothing can be repaired; a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct NotRepairable {
    /// What is wrong.
    pub what: String,
    /// What to do instead.
    pub hint: Option<String>,
}

fn refused<T>(what: String, hint: &str) -> Result<T, NotRepairable> {
    Err(NotRepairable { what, hint: Some(hint.to_owned()) })
}

/// The steps that a repair of `step` includes, in the order of the plan; empty: the step and its needs are in sync. Based on
/// the last recorded verification.
pub fn repairs(state: &RunState, step: &StepKey) -> Result<Vec<Repair>, NotRepairable> {
    may_be_repaired(state)?;
    let Some(asked) = state.lookup(step).filter(|id| state.item(*id).step().is_some()) else {
        return refused(format!("the run has no step {step}"), "`show` lists its steps");
    };
    let chosen = chosen(state, asked);
    for id in &chosen {
        let Some(record) = state.item(*id).step() else { continue };
        if !record.state.may_reopen() {
            let key = &state.item(*id).key;
            let name = record.state.name();
            return if record.state.is_open_attempt() {
                refused(
                    format!("{key} is {name}: the outcome of its write must be known first"),
                    "wait for the next check, or `retry` it to check now",
                )
            } else {
                refused(format!("{key} is {name}: there is nothing to repair"), "`show` says what comes next")
            };
        }
    }
    let repairs = state.levels().into_iter().flatten().filter(|id| chosen.contains(id));
    let repair = |id| {
        let item = state.view(id);
        Repair { step: item.key().clone(), choice: item.repair_act().choice() }
    };
    Ok(repairs.map(repair).collect())
}

/// Checks whether the run can go forward.
pub(crate) fn may_be_repaired(state: &RunState) -> Result<(), NotRepairable> {
    match (state.outcome(), state.control().goal) {
        (None | Some(Outcome::Done), Goal::Finish) => Ok(()),
        (Some(Outcome::Undone), _) => {
            refused("the run was undone; there is nothing to repair".to_owned(), "start a new run")
        }
        (_, Goal::Undo) => {
            refused("the run is being undone; nothing is repaired".to_owned(), "`resume` continues it")
        }
        _ => refused(
            "the run was cancelled; nothing is repaired".to_owned(),
            "`undo` deletes what it created; start a new run to continue",
        ),
    }
}

/// For each of these steps, those of them that must be done before it begins.
pub(crate) fn after(state: &RunState, steps: &[ItemId]) -> Vec<Vec<StepKey>> {
    let needed = state.needed_by(steps);
    let keys = needed.into_iter().zip(steps).map(|(needed, own)| {
        let others = steps.iter().filter(|other| *other != own && needed.contains(other));
        others.map(|other| state.item(*other).key.clone()).collect()
    });
    keys.collect()
}

fn chosen(state: &RunState, asked: ItemId) -> BTreeSet<ItemId> {
    let drifted: BTreeSet<ItemId> = state.drifted().collect();
    let steps: Vec<ItemId> =
        state.levels().into_iter().flatten().filter(|id| state.item(*id).step().is_some()).collect();
    let needed = state.needed_by(&steps);
    let mut chosen = BTreeSet::new();
    if let Some(at) = steps.iter().position(|id| *id == asked) {
        chosen.extend(needed[at].intersection(&drifted).copied());
    }
    if drifted.contains(&asked) || (!chosen.is_empty() && is_unmet(state, asked)) {
        chosen.insert(asked);
    }
    if chosen.is_empty() {
        return chosen;
    }
    // In the order of needs, so that one pass also finds indirect dependents.
    for (id, needed) in steps.iter().zip(&needed) {
        let depends = needed.iter().any(|need| chosen.contains(need));
        let touched = drifted.contains(id) || is_unmet(state, *id) || reads(state, *id, needed, &chosen);
        if depends && touched {
            chosen.insert(*id);
        }
    }
    chosen
}

/// Whether the step began and stopped before it was done: its finding may be caused by what is repaired now.
fn is_unmet(state: &RunState, id: ItemId) -> bool {
    let stopped = |state: &StepState| {
        matches!(state, StepState::NeedsDecision { .. } | StepState::Failed { .. } | StepState::Waiting(_))
            && state.may_reopen()
    };
    state.item(id).step().is_some_and(|record| stopped(&record.state))
}

/// Whether its parameters come from a repaired step, so that they may change. A write whose effect cannot be looked up is not
/// repeated for that.
fn reads(state: &RunState, id: ItemId, needed: &BTreeSet<ItemId>, chosen: &BTreeSet<ItemId>) -> bool {
    let node = state.plan().node(state.item(id).node);
    let unsafe_again = node.step().is_none_or(|step| step.effect == EffectClass::PostUnsafe);
    let done = state.item(id).step().is_some_and(|record| {
        matches!(record.state, StepState::Done(_) | StepState::Unchanged(_)) && record.call.is_some()
    });
    let read = |need: ItemId| {
        let nodes = node.needs.iter().filter(|need| need.reads_output).map(|need| need.node);
        nodes.into_iter().any(|node| node == state.item(need).node)
    };
    done && !unsafe_again && needed.intersection(chosen).any(|need| read(*need))
}

/// What a repair does with a step, as far as the last verification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepairAct {
    /// Checks it again, and writes only what is missing.
    Check,
    /// Creates it again.
    Create,
    /// Overwrites the changes.
    Overwrite,
    /// Deletes it and creates it again.
    Recreate,
    /// Deletes it again: the plan wants it absent.
    Delete,
    /// Checks it and leaves it to a decision: another run owns it.
    Decide,
}

impl RepairAct {
    /// The choice for what the probe will find.
    fn choice(self) -> Option<Choice> {
        match self {
            RepairAct::Recreate => Some(Choice::Recreate),
            RepairAct::Overwrite => Some(Choice::Overwrite),
            RepairAct::Check | RepairAct::Create | RepairAct::Delete | RepairAct::Decide => None,
        }
    }
}

impl ItemView<'_> {
    /// What a repair that includes the step does with it.
    pub fn repair_act(self) -> RepairAct {
        let (Some(step), Some(record)) = (self.node().step(), self.record()) else { return RepairAct::Check };
        let (reads, wants_gone) = (step.effect == EffectClass::Read, step.ensure == Ensure::Absent);
        // A read-only step writes nothing, and `ensure: absent` deletes a resource only if it is exactly the planned one.
        let creates = !reads && !wants_gone;
        let Some((_, drift)) = &record.drift else {
            // Never proven: the resource that this run sent exists, and does not recover.
            let stuck = matches!(record.state, StepState::NeedsDecision { .. }) && record.ownership.owed;
            return if creates && stuck { RepairAct::Recreate } else { RepairAct::Check };
        };
        match drift {
            DriftState::Broken { .. } if creates => RepairAct::Recreate,
            DriftState::Drifted { .. } if creates => RepairAct::Overwrite,
            DriftState::Missing { .. } if !reads => RepairAct::Create,
            // After the probe, a person decides.
            DriftState::OwnedByAnotherRun { .. } => RepairAct::Decide,
            drift if wants_gone && drift.is_drift() => RepairAct::Delete,
            DriftState::Broken { .. }
            | DriftState::Drifted { .. }
            | DriftState::Missing { .. }
            | DriftState::InSync
            | DriftState::Unreadable { .. }
            | DriftState::LostTail => RepairAct::Check,
        }
    }

    /// Whether its repair needs no person: it deletes only what this run or an earlier one of its key created, and touches
    /// nothing of another run.
    pub fn may_repair_unasked(self) -> bool {
        match self.repair_act() {
            RepairAct::Decide => false,
            RepairAct::Recreate => matches!(self.origin(), Some(Origin::Created | Origin::EarlierRun)),
            RepairAct::Check | RepairAct::Create | RepairAct::Overwrite | RepairAct::Delete => true,
        }
    }
}
