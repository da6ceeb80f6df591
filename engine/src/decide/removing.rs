//! Steps with `ensure: absent`: the meaning of reads before and after the delete.
//!
//! The phases and states are those of every other step (probe, intent, one write, verify); only the write is the kind's
//! delete. A resource that is exactly what the plan describes is deleted, whichever run or person created it, because the
//! plan says so. Anything else needs a decision.

use serde_json::{Map, Value};
use twinspan_plans::Ensure;

use crate::decide::facts::StepCase;
use crate::decision::{Decision, Difference};
use crate::digest::digest_of;
use crate::event::{Origin, StepEvent};
use crate::failure::StepError;
use crate::ids::ClaimKey;
use crate::job::Fact;
use crate::observation::{Observed, Phase};
use crate::signal::Choice;
use crate::state::{Goal, StepState};
use crate::wait::Wait;

/// The choices when the found resource is not the one to delete.
const WAYS: &str = "overwrite to delete it anyway; skip the step to keep it; abort to stop here";

impl StepCase<'_> {
    /// Whether the step wants the resource absent.
    pub(super) fn removes(&self) -> bool {
        self.step.ensure == Ensure::Absent
    }

    /// Interprets a probe before the delete.
    pub(super) fn removal_probed(
        &self,
        fact: &Fact,
        observed: &Observed<Value>,
        claims: &[ClaimKey],
    ) -> Vec<StepEvent> {
        let ordered = self.record.decided == Some(Choice::Overwrite);
        match observed {
            Observed::Absent => vec![self.proven_gone(fact)],
            // A broken resource is deleted too: it is the one that the plan describes.
            Observed::Present { output, .. } | Observed::Broken { output, .. } => {
                self.order_removal(fact, observed, output, claims)
            }
            Observed::Differs { output, .. } if ordered => self.order_removal(fact, observed, output, claims),
            Observed::Differs { differences, .. } => {
                vec![self.undecided(not_what_is_meant(differences), Phase::Probe)]
            }
            Observed::Converging { wait, .. } => {
                vec![self.waiting(Wait::remote(wait.what.clone()), Phase::Probe)]
            }
            Observed::Conflict(decision) => {
                let in_vain =
                    if ordered { "the existing resource cannot be deleted from here; " } else { "" };
                let decision = Decision {
                    advice: format!(
                        "{in_vain}{}; then retry the step, or skip it to keep the resource",
                        decision.advice
                    ),
                    ..decision.clone()
                };
                vec![self.undecided(decision, Phase::Probe)]
            }
        }
    }

    fn order_removal(
        &self,
        fact: &Fact,
        observed: &Observed<Value>,
        found: &Value,
        claims: &[ClaimKey],
    ) -> Vec<StepEvent> {
        if !self.state.may_send() || self.state.control().goal != Goal::Finish {
            return Vec::new();
        }
        if let Observed::Differs { differences, .. } = observed
            && differences.iter().any(|held| self.is_unnamed(held))
        {
            return vec![self.undecided(not_what_is_meant(differences), Phase::Probe)];
        }
        if let Some(obstacle) = self.obstacle(claims) {
            return vec![obstacle];
        }
        if let Some(wait) = self.before_delete(fact, claims).or_else(|| self.delete_delay(fact)) {
            return vec![self.waiting(wait, Phase::Probe)];
        }
        let pre_image = digest_of(&serde_json::to_value(observed).unwrap_or(Value::Null));
        self.announce(Phase::Apply, pre_image, false, claims, Some(found), None)
    }

    /// Interprets a verify after the delete.
    pub(super) fn removal_verified(&self, fact: &Fact, observed: &Observed<Value>) -> Vec<StepEvent> {
        match observed {
            Observed::Absent => vec![self.proven_gone(fact)],
            _ if matches!(self.record.state, StepState::Uncertain { .. }) => vec![self.removed_nothing()],
            _ => {
                let what = "its delete request was accepted, and it still exists";
                vec![self.still_there(what, Phase::Verify)]
            }
        }
    }

    /// The kind refuses to delete what was found.
    pub(super) fn declined(&self, reason: &str) -> StepEvent {
        let error = StepError::plan_wrong(format!("it was not deleted: {reason}"))
            .hint("when that has changed, retry the step; skip it to keep the resource");
        StepEvent::Failed { error, phase: Phase::Apply }
    }

    /// Its absence is proven: deleted by this run, or absent at the first probe.
    fn proven_gone(&self, fact: &Fact) -> StepEvent {
        let output = Value::Object(Map::new());
        let owed = self.record.ownership.owed;
        self.absent(fact, |evidence| {
            if owed {
                StepEvent::Done { output, origin: Origin::Deleted, evidence }
            } else {
                StepEvent::Unchanged { output, evidence }
            }
        })
    }
}

fn not_what_is_meant(differences: &[Difference]) -> Decision {
    let fields: Vec<&str> = differences.iter().map(|difference| difference.field.as_str()).collect();
    Decision {
        what: format!(
            "the resource found is not the one that the plan describes ({}), so it was not deleted",
            fields.join(", ")
        ),
        advice: WAYS.to_owned(),
        differences: differences.to_vec(),
    }
}
