//! Folding: applies events to the state of a run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use twinspan_plans::Ensure;

use crate::event::{Event, Origin, Outcome, Recorded, RunStarted, StepEvent};
use crate::finding::{Sought, SoughtState};
use crate::ids::StepKey;
use crate::observation::Phase;
use crate::rollout::CreatedBy;
use crate::signal::{Actor, Signal};
use crate::state::graph::Task;
use crate::state::item::{BlockState, ItemId};
use crate::state::moment::Moment;
use crate::state::record::{Call, StepRecord};
use crate::state::requests::Does;
use crate::state::step_state::{Change, StepState};
use crate::state::{Control, Goal, Head, IllegalTransition, Pause, RunState, Search};
use crate::wait::WaitKind;

impl RunState {
    /// Sets a step's state and updates everything that is derived from it.
    pub(crate) fn set_step(&mut self, id: ItemId, next: StepState, at: Moment) {
        let Some(record) = self.items[id.0 as usize].step_mut() else { return };
        let before = std::mem::replace(&mut record.state, next);
        let slot = record.slot.take();
        if let StepState::Unchanged(proof) | StepState::Done(proof) = &record.state {
            record.proof = Some(Arc::clone(proof));
            record.proven = at.seq;
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
            Some(due) if lacking.is_none() => {
                // The event holds wall-clock times; only the interval between them counts, because that clock may be set.
                let after = due.map(|due| Duration::try_from(due.duration_since(at.utc)).unwrap_or_default());
                let due = after.map(|after| at.boot.saturating_add(after));
                Some(self.agenda.put(id, slot, due, at.boot))
            }
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
        // Pushed last, so drawn first: work inside an element keeps its slot before another element gets one.
        if met {
            self.reopened.remove(&id);
            self.todo.push(Task::Met(id));
        }
    }

    pub(crate) fn change(
        &mut self,
        id: ItemId,
        change: Change<'_>,
        at: Moment,
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
                    Change::ConditionFalse => "condition-false",
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

    fn fold_step(&mut self, key: &StepKey, event: &StepEvent, at: Moment) -> Result<(), IllegalTransition> {
        let id = self.lookup(key).ok_or_else(|| self.unknown(key, event.name()))?;
        self.recorded(id);
        let item = self.item_mut(id);
        let begun = item.begun.is_some();
        if item.block_state().is_some() {
            return self.fold_block(id, event, at);
        }
        let Some(record) = item.step_mut() else { return Ok(()) };
        // Checked before anything is noted, so that an event that does not fit changes nothing.
        let Some(next) = record.state.next(Change::Event(event), at) else {
            return self.change(id, Change::Event(event), at);
        };
        record.note(event, at);
        if let (StepState::Intended { .. }, StepEvent::Uncertain { attempt, phase, .. }) =
            (&record.state, event)
        {
            self.unsettled(id, *phase, *attempt, at);
        }
        let Some(record) = self.items[id.0 as usize].step_mut() else { return Ok(()) };
        // A step that never began (its condition could not be evaluated) begins from the start, not with a probe.
        if *event == StepEvent::CheckNow && !begun && matches!(record.state, StepState::Failed { .. }) {
            self.set_step(id, StepState::Pending, at);
            self.todo.push(Task::Begin(id));
            return Ok(());
        }
        let stands_anew = record.drift.is_none();
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
                | StepEvent::Deleted { .. }
                | StepEvent::Done { origin: Origin::Deleted, .. }
        ) {
            self.removed = Some(at);
        }
        if let StepEvent::Intended { claims, .. } = event {
            self.wrote = true;
            for claim in claims {
                self.claimants.entry(claim.clone()).or_default().push(id);
            }
        }
        // An event that does not change the state must not restart a wait: its times would be computed by a wall clock that
        // may have been set.
        let same = matches!(event, StepEvent::Provided { .. })
            && self.item(id).step().is_some_and(|record| record.state == next);
        if !same {
            self.set_step(id, next, at);
        }
        if *event == StepEvent::CheckNow && unresolved {
            self.prepare_call(id);
        }
        if self.control.goal == Goal::Undo {
            self.undo_moved(id);
        }
        Ok(())
    }

    /// A block fails when its condition or its elements cannot be evaluated; `LookNow` evaluates them again.
    fn fold_block(&mut self, id: ItemId, event: &StepEvent, _at: Moment) -> Result<(), IllegalTransition> {
        let item = self.item_mut(id);
        let next = match (item.block_state(), event) {
            (Some(BlockState::Closed | BlockState::Open), StepEvent::Failed { error, .. }) => {
                BlockState::Failed(Box::new(error.clone()))
            }
            (Some(BlockState::Failed(_)), StepEvent::CheckNow) => BlockState::Closed,
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

    fn fold_signal(&mut self, actor: &Actor, reason: Option<&str>, signal: &Signal, at: Moment) {
        match signal {
            Signal::Pause if self.control.pause.is_none() => {
                let reason = reason.map(str::to_owned);
                self.control.pause = Some(Pause { by: actor.clone(), reason, at: at.utc });
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
            Signal::Prune { steps, .. } => {
                let Some(outcome) = self.outcome.filter(|outcome| *outcome != Outcome::Undone) else {
                    return;
                };
                self.pruning = Some((self.control.goal, outcome));
                self.control = Control { goal: Goal::Undo, ..Control::default() };
                self.outcome = None;
                self.search = Search::None;
                let steps = steps.iter().filter_map(|step| self.lookup(step)).collect();
                self.begin_undo_of(steps);
            }
            Signal::UpdatedSince { steps, by } => {
                for id in steps.iter().filter_map(|step| self.lookup(step)).collect::<Vec<_>>() {
                    if let Some(record) = self.item_mut(id).step_mut() {
                        record.updated_since = Some(*by);
                    }
                }
            }
            Signal::Undo if self.control.goal != Goal::Undo || self.pruning.is_some() => {
                let before = self.pruning.take().map_or(self.control.goal, |(goal, _)| goal);
                self.control.cancelled = before == Goal::Cancel;
                self.control.goal = Goal::Undo;
                self.control.fence = None;
                self.control.pause = None;
                self.outcome = None;
                self.search = if self.has_unsearched() { Search::Due } else { Search::None };
                self.begin_undo(at);
            }
            Signal::Forward if self.control.goal == Goal::Undo => {
                self.control.goal = Goal::Finish;
                self.control.fence = None;
                self.control.pause = None;
                self.awake = Some(at);
                self.search = Search::None;
                self.call_undo_off();
            }
            _ => {}
        }
    }

    /// Records an attempt whose response did not come: its request may still take effect.
    fn unsettled(&mut self, id: ItemId, phase: Phase, attempt: u32, at: Moment) {
        let node = self.item(id).node;
        let removes = self.plan().node(node).step().is_some_and(|step| step.ensure == Ensure::Absent);
        let does = if removes || phase == Phase::Undo { Does::Delete } else { Does::Put };
        if let Some(record) = self.item_mut(id).step_mut() {
            record.requests.unsettled(does, attempt, at);
        }
    }

    /// Applies the findings of the search before an undo; only then is anything undone.
    fn fold_searched(&mut self, sought: &[Sought], at: Moment) -> Result<(), IllegalTransition> {
        let mut unchecked = Vec::new();
        for Sought { step, found } in sought {
            match found {
                SoughtState::Unchecked { why } => unchecked.push((step.clone(), why.clone())),
                SoughtState::Own { params, identities, auxiliary } => {
                    let id = self.lookup(step).ok_or_else(|| self.unknown(step, "searched"))?;
                    let Some(record) = self.item_mut(id).step_mut() else { continue };
                    record.is_lost();
                    record.since.get_or_insert(at);
                    record.call = Some(Arc::new(Call {
                        params: Arc::new(params.clone()),
                        identities: identities.clone(),
                        auxiliary: auxiliary.clone(),
                    }));
                }
            }
        }
        self.search = Search::Done(unchecked);
        self.begin_undo(at);
        Ok(())
    }

    /// Another driver took the run. What the previous one had sent may still take effect. A waiting step is due when the wall
    /// clock says so, but at the latest as long after the take-over as its event said: that clock may have been set back.
    fn driver_took(&mut self, at: Moment) {
        self.took = Some((at.seq, at.utc));
        self.awake = Some(at);
        let sending: Vec<ItemId> = self.tally.intended.iter().copied().collect();
        for id in sending {
            let intended = match self.item(id).step().map(|record| &record.state) {
                Some(StepState::Intended { direction, attempt, .. }) => Some((*direction, *attempt)),
                _ => None,
            };
            if let Some((direction, attempt)) = intended {
                self.unsettled(id, direction.write(), attempt, at);
            }
            if let Some(record) = self.item_mut(id).step_mut() {
                record.became_uncertain(at);
            }
            // `DriverTook` fits every state.
            let _fits = self.change(id, Change::DriverTook, at);
        }
        for (slot, id) in self.agenda.all() {
            let item = &mut self.items[id.0 as usize];
            let Some(record) = item.step_mut() else { continue };
            let Some(due) = record.state.due() else { continue };
            let left = Duration::try_from(due.duration_since(at.utc)).unwrap_or_default();
            self.agenda.remove(Some(slot));
            record.slot =
                Some(self.agenda.put(id, None, Some(slot.0.min(at.boot.saturating_add(left))), at.boot));
        }
        let waiting: Vec<ItemId> = self.tally.waiting.iter().copied().collect();
        for id in waiting {
            let item = &mut self.items[id.0 as usize];
            let Some(record) = item.step_mut() else { continue };
            // A new driver checks every wait once, because its cause may have ended meanwhile; a rate limit still holds.
            if record.state.wait().is_some_and(|wait| wait.kind != WaitKind::Limit) {
                let slot = record.slot.take();
                record.slot = Some(self.agenda.put(id, slot, None, at.boot));
            }
        }
    }
}

/// Applies an event to the state. It adds no rule of its own: everything that the event means is in the event.
pub fn fold(state: &mut RunState, recorded: &Recorded) -> Result<(), IllegalTransition> {
    let at = Moment { utc: recorded.at, boot: state.boot, seq: recorded.seq };
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
        Event::ConditionFalse { item } => {
            let id = state.lookup(item).ok_or_else(|| state.unknown(item, "condition-false"))?;
            state.recorded(id);
            state.condition_false(id, at);
        }
        Event::Step { step, event } => state.fold_step(step, event, at)?,
        Event::SignalTaken { id, actor, reason, signal } => {
            state.signals.insert(*id);
            state.fold_signal(actor, reason.as_deref(), signal, at);
        }
        Event::Acknowledged { in_flight } => {
            state.control.fence = Some(in_flight.iter().cloned().collect());
        }
        Event::Verified { id, by, began, after, findings, .. } => {
            state.signals.insert(*id);
            state.fold_verified(by, (*began, *after), findings, at.utc);
        }
        Event::Searched { sought } => state.fold_searched(sought, at)?,
        Event::RunEnded { outcome } => {
            state.outcome = Some(*outcome);
            if let Some((goal, _)) = state.pruning.take() {
                state.control.goal = goal;
            }
        }
    }
    state.run_tasks(at);
    if state.control.goal == Goal::Undo && !state.search_is_due() {
        state.pump_undo(at);
        state.run_tasks(at);
    }
    state.changed = Some(at.utc);
    Ok(())
}

impl RunState {
    fn fold_started(&mut self, started: &RunStarted, at: Moment) -> Result<(), IllegalTransition> {
        if self.head.is_some() {
            return Err(IllegalTransition {
                item: "the run".to_owned(),
                state: "started",
                event: "run-started",
            });
        }
        let earlier = &started.rollout.earlier;
        self.earlier_runs = Arc::new(earlier.iter().map(|earlier| earlier.run.short()).collect());
        for earlier in earlier {
            for created in &earlier.created {
                let by = CreatedBy { run: earlier.run, step: created.step.clone() };
                self.earlier.entry((created.kind.clone(), created.claims.clone())).or_insert(by);
            }
        }
        self.head = Some(Head {
            run_id: started.run.to_string(),
            started: started.clone(),
            guards: std::sync::OnceLock::new(),
        });
        self.started = Some(at.utc);
        if started.paused {
            self.control.pause = Some(Pause { by: started.starter.clone(), reason: None, at: at.utc });
            self.control.fence = Some(BTreeSet::new());
        }
        self.plant();
        Ok(())
    }
}
