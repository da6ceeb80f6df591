//! The choices of a decision.

use twinspan_plans::{EffectClass, Ensure};

use crate::decision::Decision;
use crate::ids::StepKey;
use crate::signal::Choice;
use crate::signal::SignalRefused;
use crate::state::{Direction, RunState, StepState};

impl Decision {
    /// Fields that the remote does not change in an existing resource.
    pub fn immutable(&self) -> Vec<&str> {
        let fixed = self.differences.iter().filter(|difference| difference.immutable);
        fixed.map(|difference| difference.field.as_str()).collect()
    }
}

/// The choices for the decision that `step` needs, the safest first; empty if it needs none. Skipping the step is a separate
/// command.
pub fn choices(state: &RunState, step: &StepKey) -> Vec<Choice> {
    let Some(item) = state.lookup(step).map(|id| state.item(id)) else { return Vec::new() };
    let Some(definition) = state.plan().node(item.node).step() else { return Vec::new() };
    let Some(record) = item.step() else { return Vec::new() };
    let StepState::NeedsDecision { decision, .. } = &record.state else { return Vec::new() };
    if record.state.direction() == Some(Direction::Undo) {
        // Keep it, or delete it anyway.
        return vec![Choice::Adopt, Choice::Overwrite, Choice::Recreate, Choice::Abort];
    }
    if definition.ensure == Ensure::Absent {
        return vec![Choice::Abort, Choice::Overwrite];
    }
    if definition.effect == EffectClass::Read {
        return vec![Choice::Adopt, Choice::Abort];
    }
    if !decision.immutable().is_empty() {
        return vec![Choice::Adopt, Choice::Abort, Choice::Recreate];
    }
    vec![Choice::Adopt, Choice::Abort, Choice::Overwrite, Choice::Recreate]
}

/// Whether `choice` is possible for the decision that `step` needs.
pub(super) fn check(state: &RunState, step: &StepKey, choice: Choice) -> Result<(), SignalRefused> {
    if choices(state, step).contains(&choice) {
        return Ok(());
    }
    let record = state.lookup(step).and_then(|id| state.item(id).step());
    let fixed = match record.map(|record| &record.state) {
        Some(StepState::NeedsDecision { decision, .. }) => decision.immutable().join(", "),
        _ => String::new(),
    };
    Err(SignalRefused {
        what: format!("{step} cannot be overwritten: {fixed} cannot be changed in the existing resource"),
        hint: Some(
            "`decide … recreate` deletes and creates it, `decide … adopt` takes it as it is".to_owned(),
        ),
    })
}
