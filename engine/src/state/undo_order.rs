//! In which order steps are taken back: a step only after everything that began once it was done. Whatever depends on
//! it did, so this is the reverse order of dependency, read off the journal.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::ids::Seq;
use crate::state::RunState;
use crate::state::item::ItemId;
use crate::state::step_state::{Change, StepState, Way};

/// Steps that are still to be taken back.
#[derive(Debug, Default)]
pub(crate) struct UndoOrder {
    /// When each of them began and was done.
    remaining: HashMap<ItemId, (Seq, Seq)>,
    by_begin: BTreeSet<(Seq, ItemId)>,
    /// Those whose turn has not come, by when they were done.
    by_end: BTreeSet<(Seq, ItemId)>,
}

impl UndoOrder {
    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.remaining.is_empty()
    }
}

impl RunState {
    /// Finds what has to be taken back; ends the waits of everything else.
    pub(crate) fn begin_undo(&mut self, at: Timestamp) {
        let mut order = UndoOrder::default();
        let ids = (0..self.items.len()).map(|index| ItemId(u32::try_from(index).unwrap_or(u32::MAX)));
        for id in ids.collect::<Vec<_>>() {
            let item = self.item(id);
            let met = item.met.unwrap_or(Seq(u64::MAX));
            let begun = item.begun.map_or(Seq(0), |(_, seq)| seq);
            self.recorded(id);
            let Some(record) = self.item(id).step() else { continue };
            if record.ownership.owed {
                order.remaining.insert(id, (begun, met));
                order.by_begin.insert((begun, id));
                order.by_end.insert((met, id));
            } else {
                // What may have been sent is owed; nothing else is open here.
                let _fits = self.change(id, Change::NothingToTakeBack, at);
            }
        }
        self.undo = order;
    }

    /// Lets everything be taken back whose turn has come.
    pub(crate) fn pump_undo(&mut self, at: Timestamp) {
        while let Some((latest, _)) = self.undo.by_begin.last().copied() {
            let ready: Vec<(Seq, ItemId)> = self
                .undo
                .by_end
                .range((std::ops::Bound::Excluded((latest, ItemId(u32::MAX))), std::ops::Bound::Unbounded))
                .copied()
                .filter(|(_, id)| self.item(*id).step().is_some_and(|record| !is_sent(&record.state)))
                .collect();
            if ready.is_empty() {
                return;
            }
            for (end, id) in ready {
                self.undo.by_end.remove(&(end, id));
                if self.item(id).step().is_some_and(|record| !record.ownership.owed) {
                    self.leave_undo(id);
                    let _fits = self.change(id, Change::NothingToTakeBack, at);
                } else {
                    if let Some(record) = self.item_mut(id).step_mut() {
                        record.begin_back();
                    }
                    let _fits = self.change(id, Change::TakeBack, at);
                }
            }
        }
    }

    /// A step moved while the run is taken back.
    pub(crate) fn undo_moved(&mut self, id: ItemId) {
        let ended = self
            .item(id)
            .step()
            .is_some_and(|record| matches!(record.state, StepState::Undone(_) | StepState::Kept { .. }));
        if ended {
            self.leave_undo(id);
        }
    }

    fn leave_undo(&mut self, id: ItemId) {
        if let Some((begun, end)) = self.undo.remaining.remove(&id) {
            self.undo.by_begin.remove(&(begun, id));
            self.undo.by_end.remove(&(end, id));
        }
    }
}

/// Sent, with an outcome that is not known yet: it has to be settled before anything is taken back.
fn is_sent(state: &StepState) -> bool {
    matches!(
        state,
        StepState::Intended { way: Way::Forward, .. } | StepState::Uncertain { way: Way::Forward, .. }
    )
}
