//! The meaning of reads on the way forward: probe and verify.

use serde_json::Value;
use twinspan_plans::EffectClass;

use crate::decide::facts::StepCase;
use crate::decide::limits;
use crate::decision::{Decision, Difference};
use crate::digest::digest_of;
use crate::drift;
use crate::event::{Origin, StepEvent};
use crate::failure::{FailureClass, StepError};
use crate::ids::ClaimKey;
use crate::job::Fact;
use crate::observation::{Marker, Observed, Phase, Readiness};
use crate::signal::Choice;
use crate::state::{Goal, StepState};

impl StepCase<'_> {
    /// Interprets a probe.
    pub(super) fn probed(
        &self,
        fact: &Fact,
        observed: &Observed<Value>,
        contents: Option<&Difference>,
        readiness: Option<&Readiness>,
        claims: &[ClaimKey],
    ) -> Vec<StepEvent> {
        let reads = self.step.effect == EffectClass::Read;
        let pre_image = digest_of(&serde_json::to_value(observed).unwrap_or(Value::Null));
        let decided = self.record.decided;
        if let Observed::Present { marker, .. }
        | Observed::Converging { marker, .. }
        | Observed::Differs { marker, .. }
        | Observed::Broken { marker, .. } = observed
            && self.is_ours(marker)
            && !reads
        {
            if self.is_unexplained(marker, claims) {
                return vec![self.lost_tail(fact, Phase::Probe)];
            }
            if self.was_deleted() {
                return vec![self.not_visible("it was deleted, but reads still return it", Phase::Probe)];
            }
        }
        match observed {
            Observed::Present { output, marker } => {
                let foreign = self.foreign(marker);
                match decided {
                    Some(Choice::Recreate) if !reads && !self.record.only_drifted => {
                        self.replace(fact, pre_image, output, claims, contents)
                    }
                    Some(Choice::Overwrite)
                        if !reads && (foreign.is_some() || self.record.lost || self.lost_marker(marker)) =>
                    {
                        self.intend(fact, pre_image, false, claims, None)
                    }
                    Some(Choice::Adopt) => vec![self.in_place(fact, output, marker, claims)],
                    _ => vec![match foreign {
                        Some(other) => with(contents, self.foreign_owner(other, Phase::Probe)),
                        None => self.in_place(fact, output, marker, claims),
                    }],
                }
            }
            Observed::Converging { wait, marker } => match self.foreign(marker) {
                Some(other) if decided != Some(Choice::Adopt) => {
                    vec![self.foreign_owner(other, Phase::Probe)]
                }
                // This run's uncertain write is the likely cause of the change in progress, so verify it.
                _ if self.record.ownership.owed => vec![self.waiting(wait.clone(), Phase::Verify)],
                _ => vec![self.waiting(wait.clone(), Phase::Probe)],
            },
            Observed::Conflict(decision) => {
                if decided == Some(Choice::Overwrite) && !reads {
                    return self.intend(fact, pre_image, false, claims, None);
                }
                let mut decision = decision.clone();
                let in_vain = match decided {
                    Some(Choice::Recreate) => {
                        "the existing resource cannot be deleted from here, so it was not recreated; "
                    }
                    Some(Choice::Adopt) => "there is no resource to adopt; ",
                    _ => "",
                };
                decision.advice.insert_str(0, in_vain);
                vec![self.undecided(decision, Phase::Probe)]
            }
            Observed::Broken { output, decision, marker } => match decided {
                Some(Choice::Recreate) if !reads => self.replace(fact, pre_image, output, claims, contents),
                Some(Choice::Overwrite) if !reads => {
                    self.intend(fact, pre_image, false, claims, self.owner(claims, marker))
                }
                Some(Choice::Adopt) => {
                    vec![self.adopted(fact, output, marker, claims, [("state", decision.what.as_str())])]
                }
                _ => vec![with(contents, self.undecided(decision.clone(), Phase::Probe))],
            },
            Observed::Differs { output, differences, marker } => {
                if decided == Some(Choice::Adopt) {
                    let with = differences.iter().map(|with| (with.field.as_str(), with.found.as_str()));
                    return vec![self.adopted(fact, output, marker, claims, with)];
                }
                if decided == Some(Choice::Recreate) && !reads {
                    return self
                        .when_ready(readiness, || self.replace(fact, pre_image, output, claims, contents));
                }
                // An immutable field differs: an update cannot help, so the person decides again, with the choices that can.
                let fixed = differences.iter().any(|difference| difference.immutable);
                // A resource that an earlier run of the same key created is updated without a decision.
                let owner = self.owner(claims, marker);
                if (decided == Some(Choice::Overwrite) || owner.is_some()) && !reads && !fixed {
                    return self.when_ready(readiness, || self.intend(fact, pre_image, false, claims, owner));
                }
                vec![with(contents, self.undecided(self.differs(differences, marker), Phase::Probe))]
            }
            Observed::Absent if decided == Some(Choice::Adopt) && self.record.unsettled => {
                // The resource cannot be read; a person states that the write took effect.
                let evidence = self.evidence(fact, pre_image, Marker::NoPlace);
                let output = self.skip_output(None).unwrap_or_else(|| Value::Object(serde_json::Map::new()));
                vec![StepEvent::Done { output, origin: Origin::Claimed, evidence }]
            }
            Observed::Absent if reads => self.when_ready(readiness, || {
                let error = StepError::plan_wrong("not found")
                    .hint("create it or correct what the plan asks for; then retry the step");
                vec![StepEvent::Failed { error, phase: Phase::Probe }]
            }),
            Observed::Absent => {
                self.when_ready(readiness, || self.intend(fact, pre_image, true, claims, None))
            }
        }
    }

    fn when_ready(
        &self,
        readiness: Option<&Readiness>,
        then: impl FnOnce() -> Vec<StepEvent>,
    ) -> Vec<StepEvent> {
        match readiness {
            Some(Readiness::Waiting(wait)) => vec![self.waiting(wait.clone(), Phase::Probe)],
            Some(Readiness::Undecided(decision))
                if !matches!(self.record.decided, Some(Choice::Overwrite | Choice::Recreate)) =>
            {
                vec![self.undecided(decision.clone(), Phase::Probe)]
            }
            Some(Readiness::Ready | Readiness::Undecided(_)) | None => then(),
        }
    }

    /// Whether this run deleted what it had created, proved that, and has sent nothing since: then this read is outdated.
    fn was_deleted(&self) -> bool {
        self.record.attempts > 0 && !self.record.ownership.owed && self.record.deleted
    }

    /// Whether it carried a marker of this run, or of an earlier run of the key, when it was proven, and carries none now.
    fn lost_marker(&self, marker: &Marker) -> bool {
        let own = |marker: &Marker| self.is_ours(marker) || self.state.is_earlier_marker(marker);
        let had = self.record.proof.as_ref().is_some_and(|proof| own(&proof.evidence.marker));
        had && *marker == Marker::None
    }

    /// A person adopts it: the differences become part of the proof.
    fn adopted<'f>(
        &self,
        fact: &Fact,
        output: &Value,
        marker: &Marker,
        claims: &[ClaimKey],
        with: impl IntoIterator<Item = (&'f str, &'f str)>,
    ) -> StepEvent {
        let mut event = self.in_place(fact, output, marker, claims);
        if let StepEvent::Unchanged { evidence, .. } | StepEvent::Done { evidence, .. } = &mut event {
            let with = with.into_iter().map(|(field, found)| (drift::adopted(field), found.to_owned()));
            evidence.also.extend(with);
        }
        event
    }

    /// The resource exists: found so, or created by a write whose outcome was unknown until now.
    fn in_place(&self, fact: &Fact, output: &Value, marker: &Marker, claims: &[ClaimKey]) -> StepEvent {
        if let Some(wait) = self.before_proof(fact, claims) {
            return self.waiting(wait, Phase::Probe);
        }
        let evidence = self.evidence(fact, digest_of(output), marker.clone());
        let output = output.clone();
        if self.record.ownership.owed || self.step.effect == EffectClass::Read {
            StepEvent::Done { output, origin: self.origin(marker), evidence }
        } else {
            StepEvent::Unchanged { output, evidence }
        }
    }

    fn differs(&self, differences: &[Difference], marker: &Marker) -> Decision {
        let whose = match marker {
            Marker::Of(_) if self.is_ours(marker) => ", created by this run and changed since".to_owned(),
            Marker::Of(other) => format!(", and carries the marker of run {other}"),
            Marker::NoPlace | Marker::None | Marker::Before(_) => String::new(),
        };
        let fields = differences.iter().map(|difference| difference.field.as_str()).collect::<Vec<_>>();
        Decision {
            what: format!("it exists, but not as wanted ({}){whose}", fields.join(", ")),
            advice: ways(differences),
            differences: differences.to_vec(),
        }
    }

    /// Interprets a verify.
    pub(super) fn verified(&self, fact: &Fact, observed: &Observed<Value>) -> Vec<StepEvent> {
        match observed {
            Observed::Present { output, marker } => match self.foreign(marker) {
                Some(other) => vec![self.foreign_owner(other, Phase::Verify)],
                None => vec![match self.before_proof(fact, &[]) {
                    Some(wait) => self.waiting(wait, Phase::Verify),
                    None => StepEvent::Done {
                        output: output.clone(),
                        origin: self.origin(marker),
                        evidence: self.evidence(fact, digest_of(output), marker.clone()),
                    },
                }],
            },
            Observed::Converging { wait, marker } => match self.foreign(marker) {
                Some(other) => vec![self.foreign_owner(other, Phase::Verify)],
                None => vec![self.waiting(wait.clone(), Phase::Verify)],
            },
            Observed::Conflict(decision) | Observed::Broken { decision, .. } => {
                vec![self.undecided(decision.clone(), Phase::Verify)]
            }
            Observed::Differs { differences, marker, .. } => {
                if self.may_be_stale(fact) {
                    return vec![self.not_visible("reads still return the earlier state", Phase::Verify)];
                }
                // An uncertain update of a resource that an earlier run of the key created had no effect: that run still owns
                // it, so the update is sent again without a decision.
                let uncertain = matches!(self.record.state, StepState::Uncertain { .. });
                let repeatable = self.step.effect != EffectClass::PostUnsafe;
                if uncertain && repeatable && self.owner(&self.record.claims, marker).is_some() {
                    return vec![self.did_not_arrive()];
                }
                vec![self.undecided(self.differs(differences, marker), Phase::Verify)]
            }
            Observed::Absent => vec![self.absent_after_write(fact)],
        }
    }

    /// Whether the read may show the state before the write: it began within the consistency delay after an accepted write.
    fn may_be_stale(&self, fact: &Fact) -> bool {
        let settled = self.record.write_ended.map(|ended| ended.boot.saturating_add(fact.rules.settle));
        !matches!(self.record.state, StepState::Uncertain { .. })
            && settled.is_some_and(|settled| fact.began.boot < settled)
    }

    fn absent_after_write(&self, fact: &Fact) -> StepEvent {
        let StepState::Uncertain { absent, .. } = &self.record.state else {
            if self.step.effect == EffectClass::PostUnsafe {
                return self.unsafe_repeat(Phase::Verify);
            }
            return self.not_visible("accepted, but not found yet", Phase::Verify);
        };
        match self.step.effect {
            // A repeat could create a second resource, and no read can exclude that: only a person may order it.
            EffectClass::PostUnsafe => return self.unsafe_repeat(Phase::Verify),
            // Undo does not send this write again, and waits for the request window itself.
            _ if self.state.control().goal == Goal::Undo => {}
            EffectClass::CreateNamed | EffectClass::PostWithProbe => {
                let settled = self.not_done_after(fact);
                let agrees = absent.since.is_some_and(|since| fact.began.boot > since);
                if fact.began.boot < settled || !agrees {
                    let left = settled.saturating_sub(self.now.boot).max(limits::AGREEING);
                    let next_check = self.later(left);
                    return StepEvent::StillAbsent { read_began: fact.began.utc, next_check, what: None };
                }
            }
            // Repeating such a write is harmless, so the absence need not be confirmed.
            EffectClass::Read | EffectClass::PutSame => {}
        }
        self.did_not_arrive()
    }

    /// The uncertain write had no effect, and that is proven: after another probe, another attempt may follow.
    fn did_not_arrive(&self) -> StepEvent {
        let error = match &self.record.state {
            StepState::Uncertain { error: Some(error), .. } => (**error).clone(),
            _ => StepError::new(
                FailureClass::Transient,
                "the driver ended while the request was being sent, and a read found no effect of it",
            ),
        };
        let count = self.record.failures.count.max(1);
        StepEvent::RetryWait {
            until: self.later(self.retry_delay(count, &error)),
            error,
            phase: Phase::Apply,
            failures: count,
            since: self.failing_since(),
        }
    }
}

/// The question, with what a deletion would take along.
fn with(contents: Option<&Difference>, mut question: StepEvent) -> StepEvent {
    if let (StepEvent::NeedsDecision { decision, .. }, Some(held)) = (&mut question, contents) {
        decision.differences.push(held.clone());
    }
    question
}

/// The choices for differences. Values that the plan does not mention are kept by an overwrite and lost by a recreate.
pub(crate) fn ways(differences: &[Difference]) -> String {
    let fixed: Vec<&str> = differences
        .iter()
        .filter(|difference| difference.immutable)
        .map(|difference| difference.field.as_str())
        .collect();
    if fixed.is_empty() {
        return "adopt it as it is, overwrite it, recreate it (delete it first), or abort this step"
            .to_owned();
    }
    format!(
        "{} cannot be changed in place: recreate it (delete it first, with everything that the plan does not mention), adopt it \
         as it is, or abort this step",
        fixed.join(", ")
    )
}
