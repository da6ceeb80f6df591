//! Earlier runs of a rollout: what they created, and what the latest run does not contain.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use twinspan_plans::elements::folded;

use crate::event::{Origin, Outcome};
use crate::ids::{RunId, StepKey};
use crate::observation::id_of;
use crate::rollout::Resource;
use crate::rollout::{Created, EarlierRun, RunKey, resource};
use crate::signal::SignalRefused;
use crate::state::item::Item;
use crate::state::{RunState, StepState};

/// A resource of an earlier run that the latest run does not contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOver {
    /// The run that created it.
    pub run: RunId,
    /// The step of that run.
    pub step: StepKey,
    /// The outputs of that step, if known.
    pub outputs: Option<Value>,
}

impl RunState {
    /// The key of its rollout.
    pub fn key(&self) -> &RunKey {
        static NONE: RunKey = RunKey(String::new());
        self.rollout().map_or(&NONE, |rollout| &rollout.key)
    }

    /// The labels that the operator chose.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.rollout().map_or(&NONE, |rollout| &rollout.labels.0)
    }

    /// The run as later runs of its key record it; `None` while it is open, and after undo.
    pub fn as_earlier(&self) -> Option<EarlierRun> {
        let ended = matches!(self.outcome(), Some(Outcome::Done | Outcome::Cancelled));
        Some(EarlierRun { run: self.run().filter(|_| ended)?, created: self.existing() })
    }

    /// What it created and did not undo.
    fn existing(&self) -> Vec<Created> {
        let created = |item: &Item| {
            let record = item.step()?;
            let made = record.proof.as_ref().is_some_and(|proof| proof.origin == Origin::Created);
            let kind = &self.plan().node(item.node).step()?.uses;
            let (kind, claims) = resource(kind, &record.claims)?;
            let there = made && !matches!(record.state, StepState::Undone(_));
            there.then(|| Created { step: item.key.clone(), kind, claims })
        };
        self.items().filter_map(created).collect()
    }

    /// Whether one of its steps describes this resource of an earlier run, or found it: under another name, or only to
    /// read it.
    fn contains(&self, run: RunId, created: &Created, outputs: Option<&Value>) -> bool {
        let id = id_of(outputs).map(folded);
        self.items().any(|item| {
            let Some(record) = item.step() else { return false };
            let Some(step) = self.plan().node(item.node).step() else { return false };
            let named = record
                .created_earlier
                .as_ref()
                .is_some_and(|earlier| earlier.run == run && earlier.step == created.step);
            let claimed = step.uses == created.kind
                && resource(&step.uses, &record.claims).is_some_and(|(_, claims)| claims == created.claims);
            // A skipped step has no claims, so only its key identifies the resource.
            let skipped = matches!(record.state, StepState::Skipped { .. })
                && item.key == created.step
                && step.uses == created.kind;
            let own = record.proof.as_ref().and_then(|proof| id_of(Some(&proof.output)));
            let found = id.is_some() && own.map(folded) == id;
            named || claimed || skipped || found
        })
    }

    /// Steps of `earlier` whose resource this run updated or began to update.
    pub fn updated_of(&self, earlier: RunId) -> Vec<StepKey> {
        let updated = |item: &Item| {
            let record = item.step()?;
            let by = record.created_earlier.as_ref().filter(|by| by.run == earlier)?;
            (record.owner == Some(earlier) && record.ownership.owed).then(|| by.step.clone())
        };
        self.items().filter_map(updated).collect()
    }
}

/// What ended runs of the key created and `latest` does not contain, newest run first. `others`: ended runs of the key,
/// newest first; a resource that was created twice belongs to the run that created it last.
pub fn left_over(latest: &RunState, others: &[RunState]) -> Vec<LeftOver> {
    let mut seen: BTreeSet<Resource> = BTreeSet::new();
    let mut left = Vec::new();
    for owner in others {
        let Some(EarlierRun { run, created }) = owner.as_earlier() else { continue };
        if latest.run() == Some(run) {
            continue;
        }
        for created in created {
            let first = seen.insert((created.kind.clone(), created.claims.clone()));
            let outputs = owner.find(&created.step).and_then(|item| item.outputs()).cloned();
            if first && !latest.contains(run, &created, outputs.as_ref()) {
                left.push(LeftOver { run, step: created.step, outputs });
            }
        }
    }
    left
}

/// Checks whether these steps may be undone alone.
pub(crate) fn may_be_pruned(state: &RunState, steps: &[StepKey]) -> Result<(), SignalRefused> {
    let refused = |what: String, hint: &str| Err(SignalRefused { what, hint: Some(hint.to_owned()) });
    if !matches!(state.outcome(), Some(Outcome::Done | Outcome::Cancelled)) {
        let what = "the run has not ended: none of its steps is undone alone";
        return refused(what.to_owned(), "`show` says what comes next");
    }
    match steps.iter().find(|step| state.find(step).is_none()) {
        Some(step) => refused(format!("the run has no step {step}"), "`show` lists its steps"),
        None => Ok(()),
    }
}

/// Checks whether the undo may be called off; an undo of single steps may not.
pub(crate) fn may_be_called_off(state: &RunState) -> Result<(), SignalRefused> {
    if state.pruning().is_none() {
        return Ok(());
    }
    let what = "single steps of the run are being undone: there is nothing to call off".to_owned();
    Err(SignalRefused { what, hint: Some("`resume` continues that".to_owned()) })
}
