//! `parallel` and `halt_after`: how many elements of a `for_each` block may work at the same time, and after how many
//! failures no further element gets a slot.
//!
//! ```text
//! Unused ─its first step could begin─▶ Wanted ─a slot is free, and fewer than `halt_after` failed─▶ Taken
//!    ▲                                                                                               │
//!    └──────────────── nothing in it moves or waits for the remote: it waits for people, or ended ────┘
//! ```
//!
//! An element that waited for a person needs a slot again before a step in it begins or writes: otherwise fifty approvals
//! given together would let fifty elements write at once, although the first may show a fault.

use twinspan_plans::{BlockDef, EffectClass};

use crate::ids::StepKey;
use crate::state::graph::Task;
use crate::state::item::{Collection, Item, ItemId, Role, Slot};
use crate::state::moment::Moment;
use crate::state::step_state::{Direction, StepState};
use crate::state::{Goal, RunState};

/// A `for_each` block in which no further instance begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltedBlock {
    /// The block.
    pub block: StepKey,
    /// Instances in which a step failed or needs a decision.
    pub failed: u32,
    /// After how many of them it halts.
    pub halt_after: u32,
    /// Instances that have not begun.
    pub not_begun: usize,
    /// Instances that could continue after a wait for a person, and are held back.
    pub held_back: usize,
}

/// The limits of a collection.
#[derive(Clone, Copy)]
struct Limits {
    parallel: u32,
    halt_after: u32,
}

impl Limits {
    fn of(block: &BlockDef) -> Option<Self> {
        (block.parallel.is_some() || block.halt_after.is_some()).then(|| Limits {
            parallel: block.parallel.unwrap_or(u32::MAX),
            halt_after: block.halt_after.unwrap_or(u32::MAX),
        })
    }

    /// Whether another element may take a slot.
    fn allow(self, collection: &Collection) -> bool {
        collection.taken < self.parallel && collection.failed < self.halt_after
    }
}

impl RunState {
    fn limits(&self, collection: ItemId) -> Option<Limits> {
        Limits::of(self.plan.node(self.item(collection).node).block()?)
    }

    /// The outermost element around `id` (or `id` itself) that has no slot and needs one.
    pub(crate) fn without_slot(&self, id: ItemId) -> Option<ItemId> {
        let mut found = None;
        let mut at = Some(id);
        while let Some(here) = at {
            let item = self.item(here);
            at = item.parent;
            let limited = item.is_element && at.is_some_and(|collection| self.limits(collection).is_some());
            if limited && item.slot != Slot::Taken {
                found = Some(here);
            }
        }
        found
    }

    /// The element whose slot the step lacks, if the step would be probed and could then write.
    pub(crate) fn lacks_slot(&self, id: ItemId) -> Option<ItemId> {
        let item = self.item(id);
        let about_to_write = self.control.goal == Goal::Finish
            && matches!(item.step()?.state, StepState::Probing { direction: Direction::Forward })
            && self.plan.node(item.node).step()?.effect != EffectClass::Read;
        if about_to_write { self.without_slot(id) } else { None }
    }

    /// Queues `id` until `element` has a slot.
    pub(crate) fn hold(&mut self, element: ItemId, id: ItemId) {
        let item = self.item_mut(element);
        if !item.held.contains(&id) {
            item.held.push(id);
        }
        let (slot, resumes) = (item.slot, item.begun.is_some());
        let Some(collection) = item.parent else { return };
        if slot != Slot::Unused {
            return;
        }
        self.item_mut(element).slot = Slot::Wanted;
        // Elements that had begun go first: they are nearer to their end.
        let items = &self.items;
        let begun = |id: &&ItemId| items[id.0 as usize].begun.is_some();
        let Role::Collection(waiting) = &items[collection.0 as usize].role else { return };
        let place =
            if resumes { waiting.queue.iter().take_while(begun).count() } else { waiting.queue.len() };
        if let Some(waiting) = self.item_mut(collection).collection_mut() {
            waiting.queue.insert(place, element);
        }
        self.pumps.insert(collection);
    }

    /// Frees slots that are no longer used, and assigns one if the collection's limits allow it.
    pub(crate) fn pump(&mut self, id: ItemId, at: Moment) {
        let Some(limits) = self.limits(id) else { return };
        let Some(collection) = self.item_mut(id).collection_mut() else { return };
        for element in std::mem::take(&mut collection.idle) {
            let item = self.item_mut(element);
            if item.slot == Slot::Taken && item.active == 0 {
                item.slot = Slot::Unused;
                if let Some(collection) = self.item_mut(id).collection_mut() {
                    collection.taken = collection.taken.saturating_sub(1);
                }
            }
        }
        let forward = self.control.goal == Goal::Finish;
        let Some(collection) = self.item_mut(id).collection_mut() else { return };
        if !forward || !limits.allow(collection) {
            return;
        }
        let Some(next) = collection.queue.pop_front() else { return };
        collection.taken += 1;
        // If no step in it moves after all, it frees the slot at once.
        collection.idle.push(next);
        self.pumps.insert(id);
        let item = self.item_mut(next);
        item.slot = Slot::Taken;
        for held in std::mem::take(&mut item.held).into_iter().rev() {
            if self.tally.held.remove(&held) {
                self.look_at_last(held, at);
            } else {
                self.todo.push(Task::Begin(held));
            }
        }
    }

    /// Schedules a step that was held back, unless an element further out has no slot.
    fn look_at_last(&mut self, id: ItemId, at: Moment) {
        if let Some(element) = self.lacks_slot(id) {
            self.tally.held.insert(id);
            return self.hold(element, id);
        }
        let slot = self.agenda.put(id, None, None, at.boot);
        if let Some(record) = self.item_mut(id).step_mut() {
            record.slot = Some(slot);
        }
    }

    /// A step in `id` starts or stops keeping a slot: counted in every element around it.
    pub(crate) fn activity(&mut self, id: ItemId, begins: bool) {
        self.count_around(
            id,
            begins,
            |item| &mut item.active,
            |collection, element, more| {
                if !more {
                    collection.idle.push(element);
                }
            },
        );
    }

    /// A step in `id` failed or needs a decision, or continues after all: counted in every element around it.
    pub(crate) fn failure(&mut self, id: ItemId, fails: bool) {
        self.count_around(
            id,
            fails,
            |item| &mut item.failures,
            |collection, _, more| {
                collection.failed =
                    if more { collection.failed + 1 } else { collection.failed.saturating_sub(1) };
            },
        );
    }

    /// Adds or removes one in every element around `id`. The first or last one in an element updates its collection; after a
    /// removal, another element may get a slot.
    fn count_around(
        &mut self,
        id: ItemId,
        more: bool,
        inside: fn(&mut Item) -> &mut u32,
        turned: fn(&mut Collection, ItemId, bool),
    ) {
        let mut at = Some(id);
        while let Some(here) = at {
            let item = self.item_mut(here);
            at = item.parent;
            if !item.is_element {
                continue;
            }
            let count = inside(item);
            let before = *count;
            *count = if more { before + 1 } else { before.saturating_sub(1) };
            let has_turned = (before == 0) != (*count == 0);
            let Some(collection) = at else { continue };
            if has_turned && let Some(counts) = self.item_mut(collection).collection_mut() {
                turned(counts, here, more);
                if !more {
                    self.pumps.insert(collection);
                }
            }
        }
    }

    /// The block whose slot a step waits for, if it waits for nothing else.
    pub(crate) fn slot_of(&self, id: ItemId) -> Option<&StepKey> {
        if !self.tally.held.contains(&id) {
            return None;
        }
        let block = self.item(self.without_slot(id)?).parent?;
        Some(&self.item(block).key)
    }

    /// Blocks in which no further instance begins, because the number of failures reached `halt_after`.
    pub fn halted_blocks(&self) -> Vec<HaltedBlock> {
        let halted = |(item, at): (&Item, u32)| {
            let Role::Collection(collection) = &item.role else { return None };
            let limits = self.limits(ItemId(at))?;
            if collection.failed < limits.halt_after {
                return None;
            }
            let open = |id: &&ItemId| self.item(**id).met.is_none();
            let begun = |id: &&ItemId| self.item(**id).begun.is_some();
            let not_begun = collection.instances.values().filter(open).filter(|id| !begun(id)).count();
            let held_back = collection.queue.iter().filter(begun).count();
            (not_begun + held_back > 0).then(|| HaltedBlock {
                block: item.key.clone(),
                failed: collection.failed,
                halt_after: limits.halt_after,
                not_begun,
                held_back,
            })
        };
        self.items.iter().zip(0_u32..).filter_map(halted).collect()
    }
}
