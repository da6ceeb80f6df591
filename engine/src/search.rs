//! Before an undo, and for `verify`: reads the resources of steps that never sent anything according to the journal.
//!
//! A journal can be older than the remote: a backup was restored, or the file lost its last entries. It then does not know
//! resources that carry this run's marker, and an undo based on it would leave them and report that everything is undone. So
//! each step that could have begun is read once, as far as its parameters can be known; a step that cannot be read is
//! reported.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;
use twinspan_plans::elements::ElementPath;
use twinspan_plans::{EffectClass, Ensure};

use crate::event::Event;
use crate::failure::FailureClass;
use crate::finding::Sought;
use crate::finding::SoughtState;
use crate::finding::{DriftState, Finding};
use crate::ids::StepKey;
use crate::job::Seen;
use crate::observation::{Marker, Observed};
use crate::perform::Performer;
use crate::planned_steps::{PlannedTask, StepOutline};
use crate::preview::{StepReading, read_ahead};
use crate::state::item::Role;
use crate::state::{BlockState, Goal, RunState, StepState};

/// Reads the steps, and returns the events to record: first the elements of each `for_each` in which a resource was found,
/// then the findings.
pub(crate) async fn search(state: &RunState, performer: &Arc<Performer>) -> Vec<Event> {
    let (outlines, _, looks) = match read_ahead(state, performer, true).await {
        Ok(read) => read,
        Err(error) => {
            let all = state
                .unsearched()
                .map(|step| Sought { step, found: SoughtState::Unchecked { why: error.to_string() } });
            return vec![Event::Searched { sought: all.collect() }];
        }
    };
    let mut sought = Vec::new();
    let mut inside = BTreeSet::new();
    for (at, outline) in outlines.iter().enumerate() {
        let Some(found) = found(state, performer, outline, looks.get(&outline.key)) else { continue };
        if matches!(found, SoughtState::Own { .. }) && state.lookup(&outline.key).is_none() {
            inside.insert(at);
        }
        sought.push(Sought { step: outline.key.clone(), found });
    }
    let mut events = expansions(state, &outlines, &inside);
    events.push(Event::Searched { sought });
    events
}

/// Finds steps whose resource has this run's marker although the journal has no intent of them, for `verify`. Only reads, and
/// reads nothing if the journal has an intent of every step.
///
/// If a process drives the run, `state` may be old: only a step that a second call with a newer state also finds proves the loss.
pub async fn lost_tail(state: &RunState, performer: &Arc<Performer>) -> Vec<Finding> {
    // An undo searches before it deletes anything, and records what it found.
    if state.control().goal == Goal::Undo || !state.has_unsearched() {
        return Vec::new();
    }
    let found = search(state, performer).await.into_iter().filter_map(|event| match event {
        Event::Searched { sought } => Some(sought),
        _ => None,
    });
    let own = found.flatten().filter(|sought| matches!(sought.found, SoughtState::Own { .. }));
    own.map(|sought| Finding { step: sought.step, drift: DriftState::LostTail, read: None }).collect()
}

/// The result of a step; `None`: no resource that this run could have created.
fn found(
    state: &RunState,
    performer: &Performer,
    outline: &StepOutline,
    look: Option<&StepReading>,
) -> Option<SoughtState> {
    let step = state.plan().node(outline.node).step()?;
    let kept = performer.registry().kind(&step.uses).is_some_and(|kind| kind.meta.retain_on_undo.is_some());
    let writes = step.effect != EffectClass::Read && step.ensure == Ensure::Present && !kept;
    if !outline.applies || !writes || state.lookup(&outline.key).is_some_and(|id| !state.is_unsearched(id)) {
        return None;
    }
    let unchecked = |why: String| Some(SoughtState::Unchecked { why });
    let Some(look) = look else {
        return match &outline.planned_task {
            PlannedTask::NotYet(why) => unchecked(why.clone()),
            PlannedTask::Known(_) => unchecked("it needs a value that only the run would learn".to_owned()),
        };
    };
    let (observed, claims) = match &look.result {
        Ok(Seen::Checked { observed, claims, .. }) => (observed, claims),
        Ok(Seen::Applied { .. } | Seen::Undone(_)) => return None,
        // The remote says that what would contain the resource does not exist. That is as certain as a read of the resource
        // itself that finds nothing, and `drift` judges both alike, too.
        Err(error) if error.class == FailureClass::ReplicationLag => return None,
        Err(error) => return unchecked(format!("it cannot be read: {error}")),
    };
    let marker = match observed {
        Observed::Absent => return None,
        Observed::Conflict(decision) => return unchecked(decision.what.clone()),
        Observed::Present { marker, .. }
        | Observed::Differs { marker, .. }
        | Observed::Broken { marker, .. }
        | Observed::Converging { marker, .. } => marker,
    };
    match marker {
        Marker::Of(run) if state.run().is_some_and(|own| own.short() == *run) => {
            // Another step of this run wrote it, and the journal contains that.
            if state.has_written(claims) {
                return None;
            }
            Some(SoughtState::Own {
                params: outline.params.clone()?,
                identities: outline.identities.clone(),
                auxiliary: outline.auxiliary.clone(),
            })
        }
        Marker::NoPlace | Marker::Before(_) => unchecked(
            "found, and its kind carries no marker that could say whether this run created it".to_owned(),
        ),
        Marker::None | Marker::Of(_) => None,
    }
}

/// The elements of each `for_each` around these steps that the run does not have yet, outermost first.
fn expansions(state: &RunState, outlines: &[StepOutline], inside: &BTreeSet<usize>) -> Vec<Event> {
    let mut wanted: Vec<StepKey> = Vec::new();
    for at in inside {
        for (collection, _) in collections(state, &outlines[*at]) {
            let closed = match state.lookup(&collection).map(|id| &state.item(id).role) {
                Some(Role::Collection(of)) => of.state == BlockState::Closed,
                Some(Role::Step(_) | Role::Group { .. }) => false,
                // It lies in an element that is expanded here too.
                None => true,
            };
            if closed && !wanted.contains(&collection) {
                wanted.push(collection);
            }
        }
    }
    let events = wanted.into_iter().map(|item| {
        let elements: IndexMap<String, Value> = outlines
            .iter()
            .flat_map(|outline| collections(state, outline))
            .filter(|(collection, _)| *collection == item)
            .filter_map(|(_, path)| path.each(0).map(|(key, value)| (key.to_owned(), value.clone())))
            .collect();
        Event::Expanded { item, elements: elements.into_iter().collect() }
    });
    events.collect()
}

/// Each `for_each` around a step, and the path of its element, outermost first.
fn collections(state: &RunState, outline: &StepOutline) -> impl Iterator<Item = (StepKey, ElementPath)> {
    let all = state.plan().collections(&outline.path).into_iter();
    all.map(|(name, path)| (StepKey(name.into()), path))
}

impl RunState {
    /// Whether the journal says nothing about a step that could have created a resource: it has neither an intent nor a
    /// proof, and was not skipped.
    pub(crate) fn is_unsearched(&self, id: crate::state::item::ItemId) -> bool {
        let item = self.item(id);
        let Some(step) = self.plan().node(item.node).step() else { return false };
        if step.effect == EffectClass::Read || step.ensure == Ensure::Absent {
            return false;
        }
        item.step().is_some_and(|record| {
            let settled = matches!(
                record.state,
                StepState::ConditionFalse
                    | StepState::Skipped { .. }
                    | StepState::Unchanged(_)
                    | StepState::Done(_)
                    | StepState::Undone(_)
                    | StepState::Kept { .. }
            );
            !settled && !record.ownership.owed && record.proof.is_none()
        })
    }

    /// Steps about which the journal says nothing.
    pub(crate) fn unsearched(&self) -> impl Iterator<Item = StepKey> + '_ {
        self.ids().filter(|id| self.is_unsearched(*id)).map(|id| self.item(id).key.clone())
    }

    /// Whether an undo needs the search: there is such a step, or a `for_each` that may contain one.
    pub(crate) fn has_unsearched(&self) -> bool {
        let closed = |id| match &self.item(id).role {
            Role::Collection(collection) => collection.state == BlockState::Closed,
            Role::Step(_) | Role::Group { .. } => false,
        };
        self.ids().any(|id| self.is_unsearched(id) || closed(id))
    }
}
