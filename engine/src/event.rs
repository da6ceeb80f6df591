//! Everything that can happen to a run. The journal is a list of these; every other view of a run is derived.
//!
//! An event carries all that its effect on the state needs (times, schedules, reasons), so that folding stays the same
//! when the rules change: rules live in `decide`, `interpret` and `take_signal`, which make events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_plans::{Digest, Inputs};

use crate::drift::Finding;
use crate::failure::StepError;
use crate::ids::{Epoch, RunId, Seq, SignalId, StepKey};
use crate::rollout::Rollout;
use crate::search::Sought;
use crate::signal::{Actor, Choice, Signal};
use crate::step::{ActedAs, Approval, Cause, ClaimKey, Decision, Marker, Phase};
use crate::wait::Wait;

/// An event as it is stored: where, when, what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Position in its run.
    pub seq: Seq,
    /// When it happened, by the wall clock of its driver; that can be earlier than the event before. The order is `seq`.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// A lease that was taken from the driver that held it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeOver {
    /// Process and host, for people.
    pub holder: String,
    /// Why it could be taken.
    pub because: TakenBecause,
}

/// Why a lease could be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakenBecause {
    /// The lock of its holder was free: the process has ended.
    Dead,
    /// The heartbeat of its holder stood still for as long as its lease.
    Expired,
    /// An operator ordered it (`--steal`).
    Ordered,
}

impl TakenBecause {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            TakenBecause::Dead => "its process has ended",
            TakenBecause::Expired => "its lease expired",
            TakenBecause::Ordered => "ordered with --steal",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The run was accepted.
    RunStarted(Box<RunStarted>),
    /// A driver took the run: what was in flight under an earlier one is uncertain from here on.
    DriverTook {
        /// Its epoch.
        epoch: Epoch,
        /// Host and process, for people.
        driver: String,
        /// The program's version.
        program: String,
        /// The driver whose lease was taken over, and why it could be; `None`: the run was free.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<TakeOver>,
    },
    /// A `for_each` has its elements.
    Expanded {
        /// The collection.
        item: StepKey,
        /// Keys and values, in order.
        elements: Vec<(String, Value)>,
    },
    /// Its `when` is false (or its block's).
    ConditionFalse {
        /// The step or block.
        item: StepKey,
    },
    /// Something happened to a step.
    Step {
        /// The step.
        step: StepKey,
        /// What.
        event: StepEvent,
    },
    /// A signal was taken from the inbox.
    SignalTaken {
        /// Its id.
        id: SignalId,
        /// Who sent it.
        actor: Actor,
        /// Why.
        reason: Option<String>,
        /// What it asks for.
        signal: Signal,
    },
    /// Pause or cancel is in force: nothing is sent after this but what it names.
    Acknowledged {
        /// Steps whose write was on its way.
        in_flight: Vec<StepKey>,
    },
    /// What is in place was read again, and compared with what was proven.
    Verified {
        /// Id of the signal that brought it.
        id: SignalId,
        /// Who looked.
        by: Actor,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// When the first read began.
        began: Timestamp,
        /// The run's last event when it began: what was proven later is newer.
        after: Seq,
        /// One for each step that was looked at.
        findings: Vec<Finding>,
    },
    /// Before an undo, steps that the journal says never sent anything were read: a journal can be older than the cloud.
    Searched {
        /// Steps at which something was found, or that could not be checked.
        sought: Vec<Sought>,
    },
    /// Nothing is left to do. A run that was reopened by a repair ends once more.
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
    /// The inputs, secrets as references.
    pub inputs: Inputs,
    /// Who started it.
    pub starter: Actor,
    /// Start paused.
    pub paused: bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// The rollout that it belongs to.
    #[serde(default)]
    pub rollout: Rollout,
}

/// Something that happened to a step.
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
    /// Found as wanted at first sight: nothing to write.
    Unchanged {
        /// What was found.
        output: Value,
        /// How it is known.
        evidence: Evidence,
    },
    /// Has to wait, and is looked at again.
    Waiting {
        /// For what.
        wait: Wait,
        /// What is asked again.
        phase: Phase,
        /// When this wait began; looking again does not move it.
        since: Timestamp,
        /// When.
        look_again: Timestamp,
        /// When it gives up; `None`: never.
        deadline: Option<Timestamp>,
    },
    /// A person has to decide.
    NeedsDecision {
        /// What about.
        decision: Decision,
        /// What was being done.
        phase: Phase,
        /// Why it came to this, where more than the words depends on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// About to send. Durable before anything is sent.
    Intended {
        /// Number of the attempt, from 1.
        attempt: u32,
        /// Apply or Undo.
        phase: Phase,
        /// Digest of (kind, identity, parameters, pre-image digest).
        digest: Digest,
        /// Digest of what the probe saw.
        pre_image: Digest,
        /// Whether the probe saw nothing there: one half of the proof of ownership.
        was_absent: bool,
        /// The driver's epoch.
        epoch: Epoch,
        /// What this run now holds against other runs; only the first time.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        claims: Vec<ClaimKey>,
        /// For a removal: what was just read, and is to be removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<Value>,
        /// The earlier run of the same key that created what is updated: its marker is kept, and it keeps the resource.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<RunId>,
    },
    /// The intent was withdrawn before anything was sent: the driver knows that for certain.
    NotSent {
        /// Number of the attempt.
        attempt: u32,
        /// Apply or Undo.
        phase: Phase,
    },
    /// The write was accepted.
    Accepted {
        /// Number of the attempt.
        attempt: u32,
        /// Apply or Undo.
        phase: Phase,
        /// When the answer was there.
        ended: Timestamp,
        /// What only this answer carries.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Value>,
        /// As whom it was sent.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        acted_as: Vec<ActedAs>,
    },
    /// Sent, answer unknown.
    Uncertain {
        /// Number of the attempt.
        attempt: u32,
        /// Apply or Undo.
        phase: Phase,
        /// What is known: of the write, or of the last look that failed.
        error: Option<StepError>,
        /// When the sending ended, as far as we know; a read that began later can settle it.
        ended: Timestamp,
        /// When the next look is due.
        look_again: Timestamp,
    },
    /// A look found nothing; an absence must last (reads that agree, after an uncertain write the kind's settle time).
    StillAbsent {
        /// When that read began.
        read_began: Timestamp,
        /// When the next one is due.
        look_again: Timestamp,
        /// Why that is not enough, where there is more to say than that reads have to agree.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<String>,
    },
    /// Tries again later.
    RetryWait {
        /// What happened.
        error: StepError,
        /// What is tried again: reading or writing (always with a probe first).
        phase: Phase,
        /// Failures so far, this one included.
        failures: u32,
        /// When the first of them was.
        since: Timestamp,
        /// When.
        until: Timestamp,
    },
    /// Proven.
    Done {
        /// What is there.
        output: Value,
        /// Who made it.
        origin: Origin,
        /// How it is known.
        evidence: Evidence,
    },
    /// Cannot go on; its dependents cannot either.
    Failed {
        /// Why.
        error: StepError,
        /// What was being done.
        phase: Phase,
    },
    /// A person leaves it out; what its check sees is still recorded.
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
    /// Left out by a person; `output` comes from its check or from the person.
    Skipped {
        /// Outputs, where there are any.
        output: Option<Value>,
        /// What its check saw, in words.
        seen: String,
    },
    /// Will not begin any more.
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
    /// A person asks to look or try now: deadlines and failure counts begin anew.
    LookNow,
    /// It could be written now, and its `for_each` element has no slot (`parallel`, `halt_after`): it is looked at again when
    /// there is one.
    SlotWanted,
    /// A person settled what needed a decision.
    Decided {
        /// How.
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
    /// A person has it repaired: it begins again with a look, and with it a run that had ended.
    Reopened {
        /// Steps that are repaired as well, and have to be done before it begins; empty: it begins at once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<StepKey>,
        /// What the person decided about what is found there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        choice: Option<Choice>,
        /// Who.
        by: Actor,
    },
    /// The undo of the run was called off: the step goes forward again, with a probe.
    UndoCalledOff {
        /// Steps that go forward again as well, and have to be done before it begins; empty: it begins at once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<StepKey>,
        /// Its delete request was sent: how that ends is found out first, and no other is sent.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        settling: bool,
    },
    /// Removed by a person's decision to make it anew, and proven gone: it begins again with a look.
    Removed {
        /// How it is known.
        evidence: Evidence,
    },
    /// Taken back, and proven gone.
    Undone {
        /// How it is known.
        evidence: Evidence,
    },
    /// Undo left it in place.
    Kept {
        /// Why.
        reason: String,
    },
    /// Undo cannot go on here.
    UndoStopped {
        /// Why.
        error: StepError,
    },
}

/// Who made what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It was there before.
    FoundInPlace,
    /// This run: absent before, and the marker is ours (or our attempt was accepted, where a kind has no marker).
    Made,
    /// This run changed what was there.
    Changed,
    /// It is there now, but that this run made it is not proven: undo keeps it.
    Unproven,
    /// An ended run of the same key created it and keeps it; this run found it so, or updated it.
    EarlierRun,
    /// Read only: there is nothing to own.
    Observed,
    /// A person said so.
    Claimed,
    /// Nobody: the plan wanted it gone, and this run removed it.
    Removed,
}

/// How a state is known: the read that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When the proving read began.
    pub read_began: Timestamp,
    /// The last event that was recorded when the read began.
    #[serde(default)]
    pub read_after: Seq,
    /// When the last write ended, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_ended: Option<Timestamp>,
    /// The event that recorded the end of that write; never later than `read_after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_recorded: Option<Seq>,
    /// Digest of what was read.
    pub seen: Digest,
    /// Whose marker it carries.
    pub marker: Marker,
    /// The deciding read, where there was one: verb, target, status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadProof>,
    /// As whom it was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acted_as: Vec<ActedAs>,
    /// What else was seen on the way that is worth keeping ("seen Pending at …"), by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, String>,
    /// Why what is in place may not have the effect that people expect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Evidence {
    /// Digest of nothing: what a read that found nothing has seen.
    pub(crate) fn of_absence() -> Digest {
        crate::decide::digest_of(&Value::String("absent".to_owned()))
    }

    /// Whether the proving read was begun after the end of the last write was recorded (I2).
    pub fn is_after_last_write(&self) -> bool {
        self.write_recorded.is_none_or(|written| written <= self.read_after)
    }

    /// Whether it proves that nothing is there.
    pub fn is_of_absence(&self) -> bool {
        self.seen == Evidence::of_absence()
    }
}

/// The request that proved a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadProof {
    /// `GET` …
    pub verb: String,
    /// Where to.
    pub target: String,
    /// The answer's status.
    pub status: u16,
}

/// How a run ended. A run that is halted has not ended: it can always be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything applicable is done, found in place or skipped.
    Succeeded,
    /// Cancelled; what is uncertain is counted in the status.
    Cancelled,
    /// Everything that was made is gone, or kept with a reason.
    Undone,
}
