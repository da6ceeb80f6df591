//! One step, as text and JSON show it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{
    ActedAs, Approval, Decision, EffectClass, Ensure, Evidence, ItemView, Marker, NOT_DELETED, Origin, RunId,
    Stated, StepError, StepState, id_of,
};
use twinspan_plans::{NodeId, Plan};

use super::drift::DriftStateView;
use super::wait::WaitView;

/// One step of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepView {
    pub(crate) step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// Titles (or ids) of the enclosing blocks, outermost first.
    pub(crate) headings: Vec<String>,
    pub(crate) kind: String,
    /// Names of the identities; the first one acts.
    #[serde(rename = "as", skip_serializing_if = "Vec::is_empty")]
    pub(crate) identities: Vec<String>,
    /// The principals that the remote recognised for these identities when the step was done and proven.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) acted_as: Vec<ActedAs>,
    /// `absent`: the step wants the resource deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ensure: Option<&'static str>,
    /// Name of the step's state.
    pub(crate) state: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    /// The ended run of the same key that created the resource, and keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Value>,
    /// Outputs that a person provided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) claimed: Vec<ClaimView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<EvidenceView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<WaitView>,
    /// For a step that has not begun: the steps that it needs first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) waits_for: Vec<String>,
    /// The `for_each` block whose slot (`parallel`, `halt_after`) the step waits for; it could continue otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waits_for_slot_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry: Option<RetryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<StepError>,
    /// Whether undo has to check the step: a write was sent, and it is not certain that it had no effect.
    pub(crate) owed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approval: Option<Approval>,
    /// What the last drift check found for this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<DriftStateView>,
    /// While an absence is being confirmed: what the reads found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confirming_absence: Option<String>,
    /// The resource carries this run's marker but the journal has no intent for it: the journal lost its last entries.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) journal_lost: bool,
    /// Whether this run sent a delete request for the resource.
    #[serde(skip)]
    pub(crate) deleted: bool,
    /// Whether the step only reads; then there is nothing to overwrite.
    #[serde(skip)]
    pub(crate) reads: bool,
    #[serde(skip)]
    program: Option<String>,
    /// Why undo kept the resource, or what the check saw when the step was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A scheduled retry.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RetryView {
    pub(crate) failures: u32,
    pub(crate) until: Timestamp,
}

/// An output that a person provided.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ClaimView {
    pub(crate) output: String,
    pub(crate) value: Value,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    /// What a check read instead; the claim is proven where both are equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read: Option<Value>,
}

impl ClaimView {
    fn of(item: ItemView<'_>) -> Vec<Self> {
        let read = |output: &str| match item.state() {
            Some(StepState::Unchanged(proof) | StepState::Done(proof)) if proof.origin != Origin::Claimed => {
                proof.output.get(output).cloned()
            }
            _ => None,
        };
        let stated = item.stated().into_iter().flatten();
        let view = |(output, stated): (&String, &Stated)| ClaimView {
            output: output.clone(),
            value: stated.value.clone(),
            by: stated.by.to_string(),
            at: stated.at,
            read: read(output),
        };
        stated.map(view).collect()
    }

    /// `object_id = ffffffff-…, claimed by nina, not proven yet`
    pub(crate) fn words(&self) -> String {
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let proof = match &self.read {
            None => "not proven yet".to_owned(),
            Some(read) if *read == self.value => "proven".to_owned(),
            Some(read) => format!("but it was read as {}", shown(read)),
        };
        format!("{} = {}, claimed by {}, {proof}", self.output, shown(&self.value), self.by)
    }
}

/// The evidence for a state.
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
    /// Whether the proving read began after the last write ended (always true when nothing was written).
    pub(crate) read_after_last_write: bool,
    /// Digest of the response that was read.
    pub(crate) seen: String,
    pub(crate) marker: Marker,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub(crate) also: std::collections::BTreeMap<String, String>,
    /// Why the resource may not have the expected effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
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
            read_after_last_write: evidence.is_after_last_write(),
            seen: evidence.seen.to_string(),
            marker: evidence.marker.clone(),
            also: evidence.also.clone(),
            warnings: evidence.warnings.clone(),
        }
    }
}

impl EvidenceView {
    /// The read with its complete address, including the query.
    pub(crate) fn whole(&self) -> String {
        match (&self.method, &self.path, self.status) {
            (Some(method), Some(path), Some(status)) => format!("{method} {path} → {status}"),
            _ => self.text(),
        }
    }

    /// The read with a shortened address: `GET … → 200`.
    pub(crate) fn text(&self) -> String {
        match (&self.method, &self.path, self.status) {
            (Some(method), Some(path), Some(status)) => {
                format!("{method} {} → {status}", shortened(path))
            }
            _ => format!("read at {}", super::time::stamp(self.read_began)),
        }
    }
}

impl StepView {
    /// The view of a step: its definition in the plan, and its state.
    pub(crate) fn new(plan: &Plan, item: ItemView<'_>) -> Self {
        let node = item.node();
        let heading = |id: NodeId| {
            let block = plan.node(id);
            block.title.clone().unwrap_or_else(|| block.id.clone())
        };
        let identities = node.step().map(|step| &step.identities[..]).unwrap_or_default();
        let mut view = StepView {
            step: item.key().to_string(),
            title: node.title.clone(),
            note: node.note.clone(),
            headings: plan.headings(item.node_id()).into_iter().map(heading).collect(),
            kind: item.uses().unwrap_or_default().to_owned(),
            identities: identities.iter().map(|id| plan.identity(*id).name.clone()).collect(),
            acted_as: item.acted_as().to_vec(),
            ensure: node.step().filter(|step| step.ensure == Ensure::Absent).map(|_| "absent"),
            state: item.state().map_or("pending", StepState::name),
            attempts: item.attempts(),
            since: item.since(),
            origin: item.origin().cloned(),
            created_by: item.created_by().map(RunId::short),
            output: item.outputs().cloned(),
            claimed: ClaimView::of(item),
            evidence: item.evidence().map(EvidenceView::from),
            waiting: item.open_wait().map(|open| WaitView {
                step: item.key().to_string(),
                since: open.since,
                next_check: open.next_check,
                deadline: open.deadline,
                wait: open.wait.clone(),
            }),
            waits_for: Vec::new(),
            waits_for_slot_of: None,
            retry: None,
            decision: None,
            error: item.last_error().cloned(),
            owed: item.is_owed(),
            approval: item.approval().cloned(),
            verified: item.drift().map(|(at, drift)| DriftStateView::new(at, drift)),
            confirming_absence: item.absence().map(str::to_owned),
            journal_lost: item.is_lost(),
            deleted: item.is_deleted(),
            reads: node.step().is_some_and(|step| step.effect == EffectClass::Read),
            program: item.params().and_then(|params| params.get("program")?.as_str()).map(str::to_owned),
            reason: None,
        };
        if view.state == "pending" {
            view.waits_for = item.waits_for().into_iter().map(ToString::to_string).collect();
        }
        if let Some(state) = item.state() {
            view.take(state);
        }
        if let Some(block) = item.waits_for_slot_of() {
            view.reason = Some(format!("waits for a slot of `{block}`"));
            view.waits_for_slot_of = Some(block.to_string());
        }
        view
    }

    fn take(&mut self, state: &StepState) {
        match state {
            StepState::NeedsDecision { decision, .. } => self.decision = Some((**decision).clone()),
            StepState::RetryWait { failures, until, .. } => {
                self.retry = Some(RetryView { failures: *failures, until: *until });
            }
            StepState::Failed { error, .. } | StepState::UndoStopped { error } => {
                self.error = Some((**error).clone());
            }
            StepState::Skipped { seen, .. } => self.reason = Some(seen.clone()),
            StepState::Kept { reason } => self.reason = Some(reason.clone()),
            StepState::Undone(evidence) => {
                self.reason = evidence.also.get(NOT_DELETED).map(|seen| format!("{seen}; {NOT_DELETED}"));
            }
            StepState::Waiting(_)
            | StepState::Uncertain { .. }
            | StepState::Unchanged(_)
            | StepState::Done(_)
            | StepState::Pending
            | StepState::ConditionFalse
            | StepState::Probing { .. }
            | StepState::ConfirmingAbsence { .. }
            | StepState::Intended { .. }
            | StepState::Verifying { .. }
            | StepState::Skipping
            | StepState::Cancelled => {}
        }
    }

    /// Whether the step acts on this machine only, without an identity.
    pub(crate) fn is_local(&self) -> bool {
        !self.reads && self.identities.is_empty()
    }

    /// The program that a local step runs.
    pub(crate) fn program(&self) -> String {
        self.program.clone().unwrap_or_else(|| "-".to_owned())
    }

    /// Whether the step failed, needs a decision, or has a write of unknown outcome.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.decision.is_some()
            || matches!(self.state, "failed" | "undo-stopped" | "uncertain" | "undo-uncertain")
    }

    /// Whether the step is done or unchanged.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, "done" | "unchanged")
    }

    /// The id of the step's resource; without one, the address of the read that proved it.
    pub(crate) fn id(&self) -> String {
        id_of(self.output.as_ref())
            .map(str::to_owned)
            .or_else(|| self.evidence.as_ref()?.path.as_deref().map(without_query).map(str::to_owned))
            .unwrap_or_else(|| "-".to_owned())
    }
}

/// The last two segments of a long path, which identify the resource. `why` and JSON show the whole path.
pub(crate) fn shortened(path: &str) -> String {
    let path = without_query(path);
    if path.chars().count() <= 48 {
        return path.to_owned();
    }
    let mut segments: Vec<&str> = path.rsplit('/').take(2).collect();
    segments.reverse();
    format!("…/{}", segments.join("/"))
}

fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_long_path_keeps_its_end() {
        assert_eq!(shortened("/subscriptions/a?api-version=1"), "/subscriptions/a");
        let long = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/providers/Microsoft.Network/networkManagers/nm";
        assert_eq!(shortened(long), "…/networkManagers/nm");
    }
}
