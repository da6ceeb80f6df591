//! Resolves needs to items, as soon as the collections on their path are expanded.

use std::sync::Arc;

use twinspan_plans::elements::find;
use twinspan_plans::expr::Expr;

use crate::failure::StepError;
use crate::state::RunState;
use crate::state::graph::Task;
use crate::state::item::{BlockState, Collection, Item, ItemId, Lookup, Role};
use crate::state::scope::ItemScope;
use crate::state::step_state::StepState;

impl RunState {
    pub(crate) fn link(&mut self, id: ItemId) {
        let plan = Arc::clone(&self.plan);
        let item = self.item(id);
        let node = plan.node(item.node);
        let collection = matches!(item.role, Role::Collection(_));
        let element = item.is_element;
        for (position, need) in node.needs.iter().enumerate() {
            // Needs of a `for_each` that read the element belong to its elements; the others belong to the collection.
            if node.for_each.is_some() {
                let of_element = need.reads_each();
                if (collection && of_element) || (element && !of_element) {
                    continue;
                }
            }
            if need.keys.iter().any(Expr::reads_outputs) {
                self.item_mut(id).late.push(position);
            } else {
                self.find_need(id, position);
            }
        }
    }

    /// Starts resolving one need of `reader`.
    pub(crate) fn find_need(&mut self, reader: ItemId, position: usize) {
        let plan = Arc::clone(&self.plan);
        let node = self.item(reader).node;
        let Some(need) = plan.node(node).needs.get(position) else { return };
        let scope = ItemScope::of(self, reader);
        let keys = match need.keys.iter().map(|key| key.eval_key(&scope)).collect::<Result<Vec<_>, _>>() {
            Ok(keys) => keys,
            Err(error) => {
                return self.wrong(reader, StepError::plan_wrong(format!("`needs`: {error}")));
            }
        };
        let selected = plan.selection(need.node, &self.item(reader).path, &keys).into();
        self.item_mut(reader).unmet += 1;
        self.follow(Lookup {
            reader,
            reads_output: need.reads_output,
            barrier: need.barrier,
            line: plan.line(need.node).into(),
            depth: 0,
            at: None,
            selected,
        });
    }

    /// Follows a lookup until it has found items, or waits for a collection to expand.
    pub(crate) fn follow(&mut self, mut lookup: Lookup) {
        while lookup.depth < lookup.line.len() {
            let node = lookup.line[lookup.depth];
            let last = lookup.depth + 1 == lookup.line.len();
            let Some(found) = self.by_node.get(&(lookup.at, node)).copied() else {
                return self.wrong(
                    lookup.reader,
                    StepError::plan_wrong("`needs` names something that the plan does not have"),
                );
            };
            let Role::Collection(collection) = &self.item(found).role else {
                lookup.at = Some(found);
                lookup.depth += 1;
                continue;
            };
            let is_whole = lookup.selected.front().is_none_or(Option::is_none);
            if last && is_whole {
                lookup.at = Some(found);
                lookup.depth += 1;
                continue;
            }
            match collection.state {
                BlockState::ConditionFalse => {
                    lookup.at = Some(found);
                    break;
                }
                BlockState::Open => {}
                BlockState::Closed | BlockState::Failed(_) => {
                    if let Some(collection) = self.item_mut(found).collection_mut() {
                        collection.blocked.push(lookup);
                    }
                    return;
                }
            }
            lookup.depth += 1;
            if let Some(key) = lookup.selected.pop_front().flatten() {
                let instances = &collection.instances;
                match find(instances, &key) {
                    Some(element) => lookup.at = Some(*element),
                    None => {
                        let known = instances.keys().take(10).cloned().collect::<Vec<_>>().join(", ");
                        let name = &self.item(found).key;
                        let error = StepError::plan_wrong(format!(
                            "`needs`: {name} has no element {key:?} (there are: {known})"
                        ));
                        return self.wrong(lookup.reader, error);
                    }
                }
            } else {
                // Without a key, all elements are needed: one need becomes one per element.
                let elements: Vec<ItemId> = instances_of(collection);
                let count = u32::try_from(elements.len()).unwrap_or(u32::MAX);
                self.item_mut(lookup.reader).unmet += count;
                for element in elements {
                    self.follow(Lookup { at: Some(element), ..lookup.clone() });
                }
                self.todo.push(Task::Release(lookup.reader));
                return;
            }
        }
        let Some(target) = lookup.at else { return };
        let reader = self.item_mut(lookup.reader);
        if lookup.barrier {
            reader.gates.push(target)
        } else {
            reader.targets.push(target)
        };
        let item = self.item_mut(target);
        if item.met.is_some() && (!lookup.reads_output || !withheld(item)) {
            self.todo.push(Task::Release(lookup.reader));
        } else {
            item.dependents.push((lookup.reader, lookup.reads_output));
        }
    }
}

fn instances_of(collection: &Collection) -> Vec<ItemId> {
    collection.instances.values().copied().collect()
}

/// Whether the item satisfies only dependents that read none of its outputs.
pub(crate) fn withheld(item: &Item) -> bool {
    matches!(item.step().map(|record| &record.state), Some(StepState::Skipped { output: None, .. }))
}
