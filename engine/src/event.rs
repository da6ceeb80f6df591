//! The events of a run. The journal is a list of these; every other view of a run is derived.
//!
//! An event carries everything that its effect on the state needs (times, schedules, reasons), so that folding an old
//! journal gives the same state after the rules change. The rules live in `decide`, `interpret` and `take_signal`,
//! which create events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_plans::{Digest, Inputs};

use crate::decision::{Cause, Decision};
use crate::failure::StepError;
use crate::finding::Finding;
use crate::finding::Sought;
use crate::identity::ActedAs;
use crate::ids::ClaimKey;
use crate::ids::{Epoch, RunId, Seq, SignalId, StepKey};
use crate::observation::Evidence;
use crate::observation::Phase;
use crate::rollout::Rollout;
use crate::signal::Approval;
use crate::signal::{Actor, Choice, Signal};
use crate::wait::Wait;

/// An event as stored: position, time, content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Position in its run.
    pub seq: Seq,
    /// Wall clock of its driver; it can be earlier than the event before. The order is `seq`.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// A lease that was taken over from the driver that held it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeOver {
    /// Process and host, for people.
    pub holder: String,
    /// Why it could be taken over.
    pub because: TakenBecause,
}

/// Why a lease could be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakenBecause {
    /// The lock file of its holder was free: the process has ended.
    Dead,
    /// The heartbeat of its holder did not change for the length of the lease.
    Expired,
    /// An operator ordered it (`--steal`).
    Ordered,
}

impl TakenBecause {
    /// The reason as text for people.
    pub fn words(self) -> &'static str {
        match self {
            TakenBecause::Dead => "its process has ended",
            TakenBecause::Expired => "its lease expired",
            TakenBecause::Ordered => "ordered with --steal",
        }
    }
}

/// One event of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The run was created.
    RunStarted(Box<RunStarted>),
    /// A driver took the run: requests in flight under an earlier driver are uncertain from here on.
    DriverTook {
        /// Its epoch.
        epoch: Epoch,
        /// Host and process, for people.
        driver: String,
        /// The program's version.
        program: String,
        /// The driver whose lease was taken over, and why; `None`: no driver held the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<TakeOver>,
    },
    /// The elements of a `for_each` are known.
    Expanded {
        /// The collection.
        item: StepKey,
        /// Keys and values, in order.
        elements: Vec<(String, Value)>,
    },
    /// The item's `when`, or that of a block around it, is false.
    ConditionFalse {
        /// The step or block.
        item: StepKey,
    },
    /// An event of one step.
    Step {
        /// The step.
        step: StepKey,
        /// The event.
        event: StepEvent,
    },
    /// The driver took a signal from the inbox.
    SignalTaken {
        /// Its id.
        id: SignalId,
        /// Who sent it.
        actor: Actor,
        /// Why.
        reason: Option<String>,
        /// The instruction.
        signal: Signal,
    },
    /// Pause or cancel is in force: after this, only the listed requests may still be in flight.
    Acknowledged {
        /// Steps whose write was in flight.
        in_flight: Vec<StepKey>,
    },
    /// Resources were read again and compared with what was proven.
    Verified {
        /// Id of the signal that delivered it.
        id: SignalId,
        /// Who ran the verification.
        by: Actor,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// When the first read began.
        began: Timestamp,
        /// The run's last event when the first read began: later proofs are newer than this verification.
        after: Seq,
        /// One for each step that was read.
        findings: Vec<Finding>,
    },
    /// Before an undo, steps that never sent anything according to the journal were read: the journal may be an older
    /// copy.
    Searched {
        /// Steps whose resource was found, or that could not be checked.
        sought: Vec<Sought>,
    },
    /// Nothing is left to do. A run that a repair reopened ends once more.
    RunEnded {
        /// How it ended.
        outcome: Outcome,
    },
}

/// How a run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The run.
    pub run: RunId,
    /// The plan's name.
    pub name: String,
    /// Digest of the plan's text; the text is stored once per digest.
    pub plan: Digest,
    /// The inputs; secrets are references.
    pub inputs: Inputs,
    /// Who started it.
    pub starter: Actor,
    /// Whether it starts paused.
    pub paused: bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// The rollout that it belongs to.
    #[serde(default)]
    pub rollout: Rollout,
}

/// One event of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepEvent {
    /// An ended run of the same key created the resource that this step describes.
    CreatedEarlier {
        /// That run.
        run: RunId,
        /// Its step.
        step: StepKey,
    },
    /// The first probe found the resource as wanted: no write is needed.
    Unchanged {
        /// What was found.
        output: Value,
        /// How it is known.
        evidence: Evidence,
    },
    /// The step has to wait, and is checked again.
    Waiting {
        /// What it waits for.
        wait: Wait,
        /// The phase that is repeated.
        phase: Phase,
        /// When this wait began; a repeated check does not change it.
        since: Timestamp,
        /// When the next check is due.
        next_check: Timestamp,
        /// When the wait times out; `None`: never.
        deadline: Option<Timestamp>,
    },
    /// A person has to decide.
    NeedsDecision {
        /// The decision and its choices.
        decision: Decision,
        /// The phase that led to it.
        phase: Phase,
        /// The cause, where rules depend on more than the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// The step is about to send a request. Durable before anything is sent.
    Intended {
        /// Number of the attempt, from 1.
        attempt: u32,
        /// Apply or Undo.
        phase: Phase,
        /// Digest of (kind, identity, parameters, pre-image digest).
        digest: Digest,
        /// Digest of what the probe saw.
        pre_image: Digest,
        /// Whether the probe found nothing: one part of the proof of ownership.
        was_absent: bool,
        /// The driver's epoch.
        epoch: Epoch,
        /// What this run now claims against other runs; only with the first intent.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        claims: Vec<ClaimKey>,
        /// For a delete: what was read immediately before, and is to be deleted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<Value>,
        /// The earlier run of the same key that created the updated resource: its marker stays, and it keeps the
        /// resource.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<RunId>,
    },
    /// The intent was withdrawn; the driver is certain that nothing was sent.
    NotSent {
        /// Number of the attempt.
        attempt: u32,
        /// Apply or Undo.
        phase: Phase,
    },
    /// The remote accepted the write.
    Accepted {
        /// Number of the attempt.
        attempt: u32,
        /// Apply or Undo.
        phase: Phase,
        /// When the response arrived.
        ended: Timestamp,
        /// What only this response carries.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Value>,
        /// The identities that sent it, as the remote knows them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        acted_as: Vec<ActedAs>,
    },
    /// The write was sent and its response is unknown.
    Uncertain {
        /// Number of the attempt.
        attempt: u32,
        /// Apply or Undo.
        phase: Phase,
        /// What is known of the write, or the error of the last read.
        error: Option<StepError>,
        /// When sending ended, as far as known; only a read that began later can prove the outcome.
        ended: Timestamp,
        /// When the next check is due.
        next_check: Timestamp,
    },
    /// A read found nothing. The absence must last: reads must agree and, after an uncertain write, cover the
    /// consistency delay.
    StillAbsent {
        /// When that read began.
        read_began: Timestamp,
        /// When the next check is due.
        next_check: Timestamp,
        /// Why that is not enough, where the reason is not only that reads must agree.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<String>,
    },
    /// A transient failure; the step tries again later.
    RetryWait {
        /// What happened.
        error: StepError,
        /// The phase that is retried: a read or a write (a write always begins with a probe).
        phase: Phase,
        /// Failures so far, this one included.
        failures: u32,
        /// When the first of them was.
        since: Timestamp,
        /// When the retry is due.
        until: Timestamp,
    },
    /// The effect is proven.
    Done {
        /// The current values.
        output: Value,
        /// Who created it.
        origin: Origin,
        /// The proof.
        evidence: Evidence,
    },
    /// The step cannot continue, nor can its dependents.
    Failed {
        /// Why.
        error: StepError,
        /// The phase that failed.
        phase: Phase,
    },
    /// An operator skips the step; its check still runs, for the record.
    SkipAsked {
        /// Who.
        by: Actor,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Outputs that the person gives.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        values: BTreeMap<String, Value>,
    },
    /// Skipped by an operator; `output` comes from its check or from that person.
    Skipped {
        /// Outputs, where there are any.
        output: Option<Value>,
        /// What its check found, as text.
        seen: String,
    },
    /// The run's end prevents the step from starting.
    Cancelled,
    /// An approval was given.
    Approved(Approval),
    /// An approval was refused.
    Rejected {
        /// By whom.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// A person wants a check or retry now: deadlines and failure counts begin anew.
    CheckNow,
    /// The step could be written now, but its `for_each` element has no slot (`parallel`, `halt_after`): it is checked
    /// again when it gets one.
    SlotWanted,
    /// A person decided.
    Decided {
        /// The choice.
        choice: Choice,
        /// Who.
        by: Actor,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person stated an output; a claim until a check proves it.
    Provided {
        /// The output.
        output: String,
        /// Its value.
        value: Value,
        /// Who.
        by: Actor,
    },
    /// A repair reopens the step: it begins again with a probe, and a run that had ended continues.
    Reopened {
        /// Steps that are repaired as well and must be done before this one begins; empty: it begins at once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<StepKey>,
        /// The person's decision about what the probe finds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        choice: Option<Choice>,
        /// Who.
        by: Actor,
    },
    /// The undo of the run was called off: the step goes forward again, with a probe.
    UndoCalledOff {
        /// Steps that go forward again as well and must be done before this one begins; empty: it begins at once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<StepKey>,
        /// Its delete request was sent: the outcome is verified first, and no other delete is sent.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        settling: bool,
    },
    /// A person decided to recreate the resource, and its deletion is proven: the step begins again with a probe.
    Deleted {
        /// The proof.
        evidence: Evidence,
    },
    /// The resource was deleted by undo, and that is proven.
    Undone {
        /// The proof.
        evidence: Evidence,
    },
    /// Undo kept the resource.
    Kept {
        /// Why.
        reason: String,
    },
    /// Undo cannot continue at this step.
    UndoStopped {
        /// Why.
        error: StepError,
    },
}

/// Who created a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It is pre-existing.
    PreExisting,
    /// This run: it was absent before, and carries this run's marker (or, where a kind has none, our attempt was
    /// accepted).
    Created,
    /// This run updated a pre-existing resource.
    Updated,
    /// It exists, but it is not proven that this run created it: undo asks for a decision.
    Unproven,
    /// An ended run of the same key created and keeps it; this run found it as wanted, or updated it.
    EarlierRun,
    /// Only read: there is nothing to own.
    Observed,
    /// A person stated it.
    Claimed,
    /// None: the plan wanted it absent, and this run deleted it.
    Deleted,
}

/// How a run ended. A halted run has not ended: it can always be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every applicable step is done, unchanged or skipped.
    Done,
    /// Cancelled; the status counts what is uncertain.
    Cancelled,
    /// Everything that the run created is deleted, or kept with a reason.
    Undone,
}
