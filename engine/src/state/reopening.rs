//! Repair: done steps begin again with a probe, and their dependents begin after them.

use std::collections::BTreeSet;

use crate::ids::StepKey;
use crate::state::item::ItemId;
use crate::state::moment::Moment;
use crate::state::step_state::StepState;
use crate::state::{IllegalTransition, RunState};

impl RunState {
    /// Begins a step again: at once, or after other steps that are repaired with it.
    pub(crate) fn reopen(
        &mut self,
        id: ItemId,
        after: &[StepKey],
        next: StepState,
        at: Moment,
    ) -> Result<(), IllegalTransition> {
        let mut needs = Vec::with_capacity(after.len());
        for key in after {
            let unknown = || IllegalTransition { item: key.to_string(), state: "unknown", event: "reopened" };
            needs.push(self.lookup(key).ok_or_else(unknown)?);
        }
        self.outcome = None;
        self.reopened.insert(id);
        self.forget_approval(id);
        if !needs.is_empty() {
            let item = self.item_mut(id);
            item.begun = None;
            item.unmet += u32::try_from(needs.len()).unwrap_or(u32::MAX);
            for need in needs {
                self.item_mut(need).dependents.push((id, false));
            }
        }
        self.set_step(id, next, at);
        Ok(())
    }

    /// Removes the approval: it covered the earlier write, and another write needs a new one.
    fn forget_approval(&mut self, id: ItemId) {
        let gated = self.plan.node(self.item(id).node).step().is_some_and(|step| step.approval.is_some());
        if gated && let Some(record) = self.item_mut(id).step_mut() {
            record.approval = None;
        }
    }

    /// A step under repair that `id` (or a block around it) needs directly: its outputs must not be read until it is done
    /// again.
    pub(crate) fn reopened_need(&self, id: ItemId) -> Option<ItemId> {
        if self.reopened.is_empty() {
            return None;
        }
        let needed: BTreeSet<ItemId> =
            self.around(id).into_iter().flat_map(|here| self.item(here).targets.iter().copied()).collect();
        let holds = |reopened: &&ItemId| self.around(**reopened).iter().any(|here| needed.contains(here));
        self.reopened.iter().filter(|reopened| **reopened != id).find(holds).copied()
    }

    /// An item and the blocks around it.
    fn around(&self, id: ItemId) -> Vec<ItemId> {
        let mut around = vec![id];
        let mut at = self.item(id).parent;
        while let Some(block) = at {
            around.push(block);
            at = self.item(block).parent;
        }
        around
    }
}
