//! Interprets reads like a run would, and reports them as planned changes.

use std::collections::BTreeMap;

use serde_json::Value;
use twinspan_encode::sh;
use twinspan_plans::elements::names;
use twinspan_plans::{EffectClass, Ensure, NodeId, StepDef};

use super::{PlannedChange, Previewed, StepReading, outputs};
use crate::decide::looking::ways;
use crate::decision::{Decision, Difference};
use crate::failure::{FailureClass, StepError};
use crate::hand_over::HandOver;
use crate::ids::ClaimKey;
use crate::ids::StepKey;
use crate::job::Seen;
use crate::observation::{Marker, Observed, Readiness};
use crate::planned_steps::{NeedOf, PlannedTask, StepOutline};
use crate::state::RunState;
use crate::wait::{Approvers, Wait, WaitKind};

/// The prospect of each step; `outlines` come after their needs.
pub(super) fn judge(
    state: &RunState,
    outlines: Vec<StepOutline>,
    looks: &BTreeMap<StepKey, StepReading>,
) -> Vec<Previewed> {
    let mut judged = Judged { state, by_node: BTreeMap::new() };
    let mut steps = Vec::with_capacity(outlines.len());
    for outline in outlines {
        let Some(step) = state.plan().node(outline.node).step() else { continue };
        let unmet = judged.unmet(&outline);
        let look = looks.get(&outline.key).filter(|_| outline.params.is_some());
        let planned = match look {
            _ if !outline.applies => PlannedChange::ConditionFalse,
            Some(look) => Judgement { state, outline: &outline, step, unmet: &unmet }.planned(&look.result),
            None => match &outline.expected_wait {
                Some(wait) => PlannedChange::Waits(wait.clone()),
                None => PlannedChange::Unknown { why: not_looked_at(&outline) },
            },
        };
        let met = planned.is_met();
        let place = judged.by_node.entry(outline.node).or_default();
        place.push(KnownSteps { outline: outline.clone(), met });
        let task = match outline.planned_task {
            PlannedTask::Known(said) => {
                let HandOver { task, .. } = *said;
                task
            }
            PlannedTask::NotYet(_) => None,
        };
        steps.push(Previewed {
            key: outline.key,
            node: outline.node,
            identities: outline.identities,
            others: outline.others,
            params: outline.params,
            outputs: look.and_then(outputs).cloned().map(Value::Object),
            planned,
            after: unmet.into_iter().map(|need| need.key).collect(),
            task,
            permissions: outline.permissions,
            reads: look.map_or(0, |look| look.reads),
        });
    }
    steps
}

fn not_looked_at(outline: &StepOutline) -> String {
    match &outline.planned_task {
        PlannedTask::NotYet(why) => why.clone(),
        PlannedTask::Known(_) => "its parameters are known only when an earlier step is done".to_owned(),
    }
}

/// A need that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unmet {
    key: StepKey,
    /// Whether an output of it is read.
    reads_output: bool,
}

struct KnownSteps {
    outline: StepOutline,
    met: bool,
}

/// The steps judged so far.
struct Judged<'a> {
    state: &'a RunState,
    by_node: BTreeMap<NodeId, Vec<KnownSteps>>,
}

impl Judged<'_> {
    /// The unmet needs of a step, each once.
    fn unmet(&self, outline: &StepOutline) -> Vec<Unmet> {
        let mut all: Vec<Unmet> = Vec::new();
        for need in &outline.needs {
            let instances = self.by_node.get(&need.node).into_iter().flatten();
            let open = instances.filter(|known| !known.met && means(self.state, need, &known.outline));
            for known in open {
                match all.iter_mut().find(|unmet| unmet.key == known.outline.key) {
                    Some(unmet) => unmet.reads_output |= need.reads_output,
                    None => {
                        all.push(Unmet { key: known.outline.key.clone(), reads_output: need.reads_output });
                    }
                }
            }
        }
        all
    }
}

/// Whether `need` refers to `other`. Elements that are not known yet may be those that the need selects.
fn means(state: &RunState, need: &NeedOf, other: &StepOutline) -> bool {
    let scopes = state.plan().scopes(other.node);
    scopes.iter().zip(&need.selected).all(|(scope, selected)| {
        match (selected, other.path.element_of(*scope)) {
            (Some(wanted), Some((key, _))) => names(wanted, key),
            _ => true,
        }
    })
}

/// A step that was read.
struct Judgement<'a> {
    state: &'a RunState,
    outline: &'a StepOutline,
    step: &'a StepDef,
    unmet: &'a [Unmet],
}

impl Judgement<'_> {
    fn planned(&self, result: &Result<Seen, StepError>) -> PlannedChange {
        match result {
            Ok(Seen::Checked { observed, contents, readiness, claims }) => {
                let mut planned_change = self.seen(observed, readiness.as_ref(), claims);
                if let Some(held) = contents {
                    match &mut planned_change {
                        PlannedChange::NeedsDecision(decision) => decision.differences.push(held.clone()),
                        PlannedChange::WouldChange { differences, decision } => {
                            differences.push(held.clone());
                            decision.differences.push(held.clone());
                        }
                        _ => {}
                    }
                }
                planned_change
            }
            Ok(Seen::Applied { .. } | Seen::Undone(_)) => PlannedChange::Fails(StepError::new(
                FailureClass::Bug,
                "a read returned the result of a write",
            )),
            Err(error) => self.refused(error),
        }
    }

    fn reads(&self) -> bool {
        self.step.effect == EffectClass::Read
    }

    /// A finding of a read-only step is not reported while the resource that it reads is still to be created.
    fn or_unknown(&self, now: &str, planned: impl FnOnce() -> PlannedChange) -> PlannedChange {
        if self.reads() && !self.unmet.is_empty() {
            PlannedChange::Unknown { why: format!("as it is now: {now}") }
        } else {
            planned()
        }
    }

    fn removes(&self) -> bool {
        self.step.ensure == Ensure::Absent
    }

    /// The prospect of a step with `ensure: absent`.
    fn to_remove(&self, observed: &Observed<Value>) -> PlannedChange {
        match observed {
            Observed::Absent => PlannedChange::Unchanged,
            // A broken resource is deleted too: it is the one that the plan describes.
            Observed::Present { .. } | Observed::Broken { .. } => {
                PlannedChange::WouldDelete { gate: self.gate() }
            }
            Observed::Converging { wait, .. } => PlannedChange::Waits(wait.clone()),
            Observed::Conflict(decision) => PlannedChange::NeedsDecision(decision.clone()),
            Observed::Differs { differences, .. } => PlannedChange::NeedsDecision(Decision {
                what: "the resource found is not the one that the plan describes, so it would not be deleted"
                    .to_owned(),
                advice: format!(
                    "{}: overwrite to delete it anyway, skip the step, or abort",
                    match self.unmet.is_empty() {
                        true => "the run needs a decision",
                        false => "unless a step before it changes that, the run needs a decision",
                    }
                ),
                differences: differences.clone(),
            }),
        }
    }

    fn seen(
        &self,
        observed: &Observed<Value>,
        readiness: Option<&Readiness>,
        claims: &[ClaimKey],
    ) -> PlannedChange {
        if self.removes() {
            return self.to_remove(observed);
        }
        // No existing resource can carry the marker of a run that never began.
        let marker = match observed {
            Observed::Present { marker, .. } | Observed::Converging { marker, .. } => Some(marker),
            _ => None,
        };
        if let Some(Marker::Of(other)) = marker
            && !self.state.is_earlier_run(other)
        {
            return PlannedChange::NeedsDecision(Decision {
                what: format!("it carries the marker of run {other}"),
                advice:
                    "a new run needs a decision whether to adopt it as it is; to continue that run: twinspan resume"
                        .to_owned(),
                differences: Vec::new(),
            });
        }
        match observed {
            Observed::Present { .. } => PlannedChange::Unchanged,
            Observed::Converging { wait, .. } => self.waits(wait),
            Observed::Conflict(decision) | Observed::Broken { decision, .. } => {
                self.or_unknown(&decision.what, || PlannedChange::NeedsDecision(decision.clone()))
            }
            Observed::Differs { differences, marker, .. } => self.differs(differences, marker, claims),
            Observed::Absent => self.absent(readiness),
        }
    }

    /// The ended run of the same key that created the resource.
    fn owner(&self, marker: &Marker, claims: &[ClaimKey]) -> Option<String> {
        let by = self.state.created_earlier(&self.step.uses, claims)?;
        by.keeps(marker).then(|| by.run.short())
    }

    fn waits(&self, wait: &Wait) -> PlannedChange {
        match wait.kind {
            // These waits occur whatever else is still to be done.
            WaitKind::Approval | WaitKind::Timer | WaitKind::Credential | WaitKind::Window => {
                PlannedChange::Waits(wait.clone())
            }
            _ => self.or_unknown(&wait.what, || PlannedChange::Waits(wait.clone())),
        }
    }

    fn differs(&self, differences: &[Difference], marker: &Marker, claims: &[ClaimKey]) -> PlannedChange {
        let fields: Vec<&str> = differences.iter().map(|difference| difference.field.as_str()).collect();
        let whose = match marker {
            Marker::Of(other) => format!(", and carries the marker of run {other}"),
            Marker::NoPlace | Marker::None | Marker::Before(_) => String::new(),
        };
        let decision = Decision {
            what: format!("it exists, but not as wanted ({}){whose}", fields.join(", ")),
            advice: match self.owner(marker, claims) {
                _ if differences.iter().any(|difference| difference.immutable) => {
                    format!("the run needs a decision: {}", ways(differences))
                }
                Some(owner) => format!("the run updates it: run {owner} of the same key created it"),
                None => "the run needs a decision: adopt it as it is, overwrite it, recreate it, or abort"
                    .to_owned(),
            },
            differences: differences.to_vec(),
        };
        if self.reads() {
            return self.or_unknown(&decision.what, || PlannedChange::NeedsDecision(decision.clone()));
        }
        PlannedChange::WouldChange { differences: differences.to_vec(), decision }
    }

    fn absent(&self, readiness: Option<&Readiness>) -> PlannedChange {
        match readiness {
            Some(Readiness::Waiting(wait)) if self.unmet.is_empty() || self.reads() => self.waits(wait),
            Some(Readiness::Undecided(decision)) => PlannedChange::NeedsDecision(decision.clone()),
            _ if self.reads() => self.or_unknown("not found", || {
                PlannedChange::Fails(
                    StepError::plan_wrong("not found").hint("create it, or correct the plan's inputs"),
                )
            }),
            _ => self.create(),
        }
    }

    fn create(&self) -> PlannedChange {
        PlannedChange::WouldCreate { gate: self.gate() }
    }

    /// The approval that the step needs.
    fn gate(&self) -> Option<Wait> {
        self.step.approval.as_ref().map(|gate| {
            let approvers = Approvers { by: gate.by.clone(), not_starter: gate.not_starter };
            Wait::approval("its change has to be approved", approvers)
                .action(format!("twinspan approve RUN {}", sh::word(&self.outline.key.0)))
        })
    }

    fn refused(&self, error: &StepError) -> PlannedChange {
        let pending = !self.unmet.is_empty();
        let unknown = || PlannedChange::Unknown { why: error.to_string() };
        match error.class {
            FailureClass::Bug => PlannedChange::Fails(error.clone()),
            // No step provides a credential.
            FailureClass::Credential => PlannedChange::Waits(wait_of(error, WaitKind::Credential)),
            // A step before it may grant the permission or create the principal.
            FailureClass::NeedsPerson | FailureClass::Permission | FailureClass::Propagation if pending => {
                unknown()
            }
            FailureClass::NeedsPerson => PlannedChange::Waits(wait_of(error, WaitKind::Person)),
            FailureClass::Permission | FailureClass::Propagation => {
                PlannedChange::Waits(wait_of(error, WaitKind::Permission))
            }
            // Its container is still to be created.
            FailureClass::ReplicationLag if pending && !self.reads() && !self.removes() => self.create(),
            FailureClass::ReplicationLag if pending => {
                PlannedChange::Unknown { why: "the resource that it reads is still to be created".to_owned() }
            }
            FailureClass::PlanWrong if self.unmet.iter().any(|unmet| unmet.reads_output) => unknown(),
            FailureClass::PlanWrong | FailureClass::Policy => PlannedChange::Fails(error.clone()),
            FailureClass::ReplicationLag
            | FailureClass::Throttled
            | FailureClass::InProgress
            | FailureClass::Transient
            | FailureClass::ConflictRetryable => unknown(),
        }
    }
}

fn wait_of(error: &StepError, kind: WaitKind) -> Wait {
    error.wait.as_deref().cloned().unwrap_or_else(|| {
        let wait = Wait::new(kind, error.to_string());
        match &error.hint {
            Some(hint) => wait.action(hint.clone()),
            None => wait,
        }
    })
}
