//! Commands that can be given for a run in its present state, the safest first.

use twinspan_engine::{
    Actor, Choice, Origin, RunId, RunState, RunStatus, Signal, StepKey, WaitKind, check_signal, repairs,
};

use super::run::Facts;
use super::status;
use super::step::StepView;
use crate::cli::suggest::{Suggestion, command};

/// Choices are listed for this many steps that need a decision; `show` lists the rest.
const DECISIONS: usize = 3;

/// The command that continues a run that is not running; `None` for an ended run.
pub(crate) fn resume(state: &RunState, run: RunId) -> Option<String> {
    let verb = if state.is_undone_now() { "undo" } else { "resume" };
    state.outcome().is_none().then(|| command(&[verb, &run.short()]))
}

/// The commands that the run accepts now; never empty.
pub(super) fn suggestions(
    state: &RunState,
    facts: &Facts<'_>,
    steps: &[StepView],
    withheld: &[String],
) -> Vec<Suggestion> {
    let short = facts.run.short();
    let run = short.as_str();
    let mut all = Vec::new();
    if !status::ended(facts.status) {
        for step in steps {
            all.extend(approval(state, run, step));
        }
        for step in steps.iter().filter(|step| step.decision.is_some()).take(DECISIONS) {
            all.extend(decision(state, run, step));
        }
        let provide = |step: &String| Suggestion::of(&["provide", run, &format!("{step}.OUTPUT=VALUE")]);
        all.extend(withheld.iter().take(DECISIONS).map(provide));
        all.extend(failures(state, run, steps));
    }
    all.extend(last(state, facts, steps));
    all
}

/// Whether the run would accept the signal, independent of the sender.
fn fits(state: &RunState, signal: &Signal) -> bool {
    check_signal(state, signal, &Actor(String::new())).is_ok()
}

fn approval(state: &RunState, run: &str, step: &StepView) -> Option<Suggestion> {
    let wait = step.waiting.as_ref().filter(|wait| wait.wait.kind == WaitKind::Approval)?;
    let named = wait.wait.approvers.as_ref().and_then(|approvers| approvers.by.first());
    let signal = Signal::Approve { step: StepKey::from(step.step.as_str()), speaks_for: named.cloned() };
    let mut words = vec!["approve", run, &step.step];
    words.extend(named.into_iter().flat_map(|named| ["--as", named]));
    fits(state, &signal).then(|| Suggestion::of(&words))
}

/// One suggestion for each choice that the step accepts.
fn decision(state: &RunState, run: &str, step: &StepView) -> Vec<Suggestion> {
    let key = StepKey::from(step.step.as_str());
    let mut all = Vec::new();
    if fits(state, &Signal::Retry { step: Some(key.clone()) }) {
        all.push(Suggestion::of(&["retry", run, &step.step]).does("probe again: the cause may be gone"));
    }
    let removes = step.ensure.is_some();
    let item = state.find(&key);
    let sent = item.is_some_and(|item| item.is_unsettled());
    let skips = fits(state, &Signal::Skip { step: key.clone(), values: std::collections::BTreeMap::new() });
    let undo = step.state == "undo-needs-decision";
    for choice in [Choice::Adopt, Choice::Abort, Choice::Overwrite, Choice::Recreate] {
        if choice == Choice::Overwrite && skips && (removes || step.reads) {
            let does = if removes {
                "keep the existing resource, and continue"
            } else {
                "continue without this step"
            };
            all.push(Suggestion::of(&["skip", run, &step.step]).does(does));
        }
        // During undo, two choices keep the resource and two delete it; after a write of unknown outcome nothing can be
        // deleted first.
        let twice =
            undo && matches!(choice, Choice::Abort | Choice::Recreate) || sent && choice == Choice::Recreate;
        if !twice && fits(state, &Signal::Decide { step: key.clone(), choice }) {
            let does = does(choice, undo, removes, sent);
            all.push(Suggestion::of(&["decide", run, &step.step, word(choice)]).does(does));
        }
    }
    // The finding of a step that only reads can be repaired only by recreating what an earlier step created.
    if step.reads && !undo && repairs(state, &key).is_ok() {
        all.push(Suggestion::of(&["repair", run, &step.step]));
        all.push(Suggestion::of(&["undo", run, "--preview"]));
    }
    all
}

fn word(choice: Choice) -> &'static str {
    match choice {
        Choice::Adopt => "adopt",
        Choice::Overwrite => "overwrite",
        Choice::Recreate => "recreate",
        Choice::Abort => "abort",
    }
}

/// The effect of a choice: during undo, for a step with `ensure: absent`, and after a write of unknown outcome.
fn does(choice: Choice, undo: bool, removes: bool, sent: bool) -> &'static str {
    match (choice, undo) {
        (Choice::Adopt | Choice::Abort, true) => "keep the resource; undo continues",
        (Choice::Overwrite | Choice::Recreate, true) => "delete the resource anyway",
        (Choice::Adopt, false) if sent => "the write took effect: record the step as done",
        (Choice::Adopt, false) => "accept the resource as it is; nothing is written",
        (Choice::Abort, false) => "fail the step; steps that need it do not begin",
        (Choice::Overwrite, false) if removes => "delete the existing resource anyway",
        (Choice::Overwrite, false) if sent => "send the write again, although it may have taken effect",
        (Choice::Overwrite, false) => "overwrite the existing resource with what the plan wants",
        (Choice::Recreate, false) => "delete the existing resource, then create it again",
    }
}

fn failures(state: &RunState, run: &str, steps: &[StepView]) -> Vec<Suggestion> {
    let failed: Vec<&str> = steps
        .iter()
        .filter(|step| matches!(step.state, "failed" | "undo-stopped"))
        .map(|step| step.step.as_str())
        .collect();
    let Some(first) = failed.first() else { return Vec::new() };
    let mut all = vec![Suggestion::of(&["why", run, first])];
    let one = Signal::Retry { step: Some(StepKey::from(*first)) };
    if failed.len() > 1 && fits(state, &Signal::Retry { step: None }) {
        all.push(Suggestion::of(&["retry", run]));
    } else if fits(state, &one) {
        all.push(Suggestion::of(&["retry", run, first]));
    }
    all
}

/// What continues the run, or what can be done with one that ended.
fn last(state: &RunState, facts: &Facts<'_>, steps: &[StepView]) -> Vec<Suggestion> {
    let short = facts.run.short();
    let run = short.as_str();
    let made = || steps.iter().any(|step| step.owed && !matches!(step.origin, Some(Origin::Deleted)));
    match facts.status {
        RunStatus::Done { .. } => {
            let drifted = steps.iter().find(|step| step.has_drifted());
            let mut all = vec![match drifted {
                Some(step) => Suggestion::of(&["repair", run, &step.step]),
                None => Suggestion::of(&["verify", run]),
            }];
            if made() {
                all.push(Suggestion::of(&["undo", run, "--preview"]));
            }
            all
        }
        RunStatus::Cancelled { .. } => vec![Suggestion::of(&["undo", run, "--preview"])],
        RunStatus::Undone => vec![Suggestion::of(&["events", run])],
        RunStatus::Running | RunStatus::Draining | RunStatus::Undoing => {
            vec![Suggestion::of(&["events", run, "--follow"])]
        }
        _ if facts.driver.is_some() => vec![Suggestion::of(&["events", run, "--follow"])],
        _ if state.is_undone_now() => {
            let mut all = vec![Suggestion::of(&["undo", run]).does("continue the undo")];
            if fits(state, &Signal::Forward) {
                let forward = Suggestion::of(&["resume", run, "--forward"]);
                all.push(forward.does("call the undo off; resources deleted so far are created again"));
            }
            all
        }
        RunStatus::Queued
        | RunStatus::Paused
        | RunStatus::Waiting { .. }
        | RunStatus::Halted { .. }
        | RunStatus::Interrupted
        | RunStatus::UndoInterrupted
        | RunStatus::UndoStopped => vec![Suggestion::of(&["resume", run])],
    }
}
