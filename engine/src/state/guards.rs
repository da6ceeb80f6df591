//! The guards of a run, from its plan and inputs.

use std::sync::Arc;

use serde_json::{Map, Value};
use twinspan_plans::expr::Scope;
use twinspan_plans::{Ensure, IdentityId, KnownParams, NodeId, Plan};

use crate::guards::Guard;
use crate::identity::Identity;
use crate::ids::StepKey;
use crate::state::RunState;
use crate::state::scope::identity_of;

/// Evaluates expressions with inputs and elements alone.
struct Given<'a> {
    inputs: &'a twinspan_plans::Inputs,
    elements: &'a [(String, Value)],
}

impl Scope for Given<'_> {
    fn input(&self, name: &str) -> Option<&Value> {
        self.inputs.0.get(name)
    }

    fn each(&self, depth: u32) -> Option<(&str, &Value)> {
        let (key, value) = self.elements.get(usize::try_from(depth).ok()?)?;
        Some((key, value))
    }

    fn outputs(&self, _node: NodeId, _keys: &[String]) -> Option<Value> {
        None
    }

    fn run_id(&self) -> &str {
        ""
    }
}

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
        let identities: Vec<Identity> =
            step.identities.iter().map(|id| identity(plan, inputs, &known, *id)).collect::<Option<_>>()?;
        let others = (0..u32::try_from(plan.identities.len()).ok()?)
            .filter_map(|at| identity(plan, inputs, &known, IdentityId(at)))
            .filter(|other| !identities.contains(other))
            .collect();
        let known = Value::Object(known.values.into_iter().collect::<Map<_, _>>());
        Some(Guard { step: key, kind: step.uses.clone(), known, identities, others })
    });
    guards.collect()
}

/// An identity as the step instance sees it; `None`: it is declared elsewhere, or not known yet.
fn identity(
    plan: &Plan,
    inputs: &twinspan_plans::Inputs,
    known: &KnownParams,
    id: IdentityId,
) -> Option<Identity> {
    let definition = plan.identity(id);
    let around = match definition.declared_in {
        None => 0,
        Some(block) => {
            let scopes = plan.scopes(known.node);
            let own = plan.scopes(block);
            if !scopes.starts_with(&own) || own.is_empty() {
                return None;
            }
            own.len()
        }
    };
    let elements = &known.elements[known.elements.len().checked_sub(around)?..];
    identity_of(definition, &Given { inputs, elements }).ok()
}
