//! What is kept of one step beside its state: counts, marks and proofs that outlive a change of state.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::drift::Standing;
use crate::event::StepEvent;
use crate::failure::StepError;
use crate::ids::{RunId, Seq};
use crate::rollout::CreatedBy;
use crate::signal::{Actor, Choice};
use crate::state::agenda::Slot;
use crate::state::moment::Moment;
use crate::state::requests::Requests;
use crate::state::step_state::{Proof, StepState, Way};
use crate::step::{ActedAs, Approval, Cause, ClaimKey, Identity, Phase};
use crate::wait::WaitKind;

/// One step: its state, and what outlives it.
#[derive(Debug)]
pub(crate) struct StepRecord {
    pub(crate) state: StepState,
    /// When its needs were met.
    pub(crate) since: Option<Moment>,
    /// When it was last let go: by the plan's order, on the way back, or by a person. What must not be removed in haste
    /// counts from here, as nobody here knows what others removed just before.
    pub(crate) let_go: Option<Moment>,
    /// Intents so far, both ways.
    pub(crate) attempts: u32,
    /// Failures in a row.
    pub(crate) failures: Failures,
    /// Looks at an uncertain write that failed themselves.
    pub(crate) failed_looks: u32,
    /// Waits since the last write: their deadlines do not move when a wait is interrupted.
    pub(crate) waits: Vec<WaitMark>,
    pub(crate) approval: Option<Approval>,
    pub(crate) receipt: Option<Value>,
    /// How a person settled the last decision; used once.
    pub(crate) decided: Option<Choice>,
    /// What was decided is for what was found drifted, and for nothing that is as wanted when it is looked at.
    pub(crate) only_drifted: bool,
    /// What is there is being removed on the way forward, because a person wants it made anew.
    pub(crate) replacing: bool,
    /// The undo was called off while its delete request was on its way: how that ends is found out, and no other is sent.
    pub(crate) called_off: bool,
    /// As whom it was done and proven, each once.
    pub(crate) acted_as: Vec<ActedAs>,
    /// Outputs that a person stated.
    pub(crate) provided: BTreeMap<String, Stated>,
    pub(crate) ownership: Ownership,
    /// What was read carries this run's marker, and the journal has no intent of this step: it lost its last entries.
    pub(crate) lost: bool,
    /// What it had created was deleted on the way forward, and proven gone; nothing was sent since.
    pub(crate) deleted: bool,
    /// The step of an earlier run of the same key that created the resource.
    pub(crate) created_earlier: Option<CreatedBy>,
    /// The earlier run that keeps what the last intent updates.
    pub(crate) owner: Option<RunId>,
    /// A later run of the same key updated what this step created: differences are that run's.
    pub(crate) updated_since: Option<RunId>,
    /// A write was answered by nobody, and no read has settled it.
    pub(crate) unsettled: bool,
    /// Requests whose response is not known and that may still take effect.
    pub(crate) requests: Requests,
    /// End of the last write.
    pub(crate) write_ended: Option<Moment>,
    pub(crate) proof: Option<Arc<Proof>>,
    /// The event that recorded the proof.
    pub(crate) proven: Seq,
    /// What is said of an absence that is not believed yet.
    pub(crate) doubt: Option<String>,
    /// What was seen on the way, oldest first.
    pub(crate) seen: Vec<(Timestamp, String)>,
    pub(crate) last_error: Option<Box<StepError>>,
    pub(crate) claims: Vec<ClaimKey>,
    pub(crate) call: Option<Arc<Call>>,
    /// What the last look at everything that is in place found here, and when; until it is proven again.
    pub(crate) standing: Option<(Timestamp, Standing)>,
    /// Place on the agenda.
    pub(crate) slot: Option<Slot>,
}

/// An output that a person stated: a claim, until a read proves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated {
    /// Its value.
    pub value: Value,
    /// Who said so.
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

/// One kind of wait, while no write comes between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitMark {
    pub(crate) kind: WaitKind,
    pub(crate) since: Moment,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) looks: u32,
}

/// What the journal says about who made the thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// Undo has to look: a write was intended, and it is not certain that it never happened.
    pub(crate) owed: bool,
    /// The same before the intent that is open now.
    pub(crate) owed_before: bool,
    /// The open intent found nothing there.
    pub(crate) absent_now: bool,
    /// Some intent that may have happened found nothing there.
    pub(crate) was_absent: bool,
    /// A write onto nothing was accepted.
    pub(crate) accepted_onto_nothing: bool,
    /// A request that creates or updates was accepted.
    pub(crate) accepted: bool,
    /// The removal was accepted.
    pub(crate) removal_accepted: bool,
}

/// With what and as whom the step acts: resolved once, when it begins.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) params: Arc<Value>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) auxiliary: Option<Identity>,
}

/// Notes on the way that are kept as evidence.
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
            standing: None,
            slot: None,
        }
    }

    /// The wait of this kind that is going on, bounded or not.
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

    /// Takes in what an event says beside the change of state; called before the state changes.
    pub(crate) fn note(&mut self, event: &StepEvent, at: Moment) {
        self.doubt = match event {
            StepEvent::StillAbsent { what, .. } => what.clone(),
            _ => None,
        };
        let was_intended = match &self.state {
            StepState::Intended { way, .. } => Some(*way),
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
                    && phase.way() == Way::Forward
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
                if *phase == Phase::Undo && self.state.way() == Some(Way::Forward) {
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
                // Out of Uncertain only by reads that settled it; any other failure settles nothing.
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
                self.standing = None;
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
            StepEvent::LookNow => {
                // Something was mended before a person asked; who only waits for a timer is not held up by asking.
                if !matches!(self.state, StepState::Waiting(_) | StepState::Uncertain { .. }) {
                    self.let_go = Some(at);
                }
                self.failures = Failures::default();
                self.waits.clear();
                // Only a look is asked for: an answer that came to nothing before is not carried out by it.
                if matches!(&self.state, StepState::NeedsDecision { phase, .. } if phase.way() == Way::Forward)
                {
                    self.decided = None;
                }
            }
            StepEvent::Decided { choice, .. } => {
                self.let_go = Some(at);
                self.decided = Some(*choice);
                self.only_drifted = false;
            }
            StepEvent::Provided { output, value, by } => self.state_output(output, value, by, at),
            StepEvent::Removed { .. } => {
                // Whoever made what was there: it is gone, and what comes next is made by this run.
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
                // What was deleted is not there: what comes next is created by this run.
                if matches!(self.state, StepState::Undone(_)) {
                    // A read that still finds it is outdated: it is not something that the run found there.
                    self.deleted = self.ownership.removal_accepted || self.requests.last_delete().is_some();
                    self.lost = false;
                    self.ownership = Ownership::default();
                    self.proof = None;
                }
                self.begin_back(at);
            }
            StepEvent::Reopened { choice, .. } => self.begin_again(*choice, at),
            StepEvent::StillAbsent { .. } | StepEvent::Cancelled => {}
            StepEvent::Skipped { .. } | StepEvent::Kept { .. } => self.standing = None,
            StepEvent::Undone { evidence } => {
                self.acted_as(&evidence.acted_as);
                self.standing = None;
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

    /// The journal lost what this run wrote here: undo has to look at it.
    pub(crate) fn is_lost(&mut self) {
        self.lost = true;
        self.ownership.owed = true;
        self.ownership.owed_before = true;
    }

    /// The open write may have happened: by its own report, or because its driver is gone.
    pub(crate) fn became_uncertain(&mut self, ended: Moment) {
        self.write_ended = Some(ended);
        self.failures.count += 1;
        self.failures.since.get_or_insert(ended);
        if matches!(self.state, StepState::Intended { way: Way::Forward, .. }) {
            self.unsettled = true;
            self.ownership.was_absent |= self.ownership.absent_now;
        }
    }

    /// Its needs are met.
    pub(crate) fn begin(&mut self, at: Moment) {
        self.since = Some(at);
        self.let_go = Some(at);
    }

    /// Its turn has come to be taken back: what failed or waited on the way forward does not count.
    pub(crate) fn begin_back(&mut self, at: Moment) {
        self.let_go = Some(at);
        self.failures = Failures::default();
        self.failed_looks = 0;
        self.waits.clear();
        self.decided = None;
        self.replacing = false;
        self.called_off = false;
        self.last_error = None;
    }

    /// It is repaired: what failed or waited before does not count, and what the person decided holds for the next look.
    fn begin_again(&mut self, choice: Option<Choice>, at: Moment) {
        self.let_go = Some(at);
        self.failures = Failures::default();
        self.failed_looks = 0;
        self.waits.clear();
        self.decided = choice;
        self.only_drifted = true;
        self.replacing = false;
        self.last_error = None;
        // Given up when the run ended: they are taken again with the next intent.
        self.claims.clear();
        // What lost its marker may be another's by now: written over, it is changed by this run, not made.
        let lost = matches!(&self.standing, Some((_, standing)) if standing.lost_marker());
        if lost && choice == Some(Choice::Overwrite) {
            self.ownership.was_absent = false;
            self.ownership.accepted_onto_nothing = false;
        }
    }

    fn state_output(&mut self, output: &str, value: &Value, by: &Actor, at: Moment) {
        let stated = Stated { value: value.clone(), by: by.clone(), at: at.utc };
        self.provided.insert(output.to_owned(), stated);
    }

    /// An intended write certainly did not happen.
    fn refused(&mut self, was_intended: Option<Way>) {
        if was_intended == Some(Way::Forward) {
            self.ownership.owed = self.ownership.owed_before;
            self.ownership.absent_now = false;
        }
    }
}
