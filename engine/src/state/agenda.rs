//! What is due and when: steps to perform, ordered by the time they became due, and items about which something is to be
//! recorded. One ordered map is both the ready set and the timer queue. Times are of the boot-time clock, since the driver
//! took the run ([`crate::Now::boot`]).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::state::item::ItemId;

/// When a step is due, and its order of arrival.
pub(crate) type Slot = (Duration, u64);

/// What is due and when.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    /// By time and arrival. A step in flight keeps its entry until its fact arrives, so that the first entries are always
    /// those that may be in flight.
    steps: BTreeMap<Slot, ItemId>,
    /// Items about which `decide` has something to record, in order of arrival.
    records: BTreeMap<u64, ItemId>,
    tickets: u64,
}

impl Agenda {
    /// Puts a step on the agenda, or moves it. A step that is due at once keeps its earlier entry.
    pub(crate) fn put(
        &mut self,
        item: ItemId,
        slot: Option<Slot>,
        due: Option<Duration>,
        now: Duration,
    ) -> Slot {
        let at_once = due.is_none_or(|due| due <= now);
        if let (true, Some(slot)) = (at_once, slot)
            && slot.0 <= now
        {
            return slot;
        }
        self.remove(slot);
        self.tickets += 1;
        let slot = (due.unwrap_or(now).max(now), self.tickets);
        self.steps.insert(slot, item);
        slot
    }

    /// Removes a step from the agenda.
    pub(crate) fn remove(&mut self, slot: Option<Slot>) {
        if let Some(slot) = slot {
            self.steps.remove(&slot);
        }
    }

    /// All steps, in order.
    pub(crate) fn all(&self) -> Vec<(Slot, ItemId)> {
        self.steps.iter().map(|(slot, item)| (*slot, *item)).collect()
    }

    /// Steps that are due, in order.
    pub(crate) fn due(&self, now: Duration) -> impl Iterator<Item = ItemId> + '_ {
        self.steps.range(..=(now, u64::MAX)).map(|(_, item)| *item)
    }

    /// The first time after `now` at which a step becomes due.
    pub(crate) fn next_after(&self, now: Duration) -> Option<Duration> {
        self.steps.range((now, u64::MAX)..).map(|((due, _), _)| *due).find(|due| *due > now)
    }

    /// Requests that `decide` records something about an item.
    pub(crate) fn record(&mut self, item: ItemId) -> u64 {
        self.tickets += 1;
        self.records.insert(self.tickets, item);
        self.tickets
    }

    /// The record was made.
    pub(crate) fn recorded(&mut self, ticket: u64) {
        self.records.remove(&ticket);
    }

    /// Items to record something about, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.records.values().copied()
    }

    /// Whether anything is to be recorded.
    pub(crate) fn has_records(&self) -> bool {
        !self.records.is_empty()
    }
}
