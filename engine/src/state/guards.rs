//! The guards of a run, from its plan and inputs.

use std::sync::Arc;

use serde_json::{Map, Value};
use twinspan_plans::{Ensure, IdentityDef, InputScope, KnownParams, Plan};

use crate::guards::Guard;
use crate::identity::Identity;
use crate::ids::StepKey;
use crate::state::RunState;
use crate::state::scope::identity_of;

/// Returns the guards of a run, except those of steps that are done.
pub(crate) fn of(state: &RunState) -> Arc<[Guard]> {
    let Some(inputs) = state.inputs() else { return Arc::default() };
    let plan = state.plan();
    if !plan.nodes.iter().any(|node| node.step().is_some_and(|step| step.guards)) {
        return Arc::default();
    }
    let known = plan.known_params(inputs);
    let guards = known.into_iter().filter(|known| known.certain).filter_map(|known| {
        let step =
            plan.node(known.node).step().filter(|step| step.guards && step.ensure == Ensure::Present)?;
        let key = StepKey(known.instance.as_str().into());
        if state.find(&key).is_some_and(|item| item.proof().is_some()) {
            return None;
        }
        let own = step.identities.iter().map(|id| identity(plan, inputs, &known, plan.identity(*id)));
        let identities: Vec<Identity> = own.collect::<Option<_>>()?;
        let others = plan
            .visible_identities(known.node)
            .filter_map(|(_, definition)| identity(plan, inputs, &known, definition))
            .filter(|other| !identities.contains(other))
            .collect();
        let known = Value::Object(known.values.into_iter().collect::<Map<_, _>>());
        Some(Guard { step: key, kind: step.uses.clone(), known, identities, others })
    });
    guards.collect()
}

/// An identity as the step instance sees it; `None`: it is not known yet.
fn identity(
    plan: &Plan,
    inputs: &twinspan_plans::Inputs,
    known: &KnownParams,
    definition: &IdentityDef,
) -> Option<Identity> {
    let path = plan.path_of_identity(definition, &known.path);
    identity_of(definition, &InputScope::new(inputs, path)).ok()
}
