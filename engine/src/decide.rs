//! The rules of a run. Pure functions, without clock, input or output.
//!
//! `decide` returns what the driver must do next, `interpret` the events of a fact, `take_signal` the events of a signal.
//! They return events or effects and change nothing; `fold` applies the events.

mod choices;
mod facts;
mod failing;
pub(crate) mod limits;
pub(crate) mod looking;
mod removing;
mod signals;
#[cfg(test)]
mod tests;
mod undoing;
mod windows;

use std::time::Duration;

use crate::clock::Now;
use crate::event::{Event, Outcome, StepEvent};
use crate::failure::StepError;
use crate::job::{Fact, Job, Reads};
use crate::observation::Phase;
use crate::state::item::{ItemId, Role, Verdict};
use crate::state::record::StepRecord;
use crate::state::{Direction, Goal, RunState, StepState};

pub use choices::choices;
pub use signals::{Command, check_signal, legal_commands, take_signal};
pub use windows::NOT_DELETED;

/// An instruction to the driver.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made and taken apart at once, never kept in numbers")]
pub enum Effect {
    /// Append this event, then fold it and call `decide` again.
    Record(Event),
    /// Perform this phase, unless it is in flight already. Apply and Undo only after their `Intended` is durable.
    Perform(Box<Job>),
    /// Before any undo: read the steps without a recorded write ([`Event::Searched`]).
    Search,
    /// Nothing is due before this reading of the boot-time clock, since the driver took the run.
    WakeAt(Duration),
    /// The run has ended.
    Finished(Outcome),
}

/// Returns the next effects: everything that is ready or due, with at most as many `Perform` as the run's limit. Cost:
/// O(ready + due), never O(run).
pub fn decide(state: &RunState, now: Now) -> Vec<Effect> {
    if let Some(outcome) = state.outcome() {
        return vec![Effect::Finished(outcome)];
    }
    // Most states give one effect and one wake-up time.
    let mut effects = Vec::with_capacity(2);
    if state.is_complete() {
        let outcome = match state.control().goal {
            Goal::Finish => Outcome::Done,
            Goal::Cancel => Outcome::Cancelled,
            Goal::Undo => state.pruning().unwrap_or(Outcome::Undone),
        };
        return vec![Effect::Record(Event::RunEnded { outcome })];
    }
    // While paused or cancelled nothing new may start: the operator was told which requests may still be in flight.
    if !state.may_send() {
        return effects;
    }
    if state.control().goal == Goal::Undo && state.search_is_due() {
        return vec![Effect::Search];
    }
    if state.control().goal == Goal::Finish {
        effects.extend(state.records().filter_map(|id| record(state, id)).map(Effect::Record));
    }
    let due = state.due(now.boot).filter_map(|id| job(state, id, now)).take(state.performs());
    effects.extend(due.map(|job| Effect::Perform(Box::new(job))));
    if let Some(next) = state.next_due(now.boot) {
        effects.push(Effect::WakeAt(next));
    }
    effects
}

/// The event that records a verdict: condition false, cannot be evaluated, or the elements.
fn record(state: &RunState, id: ItemId) -> Option<Event> {
    let item = state.item(id);
    let (verdict, _) = item.verdict.as_ref()?;
    let failed = |error: StepError| Event::Step {
        step: item.key.clone(),
        event: StepEvent::Failed { error, phase: Phase::Probe },
    };
    Some(match verdict {
        Verdict::ConditionFalse => Event::ConditionFalse { item: item.key.clone() },
        Verdict::Wrong(error) => failed(error.clone()),
        Verdict::Expand => match state.elements(id) {
            Ok(elements) => Event::Expanded { item: item.key.clone(), elements },
            Err(error) => failed(error),
        },
    })
}

/// The job of a step that is due.
fn job(state: &RunState, id: ItemId, now: Now) -> Option<Job> {
    let item = state.item(id);
    let Role::Step(record) = &item.role else { return None };
    if item.verdict.is_some() {
        return None;
    }
    let phase = record.state.phase()?;
    match (state.control().goal, phase.direction()) {
        (Goal::Finish, Direction::Forward) | (Goal::Undo, Direction::Undo) => {}
        // A delete on the way forward, before the resource is recreated.
        (Goal::Finish, Direction::Undo) if record.replacing => {}
        // During undo, a write of unknown outcome is verified first: deleting before its outcome is known could let it create
        // the resource afterwards.
        (Goal::Undo, Direction::Forward) if matches!(record.state, StepState::Uncertain { .. }) => {}
        _ => return None,
    }
    let waited = record.since.map(|since| state.elapsed(since, now)).unwrap_or_default();
    let attempt = attempt_of(&record.state, phase, record.attempts);
    let written = record.write_ended.filter(|_| !matches!(record.state, StepState::Uncertain { .. }));
    let written = written.map(|written| state.elapsed(written, now));
    let reads = reads(state, record, now);
    Some(Job { waited, written, reads, ..job_of(state, id, phase, attempt)? })
}

/// The job of one phase of a step that has begun. `waited` is at its maximum: `delay` and the like are over.
pub(crate) fn job_of(state: &RunState, id: ItemId, phase: Phase, attempt: u32) -> Option<Job> {
    let item = state.item(id);
    let record = item.step()?;
    let call = record.call.as_ref()?;
    let step = state.plan().node(item.node).step()?;
    let found = match &record.state {
        StepState::Intended { found, .. } => found.clone(),
        _ => None,
    };
    let needed_receipts =
        item.targets.iter().filter_map(|target| state.item(*target).step()?.receipt.clone());
    let guards = match (phase, state.control().goal) {
        (Phase::Probe, Goal::Finish) => state.guards(),
        _ => None,
    };
    Some(Job {
        guards,
        reads: Reads::Own,
        written: None,
        run: state.run()?,
        step: item.key.clone(),
        kind: step.uses.clone(),
        phase,
        ensure: step.ensure,
        attempt,
        params: std::sync::Arc::clone(&call.params),
        identities: call.identities.clone(),
        others: state.other_identities(id, &call.identities),
        auxiliary: call.auxiliary.clone(),
        since: record.since?.utc,
        waited: Duration::MAX,
        asked: state.seq(),
        earlier: state.earlier_runs(),
        overwrites: phase == Phase::Apply && !record.ownership.absent_now,
        decided: record.decided.filter(|_| phase == Phase::Probe),
        created: match phase {
            // A recreate was decided about everything that it deletes, what this run created included.
            Phase::UndoProbe if record.replacing => Vec::new(),
            Phase::UndoProbe => state.created(),
            Phase::Probe if step.ensure == twinspan_plans::Ensure::Absent => state.created(),
            _ => Vec::new(),
        },
        approval: record.approval.clone(),
        receipt: record.receipt.clone(),
        needed_receipts: needed_receipts.collect(),
        stated: record.stated_values(),
        found,
        owner: record.owner.filter(|_| phase == Phase::Apply),
        timeout: step.timeout.unwrap_or(limits::TIMEOUT),
    })
}

/// Which reads of other steps also serve this one. A first probe may use a read made shortly before the step was ready, but
/// none from before this driver took the run. Any other read must see something new, so it uses none from before it was due.
/// An uncertain write, and an absence that reads must confirm, need reads of their own.
fn reads(state: &RunState, record: &StepRecord, now: Now) -> Reads {
    let Some((due, _)) = record.slot else { return Reads::Own };
    let within = |since: Duration| Reads::Within(now.boot.saturating_sub(since));
    match &record.state {
        StepState::Uncertain { .. } | StepState::ConfirmingAbsence { .. } => Reads::Own,
        // Before a delete the step reads for itself, and several of its own reads must confirm the absence.
        state if state.direction() == Some(Direction::Undo) => Reads::Own,
        StepState::Probing { direction: Direction::Forward }
            if record.since.is_some_and(|since| since.boot == due) =>
        {
            // Strictly later: on a virtual clock, many events have the same time.
            match state.awake_since().map(|awake| awake.saturating_add(TICK)) {
                Some(awake) if awake <= now.boot => within(awake),
                _ => Reads::Own,
            }
        }
        _ => within(due),
    }
}

/// The smallest unit of a run's time.
const TICK: Duration = Duration::from_micros(1);

/// A probe belongs to the attempt that may follow it; every other phase to the attempt that was made.
fn attempt_of(state: &StepState, phase: Phase, attempts: u32) -> u32 {
    match (state, phase) {
        (StepState::Intended { attempt, .. }, _) => *attempt,
        (_, Phase::Probe | Phase::UndoProbe) => attempts + 1,
        _ => attempts,
    }
}

/// Returns the events of a fact. A fact that the state does not expect (a second delivery, or one that a signal has
/// overtaken) has none.
pub fn interpret(state: &RunState, fact: &Fact, now: Now) -> Vec<Event> {
    let events = facts::interpret(state, fact, now).unwrap_or_default();
    events.into_iter().map(|event| Event::Step { step: fact.step.clone(), event }).collect()
}
