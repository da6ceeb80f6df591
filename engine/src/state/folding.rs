//! Taking events in.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::{Event, Origin, Recorded, RunStarted, StepEvent};
use crate::ids::StepKey;
use crate::signal::{Actor, Signal};
use crate::state::graph::Task;
use crate::state::item::{BlockState, ItemId};
use crate::state::record::StepRecord;
use crate::state::step_state::{Change, StepState};
use crate::state::{Goal, Head, IllegalTransition, Pause, RunState};
use crate::wait::WaitKind;

impl RunState {
    /// Puts a step into a state and keeps everything that is derived from it.
    pub(crate) fn set_step(&mut self, id: ItemId, next: StepState, at: Timestamp) {
        let Some(record) = self.items[id.0 as usize].step_mut() else { return };
        let before = std::mem::replace(&mut record.state, next);
        let slot = record.slot.take();
        if let StepState::AlreadySo(proof) | StepState::Done(proof) = &record.state {
            record.proof = Some(Arc::clone(proof));
        }
        let now = &record.state;
        let due = now.phase().map(|_| now.due());
        let (was_active, is_active) = (before.keeps_slot(), now.keeps_slot());
        let (was_failed, is_failed) = (before.counts_against(), now.counts_against());
        let met = now.is_met();
        self.tally.moved(id, &before, now);
        self.tally.held.remove(&id);
        let lacking = self.lacks_slot(id);
        let place = match due {
            Some(due) if lacking.is_none() => Some(self.agenda.put(id, slot, due, at)),
            _ => {
                self.agenda.remove(slot);
                None
            }
        };
        if let Some(record) = self.items[id.0 as usize].step_mut() {
            record.slot = place;
        }
        if let Some(element) = lacking {
            self.tally.held.insert(id);
            self.hold(element, id);
        }
        if was_active != is_active {
            self.activity(id, is_active);
        }
        if was_failed != is_failed {
            self.failure(id, is_failed);
        }
        // Drawn first: what goes on inside an element keeps its place before another element is let in.
        if met {
            self.reopened.remove(&id);
            self.todo.push(Task::Met(id));
        }
    }

    pub(crate) fn change(
        &mut self,
        id: ItemId,
        change: Change<'_>,
        at: Timestamp,
    ) -> Result<(), IllegalTransition> {
        let Some(record) = self.items[id.0 as usize].step() else { return Ok(()) };
        match record.state.next(change, at) {
            Some(next) => {
                self.set_step(id, next, at);
                Ok(())
            }
            None => Err(IllegalTransition {
                item: self.items[id.0 as usize].key.to_string(),
                state: record.state.name(),
                event: match change {
                    Change::NeedsMet => "needs-met",
                    Change::NotApplicable => "not-applicable",
                    Change::DriverTook => "driver-took",
                    Change::TakeBack => "take-back",
                    Change::NothingToTakeBack => "nothing-to-take-back",
                    Change::StaysRemoved => "stays-removed",
                    Change::Event(event) => event.name(),
                },
            }),
        }
    }

    fn unknown(&self, key: &StepKey, event: &'static str) -> IllegalTransition {
        IllegalTransition { item: key.to_string(), state: "unknown", event }
    }

    fn fold_step(
        &mut self,
        key: &StepKey,
        event: &StepEvent,
        at: Timestamp,
    ) -> Result<(), IllegalTransition> {
        let id = self.lookup(key).ok_or_else(|| self.unknown(key, event.name()))?;
        self.recorded(id);
        let item = self.item_mut(id);
        let begun = item.begun.is_some();
        if item.block_state().is_some() {
            return self.fold_block(id, event, at);
        }
        let Some(record) = item.step_mut() else { return Ok(()) };
        // Checked before anything is noted, so that an event that does not fit leaves no trace.
        let Some(next) = record.state.next(Change::Event(event), at) else {
            return self.change(id, Change::Event(event), at);
        };
        record.note(event, at);
        // What never began (its condition could not be evaluated) begins anew, not in the middle.
        if *event == StepEvent::LookNow && !begun && matches!(record.state, StepState::Failed { .. }) {
            self.set_step(id, StepState::Pending, at);
            self.todo.push(Task::Begin(id));
            return Ok(());
        }
        let stands_anew = record.standing.is_none();
        if stands_anew {
            self.drifted.remove(&id);
        }
        if let StepEvent::Reopened { after, .. } = event {
            return self.reopen(id, after, next, at);
        }
        if let StepEvent::UndoCalledOff { after, .. } = event {
            self.reopen(id, after, next, at)?;
            let blind = |record: &StepRecord| record.call.is_none() && record.state.phase().is_some();
            if self.item(id).step().is_some_and(blind) {
                self.prepare_call(id);
            }
            return Ok(());
        }
        let Some(record) = self.items[id.0 as usize].step_mut() else { return Ok(()) };
        let unresolved = record.call.is_none();
        if matches!(
            event,
            StepEvent::Undone { .. }
                | StepEvent::Removed { .. }
                | StepEvent::Done { origin: Origin::Removed, .. }
        ) {
            self.removed = Some(at);
        }
        if let StepEvent::Intended { claims, .. } = event {
            for claim in claims {
                self.claimants.entry(claim.clone()).or_default().push(id);
            }
        }
        self.set_step(id, next, at);
        if *event == StepEvent::LookNow && unresolved {
            self.prepare_call(id);
        }
        if self.control.goal == Goal::Undo {
            self.undo_moved(id);
        }
        Ok(())
    }

    /// A block fails when its condition or its elements cannot be evaluated, and is asked again by a person.
    fn fold_block(&mut self, id: ItemId, event: &StepEvent, _at: Timestamp) -> Result<(), IllegalTransition> {
        let item = self.item_mut(id);
        let next = match (item.block_state(), event) {
            (Some(BlockState::Closed | BlockState::Open), StepEvent::Failed { error, .. }) => {
                BlockState::Failed(Box::new(error.clone()))
            }
            (Some(BlockState::Failed(_)), StepEvent::LookNow) => BlockState::Closed,
            _ => {
                return Err(IllegalTransition {
                    item: item.key.to_string(),
                    state: "block",
                    event: event.name(),
                });
            }
        };
        let failed = next != BlockState::Closed;
        if let Some(state) = item.block_state_mut() {
            *state = next;
        }
        item.begun = None;
        self.tally.block_failed(id, failed);
        self.failure(id, failed);
        if !failed {
            self.todo.push(Task::Begin(id));
        }
        Ok(())
    }

    fn fold_signal(&mut self, actor: &Actor, reason: Option<&str>, signal: &Signal, at: Timestamp) {
        match signal {
            Signal::Pause if self.control.pause.is_none() => {
                self.control.pause = Some(Pause { by: actor.clone(), reason: reason.map(str::to_owned), at });
            }
            Signal::Resume => {
                self.control.pause = None;
                self.awake = Some(at);
                if self.control.goal != Goal::Cancel {
                    self.control.fence = None;
                }
            }
            Signal::Cancel if self.control.goal == Goal::Finish && self.outcome.is_none() => {
                self.control.goal = Goal::Cancel;
            }
            Signal::Undo if self.control.goal != Goal::Undo => {
                self.control.cancelled = self.control.goal == Goal::Cancel;
                self.control.goal = Goal::Undo;
                self.control.fence = None;
                self.control.pause = None;
                self.outcome = None;
                self.begin_undo(at);
            }
            Signal::Forward if self.control.goal == Goal::Undo => {
                self.control.goal = Goal::Finish;
                self.control.fence = None;
                self.control.pause = None;
                self.awake = Some(at);
                self.call_undo_off();
            }
            _ => {}
        }
    }

    fn driver_took(&mut self, at: Timestamp) {
        self.awake = Some(at);
        let sending: Vec<ItemId> = self.tally.intended.iter().copied().collect();
        for id in sending {
            if let Some(record) = self.item_mut(id).step_mut() {
                record.became_uncertain(at);
            }
            // `DriverTook` fits every state.
            let _fits = self.change(id, Change::DriverTook, at);
        }
        let waiting: Vec<ItemId> = self.tally.waiting.iter().copied().collect();
        for id in waiting {
            let item = &mut self.items[id.0 as usize];
            let Some(record) = item.step_mut() else { continue };
            // A new driver looks once at everything that waits; only a rate limit is still a rate limit.
            if record.state.wait().is_some_and(|wait| wait.kind != WaitKind::Limit) {
                let slot = record.slot.take();
                record.slot = Some(self.agenda.put(id, slot, None, at));
            }
        }
    }
}

/// Takes an event in. Adds no rule of its own: everything that the event means is in the event.
pub fn fold(state: &mut RunState, recorded: &Recorded) -> Result<(), IllegalTransition> {
    let at = recorded.at;
    state.seq = recorded.seq;
    if state.head.is_none() && !matches!(recorded.event, Event::RunStarted(_)) {
        return Err(IllegalTransition {
            item: "the run".to_owned(),
            state: "not started",
            event: recorded.event.name(),
        });
    }
    match &recorded.event {
        Event::RunStarted(started) => state.fold_started(started, at)?,
        Event::DriverTook { epoch, driver, program, .. } => {
            state.epoch = *epoch;
            state.driver = Some(driver.clone());
            state.program = Some(program.clone());
            state.driver_took(at);
        }
        Event::Expanded { item, elements } => {
            let id = state.lookup(item).ok_or_else(|| state.unknown(item, "expanded"))?;
            state.recorded(id);
            state.expand(id, elements, at)?;
        }
        Event::NotApplicable { item } => {
            let id = state.lookup(item).ok_or_else(|| state.unknown(item, "not-applicable"))?;
            state.recorded(id);
            state.not_applicable(id, at);
        }
        Event::Step { step, event } => state.fold_step(step, event, at)?,
        Event::SignalTaken { id, actor, reason, signal } => {
            state.signals.insert(*id);
            state.fold_signal(actor, reason.as_deref(), signal, at);
        }
        Event::Acknowledged { in_flight } => {
            state.control.fence = Some(in_flight.iter().cloned().collect());
        }
        Event::Verified { id, by, began, findings, .. } => {
            state.signals.insert(*id);
            state.fold_verified(by, *began, findings, at);
        }
        Event::RunEnded { outcome } => state.outcome = Some(*outcome),
    }
    state.run_tasks(at);
    if state.control.goal == Goal::Undo {
        state.pump_undo(at);
        state.run_tasks(at);
    }
    state.changed = Some(at);
    Ok(())
}

impl RunState {
    fn fold_started(&mut self, started: &RunStarted, at: Timestamp) -> Result<(), IllegalTransition> {
        if self.head.is_some() {
            return Err(IllegalTransition {
                item: "the run".to_owned(),
                state: "started",
                event: "run-started",
            });
        }
        self.head = Some(Head { run_id: started.run.to_string(), started: started.clone() });
        self.started = Some(at);
        if started.paused {
            self.control.pause = Some(Pause { by: started.starter.clone(), reason: None, at });
            self.control.fence = Some(BTreeSet::new());
        }
        self.plant();
        Ok(())
    }
}
