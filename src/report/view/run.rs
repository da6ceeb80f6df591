//! One run: its status, what it did, what it waits for, and what comes next.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use twinspan_engine::{ActedAs, Origin, RunId, RunState, RunStatus, StepKey, legal_commands};

use super::drift::VerifiedView;
use super::halted::HaltedView;
use super::next;
use super::status::{self, StatusView};
use super::step::StepView;
use super::wait::{Motion, WaitView};
use crate::cli::exit::Exit;
use crate::cli::json::SCHEMA;
use crate::cli::suggest::Suggestion;

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct RunView {
    pub(crate) schema: u32,
    pub(crate) r#type: &'static str,
    pub(crate) run: String,
    pub(crate) short: String,
    pub(crate) name: String,
    pub(crate) summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<String>,
    #[serde(flatten)]
    pub(crate) status: StatusView,
    /// The exit code of a command that leaves the run in this status.
    pub(crate) exit: u8,
    pub(crate) started: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) starter: String,
    /// The run key: identifies the runs of one rollout.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) key: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) driver: Option<String>,
    /// Whether a process drives the run. If none does, nothing happens until the run is resumed.
    pub(crate) driven: bool,
    /// Direction of the run: `forward`, or `undo`.
    pub(crate) direction: &'static str,
    /// The principals that the remote recognised for the run's identities, each once. Several principals for one
    /// identity in
    /// one tenant: the identity changed during the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) acted_as: Vec<ActedAs>,
    pub(crate) counts: Counts,
    /// The last drift check of all finished steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<VerifiedView>,
    pub(crate) steps: Vec<StepView>,
    /// Cloud resources that the run created or changed and that exist as far as is known, in plan order.
    pub(crate) changes: Vec<ChangeView>,
    /// Local programs that were run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ran: Vec<ChangeView>,
    /// What undo deleted, and what it kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) undone: Vec<ChangeView>,
    pub(crate) waiting: Vec<WaitView>,
    /// Steps whose resource carries this run's marker without an intent in the journal: it lost its last entries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) journal_lost: Vec<String>,
    /// Steps that the journal says never sent anything, and that undo could not check.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unchecked: Vec<UncheckedView>,
    /// Skipped steps with an output that a later step reads: a person has to provide the value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) withheld: Vec<String>,
    /// Blocks in which no further instance begins, because `halt_after` instances failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) halted_blocks: Vec<HaltedView>,
    /// Steps that have not begun.
    pub(crate) untouched: Vec<String>,
    /// Commands that the run accepts now; each can be pasted into a shell.
    pub(crate) next: Vec<String>,
    /// The same commands, each with its effect.
    pub(crate) suggestions: Vec<Suggestion>,
    /// The command that continues the run when no process drives it; `None`: no command does.
    #[serde(skip)]
    pub(crate) resume: Option<String>,
    /// The command that shows full ids where a terminal has room only for their ends.
    #[serde(skip)]
    pub(crate) whole_ids: String,
    #[serde(skip)]
    pub(crate) ends: Exit,
    #[serde(skip)]
    pub(crate) now: Timestamp,
}

/// Each principal that acted, once, sorted by name of the identity.
fn acted_as(steps: &[StepView]) -> Vec<ActedAs> {
    let mut all: Vec<ActedAs> = steps.iter().flat_map(|step| step.acted_as.iter().cloned()).collect();
    all.sort();
    all.dedup();
    all
}

/// Number of steps in each state.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) steps: usize,
    pub(crate) done: usize,
    pub(crate) waiting: usize,
    pub(crate) failed: usize,
    pub(crate) undecided: usize,
    pub(crate) uncertain: usize,
    pub(crate) untouched: usize,
    pub(crate) condition_false: usize,
}

/// A resource that this run created or changed, or a program that it ran.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChangeView {
    pub(crate) step: String,
    /// `changes`, `changed`, `updated` (an earlier run of the key created and keeps it), `removed` because of `ensure:
    /// absent`,
    /// `sent` (not proven yet); of undo `removed`, `kept`, or `absent` where nothing was found and no delete request
    /// was sent.
    pub(crate) change: &'static str,
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A step that undo could not check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UncheckedView {
    pub(crate) step: String,
    pub(crate) reason: String,
}

impl UncheckedView {
    fn of((step, reason): &(StepKey, String)) -> Self {
        UncheckedView { step: step.to_string(), reason: reason.clone() }
    }
}

impl ChangeView {
    fn of(step: &StepView) -> Option<Self> {
        if matches!(step.state, "undone" | "kept") || step.is_local() {
            return None;
        }
        let change = match (&step.origin, step.owed) {
            (Some(Origin::Created), _) => "created",
            (Some(Origin::Updated), _) => "updated",
            (Some(Origin::Deleted), _) => "deleted",
            (Some(Origin::EarlierRun), true) => "updated",
            (None, true) => "sent",
            _ => return None,
        };
        let by = step.created_by.as_ref().map(|by| format!("created by run {by}, which keeps it"));
        let reason = (change == "sent").then(|| "sent, and not proven yet".to_owned()).or(by);
        Some(ChangeView { step: step.step.clone(), change, id: step.id(), reason })
    }

    /// A program that ran on this machine; it is not a change in the cloud.
    fn ran(step: &StepView) -> Option<Self> {
        let change = match (&step.origin, step.owed) {
            (Some(Origin::Created | Origin::Updated | Origin::Unproven), true) => "ran",
            (None, true) => "started",
            _ => return None,
        };
        let reason = (change == "started").then(|| "its result is not known yet".to_owned());
        step.is_local().then(|| ChangeView { step: step.step.clone(), change, id: step.program(), reason })
    }

    fn undone(step: &StepView) -> Option<Self> {
        let change = match step.state {
            "undone" if step.deleted => "deleted",
            "undone" => "absent",
            "kept" => "kept",
            _ => return None,
        };
        let reason = step.reason.clone().or_else(|| {
            (change == "absent").then(|| "not found: its request did not take effect".to_owned())
        });
        Some(ChangeView { step: step.step.clone(), change, id: step.id(), reason })
    }
}

/// What a view needs besides the state.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) run: RunId,
    pub(crate) status: &'a RunStatus,
    pub(crate) driver: Option<&'a str>,
    pub(crate) now: Timestamp,
}

impl RunView {
    pub(crate) fn new(state: &RunState, facts: &Facts<'_>) -> Self {
        let plan = state.plan();
        let steps: Vec<StepView> = state.steps().map(|item| StepView::new(plan, item)).collect();
        let changes = steps.iter().filter_map(ChangeView::of).collect();
        let ran = steps.iter().filter_map(ChangeView::ran).collect();
        let undone = steps.iter().filter_map(ChangeView::undone).collect();
        let waiting: Vec<WaitView> = steps.iter().filter_map(|step| step.waiting.clone()).collect();
        let untouched: Vec<String> =
            steps.iter().filter(|step| step.state == "pending").map(|step| step.step.clone()).collect();
        let ends = exit(facts.status, &steps);
        let commands = legal_commands(state).into_iter();
        let provide = commands.filter(|command| command.verb == "provide");
        let withheld: Vec<String> = provide.filter_map(|command| Some(command.step?.to_string())).collect();
        let suggestions = next::suggestions(state, facts, &steps, &withheld);
        RunView {
            schema: SCHEMA,
            r#type: "run",
            run: facts.run.to_string(),
            short: facts.run.short(),
            name: plan.name.clone(),
            summary: plan.summary.clone(),
            document: plan.document.clone(),
            status: StatusView::from(facts.status),
            exit: ends.code(),
            started: state.started().unwrap_or(facts.now),
            changed: state.changed().unwrap_or(facts.now),
            starter: state.starter().map(ToString::to_string).unwrap_or_default(),
            key: state.key().to_string(),
            labels: state.labels().clone(),
            driver: facts.driver.map(str::to_owned),
            driven: facts.driver.is_some(),
            direction: if state.is_undone_now() { "undo" } else { "forward" },
            acted_as: acted_as(&steps),
            counts: Counts::of(&steps),
            verified: VerifiedView::of(state),
            next: suggestions.iter().map(|suggestion| suggestion.command.clone()).collect(),
            resume: next::resume(state, facts.run),
            suggestions,
            withheld,
            journal_lost: state.lost().map(ToString::to_string).collect(),
            unchecked: state.unchecked().iter().map(UncheckedView::of).collect(),
            whole_ids: format!("twinspan show {} --output json", facts.run.short()),
            changes,
            ran,
            undone,
            waiting,
            halted_blocks: state.halted_blocks().into_iter().map(HaltedView::from).collect(),
            untouched,
            steps,
            ends,
            now: facts.now,
        }
    }
}

impl RunView {
    /// Whether a process checks again, and otherwise how the run is continued.
    pub(crate) fn motion(&self) -> Motion<'_> {
        match (&self.resume, self.driven) {
            (_, true) => Motion::Running,
            (Some(resume), false) => Motion::NotRunning(resume),
            (None, false) => Motion::Over,
        }
    }
}

impl Counts {
    fn of(steps: &[StepView]) -> Self {
        let count = |wanted: &dyn Fn(&StepView) -> bool| steps.iter().filter(|step| wanted(step)).count();
        Counts {
            steps: steps.len(),
            done: count(&StepView::is_done),
            waiting: count(&|step| step.waiting.is_some()),
            failed: count(&|step| matches!(step.state, "failed" | "undo-stopped")),
            undecided: count(&|step| step.decision.is_some()),
            uncertain: count(&|step| step.state.ends_with("uncertain")),
            untouched: count(&|step| step.state == "pending"),
            condition_false: count(&|step| step.state == "condition-false"),
        }
    }
}

/// The exit code, which also depends on the steps: whether every wait is a refused sign-in, and whether every failure
/// is a
/// wait that gave up.
fn exit(status: &RunStatus, steps: &[StepView]) -> Exit {
    match status {
        RunStatus::Halted { failed, undecided } if undecided.is_empty() && !failed.is_empty() => {
            let gave_up = steps
                .iter()
                .filter(|step| step.state == "failed")
                .all(|step| step.error.as_ref().is_some_and(|error| error.code.as_deref() == Some(GAVE_UP)));
            if gave_up { Exit::GaveUp } else { Exit::Failed }
        }
        RunStatus::Waiting { .. } => {
            let mut waits = steps.iter().filter_map(|step| step.waiting.as_ref()).peekable();
            let refused = waits.peek().is_some() && waits.all(|wait| wait.wait.refused);
            if refused { Exit::SignInRefused } else { Exit::Waiting }
        }
        other => status::exit(other),
    }
}

/// The engine's error code for a wait that gave up.
pub(crate) const GAVE_UP: &str = "GaveUpWaiting";
