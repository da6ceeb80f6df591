//! Evaluation scope of references: inputs, outputs of other steps, the element of a `for_each`, the run's id.

use std::sync::Arc;

use serde_json::{Map, Value};
use twinspan_plans::elements::{Element, ElementPath, find};
use twinspan_plans::expr::Scope;
use twinspan_plans::{IdentityDef, IdentityId, NodeId};

use crate::failure::StepError;
use crate::identity::Identity;
use crate::state::RunState;
use crate::state::item::{BlockState, ItemId, Role};
use crate::state::record::Call;

/// The scope of one item.
pub(crate) struct ItemScope<'a> {
    state: &'a RunState,
    path: ElementPath,
}

impl<'a> ItemScope<'a> {
    pub(crate) fn of(state: &'a RunState, item: ItemId) -> Self {
        ItemScope { state, path: state.item(item).path.clone() }
    }
}

impl Scope for ItemScope<'_> {
    fn input(&self, name: &str) -> Option<&Value> {
        self.state.head.as_ref()?.started.inputs.0.get(name)
    }

    fn path(&self) -> &ElementPath {
        &self.path
    }

    fn outputs(&self, node: NodeId, keys: &[String]) -> Option<Value> {
        let plan = &self.state.plan;
        let selected = plan.selection(node, &self.path, keys);
        self.state.outputs_from(None, &plan.line(node), &selected)
    }

    fn run_id(&self) -> &str {
        self.state.head.as_ref().map_or("", |head| &head.run_id)
    }
}

impl RunState {
    fn outputs_from(
        &self,
        from: Option<ItemId>,
        line: &[NodeId],
        selected: &[Option<String>],
    ) -> Option<Value> {
        let Some((node, rest)) = line.split_first() else {
            return self.item(from?).step()?.output().cloned();
        };
        let found = *self.by_node.get(&(from, *node))?;
        let Role::Collection(collection) = &self.item(found).role else {
            return self.outputs_from(Some(found), rest, selected);
        };
        let (key, inner) = selected.split_first()?;
        if let Some(key) = key {
            let element = find(&collection.instances, key)?;
            return self.outputs_from(Some(*element), rest, inner);
        }
        if collection.state != BlockState::Open {
            return None;
        }
        let mut all = Map::new();
        for (key, element) in &collection.instances {
            if let Some(value) = self.outputs_from(Some(*element), rest, inner) {
                all.insert(key.clone(), value);
            }
        }
        Some(Value::Object(all))
    }

    /// Resolves a step's parameters and identities.
    pub(crate) fn resolve_call(&self, id: ItemId) -> Result<Call, StepError> {
        let item = self.item(id);
        let Some(step) = self.plan.node(item.node).step() else {
            return Err(StepError::plan_wrong("a block has no parameters"));
        };
        let params = step
            .with
            .resolve(&ItemScope::of(self, id))
            .map_err(|error| StepError::plan_wrong(format!("`with`: {error}")))?
            .unwrap_or_else(|| Value::Object(Map::new()));
        let identities = step
            .identities
            .iter()
            .map(|identity| self.resolve_identity(id, *identity))
            .collect::<Result<Vec<_>, _>>()?;
        let auxiliary = step.auxiliary.map(|identity| self.resolve_identity(id, identity)).transpose()?;
        Ok(Call { params: Arc::new(params), identities, auxiliary })
    }

    /// The plan's other identities, apart from the step's own. One that cannot be resolved is omitted.
    pub(crate) fn other_identities(&self, id: ItemId, own: &[Identity]) -> Vec<Identity> {
        if own.is_empty() {
            return Vec::new();
        }
        let all = self.plan.visible_identities(self.item(id).node);
        all.filter_map(|(at, _)| self.resolve_identity(id, at).ok())
            .filter(|identity| !own.contains(identity))
            .collect()
    }

    fn resolve_identity(&self, id: ItemId, identity: IdentityId) -> Result<Identity, StepError> {
        let definition = self.plan.identity(identity);
        let path = self.plan.path_of_identity(definition, &self.item(id).path);
        identity_of(definition, &ItemScope { state: self, path })
    }

    /// The keyed elements of a `for_each`; a duplicate key is an error.
    pub(crate) fn elements(&self, id: ItemId) -> Result<Vec<Element>, StepError> {
        let elements = self.plan.node(self.item(id).node).elements(&ItemScope::of(self, id));
        elements.map_err(|error| StepError::plan_wrong(error.to_string()))
    }
}

/// Resolves an identity and its attributes through `scope`.
pub(crate) fn identity_of(definition: &IdentityDef, scope: &dyn Scope) -> Result<Identity, StepError> {
    let attributes = definition.attributes_in(scope).map_err(|(name, error)| {
        StepError::plan_wrong(format!("identity {}, {name}: {error}", definition.name))
    })?;
    Ok(Identity { name: definition.name.clone(), attributes: attributes.into_iter().collect() })
}
