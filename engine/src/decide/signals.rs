//! The meaning of signals: whether one fits the run, which events it has, and which commands fit now.

use std::collections::BTreeSet;

use jiff::Timestamp;
use twinspan_plans::{EffectClass, Ensure};

use crate::drift::{after, may_be_repaired};
use crate::earlier_runs::{may_be_called_off, may_be_pruned};
use crate::event::{Event, Outcome, StepEvent};
use crate::failure::{FailureClass, StepError};
use crate::ids::StepKey;
use crate::observation::Phase;
use crate::signal::Approval;
use crate::signal::{Actor, Choice, Signal, SignalRefused, SignalRow};
use crate::state::{BlockState, Direction, Goal, RunState, StepState};
use crate::state::{item::ItemId, record::StepRecord};
use crate::wait::{Approvers, WaitKind};

/// A command that fits the run now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The command's verb.
    pub verb: &'static str,
    /// The step, if it is about one.
    pub step: Option<StepKey>,
    /// Its effect, for people.
    pub why: String,
}

fn refused<T>(what: impl Into<String>, hint: Option<&str>) -> Result<T, SignalRefused> {
    Err(SignalRefused { what: what.into(), hint: hint.map(str::to_owned) })
}

/// Checks whether `signal` fits the run now. One that does not is still taken and journaled, without effect.
pub fn check_signal(state: &RunState, signal: &Signal, actor: &Actor) -> Result<(), SignalRefused> {
    let goal = state.control().goal;
    let ended = state.outcome();
    let not_after_end = |verb: &str| match ended {
        Some(Outcome::Done) => refused(
            format!("the run is done; there is nothing to {verb}"),
            Some("`undo` deletes what it created"),
        ),
        Some(Outcome::Cancelled) => refused(
            format!("the run was cancelled; there is nothing to {verb}"),
            Some("`undo` deletes what it created; start a new run to continue"),
        ),
        Some(Outcome::Undone) => {
            refused(format!("the run was undone; there is nothing to {verb}"), Some("start a new run"))
        }
        None => Ok(()),
    };
    match signal {
        Signal::Pause => not_after_end("pause"),
        Signal::Resume => {
            not_after_end("resume")?;
            if goal == Goal::Cancel {
                return refused("the run is being cancelled", Some("`undo` deletes what it created"));
            }
            Ok(())
        }
        Signal::Cancel => {
            not_after_end("cancel")?;
            if goal == Goal::Undo {
                return refused("the run is being undone", Some("`pause` suspends the undo"));
            }
            Ok(())
        }
        Signal::Verified { .. } | Signal::UpdatedSince { .. } => Ok(()),
        Signal::Prune { steps, .. } => may_be_pruned(state, steps),
        Signal::Repair { repairs, .. } => {
            may_be_repaired(state)
                .map_err(|refused| SignalRefused { what: refused.what, hint: refused.hint })?;
            for repair in repairs {
                let id = known(state, &repair.step)?;
                if !step_state(state, id).is_some_and(StepState::may_reopen) {
                    return refused(
                        format!("{} is {}: it cannot be repaired now", repair.step, name(state, id)),
                        Some("`verify` reads every resource again, `show` says what comes next"),
                    );
                }
            }
            if repairs.is_empty() { refused("there is nothing to repair", None) } else { Ok(()) }
        }
        Signal::Undo => {
            if ended == Some(Outcome::Undone) {
                return refused("the run was undone already", None);
            }
            if goal == Goal::Undo && state.pruning().is_none() {
                return refused("the run is being undone already", Some("`resume` continues it"));
            }
            Ok(())
        }
        Signal::Forward => {
            not_after_end("call off").and(may_be_called_off(state))?;
            if goal != Goal::Undo {
                return refused("the run is not being undone", Some("`resume` continues it"));
            }
            if state.control().cancelled {
                return refused(
                    "the run was cancelled before it was undone: it cannot go forward",
                    Some("`undo` continues the undo; start a new run to go forward"),
                );
            }
            Ok(())
        }
        Signal::Retry { step: None } => not_after_end("retry"),
        Signal::Retry { step: Some(step) } => {
            not_after_end("retry")?;
            let id = known(state, step)?;
            if is_retryable(state, id) {
                Ok(())
            } else if only_a_person_knows(state, id) {
                refused(
                    format!(
                        "{step} was sent, its outcome is unknown, and no probe can tell: it is not sent again by `retry`"
                    ),
                    Some(
                        "find out whether it took effect: `decide … adopt` if it did, `decide … overwrite` sends it again, \
                         `decide … abort` gives it up",
                    ),
                )
            } else {
                refused(format!("{step} is {}: there is nothing to retry", name(state, id)), None)
            }
        }
        Signal::Approve { step, .. } | Signal::Reject { step } => {
            not_after_end("approve")?;
            let id = known(state, step)?;
            let wait = step_state(state, id).and_then(StepState::wait);
            let Some(wait) = wait.filter(|wait| wait.kind == WaitKind::Approval) else {
                return refused(
                    format!("{step} is {}: it does not wait for approval", name(state, id)),
                    None,
                );
            };
            match (signal, &wait.approvers) {
                (Signal::Approve { speaks_for, .. }, Some(approvers)) => {
                    may_approve(state, step, approvers, actor, speaks_for.as_deref())
                }
                _ => Ok(()),
            }
        }
        Signal::Skip { step, values } => {
            not_after_end("skip")?;
            if goal != Goal::Finish {
                return refused("the run does not go forward: no step of it can be skipped", None);
            }
            let id = known(state, step)?;
            let Some(step_state) = step_state(state, id) else {
                return refused(format!("{step} is a block; skip its steps one by one"), None);
            };
            if step_state.next_would_skip() {
                known_outputs(state, id, step, values.keys())
            } else if step_state.is_open_attempt() {
                refused(
                    format!("{step} is {}: the outcome of its write must be known first", step_state.name()),
                    Some("wait for the next check, or `retry` it to check now"),
                )
            } else {
                refused(format!("{step} is {} and cannot be skipped", step_state.name()), None)
            }
        }
        Signal::Decide { step, choice } => {
            not_after_end("decide")?;
            let id = known(state, step)?;
            let node = state.plan().node(state.item(id).node);
            let reads = node.step().is_some_and(|step| step.effect == EffectClass::Read);
            let removes = node.step().is_some_and(|step| step.ensure == Ensure::Absent);
            match (step_state(state, id), choice) {
                (Some(StepState::NeedsDecision { .. }), Choice::Adopt | Choice::Recreate) if removes => {
                    refused(
                        format!("{step} deletes: there is nothing to adopt or to recreate"),
                        Some(
                            "`decide … overwrite` deletes the resource anyway, `skip` keeps it, `decide … abort` stops here",
                        ),
                    )
                }
                (Some(StepState::NeedsDecision { .. }), Choice::Overwrite | Choice::Recreate) if reads => {
                    refused(
                        format!("{step} only reads: it can neither overwrite nor recreate what it found"),
                        Some(
                            "when the cause is repaired, `retry` checks again; `skip` skips the step, `decide … abort` gives it up",
                        ),
                    )
                }
                (Some(StepState::NeedsDecision { .. }), _) => super::choices::check(state, step, *choice),
                _ => refused(format!("{step} is {}: it needs no decision", name(state, id)), None),
            }
        }
        Signal::Provide { step, output, .. } => {
            not_after_end("provide")?;
            let id = known(state, step)?;
            match step_state(state, id) {
                None => refused(format!("{step} is a block and has no outputs of its own"), None),
                Some(state) if matches!(state, StepState::Unchanged(_) | StepState::Done(_)) => {
                    refused(format!("{step} is {}: its outputs were read", state.name()), None)
                }
                Some(_) => known_outputs(state, id, step, std::iter::once(output)),
            }
        }
    }
}

/// Checks the approvers of a step. The actor is the user that the machine reports; on whose behalf they approve is stated.
fn may_approve(
    state: &RunState,
    step: &StepKey,
    approvers: &Approvers,
    actor: &Actor,
    speaks_for: Option<&str>,
) -> Result<(), SignalRefused> {
    if approvers.not_starter && state.starter() == Some(actor) {
        return refused(
            format!("{step} may not be approved by {actor}, who started the run"),
            Some("another person must approve it"),
        );
    }
    let is_named = |name: &str| approvers.by.iter().any(|named| named.eq_ignore_ascii_case(name));
    match speaks_for {
        _ if approvers.by.is_empty() => Ok(()),
        Some(named) if is_named(named) => Ok(()),
        None if is_named(&actor.0) => Ok(()),
        _ => {
            let who = approvers.by.join(" or ");
            let named = approvers.by.first().map_or("NAME", String::as_str);
            let stated = speaks_for.map(|named| format!(" for {named}")).unwrap_or_default();
            refused(
                format!("{step} is to be approved by {who}; {actor} cannot{stated}"),
                Some(&format!("if you are {who} or speak for them: --as {named} (it is recorded)")),
            )
        }
    }
}

fn known(state: &RunState, step: &StepKey) -> Result<ItemId, SignalRefused> {
    match state.lookup(step) {
        Some(id) => Ok(id),
        None => refused(format!("the run has no step {step}"), Some("`show` lists its steps")),
    }
}

fn known_outputs<'n>(
    state: &RunState,
    id: ItemId,
    step: &StepKey,
    mut names: impl Iterator<Item = &'n String>,
) -> Result<(), SignalRefused> {
    let outputs = state.plan().node(state.item(id).node).step().map(|step| &step.outputs);
    let Some(twinspan_plans::Type::Record(fields)) = outputs else { return Ok(()) };
    match names.find(|name| fields.iter().all(|field| field.name != **name)) {
        Some(name) => {
            let known = fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
            refused(format!("{step} has no output {name} (it has: {known})"), None)
        }
        None => Ok(()),
    }
}

fn step_state(state: &RunState, id: ItemId) -> Option<&StepState> {
    state.item(id).step().map(|record| &record.state)
}

fn name(state: &RunState, id: ItemId) -> &'static str {
    step_state(state, id).map_or("a block", StepState::name)
}

/// Whether only a person can tell how the last write ended: a retry could neither find out nor be harmless.
fn only_a_person_knows(state: &RunState, id: ItemId) -> bool {
    let item = state.item(id);
    let unsafe_kind =
        state.plan().node(item.node).step().is_some_and(|step| step.effect == EffectClass::PostUnsafe);
    let undecided = |record: &StepRecord| {
        record.unsettled
            && matches!(record.state, StepState::NeedsDecision { phase, .. } if phase.direction() == Direction::Forward)
    };
    unsafe_kind && item.step().is_some_and(undecided)
}

fn is_retryable(state: &RunState, id: ItemId) -> bool {
    let item = state.item(id);
    if only_a_person_knows(state, id) {
        return false;
    }
    match item.step().map(|record| &record.state) {
        None => matches!(item.block_state(), Some(BlockState::Failed(_))) && item.unmet == 0,
        // A step that never began because its needs cannot be resolved cannot be retried.
        Some(StepState::Failed { .. }) => item.begun.is_some() || item.unmet == 0,
        Some(state) => matches!(
            state,
            StepState::Waiting(_)
                | StepState::RetryWait { .. }
                | StepState::Uncertain { .. }
                | StepState::NeedsDecision { .. }
                | StepState::UndoStopped { .. }
        ),
    }
}

/// Returns the events of a signal (`SignalTaken` first). `in_flight`: steps whose write is in flight. A signal that was taken
/// before has none; one that does not fit has only `SignalTaken`.
pub fn take_signal(state: &RunState, row: &SignalRow, in_flight: &[StepKey], now: Timestamp) -> Vec<Event> {
    if state.knows_signal(row.id) {
        return Vec::new();
    }
    if let Signal::Verified { began, after, findings } = &row.signal {
        return vec![Event::Verified {
            id: row.id,
            by: row.actor.clone(),
            reason: row.reason.clone(),
            began: *began,
            after: *after,
            findings: findings.clone(),
        }];
    }
    let mut events = vec![Event::SignalTaken {
        id: row.id,
        actor: row.actor.clone(),
        reason: row.reason.clone(),
        signal: row.signal.clone(),
    }];
    let fits = check_signal(state, &row.signal, &row.actor).is_ok();
    let mut of = |step: &StepKey, event: StepEvent| events.push(Event::Step { step: step.clone(), event });
    match &row.signal {
        // The sender of a pause waits for the acknowledgement, even if there is nothing left to pause.
        Signal::Pause => {
            unsent(state, in_flight, &mut of);
            events.push(Event::Acknowledged { in_flight: in_flight.to_vec() });
        }
        Signal::Cancel => {
            if fits {
                unsent(state, in_flight, &mut of);
                for id in state.begun_without_write(in_flight) {
                    of(&state.item(id).key, StepEvent::Cancelled);
                }
            }
            events.push(Event::Acknowledged { in_flight: in_flight.to_vec() });
        }
        _ if !fits => {}
        Signal::Resume | Signal::Verified { .. } | Signal::Prune { .. } | Signal::UpdatedSince { .. } => {}
        Signal::Repair { repairs, .. } => {
            let steps: Vec<ItemId> = repairs.iter().filter_map(|repair| state.lookup(&repair.step)).collect();
            for (repair, after) in repairs.iter().zip(after(state, &steps)) {
                of(&repair.step, StepEvent::Reopened { after, choice: repair.choice, by: row.actor.clone() });
            }
        }
        Signal::Undo => unsent(state, in_flight, &mut of),
        Signal::Forward => {
            unsent(state, in_flight, &mut of);
            let steps = state.undone_items();
            for (id, after) in steps.iter().zip(after(state, &steps)) {
                let item = state.item(*id);
                let settling = item.step().is_some_and(|record| match &record.state {
                    StepState::Intended { .. } => in_flight.contains(&item.key),
                    state => state.phase() == Some(Phase::UndoVerify),
                });
                let after = if settling { Vec::new() } else { after };
                of(&item.key, StepEvent::UndoCalledOff { after, settling });
            }
        }
        Signal::Approve { step, speaks_for } => of(
            step,
            StepEvent::Approved(Approval {
                by: row.actor.to_string(),
                speaks_for: speaks_for.clone(),
                at: now,
                reason: row.reason.clone(),
            }),
        ),
        Signal::Reject { step } => {
            of(step, StepEvent::Rejected { by: row.actor.to_string(), reason: row.reason.clone() });
        }
        Signal::Retry { step: Some(step) } => of(step, StepEvent::CheckNow),
        Signal::Retry { step: None } => {
            for id in state.restless().into_iter().filter(|id| is_retryable(state, *id)) {
                of(&state.item(id).key, StepEvent::CheckNow);
            }
        }
        Signal::Skip { step, values } => {
            of(
                step,
                StepEvent::SkipAsked {
                    by: row.actor.clone(),
                    reason: row.reason.clone(),
                    values: values.clone(),
                },
            );
            // Without resolved parameters no check is possible.
            let blind = state
                .lookup(step)
                .and_then(|id| state.item(id).step())
                .is_some_and(|record| record.call.is_none());
            if blind {
                let output = (!values.is_empty())
                    .then(|| values.iter().map(|(name, value)| (name.clone(), value.clone())).collect());
                of(
                    step,
                    StepEvent::Skipped {
                        output,
                        seen: "not checked: its parameters are not known yet".to_owned(),
                    },
                );
            }
        }
        Signal::Decide { step, choice } => {
            let back = state
                .lookup(step)
                .and_then(|id| step_state(state, id))
                .is_some_and(|state| state.direction() == Some(Direction::Undo));
            of(
                step,
                StepEvent::Decided { choice: *choice, by: row.actor.clone(), reason: row.reason.clone() },
            );
            match (choice, back) {
                (Choice::Abort | Choice::Adopt, true) => {
                    of(step, StepEvent::Kept { reason: format!("kept by {}", row.actor) });
                }
                (Choice::Abort, false) => {
                    let why = row.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                    let error =
                        StepError::new(FailureClass::PlanWrong, format!("given up by {}{why}", row.actor));
                    of(step, StepEvent::Failed { error, phase: Phase::Probe });
                }
                (Choice::Adopt | Choice::Overwrite | Choice::Recreate, _) => {}
            }
        }
        Signal::Provide { step, output, value } => of(
            step,
            StepEvent::Provided { output: output.clone(), value: value.clone(), by: row.actor.clone() },
        ),
    }
    events
}

/// Withdraws intents whose write was not handed to the performer yet: their probe will be outdated when the run continues.
fn unsent(state: &RunState, in_flight: &[StepKey], of: &mut impl FnMut(&StepKey, StepEvent)) {
    let in_flight: BTreeSet<&StepKey> = in_flight.iter().collect();
    for (key, direction, attempt) in state.intents() {
        if !in_flight.contains(key) {
            of(key, StepEvent::NotSent { attempt, phase: direction.write() });
        }
    }
}

/// The commands that fit the run now; never empty (I14).
pub fn legal_commands(state: &RunState) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut add = |verb, step: Option<&StepKey>, why: &str| {
        commands.push(Command { verb, step: step.cloned(), why: why.to_owned() });
    };
    match state.outcome() {
        Some(Outcome::Undone) => {
            add("report", None, "the run is undone: what it created is deleted, or kept with a reason");
            return commands;
        }
        Some(Outcome::Done) => {
            add("verify", None, "reads every resource again");
            for id in state.drifted() {
                add("repair", Some(&state.item(id).key), "repairs what has drifted");
            }
            add("undo", None, "deletes what it created");
            return commands;
        }
        Some(Outcome::Cancelled) => {
            add("undo", None, "deletes what it created");
            return commands;
        }
        None => {}
    }
    for id in state.restless() {
        let item = state.item(id);
        match step_state(state, id) {
            Some(StepState::Waiting(waiting)) if waiting.wait.kind == WaitKind::Approval => {
                add("approve", Some(&item.key), "lets the step continue");
                add("reject", Some(&item.key), "fails the step");
            }
            Some(StepState::NeedsDecision { .. }) => {
                add("decide", Some(&item.key), "decides about what was found");
                if is_retryable(state, id) {
                    add("retry", Some(&item.key), "probes again: the cause may be gone");
                }
            }
            Some(_) | None if is_retryable(state, id) => add("retry", Some(&item.key), "tries again now"),
            _ => {}
        }
        if step_state(state, id).is_some_and(StepState::next_would_skip) {
            add("skip", Some(&item.key), "skips it");
        }
    }
    for id in state.withheld() {
        add("provide", Some(&state.item(id).key), "states the output that others read");
    }
    let control = state.control();
    if control.pause.is_some() {
        add("resume", None, "continues the run");
    } else if control.goal == Goal::Cancel {
        add("resume", None, "finishes the cancel");
    } else {
        add("resume", None, "continues the run");
        add("pause", None, "sends no further request");
    }
    if control.goal == Goal::Finish {
        add("cancel", None, "ends the run as it is");
    }
    if control.goal != Goal::Undo {
        add("undo", None, "deletes what it created");
    } else if !control.cancelled {
        add("resume --forward", None, "calls off the undo");
    }
    commands
}
