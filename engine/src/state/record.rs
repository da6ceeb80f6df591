//! The data of a step beside its state: counts, marks and proofs that outlive a change of state.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::decision::Cause;
use crate::event::StepEvent;
use crate::failure::StepError;
use crate::finding::DriftState;
use crate::identity::{ActedAs, Identity};
use crate::ids::ClaimKey;
use crate::ids::{RunId, Seq};
use crate::observation::Phase;
use crate::rollout::CreatedBy;
use crate::signal::Approval;
use crate::signal::{Actor, Choice};
use crate::state::agenda::Slot;
use crate::state::moment::Moment;
use crate::state::requests::Requests;
use crate::state::step_state::{Direction, Proof, StepState};
use crate::wait::WaitKind;

/// A step's state and the data that outlives it.
#[derive(Debug)]
pub(crate) struct StepRecord {
    pub(crate) state: StepState,
    /// When its needs were met.
    pub(crate) since: Option<Moment>,
    /// When the step was last released: when it began, when its undo began, or by a person. The delete delay counts from
    /// here, because this run does not know what others deleted just before.
    pub(crate) let_go: Option<Moment>,
    /// Intents so far, in both directions.
    pub(crate) attempts: u32,
    /// Failures in a row.
    pub(crate) failures: Failures,
    /// Failed reads since the last write became uncertain.
    pub(crate) failed_looks: u32,
    /// Waits since the last write: an interrupted wait keeps its deadline.
    pub(crate) waits: Vec<WaitMark>,
    pub(crate) approval: Option<Approval>,
    pub(crate) receipt: Option<Value>,
    /// The choice of the last decision; used once.
    pub(crate) decided: Option<Choice>,
    /// What the last decision named that a deletion takes along.
    pub(crate) named: Vec<ClaimKey>,
    /// The choice of a repair: it applies to a resource found drifted, not to one that the probe finds as wanted.
    pub(crate) only_drifted: bool,
    /// The resource is being deleted on the way forward, because a person decided to recreate it.
    pub(crate) replacing: bool,
    /// The undo was called off while its delete request was in flight: the outcome is verified, and no other delete is sent.
    pub(crate) called_off: bool,
    /// The identities that wrote and proved it, each once.
    pub(crate) acted_as: Vec<ActedAs>,
    /// Outputs that a person stated.
    pub(crate) provided: BTreeMap<String, Stated>,
    pub(crate) ownership: Ownership,
    /// The resource carries this run's marker without an intent in the journal: the journal lost its last entries.
    pub(crate) lost: bool,
    /// The resource that it had created was deleted on the way forward, and that is proven; nothing was sent since.
    pub(crate) deleted: bool,
    /// The step of an earlier run of the same key that created the resource.
    pub(crate) created_earlier: Option<CreatedBy>,
    /// The earlier run that keeps the resource which the last intent updates.
    pub(crate) owner: Option<RunId>,
    /// The later run of the same key that updated the resource; it explains differences.
    pub(crate) updated_since: Option<RunId>,
    /// A write had no response, and no read has shown its outcome.
    pub(crate) unsettled: bool,
    /// Requests without a known response that may still take effect.
    pub(crate) requests: Requests,
    /// End of the last write.
    pub(crate) write_ended: Option<Moment>,
    pub(crate) proof: Option<Arc<Proof>>,
    /// The event that recorded the proof.
    pub(crate) proven: Seq,
    /// Why an absence is not believed yet.
    pub(crate) doubt: Option<String>,
    /// Observations during the step, oldest first.
    pub(crate) seen: Vec<(Timestamp, String)>,
    pub(crate) last_error: Option<Box<StepError>>,
    pub(crate) claims: Vec<ClaimKey>,
    pub(crate) call: Option<Arc<Call>>,
    /// Result of the last verification and when it was recorded; removed when the step is proven again.
    pub(crate) drift: Option<(Timestamp, DriftState)>,
    /// Its entry on the agenda.
    pub(crate) slot: Option<Slot>,
}

/// An output that a person stated: a claim, until a read proves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated {
    /// Its value.
    pub value: Value,
    /// Who stated it.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    pub(crate) count: u32,
    pub(crate) since: Option<Moment>,
}

/// The waits of one kind since the last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitMark {
    pub(crate) kind: WaitKind,
    pub(crate) since: Moment,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) looks: u32,
}

/// What the journal says about who created the resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// Undo must probe it: a write was intended, and it is not certain that it had no effect.
    pub(crate) owed: bool,
    /// The value of `owed` before the open intent.
    pub(crate) owed_before: bool,
    /// The probe of the open intent found nothing.
    pub(crate) absent_now: bool,
    /// The probe of some intent that may have taken effect found nothing.
    pub(crate) was_absent: bool,
    /// A write after a probe that found nothing was accepted.
    pub(crate) accepted_onto_nothing: bool,
    /// A request that creates or updates was accepted.
    pub(crate) accepted: bool,
    /// The delete request was accepted.
    pub(crate) removal_accepted: bool,
}

/// Parameters and identities of the step: resolved once, when it begins.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) params: Arc<Value>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) auxiliary: Option<Identity>,
}

/// How many observations are kept as evidence.
const SEEN_KEPT: usize = 5;

impl StepRecord {
    pub(crate) fn new() -> Self {
        StepRecord {
            state: StepState::Pending,
            since: None,
            let_go: None,
            attempts: 0,
            failures: Failures::default(),
            failed_looks: 0,
            waits: Vec::new(),
            approval: None,
            receipt: None,
            decided: None,
            named: Vec::new(),
            only_drifted: false,
            replacing: false,
            called_off: false,
            acted_as: Vec::new(),
            provided: BTreeMap::new(),
            ownership: Ownership::default(),
            lost: false,
            deleted: false,
            created_earlier: None,
            owner: None,
            updated_since: None,
            unsettled: false,
            requests: Requests::default(),
            write_ended: None,
            proof: None,
            proven: Seq::default(),
            doubt: None,
            seen: Vec::new(),
            last_error: None,
            claims: Vec::new(),
            call: None,
            drift: None,
            slot: None,
        }
    }

    /// The open wait of this kind, with or without a deadline.
    pub(crate) fn wait_mark(&self, kind: WaitKind, bounded: bool) -> Option<&WaitMark> {
        self.waits.iter().find(|mark| mark.kind == kind && mark.deadline.is_some() == bounded)
    }

    /// Outputs that others may read.
    pub(crate) fn output(&self) -> Option<&Value> {
        match &self.state {
            StepState::Unchanged(proof) | StepState::Done(proof) => Some(&proof.output),
            StepState::Skipped { output, .. } => output.as_deref(),
            _ => None,
        }
    }

    /// Outputs that a person stated.
    pub(crate) fn stated_values(&self) -> BTreeMap<String, Value> {
        self.provided.iter().map(|(output, stated)| (output.clone(), stated.value.clone())).collect()
    }

    /// Takes in what an event says apart from the change of state; called before the state changes.
    pub(crate) fn note(&mut self, event: &StepEvent, at: Moment) {
        self.doubt = match event {
            StepEvent::StillAbsent { what, .. } => what.clone(),
            _ => None,
        };
        let was_intended = match &self.state {
            StepState::Intended { direction, .. } => Some(*direction),
            _ => None,
        };
        match event {
            StepEvent::Waiting { wait, phase, since, deadline, .. } => {
                self.refused(was_intended);
                if matches!(self.state, StepState::Uncertain { .. }) {
                    self.unsettled = false;
                }
                if wait.kind != WaitKind::Limit {
                    self.failures = Failures::default();
                }
                let bounded = deadline.is_some();
                match self
                    .waits
                    .iter_mut()
                    .find(|mark| mark.kind == wait.kind && mark.deadline.is_some() == bounded)
                {
                    Some(mark) => {
                        mark.looks += 1;
                        mark.deadline = *deadline;
                    }
                    None => self.waits.push(WaitMark {
                        kind: wait.kind,
                        since: at.told(*since),
                        deadline: *deadline,
                        looks: 1,
                    }),
                }
                let known = self.seen.iter().any(|(_, what)| *what == wait.what);
                if wait.kind == WaitKind::Remote
                    && phase.direction() == Direction::Forward
                    && !known
                    && self.seen.len() < SEEN_KEPT
                {
                    self.seen.push((at.utc, wait.what.clone()));
                }
            }
            StepEvent::NeedsDecision { cause, .. } => {
                self.decided = None;
                if *cause == Some(Cause::LostTail) {
                    self.is_lost();
                }
            }
            StepEvent::CreatedEarlier { run, step } => {
                self.created_earlier = Some(CreatedBy { run: *run, step: step.clone() });
            }
            StepEvent::Intended { attempt, phase, was_absent, claims, owner, .. } => {
                self.attempts = *attempt;
                self.failed_looks = 0;
                self.decided = None;
                self.deleted = false;
                if *phase == Phase::Undo && self.state.direction() == Some(Direction::Forward) {
                    self.replacing = true;
                }
                if *phase == Phase::Apply {
                    let own = &mut self.ownership;
                    own.owed_before = own.owed;
                    own.owed = true;
                    own.absent_now = *was_absent;
                    self.owner = *owner;
                    own.removal_accepted = false;
                }
                if self.claims.is_empty() {
                    self.claims.clone_from(claims);
                }
            }
            StepEvent::NotSent { .. } => self.refused(was_intended),
            StepEvent::Accepted { phase, ended, receipt, acted_as, .. } => {
                self.acted_as(acted_as);
                self.write_ended = Some(at.told(*ended));
                self.failures = Failures::default();
                self.waits.clear();
                self.unsettled = false;
                self.last_error = None;
                if *phase == Phase::Apply {
                    let own = &mut self.ownership;
                    own.accepted = true;
                    own.was_absent |= own.absent_now;
                    own.accepted_onto_nothing |= own.absent_now;
                } else {
                    self.ownership.removal_accepted = true;
                }
                if receipt.is_some() {
                    self.receipt.clone_from(receipt);
                }
            }
            StepEvent::Uncertain { error, ended, .. } => {
                if was_intended.is_some() {
                    self.became_uncertain(at.told(*ended));
                } else {
                    self.failed_looks += 1;
                }
                self.last_error = error.clone().map(Box::new);
            }
            StepEvent::RetryWait { error, failures, since, .. } => {
                self.refused(was_intended);
                // Leaving Uncertain needs a read that shows the outcome; any other failure leaves the write unsettled.
                if matches!(self.state, StepState::Uncertain { .. }) {
                    self.unsettled = false;
                }
                let first = self.failures.since.filter(|first| first.utc == *since);
                self.failures = Failures { count: *failures, since: first.or(Some(at.told(*since))) };
                self.last_error = Some(Box::new(error.clone()));
            }
            StepEvent::Unchanged { evidence, .. } | StepEvent::Done { evidence, .. } => {
                self.acted_as(&evidence.acted_as);
                self.unsettled = false;
                self.failures = Failures::default();
                self.waits.clear();
                self.decided = None;
                self.named.clear();
                self.drift = None;
            }
            StepEvent::Failed { error, .. } => {
                self.refused(was_intended);
                self.decided = None;
                self.replacing = false;
                self.called_off = false;
                self.last_error = Some(Box::new(error.clone()));
            }
            StepEvent::UndoStopped { error } => self.last_error = Some(Box::new(error.clone())),
            StepEvent::SkipAsked { values, by, .. } => {
                for (output, value) in values {
                    self.state_output(output, value, by, at);
                }
            }
            StepEvent::Approved(approval) => {
                self.let_go = Some(at);
                self.approval = Some(approval.clone());
                self.waits.clear();
            }
            StepEvent::Rejected { .. } => self.approval = None,
            StepEvent::SlotWanted => {}
            StepEvent::CheckNow => {
                // A person may have repaired something just before; a step that only waits for a timer is not delayed by a
                // `retry`.
                if !matches!(self.state, StepState::Waiting(_) | StepState::Uncertain { .. }) {
                    self.let_go = Some(at);
                }
                self.failures = Failures::default();
                self.waits.clear();
                // `retry` asks only for a read: an earlier choice that had no effect is not carried out by it.
                if matches!(&self.state, StepState::NeedsDecision { phase, .. } if phase.direction() == Direction::Forward)
                {
                    self.decided = None;
                }
            }
            StepEvent::Decided { choice, .. } => {
                self.let_go = Some(at);
                self.decided = Some(*choice);
                self.only_drifted = false;
                self.named = match &self.state {
                    StepState::NeedsDecision { decision, .. } => {
                        decision.differences.iter().flat_map(|held| &held.contents).cloned().collect()
                    }
                    _ => Vec::new(),
                };
            }
            StepEvent::Provided { output, value, by } => self.state_output(output, value, by, at),
            StepEvent::Deleted { .. } => {
                // The resource is deleted, independent of its creator; what follows is created by this run.
                self.replacing = false;
                self.called_off = false;
                self.lost = false;
                self.deleted = true;
                self.ownership = Ownership::default();
                self.owner = None;
                self.failures = Failures::default();
                self.waits.clear();
                self.last_error = None;
            }
            StepEvent::UndoCalledOff { settling: true, .. } => {
                self.replacing = true;
                self.called_off = true;
            }
            StepEvent::UndoCalledOff { settling: false, .. } => {
                // The deleted resource does not exist: what follows is created by this run.
                if matches!(self.state, StepState::Undone(_)) {
                    // A read that still finds it is outdated: it must not count as pre-existing.
                    self.deleted = self.ownership.removal_accepted || self.requests.last_delete().is_some();
                    self.lost = false;
                    self.ownership = Ownership::default();
                    self.proof = None;
                }
                self.begin_back(at);
            }
            StepEvent::Reopened { choice, .. } => self.begin_again(*choice, at),
            StepEvent::StillAbsent { .. } | StepEvent::Cancelled => {}
            StepEvent::Skipped { .. } | StepEvent::Kept { .. } => self.drift = None,
            StepEvent::Undone { evidence } => {
                self.acted_as(&evidence.acted_as);
                self.drift = None;
            }
        }
    }

    fn acted_as(&mut self, seen: &[ActedAs]) {
        for one in seen {
            if !self.acted_as.contains(one) {
                self.acted_as.push(one.clone());
            }
        }
    }

    /// The journal lost what this run wrote here: undo has to probe it.
    pub(crate) fn is_lost(&mut self) {
        self.lost = true;
        self.ownership.owed = true;
        self.ownership.owed_before = true;
    }

    /// The open write may have taken effect: by its own report, or because its driver ended.
    pub(crate) fn became_uncertain(&mut self, ended: Moment) {
        self.write_ended = Some(ended);
        self.failures.count += 1;
        self.failures.since.get_or_insert(ended);
        if matches!(self.state, StepState::Intended { direction: Direction::Forward, .. }) {
            self.unsettled = true;
            self.ownership.was_absent |= self.ownership.absent_now;
        }
    }

    /// All its needs are met.
    pub(crate) fn begin(&mut self, at: Moment) {
        self.since = Some(at);
        self.let_go = Some(at);
    }

    /// Its undo begins: failures and waits of the way forward do not count.
    pub(crate) fn begin_back(&mut self, at: Moment) {
        self.let_go = Some(at);
        self.failures = Failures::default();
        self.failed_looks = 0;
        self.waits.clear();
        self.decided = None;
        self.named.clear();
        self.replacing = false;
        self.called_off = false;
        self.last_error = None;
    }

    /// Its repair begins: earlier failures and waits do not count, and the person's choice applies to the next probe.
    fn begin_again(&mut self, choice: Option<Choice>, at: Moment) {
        self.let_go = Some(at);
        self.failures = Failures::default();
        self.failed_looks = 0;
        self.waits.clear();
        self.decided = choice;
        self.named.clear();
        self.only_drifted = true;
        self.replacing = false;
        self.last_error = None;
        // The claims ended with the run; the next intent claims them again.
        self.claims.clear();
        // A resource that lost its marker may have another owner by now: overwriting makes it updated by this run, not
        // created.
        let lost = matches!(&self.drift, Some((_, drift)) if drift.lost_marker());
        if lost && choice == Some(Choice::Overwrite) {
            self.ownership.was_absent = false;
            self.ownership.accepted_onto_nothing = false;
        }
    }

    fn state_output(&mut self, output: &str, value: &Value, by: &Actor, at: Moment) {
        let stated = Stated { value: value.clone(), by: by.clone(), at: at.utc };
        self.provided.insert(output.to_owned(), stated);
    }

    /// The intended write certainly had no effect.
    fn refused(&mut self, was_intended: Option<Direction>) {
        if was_intended == Some(Direction::Forward) {
            self.ownership.owed = self.ownership.owed_before;
            self.ownership.absent_now = false;
        }
    }
}
