//! The meaning of reads during undo: undo deletes only what ownership proves.

use serde_json::Value;

use crate::decide::facts::{StepCase, contents_in, creation, held};
use crate::decision::{Decision, Difference};
use crate::digest::digest_of;
use crate::event::{Origin, StepEvent};
use crate::failure::{FailureClass, StepError};
use crate::ids::ClaimKey;
use crate::job::Fact;
use crate::observation::{Marker, Observed, Phase};
use crate::ownership::{KeepReason, UndoRule};
use crate::signal::Choice;
use crate::state::{Direction, Goal, StepState};
use crate::suggested;
use crate::wait::{Wait, WaitKind};

impl StepCase<'_> {
    /// Interprets a probe of undo.
    pub(super) fn undo_probed(
        &self,
        fact: &Fact,
        observed: &Observed<Value>,
        _claims: &[ClaimKey],
    ) -> Vec<StepEvent> {
        if let Some(reason) = fact.rules.keeps {
            return vec![self.keeps(reason)];
        }
        if self.record.replacing {
            return self.replace_again(fact, observed);
        }
        let overwrite = matches!(self.record.decided, Some(Choice::Overwrite | Choice::Recreate));
        match observed {
            Observed::Absent => vec![self.gone(fact)],
            Observed::Present { output, marker } | Observed::Broken { output, marker, .. } => {
                self.remove_if_ours(fact, observed, output, marker, overwrite)
            }
            Observed::Differs { output, differences, marker } => {
                // A pre-existing resource is kept, however it was changed: that needs no decision.
                // What a later run of the same key updated differs because of that run.
                let updated = self.record.updated_since.is_some();
                if self.origin(marker) == Origin::Created && !overwrite && !updated {
                    let fields: Vec<&str> =
                        differences.iter().map(|difference| difference.field.as_str()).collect();
                    let decision = Decision {
                        what: format!(
                            "this run created it, and it was changed since ({})",
                            fields.join(", ")
                        ),
                        advice: "overwrite to delete it anyway, adopt to keep it".to_owned(),
                        differences: differences.clone(),
                    };
                    return vec![self.undecided(decision, Phase::UndoProbe)];
                }
                self.remove_if_ours(fact, observed, output, marker, overwrite)
            }
            Observed::Converging { wait, marker } => match &self.record.proof {
                Some(proof) => self.remove_if_ours(fact, observed, &proof.output, marker, overwrite),
                None => vec![self.waiting(Wait::remote(wait.what.clone()), Phase::UndoProbe)],
            },
            Observed::Conflict(decision) => match &self.record.proof {
                Some(proof) if overwrite => self.remove(fact, observed, &proof.output),
                _ => vec![self.undecided(decision.clone(), Phase::UndoProbe)],
            },
        }
    }

    /// Undo keeps the resource. If it was to be recreated, that fails.
    pub(super) fn keeps(&self, reason: &str) -> StepEvent {
        if self.record.called_off {
            return self.goes_forward();
        }
        if self.record.replacing {
            let error = StepError::plan_wrong(format!("it cannot be deleted and recreated: {reason}"));
            return StepEvent::Failed { error, phase: Phase::Undo };
        }
        StepEvent::Kept { reason: reason.to_owned() }
    }

    /// The undo was called off, and the resource still exists.
    fn goes_forward(&self) -> StepEvent {
        StepEvent::UndoCalledOff { after: Vec::new(), settling: false }
    }

    /// A probe on the way forward, when a delete that a person ordered has to be sent again.
    fn replace_again(&self, fact: &Fact, observed: &Observed<Value>) -> Vec<StepEvent> {
        match observed {
            Observed::Absent => vec![self.gone(fact)],
            Observed::Present { .. }
            | Observed::Differs { .. }
            | Observed::Broken { .. }
            | Observed::Conflict(_)
                if self.record.called_off =>
            {
                vec![self.goes_forward()]
            }
            Observed::Present { output, .. }
            | Observed::Differs { output, .. }
            | Observed::Broken { output, .. } => self.remove(fact, observed, output),
            Observed::Converging { wait, .. } => {
                vec![self.waiting(Wait::remote(wait.what.clone()), Phase::UndoProbe)]
            }
            Observed::Conflict(decision) => {
                let error = StepError::plan_wrong(format!("it was to be recreated: {}", decision.what))
                    .hint(decision.advice.clone());
                vec![StepEvent::Failed { error, phase: Phase::UndoProbe }]
            }
        }
    }

    fn remove_if_ours(
        &self,
        fact: &Fact,
        observed: &Observed<Value>,
        found: &Value,
        marker: &Marker,
        overwrite: bool,
    ) -> Vec<StepEvent> {
        let kept = |reason: String| vec![StepEvent::Kept { reason }];
        if self.record.lost && self.is_ours(marker) {
            return if overwrite {
                self.remove(fact, observed, found)
            } else {
                vec![self.lost_tail(fact, Phase::UndoProbe)]
            };
        }
        if let Some(other) = self.foreign(marker) {
            return kept(format!("it carries the marker of run {other}"));
        }
        let reason = match UndoRule::of(&self.origin(marker), fact.rules.keeps) {
            UndoRule::Delete => return self.remove(fact, observed, found),
            UndoRule::Ask if *marker == Marker::None => {
                return kept(
                    "it does not carry this run's marker: this run may not have created it".to_owned(),
                );
            }
            UndoRule::Ask if overwrite => return self.remove(fact, observed, found),
            UndoRule::Ask => return vec![self.unproven(fact)],
            UndoRule::Keep(reason) => reason,
        };
        match (reason, marker) {
            (KeepReason::Updated, Marker::Of(_)) if overwrite => self.remove(fact, observed, found),
            (KeepReason::Kind(why), _) => kept(why.to_owned()),
            (KeepReason::PreExisting, Marker::Before(reason)) => kept(reason.clone()),
            (KeepReason::Updated, _) => kept("it is pre-existing: this run only changed it".to_owned()),
            (KeepReason::PreExisting, _) => kept("it is pre-existing".to_owned()),
            (KeepReason::EarlierRun, _) => kept(match self.record.owner {
                Some(owner) => format!("run {} created it and keeps it", owner.short()),
                None => "an earlier run of the same key keeps it".to_owned(),
            }),
            (
                KeepReason::NothingWritten
                | KeepReason::Deleted
                | KeepReason::DeleteSent
                | KeepReason::AlreadyUndone,
                _,
            ) => kept("this run created nothing here".to_owned()),
        }
    }

    /// A request of this run may have created the resource, and nothing that can be read proves it: what is left in place
    /// without a word is forgotten, and what is deleted may be another writer's.
    fn unproven(&self, fact: &Fact) -> StepEvent {
        let what = format!(
            "it did not exist before this run sent its request, no response proved that the request created it, and its kind \
             has no marker: another writer may have created it; {}",
            creation(fact)
        );
        let advice = "overwrite deletes it; adopt keeps it".to_owned();
        self.undecided(Decision { what, advice, differences: contents_in(fact) }, Phase::UndoProbe)
    }

    fn remove(&self, fact: &Fact, observed: &Observed<Value>, found: &Value) -> Vec<StepEvent> {
        if !self.state.may_send() {
            return Vec::new();
        }
        if let Some(unnamed) = held(observed).find(|held| self.is_unnamed(held)) {
            return vec![self.holds_unnamed(unnamed)];
        }
        if let Some(given_up) = self.exhausted(Phase::UndoProbe) {
            return vec![given_up];
        }
        if let Some(wait) = self.before_delete(fact, &[]).or_else(|| self.delete_delay(fact)) {
            return vec![self.waiting(wait, Phase::UndoProbe)];
        }
        if let Some(waiting) = self.claimed_within(&self.record.claims, Phase::UndoProbe) {
            return vec![waiting];
        }
        let pre_image = digest_of(&serde_json::to_value(observed).unwrap_or(Value::Null));
        self.announce(Phase::Undo, pre_image, false, &[], Some(found), None)
    }

    /// A deletion would take along what no decision has named.
    fn holds_unnamed(&self, held: &Difference) -> StepEvent {
        if self.record.replacing {
            let error = StepError::plan_wrong(format!(
                "it was to be recreated, and holds what no decision has named ({}: {})",
                held.field, held.found
            ))
            .hint("retry the step: it asks again, and names what a recreate deletes");
            return StepEvent::Failed { error, phase: Phase::UndoProbe };
        }
        let decision = Decision {
            what: format!(
                "deleting it would delete what it holds, which no decision has named ({})",
                held.field
            ),
            advice: "overwrite deletes that too; adopt leaves the resource in place".to_owned(),
            differences: vec![held.clone()],
        };
        self.undecided(decision, Phase::UndoProbe)
    }

    /// The delete delay. Some resources must not be deleted too soon after their dependents. Another run or a person may have
    /// deleted a dependent just before, which this run cannot know: so the delay counts from the last proven delete of this
    /// run, and at least from when this step was released and the run became active.
    pub(super) fn delete_delay(&self, fact: &Fact) -> Option<Wait> {
        let delete_delay = fact.rules.delete_delay?;
        let began = self.record.let_go.map(|at| at.boot).max(self.state.awake_since());
        let until = self.state.removed_at().max(began)?.saturating_add(delete_delay.after);
        let left = Some(until.saturating_sub(self.now.boot)).filter(|left| !left.is_zero())?;
        Some(Wait::new(WaitKind::Timer, delete_delay.why).next_check(left))
    }

    /// Interprets a verify of the delete.
    pub(super) fn undo_verified(&self, fact: &Fact, observed: &Observed<Value>) -> Vec<StepEvent> {
        if matches!(observed, Observed::Absent) {
            return vec![self.gone(fact)];
        }
        // The delete is in progress: wait for it.
        if let Observed::Converging { wait, .. } = observed {
            return vec![self.waiting(wait.clone(), Phase::UndoVerify)];
        }
        if matches!(self.record.state, StepState::Uncertain { .. }) {
            return vec![self.removed_nothing()];
        }
        let accepted = self.record.ownership.removal_accepted;
        let (what, phase) = if accepted {
            ("its delete request was accepted, and it still exists", Phase::UndoVerify)
        } else {
            ("it was absent, and exists again", Phase::UndoProbe)
        };
        vec![self.still_there(what, phase)]
    }

    /// An uncertain delete, and the resource still exists: the delete had no effect, or not yet. A probe decides whether it
    /// is sent again.
    pub(super) fn removed_nothing(&self) -> StepEvent {
        let error = self.record.last_error.as_deref().cloned().unwrap_or_else(|| {
            StepError::new(FailureClass::Transient, "the driver ended while its delete request was in flight")
        });
        let count = self.record.failures.count.max(1);
        let direction = self.record.state.direction().unwrap_or(Direction::Undo);
        StepEvent::RetryWait {
            until: self.later(self.retry_delay(count, &error)),
            error,
            phase: direction.write(),
            failures: count,
            since: self.failing_since(),
        }
    }

    /// Reads still find a deleted resource: checks again, up to the retry limits.
    pub(super) fn still_there(&self, what: &str, phase: Phase) -> StepEvent {
        let error = StepError::new(FailureClass::ReplicationLag, what).hint(format!(
            "check it in the remote's own tools; delete it there, or: {}",
            suggested::of_step("retry", self.run, &self.item.key)
        ));
        self.try_again(error, phase)
    }

    fn gone(&self, fact: &Fact) -> StepEvent {
        // During undo nothing is recreated.
        let anew = self.record.replacing && self.state.control().goal == Goal::Finish;
        self.absent(
            fact,
            |evidence| {
                if anew { StepEvent::Deleted { evidence } } else { StepEvent::Undone { evidence } }
            },
        )
    }
}
