//! Evaluation scope of references: inputs, outputs of other steps, the element of a `for_each`, the run's id.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value};
use twinspan_plans::elements::find;
use twinspan_plans::expr::{EvalError, Expr, Scope};
use twinspan_plans::{IdentityDef, IdentityId, NodeId};

use crate::failure::StepError;
use crate::identity::Identity;
use crate::state::RunState;
use crate::state::item::{BlockState, ItemId, Role};
use crate::state::record::Call;

/// The scope of one item.
pub(crate) struct ItemScope<'a> {
    state: &'a RunState,
    item: Option<ItemId>,
}

impl<'a> ItemScope<'a> {
    pub(crate) fn of(state: &'a RunState, item: ItemId) -> Self {
        ItemScope { state, item: Some(item) }
    }
}

impl Scope for ItemScope<'_> {
    fn input(&self, name: &str) -> Option<&Value> {
        let head = self.state.head.as_ref()?;
        head.started.inputs.0.get(name).filter(|value| !value.is_null())
    }

    fn each(&self, depth: u32) -> Option<(&str, &Value)> {
        let mut left = depth;
        let mut at = self.item;
        while let Some(id) = at {
            let item = self.state.item(id);
            if let Some((key, value)) = &item.element {
                if left == 0 {
                    return Some((key, value));
                }
                left -= 1;
            }
            at = item.parent;
        }
        None
    }

    fn outputs(&self, node: NodeId, keys: &[String]) -> Option<Value> {
        let mut path = Vec::new();
        let mut at = Some(node);
        while let Some(here) = at {
            path.push(here);
            at = self.state.plan.node(here).parent;
        }
        path.reverse();
        let mut from = None;
        let mut depth = 0;
        if let Some(reader) = self.item {
            // The reader's enclosing blocks are fixed instances; so is the reader itself when it is an element.
            while depth < path.len() {
                let own = self.state.item(reader);
                let around = if own.node == path[depth] && !matches!(own.role, Role::Collection(_)) {
                    Some(reader)
                } else {
                    self.state.enclosing(reader, path[depth])
                };
                let Some(around) = around else { break };
                from = Some(around);
                depth += 1;
            }
        }
        self.state.outputs_from(from, &path[depth..], &mut keys.iter().cloned().collect())
    }

    fn run_id(&self) -> &str {
        self.state.head.as_ref().map_or("", |head| &head.run_id)
    }
}

impl RunState {
    fn outputs_from(
        &self,
        from: Option<ItemId>,
        path: &[NodeId],
        keys: &mut VecDeque<String>,
    ) -> Option<Value> {
        let Some((node, rest)) = path.split_first() else {
            return self.item(from?).step()?.output().cloned();
        };
        let found = *self.by_node.get(&(from, *node))?;
        let Role::Collection(collection) = &self.item(found).role else {
            return self.outputs_from(Some(found), rest, keys);
        };
        if let Some(key) = keys.pop_front() {
            let instances = &collection.instances;
            let element = find(instances, &key)?;
            return self.outputs_from(Some(*element), rest, keys);
        }
        if collection.state != BlockState::Open {
            return None;
        }
        let mut all = Map::new();
        for (key, element) in &collection.instances {
            if let Some(value) = self.outputs_from(Some(*element), rest, &mut VecDeque::new()) {
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
        let all = self.plan.identities.iter().zip(0..).map(|(definition, at)| (definition, IdentityId(at)));
        let seen =
            |declared_in: Option<NodeId>| declared_in.is_none_or(|node| self.enclosing(id, node).is_some());
        all.filter(|(definition, _)| seen(definition.declared_in))
            .filter_map(|(_, at)| self.resolve_identity(id, at).ok())
            .filter(|identity| !own.contains(identity))
            .collect()
    }

    fn resolve_identity(&self, id: ItemId, identity: IdentityId) -> Result<Identity, StepError> {
        let definition = self.plan.identity(identity);
        // An identity is evaluated in the block that declares it, not in the step that uses it.
        let place = definition.declared_in.and_then(|node| self.enclosing(id, node));
        identity_of(definition, &ItemScope { state: self, item: place })
    }

    /// The keyed elements of a `for_each`; a duplicate key is an error.
    pub(crate) fn elements(&self, id: ItemId, over: &Expr) -> Result<Vec<(String, Value)>, StepError> {
        let wrong = |error: EvalError| StepError::plan_wrong(format!("`for_each`: {error}"));
        // The elements are evaluated outside of the collection that they create.
        let value = over.eval(&ItemScope { state: self, item: Some(id) }).map_err(wrong)?;
        twinspan_plans::elements::elements(value).map_err(|error| StepError::plan_wrong(error.to_string()))
    }
}

/// Resolves an identity and its attributes through `scope`.
pub(crate) fn identity_of(definition: &IdentityDef, scope: &dyn Scope) -> Result<Identity, StepError> {
    let mut attributes = BTreeMap::new();
    for (name, expr) in &definition.attributes {
        let value = expr.eval(scope).map_err(|error| {
            StepError::plan_wrong(format!("identity {}, {name}: {error}", definition.name))
        })?;
        match value {
            Some(Value::String(text)) => {
                drop(attributes.insert(name.clone(), IdentityDef::normal(name, text)))
            }
            Some(other) => drop(attributes.insert(name.clone(), other.to_string())),
            None => {}
        }
    }
    if let Some(about) = &definition.about {
        attributes.insert("about".to_owned(), about.clone());
    }
    Ok(Identity { name: definition.name.clone(), attributes })
}
