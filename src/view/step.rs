//! One step, as people and machines are shown it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{Decision, Evidence, Marker, Origin, Proof, StepError, StepState};
use twinspan_plans::{NodeId, Plan};

use super::wait::WaitView;

/// One step of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepView {
    pub(crate) step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// Titles (or ids) of the blocks around it, outermost first.
    pub(crate) headings: Vec<String>,
    pub(crate) kind: String,
    /// Names of the identities; the first acts.
    #[serde(rename = "as", skip_serializing_if = "Vec::is_empty")]
    pub(crate) identities: Vec<String>,
    /// Name of its state.
    pub(crate) state: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<EvidenceView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<WaitView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry: Option<RetryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<StepError>,
    /// Why undo kept it, or what its check saw when it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A retry that is due.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RetryView {
    pub(crate) failures: u32,
    pub(crate) until: Timestamp,
}

/// How a state is known.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EvidenceView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    pub(crate) read_began: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) write_ended: Option<Timestamp>,
    /// The proving read began after the last write ended (always true when nothing was written).
    pub(crate) read_after_last_write: bool,
    /// Digest of what was read.
    pub(crate) seen: String,
    pub(crate) marker: Marker,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub(crate) also: std::collections::BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl From<&Evidence> for EvidenceView {
    fn from(evidence: &Evidence) -> Self {
        let read = evidence.read.as_ref();
        EvidenceView {
            method: read.map(|read| read.verb.clone()),
            path: read.map(|read| read.target.clone()),
            status: read.map(|read| read.status),
            read_began: evidence.read_began,
            write_ended: evidence.write_ended,
            read_after_last_write: evidence.write_ended.is_none_or(|ended| ended <= evidence.read_began),
            seen: evidence.seen.to_string(),
            marker: evidence.marker.clone(),
            also: evidence.also.clone(),
        }
    }
}

impl EvidenceView {
    /// `GET … → 200`.
    pub(crate) fn text(&self) -> String {
        match (&self.method, &self.path, self.status) {
            (Some(method), Some(path), Some(status)) => {
                let path = path.split_once('?').map_or(path.as_str(), |(path, _)| path);
                format!("{method} {path} → {status}")
            }
            _ => format!("seen at {}", super::time::stamp(self.read_began)),
        }
    }
}

impl StepView {
    /// What the plan says of a step, and what its state adds.
    pub(crate) fn new(plan: &Plan, node: NodeId, key: &str, state: &StepState) -> Self {
        let at = plan.node(node);
        let step = at.step();
        let heading = |id: NodeId| {
            let block = plan.node(id);
            block.title.clone().unwrap_or_else(|| block.id.clone())
        };
        let identities = step.map(|step| &step.identities[..]).unwrap_or_default();
        let mut view = StepView {
            step: key.to_owned(),
            title: at.title.clone(),
            note: at.note.clone(),
            headings: plan.headings(node).into_iter().map(heading).collect(),
            kind: step.map(|step| step.uses.clone()).unwrap_or_default(),
            identities: identities.iter().map(|id| plan.identity(*id).name.clone()).collect(),
            state: state.name(),
            attempts: 0,
            since: None,
            origin: None,
            output: None,
            evidence: None,
            waiting: None,
            retry: None,
            decision: None,
            error: None,
            reason: None,
        };
        view.take(state);
        view
    }

    fn take(&mut self, state: &StepState) {
        match state {
            StepState::Waiting(waiting) => {
                self.waiting = Some(WaitView {
                    step: self.step.clone(),
                    since: waiting.since,
                    look_again: waiting.look_again,
                    deadline: waiting.deadline,
                    wait: waiting.wait.clone(),
                });
            }
            StepState::NeedsDecision { decision, since, .. } => {
                self.decision = Some((**decision).clone());
                self.since = Some(*since);
            }
            StepState::Uncertain { error, ended, .. } => {
                self.error = error.as_deref().cloned();
                self.since = Some(*ended);
            }
            StepState::RetryWait { error, failures, until, since, .. } => {
                self.error = Some((**error).clone());
                self.retry = Some(RetryView { failures: *failures, until: *until });
                self.since = Some(*since);
            }
            StepState::AlreadySo(proof) | StepState::Done(proof) => self.prove(proof),
            StepState::Failed { error, .. } | StepState::UndoStopped { error } => {
                self.error = Some((**error).clone());
            }
            StepState::Skipped { output, seen } => {
                self.output = output.as_deref().cloned();
                self.reason = Some(seen.clone());
            }
            StepState::Undone(evidence) => self.evidence = Some(EvidenceView::from(&**evidence)),
            StepState::Kept { reason } => self.reason = Some(reason.clone()),
            StepState::Pending
            | StepState::NotApplicable
            | StepState::Probing { .. }
            | StepState::Intended { .. }
            | StepState::Verifying { .. }
            | StepState::Skipping
            | StepState::Cancelled => {}
        }
    }

    fn prove(&mut self, proof: &Proof) {
        self.origin = Some(proof.origin.clone());
        self.output = Some(proof.output.clone());
        self.evidence = Some(EvidenceView::from(&proof.evidence));
    }

    /// Proven, or found as wanted.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, "done" | "already-so")
    }

    /// The id of what this run made or changed.
    pub(crate) fn changed_id(&self) -> Option<String> {
        if !self.is_done() || !matches!(self.origin, Some(Origin::Made | Origin::Changed)) {
            return None;
        }
        Some(id_of(self.output.as_ref()))
    }
}

/// The id in an output; a step without one is named by its state.
pub(crate) fn id_of(output: Option<&Value>) -> String {
    let field = |name: &str| output.and_then(|output| output.get(name)).and_then(Value::as_str);
    field("id").or_else(|| field("object_id")).unwrap_or("(it has no id of its own)").to_owned()
}
