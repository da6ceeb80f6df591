//! The planned change of one step.

use serde::Serialize;
use twinspan_engine::{
    Decision, Difference, PlannedChange, Previewed, RunId, StepError, Wait, WaitKind, id_of,
};
use twinspan_plans::Plan;

use super::Refusals;

/// The planned change of one step.
#[derive(Serialize)]
pub(super) struct StepView {
    pub(super) step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    pub(super) kind: String,
    /// The identity that acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<String>,
    pub(super) state: State,
    /// What the step would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) what: Option<String>,
    /// The steps that have to be done before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<String>,
    /// Id of the existing resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wait: Option<WaitWords>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<Decision>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) differences: Vec<Difference>,
    /// Why the planned change is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// The error with which the run would fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<StepError>,
}

/// The planned change, as a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    ConditionFalse,
    Unchanged,
    WouldCreate,
    WouldChange,
    WouldDelete,
    Waits,
    NeedsDecision,
    Unknown,
    Fails,
}

/// The fields of a wait that a preview can know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct WaitWords {
    pub(super) kind: WaitKind,
    pub(super) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) who: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<String>,
    /// Whether the action names the run; then it can be taken only after the run has begun.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) once_begun: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) otherwise: Option<String>,
}

impl WaitWords {
    /// `run`: the stand-in for the run, which does not exist yet.
    pub(super) fn new(wait: &Wait, run: RunId) -> Self {
        let names_run = |action: &String| {
            action
                .split_whitespace()
                .any(|word| word == "RUN" || word == run.short() || word == run.to_string())
        };
        WaitWords {
            once_begun: wait.action.as_ref().is_some_and(names_run),
            kind: wait.kind,
            what: wait.what.clone(),
            who: wait.who.clone(),
            action: wait.action.clone(),
            otherwise: wait.otherwise.clone(),
        }
    }
}

impl StepView {
    pub(super) fn new(plan: &Plan, step: &Previewed, refusals: &Refusals, run: RunId) -> Self {
        let node = plan.node(step.node);
        let mut view = StepView {
            step: step.key.to_string(),
            title: node.title.clone(),
            kind: node.step().map(|definition| definition.uses.clone()).unwrap_or_default(),
            identity: step.identities.first().map(|identity| identity.name.clone()),
            state: State::ConditionFalse,
            what: step.task.as_ref().map(|task| task.what.clone()),
            after: step.after.iter().map(ToString::to_string).collect(),
            id: id_of(step.outputs.as_ref()).map(str::to_owned),
            wait: None,
            decision: None,
            differences: Vec::new(),
            why: None,
            error: None,
        };
        view.state = match &step.planned {
            PlannedChange::ConditionFalse => State::ConditionFalse,
            PlannedChange::Unchanged => State::Unchanged,
            PlannedChange::WouldCreate { gate } => {
                view.wait = gate.as_ref().map(|gate| WaitWords::new(gate, run));
                State::WouldCreate
            }
            PlannedChange::WouldDelete { gate } => {
                view.wait = gate.as_ref().map(|gate| WaitWords::new(gate, run));
                State::WouldDelete
            }
            PlannedChange::WouldChange { differences, decision } => {
                view.differences.clone_from(differences);
                view.decision = Some(Decision { differences: Vec::new(), ..decision.clone() });
                State::WouldChange
            }
            PlannedChange::Waits(wait) => {
                view.wait = Some(WaitWords::new(wait, run));
                State::Waits
            }
            PlannedChange::NeedsDecision(decision) => {
                view.differences.clone_from(&decision.differences);
                view.decision = Some(Decision { differences: Vec::new(), ..decision.clone() });
                State::NeedsDecision
            }
            PlannedChange::Unknown { why } => {
                view.why = Some(refusals.shortened(why));
                State::Unknown
            }
            PlannedChange::Fails(error) => {
                view.error = Some(error.clone());
                State::Fails
            }
        };
        if matches!(view.state, State::Unchanged | State::ConditionFalse) {
            view.what = None;
            view.after.clear();
        }
        view
    }
}
