//! The meaning of a fact for its step.

use serde_json::{Map, Value, json};
use twinspan_encode::sh;
use twinspan_plans::{Digest, EffectClass, StepDef};

use crate::clock::Now;
use crate::decision::{Cause, Decision, Difference};
use crate::digest::digest_of;
use crate::event::{Origin, StepEvent};
use crate::failure::Certainty;
use crate::ids::ClaimKey;
use crate::ids::{RunId, StepKey};
use crate::job::{Fact, Seen};
use crate::observation::{Evidence, ReadProof};
use crate::observation::{Marker, Observed, Phase, Undone};
use crate::rollout::owns;
use crate::signal::Choice;
use crate::state::item::Item;
use crate::state::record::StepRecord;
use crate::state::{Direction, Goal, RunState, StepState};
use crate::suggested;
use crate::wait::{Approvers, Wait, WaitKind};

/// A step, its run's state and the time of the fact.
#[derive(Clone, Copy)]
pub(super) struct StepCase<'a> {
    pub(super) state: &'a RunState,
    pub(super) item: &'a Item,
    pub(super) record: &'a StepRecord,
    pub(super) step: &'a StepDef,
    pub(super) run: RunId,
    pub(super) now: Now,
}

impl<'a> StepCase<'a> {
    pub(super) fn of(state: &'a RunState, key: &StepKey, now: Now) -> Option<Self> {
        let id = state.lookup(key)?;
        let item = state.item(id);
        Some(StepCase {
            state,
            item,
            record: item.step()?,
            step: state.plan().node(item.node).step()?,
            run: state.run()?,
            now,
        })
    }

    /// Whether the marker is this run's.
    pub(super) fn is_ours(&self, marker: &Marker) -> bool {
        matches!(marker, Marker::Of(run) if *run == self.run.short())
    }

    /// The run that a marker names, unless it is this run or an ended run of the same key in this journal.
    pub(super) fn foreign<'m>(&self, marker: &'m Marker) -> Option<&'m str> {
        match marker {
            Marker::Of(run) if *run != self.run.short() && !self.state.is_earlier_run(run) => Some(run),
            _ => None,
        }
    }

    /// Builds the evidence of a read.
    pub(super) fn evidence(&self, fact: &Fact, seen: Digest, marker: Marker) -> Evidence {
        let read = fact.exchanges.iter().rev().find_map(|exchange| {
            let status = exchange.status.filter(|_| !exchange.write)?;
            Some(ReadProof { verb: exchange.verb.clone(), target: exchange.target.clone(), status })
        });
        let also =
            self.record.seen.iter().map(|(at, what)| (format!("seen at {at}"), what.clone())).collect();
        let written = self.record.write_ended.filter(|_| self.record.ownership.owed);
        Evidence {
            read_began: fact.began.utc,
            read_after: fact.asked,
            write_ended: written.map(|ended| ended.utc),
            write_recorded: written.map(|ended| ended.seq),
            seen,
            marker,
            read,
            acted_as: fact.acted_as(),
            also,
            warnings: fact.warnings.clone(),
        }
    }

    /// Derives from the journal and the marker who created the resource.
    pub(super) fn origin(&self, marker: &Marker) -> Origin {
        let own = self.record.ownership;
        if self.step.effect == EffectClass::Read {
            return Origin::Observed;
        }
        if !own.owed {
            return Origin::PreExisting;
        }
        if self.record.owner.is_some_and(|owner| owns(owner, marker)) {
            return Origin::EarlierRun;
        }
        match marker {
            // The lost part of the journal may have said that it is pre-existing.
            Marker::Of(_) if self.is_ours(marker) && self.record.lost => Origin::Unproven,
            Marker::Of(_) if self.is_ours(marker) => {
                if own.was_absent {
                    Origin::Created
                } else {
                    Origin::Updated
                }
            }
            Marker::Of(_) | Marker::Before(_) => Origin::PreExisting,
            Marker::NoPlace if own.accepted_onto_nothing => Origin::Created,
            Marker::NoPlace | Marker::None if own.was_absent => Origin::Unproven,
            Marker::NoPlace | Marker::None => Origin::Updated,
        }
    }

    pub(super) fn undecided(&self, decision: Decision, phase: Phase) -> StepEvent {
        StepEvent::NeedsDecision { decision, phase, cause: None }
    }

    /// Whether a resource carries this run's marker although the journal has no request of this run that could have written
    /// it: the journal lost its last entries.
    pub(super) fn is_unexplained(&self, marker: &Marker, claims: &[ClaimKey]) -> bool {
        let decided = self.record.lost && (self.record.decided.is_some() || self.record.proof.is_some());
        let known = self.record.attempts > 0 || decided || self.state.has_written(claims);
        self.is_ours(marker) && !known && self.step.effect != EffectClass::Read
    }

    /// Asks for a decision about a resource that the journal lost. Undo deletes it only by that decision: the marker proves
    /// that this run wrote the resource, not that it created it.
    pub(super) fn lost_tail(&self, fact: &Fact, phase: Phase) -> StepEvent {
        let created = creation(fact);
        let advice = match phase.direction() {
            Direction::Forward => {
                "adopt takes it as it is, and undo asks for a decision before it deletes it; overwrite sends the request again; \
                 recreate deletes it first; abort stops this step"
            }
            Direction::Undo => "overwrite deletes it; adopt keeps it",
        };
        StepEvent::NeedsDecision {
            decision: Decision {
                what: format!(
                    "it carries the marker of this run, but the journal has no intent of this step: the journal lost its \
                     last entries (a restored backup, or a damaged file); the marker proves that this run wrote it, not \
                     that it created it; {created}"
                ),
                advice: advice.to_owned(),
                differences: contents_in(fact),
            },
            phase,
            cause: Some(Cause::LostTail),
        }
    }

    /// Whether the person who decided about a deletion has not been told of some of these contents: they were added since,
    /// or could not be listed when the question was asked.
    pub(super) fn is_unnamed(&self, held: &Difference) -> bool {
        held.contents.iter().any(|key| !self.record.named.contains(key))
    }

    pub(super) fn foreign_owner(&self, other: &str, phase: Phase) -> StepEvent {
        self.undecided(
            Decision {
                what: format!("it carries the marker of run {other}, not of this run"),
                advice: "ask the operator of that run; adopt it as it is, or abort this step".to_owned(),
                differences: Vec::new(),
            },
            phase,
        )
    }

    /// The ended run of the same key that created the resource and still owns it.
    pub(super) fn owner(&self, claims: &[ClaimKey], marker: &Marker) -> Option<RunId> {
        // This run owns what it created itself.
        if self.record.ownership.owed && self.record.owner.is_none() {
            return None;
        }
        let by = self.state.created_earlier(&self.step.uses, claims)?;
        by.keeps(marker).then_some(by.run)
    }

    /// Announces the write, unless an obstacle prevents it.
    pub(super) fn intend(
        &self,
        fact: &Fact,
        pre_image: Digest,
        was_absent: bool,
        claims: &[ClaimKey],
        owner: Option<RunId>,
    ) -> Vec<StepEvent> {
        if !self.state.may_send() || self.state.control().goal != Goal::Finish {
            return Vec::new();
        }
        if let Some(obstacle) = self.obstacle(claims) {
            return vec![obstacle];
        }
        if let Some(wait) = self.before_put(fact, claims) {
            return vec![self.waiting(wait, Phase::Probe)];
        }
        self.announce(Phase::Apply, pre_image, was_absent, claims, None, owner)
    }

    /// Announces the delete that precedes re-creation.
    pub(super) fn replace(
        &self,
        fact: &Fact,
        pre_image: Digest,
        found: &Value,
        claims: &[ClaimKey],
        contents: Option<&Difference>,
    ) -> Vec<StepEvent> {
        if !self.state.may_send() || self.state.control().goal != Goal::Finish {
            return Vec::new();
        }
        if let Some(held) = contents.filter(|held| self.is_unnamed(held)) {
            let decision = Decision {
                what: format!(
                    "recreating it would delete what it holds, which no decision has named ({})",
                    held.field
                ),
                advice: "recreate deletes that too; adopt takes the resource as it is; abort stops this step"
                    .to_owned(),
                differences: vec![held.clone()],
            };
            return vec![self.undecided(decision, Phase::Probe)];
        }
        if let Some(obstacle) = self.obstacle(claims) {
            return vec![obstacle];
        }
        if let Some(wait) = self.before_delete(fact, claims).or_else(|| self.delete_delay(fact)) {
            return vec![self.waiting(wait, Phase::Probe)];
        }
        self.announce(Phase::Undo, pre_image, false, claims, Some(found), None)
    }

    /// The event for an obstacle to a write on the way forward, if there is one. The order matters: what cannot succeed, then
    /// waits, then the approval.
    pub(super) fn obstacle(&self, claims: &[ClaimKey]) -> Option<StepEvent> {
        let record = self.record;
        if let Some(given_up) = self.exhausted(Phase::Probe) {
            return Some(given_up);
        }
        let ordered = matches!(record.decided, Some(Choice::Overwrite | Choice::Recreate));
        if self.step.effect == EffectClass::PostUnsafe && record.unsettled && !ordered && !self.removes() {
            return Some(self.unsafe_repeat(Phase::Probe));
        }
        if let Some(other) = self.state.foreign_claim(claims) {
            return Some(self.claimed_by(other));
        }
        if let Some(waiting) = self.claimed_within(claims, Phase::Probe) {
            return Some(waiting);
        }
        if let (Some(gate), None) = (&self.step.approval, &record.approval) {
            let approvers = Approvers { by: gate.by.clone(), not_starter: gate.not_starter };
            let what = if self.removes() { "its deletion" } else { "its change" };
            let action = suggested::of_step("approve", self.run, &self.item.key);
            // The approvers are known by name; on whose behalf a person approves is stated with `--as`.
            let action = match gate.by.first() {
                Some(named) => format!("{action} --as {}", sh::word(named)),
                None => action,
            };
            let wait = Wait::approval(format!("{what} has to be approved"), approvers).action(action);
            return Some(self.waiting(wait, Phase::Probe));
        }
        // Last, so that a wait for a person keeps its kind, with or without a slot.
        self.lacks_slot().then_some(StepEvent::SlotWanted)
    }

    /// Whether the step needs a slot again: its element freed it while a person was being waited for.
    fn lacks_slot(&self) -> bool {
        self.state.lookup(&self.item.key).is_some_and(|id| self.state.without_slot(id).is_some())
    }

    /// Creates the intent, with the digest of everything that determines the request.
    pub(super) fn announce(
        &self,
        phase: Phase,
        pre_image: Digest,
        was_absent: bool,
        claims: &[ClaimKey],
        found: Option<&Value>,
        owner: Option<RunId>,
    ) -> Vec<StepEvent> {
        let Some(call) = &self.record.call else { return Vec::new() };
        let mut sent = json!({
            "kind": self.step.uses,
            "identity": call.identities,
            "params": *call.params,
            "pre_image": pre_image,
        });
        if phase == Phase::Undo {
            sent["undo"] = Value::Bool(true);
        }
        if self.removes() {
            sent["ensure"] = Value::from("absent");
        }
        vec![StepEvent::Intended {
            attempt: self.record.attempts + 1,
            phase,
            digest: digest_of(&sent),
            pre_image,
            was_absent,
            epoch: self.state.epoch(),
            // Claimed with the first intent, and held until the run ends.
            claims: if self.record.claims.is_empty() { claims.to_vec() } else { Vec::new() },
            found: found.cloned(),
            owner,
        }]
    }

    pub(super) fn claimed_by(&self, other: RunId) -> StepEvent {
        let wait = Wait::new(WaitKind::Claim, format!("run {} is changing the same resource", other.short()))
            .who(format!("run {}", other.short()))
            .action(format!("twinspan show {}", other.short()));
        self.waiting(wait, Phase::Probe)
    }

    /// Waits while another step of this run changes one of these claims: what this step has read may be outdated before it
    /// writes.
    pub(super) fn claimed_within(&self, claims: &[ClaimKey], phase: Phase) -> Option<StepEvent> {
        let other = self.state.claimed_within(claims, &self.item.key)?;
        let decision = self
            .state
            .find(other)
            .is_some_and(|step| matches!(step.state(), Some(StepState::NeedsDecision { .. })));
        let (kind, who) = if decision {
            (WaitKind::Claim, "the person who decides about that step")
        } else {
            (WaitKind::Timer, "no person: it continues when that step is done")
        };
        let what = format!("step {other} of this run is changing the same resource");
        Some(self.waiting(Wait::new(kind, what).who(who), phase))
    }

    /// Asks for a decision about a write of unknown outcome that must not be repeated.
    pub(super) fn unsafe_repeat(&self, phase: Phase) -> StepEvent {
        let last = self.record.last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        self.undecided(
            Decision {
                what: format!("it was sent, and its response is unknown{last}"),
                advice: "find out whether it took effect: adopt if it did, overwrite to send it again, \
                         abort otherwise"
                    .to_owned(),
                differences: Vec::new(),
            },
            phase,
        )
    }

    fn skipped(&self, fact: &Fact) -> StepEvent {
        let (found, seen) = match &fact.result {
            Err(error) => (None, format!("its check failed: {error}")),
            Ok(Seen::Checked { observed, .. }) => match observed {
                Observed::Absent => (None, "absent".to_owned()),
                Observed::Converging { wait, .. } => (None, format!("still changing: {}", wait.what)),
                Observed::Conflict(decision) => (None, format!("in conflict: {}", decision.what)),
                Observed::Broken { output, decision, .. } => {
                    (Some(output), format!("exists, in a state that does not recover: {}", decision.what))
                }
                Observed::Differs { output, .. } => (Some(output), "exists, but not as wanted".to_owned()),
                Observed::Present { .. } if self.removes() => (None, "exists, and was kept".to_owned()),
                Observed::Present { output, .. } => (Some(output), "exists, as wanted".to_owned()),
            },
            Ok(Seen::Applied { .. } | Seen::Undone(_)) => (None, "not checked".to_owned()),
        };
        // A step with `ensure: absent` has no outputs.
        let output = if self.removes() { None } else { self.skip_output(found) };
        StepEvent::Skipped { output, seen }
    }

    /// Outputs of a skipped step: what its check found, overridden by what the person stated.
    pub(super) fn skip_output(&self, found: Option<&Value>) -> Option<Value> {
        let mut fields = match found {
            Some(Value::Object(fields)) => fields.clone(),
            _ => Map::new(),
        };
        fields.extend(self.record.provided.iter().map(|(name, stated)| (name.clone(), stated.value.clone())));
        (found.is_some() || !fields.is_empty()).then_some(Value::Object(fields))
    }
}

/// When the resource was created, as the last read says.
pub(super) fn creation(fact: &Fact) -> String {
    let mut reads = fact.exchanges.iter().rev().filter(|exchange| !exchange.write);
    match reads.find_map(|exchange| exchange.created) {
        Some(at) => format!("it was created at {at:.0}"),
        None => "when it was created is not known".to_owned(),
    }
}

/// What a deletion would take along, as a probe listed it.
pub(super) fn contents_in(fact: &Fact) -> Vec<Difference> {
    let Ok(Seen::Checked { observed, contents, .. }) = &fact.result else { return Vec::new() };
    held(observed).chain(contents).cloned().collect()
}

/// What a deletion of `observed` takes along, where that is among its differences.
pub(super) fn held(observed: &Observed<Value>) -> impl Iterator<Item = &Difference> {
    let differences = match observed {
        Observed::Differs { differences, .. } => differences.as_slice(),
        _ => &[],
    };
    differences.iter().filter(|difference| !difference.contents.is_empty())
}

/// The events of a fact; `None`: the state does not expect it.
pub(super) fn interpret(state: &RunState, fact: &Fact, now: Now) -> Option<Vec<StepEvent>> {
    let case = StepCase::of(state, &fact.step, now)?;
    let record = case.record;
    // A late or duplicate fact: the step has moved on, and the result belongs to an earlier phase or attempt.
    if state.outcome().is_some()
        || record.state.phase() != Some(fact.phase)
        || super::attempt_of(&record.state, fact.phase, record.attempts) != fact.attempt
    {
        return None;
    }
    // Only a read that began after the end of the write was recorded proves anything about it (I2). The journal's order
    // decides: the wall clock may have been set in between.
    let after_write = matches!(fact.phase, Phase::Verify | Phase::UndoVerify);
    if after_write && record.write_ended.is_some_and(|ended| fact.asked < ended.seq) {
        return None;
    }
    if record.state == StepState::Skipping {
        return Some(vec![case.skipped(fact)]);
    }
    let mut events = match &fact.result {
        Ok(Seen::Checked { observed, contents, readiness, claims }) => match fact.phase {
            Phase::Probe if case.removes() => case.removal_probed(fact, observed, claims),
            Phase::Verify if case.removes() => case.removal_verified(fact, observed),
            Phase::Probe => case.probed(fact, observed, contents.as_ref(), readiness.as_ref(), claims),
            Phase::Verify => case.verified(fact, observed),
            Phase::UndoProbe => case.undo_probed(fact, observed, claims),
            Phase::UndoVerify => case.undo_verified(fact, observed),
            Phase::Apply | Phase::Undo => return None,
        },
        Ok(Seen::Applied { receipt }) if fact.phase == Phase::Apply => vec![StepEvent::Accepted {
            attempt: fact.attempt,
            phase: fact.phase,
            ended: fact.ended.utc,
            receipt: receipt.clone(),
            acted_as: fact.acted_as(),
        }],
        Ok(Seen::Undone(Undone::Removed)) if fact.phase.writes() => vec![StepEvent::Accepted {
            attempt: fact.attempt,
            phase: fact.phase,
            ended: fact.ended.utc,
            receipt: None,
            acted_as: fact.acted_as(),
        }],
        Ok(Seen::Undone(Undone::Kept(reason))) if fact.phase == Phase::Undo => vec![case.keeps(reason)],
        Ok(Seen::Undone(Undone::Kept(reason))) if fact.phase == Phase::Apply => vec![case.declined(reason)],
        Ok(_) => return None,
        Err(error) if fact.phase.writes() && error.certainty == Certainty::Unknown => {
            vec![case.uncertain(error, fact.ended.utc)]
        }
        Err(error)
            if error.certainty == Certainty::FoundNotDone
                && matches!(record.state, StepState::Uncertain { .. }) =>
        {
            case.found_not_done(error)
        }
        Err(error) => vec![case.failed(error, fact.phase)],
    };
    // Recorded once, with the first event of the probe.
    if let (Phase::Probe, Ok(Seen::Checked { claims, .. }), false) =
        (fact.phase, &fact.result, events.is_empty())
        && record.created_earlier.is_none()
        && let Some(by) = state.created_earlier(&case.step.uses, claims)
    {
        events.insert(0, StepEvent::CreatedEarlier { run: by.run, step: by.step.clone() });
    }
    // After a cancel nothing is tried again: the step ends instead.
    if state.control().goal == Goal::Cancel
        && matches!(
            events.last(),
            Some(StepEvent::RetryWait { phase, .. } | StepEvent::Waiting { phase, .. }) if *phase != Phase::Verify
        )
    {
        events.push(StepEvent::Cancelled);
    }
    Some(events)
}
