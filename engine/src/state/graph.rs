//! The graph of needs: creates the items of a run, resolves needs, and begins items whose needs are met. A list of tasks
//! replaces recursion, because a chain of needs can be as long as the run.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use twinspan_plans::elements::ElementPath;
use twinspan_plans::{NodeId, NodeKind};

use crate::failure::StepError;
use crate::ids::StepKey;
use crate::state::item::{BlockState, Item, ItemId, Lookup, Role, Slot, Verdict};
use crate::state::moment::Moment;
use crate::state::needs::withheld;
use crate::state::record::StepRecord;
use crate::state::scope::ItemScope;
use crate::state::step_state::{Change, StepState};
use crate::state::{Goal, IllegalTransition, RunState};

/// A pending consequence of an event.
#[derive(Debug)]
pub(crate) enum Task {
    /// One of its needs is met.
    Release(ItemId),
    /// No unmet need is left.
    Begin(ItemId),
    /// It meets the needs of others.
    Met(ItemId),
    /// A need can be resolved now.
    Find(Lookup),
}

impl RunState {
    /// Creates the items of the top level.
    pub(crate) fn plant(&mut self) {
        let plan = Arc::clone(&self.plan);
        self.roots = plan.roots.iter().map(|node| self.make(*node, None)).collect();
        self.roots_left = self.roots.len();
        for id in self.roots.clone() {
            self.link_tree(id);
        }
        // The last pushed is the first drawn: reversed, so that siblings arrive in the order written.
        let roots = self.roots.iter().rev().map(|id| Task::Release(*id)).collect::<Vec<_>>();
        self.todo.extend(roots);
    }

    fn make(&mut self, node: NodeId, parent: Option<ItemId>) -> ItemId {
        let path = parent.map(|parent| self.item(parent).path.clone()).unwrap_or_default();
        let id = if self.plan.node(node).for_each.is_some() {
            self.add(node, parent, path, false, Role::Collection(Box::default()))
        } else {
            self.make_single(node, parent, path, false)
        };
        self.by_node.insert((parent, node), id);
        id
    }

    fn make_single(
        &mut self,
        node: NodeId,
        parent: Option<ItemId>,
        path: ElementPath,
        is_element: bool,
    ) -> ItemId {
        let plan = Arc::clone(&self.plan);
        match &plan.node(node).kind {
            NodeKind::Step(_) => {
                self.add(node, parent, path, is_element, Role::Step(Box::new(StepRecord::new())))
            }
            NodeKind::Block(block) => {
                let role = Role::Group { children: Vec::new(), left: 0, state: BlockState::Closed };
                let id = self.add(node, parent, path, is_element, role);
                let made: Vec<ItemId> =
                    block.children.iter().map(|child| self.make(*child, Some(id))).collect();
                if let Role::Group { children, left, .. } = &mut self.item_mut(id).role {
                    *left = u32::try_from(made.len()).unwrap_or(u32::MAX);
                    *children = made;
                }
                id
            }
        }
    }

    fn add(
        &mut self,
        node: NodeId,
        parent: Option<ItemId>,
        path: ElementPath,
        is_element: bool,
        role: Role,
    ) -> ItemId {
        let id = ItemId(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
        let key = StepKey(self.plan.instance_name(node, &path).into());
        self.by_key.insert(key.clone(), id);
        self.items.push(Item {
            key,
            node,
            parent,
            path,
            is_element,
            role,
            unmet: 1,
            late: Vec::new(),
            targets: Vec::new(),
            gates: Vec::new(),
            dependents: Vec::new(),
            begun: None,
            met: None,
            verdict: None,
            active: 0,
            failures: 0,
            slot: Slot::Unused,
            held: Vec::new(),
        });
        id
    }

    /// Links the needs of an item and of everything in it.
    fn link_tree(&mut self, id: ItemId) {
        self.link(id);
        if let Role::Group { children, .. } = &self.item(id).role {
            for child in children.clone() {
                self.link_tree(child);
            }
        }
    }

    /// Makes `decide` record that the item failed, because something about it cannot be evaluated.
    pub(crate) fn wrong(&mut self, id: ItemId, error: StepError) {
        self.judge(id, Verdict::Wrong(error));
    }

    pub(crate) fn judge(&mut self, id: ItemId, verdict: Verdict) {
        if self.item(id).verdict.is_none() {
            let ticket = self.agenda.record(id);
            self.item_mut(id).verdict = Some((verdict, ticket));
            self.activity(id, true);
        }
    }

    /// Removes the verdict: `decide` has recorded it.
    pub(crate) fn recorded(&mut self, id: ItemId) {
        if let Some((_, ticket)) = self.item_mut(id).verdict.take() {
            self.agenda.recorded(ticket);
            self.activity(id, false);
        }
    }

    /// Processes all consequences. Slots are assigned when no other task is left, so that an element that continues keeps its
    /// own; those of inner collections first (inner items have higher ids), because an element that continues inside keeps
    /// the slot around it.
    pub(crate) fn run_tasks(&mut self, at: Moment) {
        loop {
            self.draw_tasks(at);
            let Some(collection) = self.pumps.pop_last() else { return };
            self.pump(collection, at);
        }
    }

    fn draw_tasks(&mut self, at: Moment) {
        while let Some(task) = self.todo.pop() {
            match task {
                Task::Release(id) => {
                    let item = self.item_mut(id);
                    item.unmet = item.unmet.saturating_sub(1);
                    if item.unmet == 0 {
                        self.todo.push(Task::Begin(id));
                    }
                }
                Task::Begin(id) => self.begin(id, at),
                Task::Met(id) => self.met(id),
                Task::Find(lookup) => self.follow(lookup),
            }
        }
    }

    fn begin(&mut self, id: ItemId, at: Moment) {
        let item = self.item(id);
        if item.begun.is_some() || item.unmet > 0 || item.verdict.is_some() {
            return;
        }
        if self.control.goal != Goal::Finish {
            return;
        }
        let late = std::mem::take(&mut self.item_mut(id).late);
        if !late.is_empty() {
            // Held while its needs are resolved, so that it begins only once.
            self.item_mut(id).unmet += 1;
            for position in late {
                self.find_need(id, position);
            }
            self.todo.push(Task::Release(id));
            return;
        }
        if let Some(need) = self.reopened_need(id) {
            self.item_mut(id).unmet += 1;
            self.item_mut(need).dependents.push((id, false));
            return;
        }
        let item = self.item(id);
        match item.block_state() {
            Some(BlockState::ConditionFalse | BlockState::Open) => return,
            None if !matches!(item.step().map(|record| &record.state), Some(StepState::Pending)) => return,
            _ => {}
        }
        if let Some(element) = self.without_slot(id) {
            return self.hold(element, id);
        }
        let item = self.item(id);
        let plan = Arc::clone(&self.plan);
        let node = plan.node(item.node);
        let collection = matches!(item.role, Role::Collection(_));
        let when = if collection { node.condition_of_all() } else { node.condition_of_one() };
        if let Some(when) = when {
            match when.truth(&ItemScope::of(self, id)) {
                Ok(true) => {}
                Ok(false) => return self.judge(id, Verdict::ConditionFalse),
                Err(error) => {
                    return self.wrong(id, StepError::plan_wrong(format!("`when`: {error}")));
                }
            }
        }
        let seq = self.seq;
        let item = self.item_mut(id);
        item.begun = Some((at.utc, seq));
        match &mut item.role {
            Role::Step(record) => {
                record.begin(at);
                // It is Pending, as checked above, so this fits.
                let _fits = self.change(id, Change::NeedsMet, at);
                self.prepare_call(id);
            }
            Role::Group { children, left, state } => {
                *state = BlockState::Open;
                let releases: Vec<Task> = children.iter().rev().map(|child| Task::Release(*child)).collect();
                if *left == 0 {
                    self.todo.push(Task::Met(id));
                }
                self.todo.extend(releases);
            }
            Role::Collection(_) => self.judge(id, Verdict::Expand),
        }
    }

    /// Resolves parameters and identities, once; an error fails the step.
    pub(crate) fn prepare_call(&mut self, id: ItemId) {
        match self.resolve_call(id) {
            Ok(call) => {
                if let Some(record) = self.item_mut(id).step_mut() {
                    record.call = Some(Arc::new(call));
                }
            }
            Err(error) => self.wrong(id, error),
        }
    }

    fn met(&mut self, id: ItemId) {
        let seq = self.seq;
        let item = self.item_mut(id);
        let first = item.met.is_none();
        item.met.get_or_insert(seq);
        let held = withheld(item);
        let (kept, released): (Vec<_>, Vec<_>) =
            std::mem::take(&mut item.dependents).into_iter().partition(|(_, reads)| held && *reads);
        item.dependents = kept;
        let parent = item.parent;
        self.todo.extend(released.into_iter().rev().map(|(reader, _)| Task::Release(reader)));
        if !first {
            return;
        }
        let Some(parent) = parent else {
            self.roots_left = self.roots_left.saturating_sub(1);
            return;
        };
        let complete = match &mut self.item_mut(parent).role {
            Role::Group { left, state, .. } => {
                *left = left.saturating_sub(1);
                *left == 0 && *state == BlockState::Open
            }
            Role::Collection(collection) => {
                collection.left = collection.left.saturating_sub(1);
                collection.left == 0
            }
            Role::Step(_) => false,
        };
        if complete {
            self.todo.push(Task::Met(parent));
        }
    }

    /// Creates the elements of a collection.
    pub(crate) fn expand(
        &mut self,
        id: ItemId,
        elements: &[(String, Value)],
        _at: Moment,
    ) -> Result<(), IllegalTransition> {
        let item = self.item(id);
        let (node, around) = (item.node, item.path.clone());
        if !matches!(&item.role, Role::Collection(collection) if collection.state == BlockState::Closed) {
            return Err(IllegalTransition {
                item: item.key.to_string(),
                state: "expanded",
                event: "expanded",
            });
        }
        let mut instances = IndexMap::with_capacity(elements.len());
        for (name, value) in elements {
            let path = around.inside(node, (name.clone(), value.clone()));
            let made = self.make_single(node, Some(id), path, true);
            instances.insert(name.clone(), made);
        }
        let made: Vec<ItemId> = instances.values().copied().collect();
        let mut blocked = Vec::new();
        if let Some(collection) = self.item_mut(id).collection_mut() {
            blocked = std::mem::take(&mut collection.blocked);
            collection.state = BlockState::Open;
            collection.instances = instances;
            collection.left = u32::try_from(made.len()).unwrap_or(u32::MAX);
        }
        for element in &made {
            self.link_tree(*element);
        }
        if made.is_empty() {
            self.todo.push(Task::Met(id));
        }
        self.todo.extend(made.into_iter().rev().map(Task::Release));
        self.todo.extend(blocked.into_iter().map(Task::Find));
        Ok(())
    }

    /// Skips an item and everything in it: the condition is false.
    pub(crate) fn condition_false(&mut self, id: ItemId, at: Moment) {
        let mut open = vec![id];
        while let Some(here) = open.pop() {
            self.recorded(here);
            let item = self.item_mut(here);
            match &mut item.role {
                Role::Step(record) => {
                    if record.state == StepState::Pending {
                        // A pending step: the change fits.
                        let _fits = self.change(here, Change::ConditionFalse, at);
                    }
                }
                Role::Group { children, state, .. } => {
                    *state = BlockState::ConditionFalse;
                    open.extend(children.iter().rev());
                    self.todo.push(Task::Met(here));
                }
                Role::Collection(collection) => {
                    collection.state = BlockState::ConditionFalse;
                    let blocked = std::mem::take(&mut collection.blocked);
                    self.todo.push(Task::Met(here));
                    self.todo.extend(blocked.into_iter().map(Task::Find));
                }
            }
        }
    }
}
