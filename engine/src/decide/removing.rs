//! A step that wants something gone (`ensure: absent`): what a look means before the removal and after it.
//!
//! The way is that of every other step (look, announce, one write, prove by reading), and so are the states; only the
//! write is the kind's removal. Whoever made the thing, it is removed where it is exactly what the plan describes: the plan
//! says so. What is not exactly that is left to a person.

use serde_json::{Map, Value};
use twinspan_plans::Ensure;

use crate::decide::digest_of;
use crate::decide::facts::Case;
use crate::event::{Origin, StepEvent};
use crate::failure::StepError;
use crate::perform::Fact;
use crate::signal::Choice;
use crate::state::{Goal, StepState};
use crate::step::{ClaimKey, Decision, Difference, Observed, Phase};
use crate::wait::Wait;

/// What a person can do where something else was found than what is to be removed.
const WAYS: &str =
    "overwrite to remove it all the same; skip the step to leave it in place; abort to stop here";

impl Case<'_> {
    /// Whether the step wants the thing gone.
    pub(super) fn removes(&self) -> bool {
        self.step.ensure == Ensure::Absent
    }

    /// A look before the removal.
    pub(super) fn removal_probed(
        &self,
        fact: &Fact,
        observed: &Observed<Value>,
        claims: &[ClaimKey],
    ) -> Vec<StepEvent> {
        let ordered = self.record.decided == Some(Choice::Overwrite);
        match observed {
            Observed::Absent => vec![self.proven_gone(fact)],
            // In whatever state it is: it is what the plan describes.
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
                let in_vain = if ordered { "what is there cannot be removed from here; " } else { "" };
                let decision = Decision {
                    advice: format!(
                        "{in_vain}{}; then retry the step, or skip it to leave what is there in place",
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
        if let Some(obstacle) = self.obstacle(claims) {
            return vec![obstacle];
        }
        if let Some(wait) = self.before_delete(fact, claims).or_else(|| self.dwell(fact)) {
            return vec![self.waiting(wait, Phase::Probe)];
        }
        let pre_image = digest_of(&serde_json::to_value(observed).unwrap_or(Value::Null));
        self.announce(Phase::Apply, pre_image, false, claims, Some(found), None)
    }

    /// A look after the removal.
    pub(super) fn removal_verified(&self, fact: &Fact, observed: &Observed<Value>) -> Vec<StepEvent> {
        match observed {
            Observed::Absent => vec![self.proven_gone(fact)],
            _ if matches!(self.record.state, StepState::Uncertain { .. }) => vec![self.removed_nothing()],
            _ => {
                let what = "its removal was accepted, and it is still there";
                vec![self.still_there(what, Phase::Verify)]
            }
        }
    }

    /// The kind declines to remove what was found.
    pub(super) fn declined(&self, reason: &str) -> StepEvent {
        let error = StepError::plan_wrong(format!("it was not removed: {reason}"))
            .hint("when that has changed, retry the step; skip it to leave what is there in place");
        StepEvent::Failed { error, phase: Phase::Apply }
    }

    /// It is gone: removed by this run, or before it looked.
    fn proven_gone(&self, fact: &Fact) -> StepEvent {
        let output = Value::Object(Map::new());
        let owed = self.record.ownership.owed;
        self.absent(fact, |evidence| {
            if owed {
                StepEvent::Done { output, origin: Origin::Removed, evidence }
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
            "what is there is not what the plan wants removed ({}), so it was left alone",
            fields.join(", ")
        ),
        advice: WAYS.to_owned(),
        differences: differences.to_vec(),
    }
}
