//! What a step author writes: one type per kind, plain `async fn`, no erased types.
//!
//! `check` always precedes `apply` and always follows it. That one method gives adoption of what exists, recovery after
//! a crash, proof of success and the detection of drift; outputs come only from it.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_plans::{EffectClass, Ensure, Identities};
use uuid::Uuid;

pub(crate) use crate::attempt_log::SendGate;
pub use crate::attempt_log::{AttemptLog, Exchange};
use crate::clock::Clock;
use crate::contents::Contents;
pub use crate::decision::{Cause, Decision, Difference};
use crate::failure::{FailureClass, StepError};
use crate::guards::Guarded;
use crate::hand_over::{HandOver, Variable};
use crate::ids::{RunId, StepKey};
use crate::right::Right;
use crate::wait::Wait;

/// A step kind.
pub trait Step: Send + Sync + 'static {
    /// Name in `uses`.
    const KIND: &'static str;
    /// One line, imperative.
    const SUMMARY: &'static str;
    /// How the write behaves when it is sent twice or its answer is lost.
    const EFFECT: EffectClass;
    /// A parameter without which the write behaves otherwise, and how; `None`: every step of the kind behaves the same.
    const EFFECT_WITHOUT: Option<(&'static str, EffectClass)> = None;
    /// After an uncertain write: how long an absence must last before it is believed.
    const SETTLE: Duration;
    /// The time within which a request that was sent may still take effect when its response did not come: a constant of
    /// the service that it goes to. Deletes, re-creation, repair and undo wait until it has passed.
    const REQUEST_WINDOW: Duration;
    /// How many identities `as` takes.
    const IDENTITIES: Identities = Identities::One;
    /// Whether `auxiliary` means something.
    const AUXILIARY: bool = false;
    /// Why undo always keeps what this kind made; `None`: it is taken back.
    const KEEPS: Option<&'static str> = None;
    /// Whether `ensure: absent` means something: what this kind makes can be found again and removed, whoever made it.
    const REMOVABLE: bool = false;
    /// Whether a step of this kind is a gate: what is written after it in the same list of steps waits for it, unless the
    /// plan says `barrier: false`.
    const GATE: bool = false;
    /// Kinds whose steps, where they need a step of this kind, are nevertheless taken back *after* it. Undo goes
    /// backwards through the plan's needs; this is for what the other side wants removed in the order it was made.
    const UNDO_BEFORE: &'static [&'static str] = &[];
    /// What must not be removed too soon after other removals of the same run (with `ensure: absent`: also not as soon as
    /// its turn comes, as others may have removed something); `None`: nothing to fear.
    const DWELL: Option<Dwell> = None;
    /// Sets of parameters that stand for each other: exactly one of the sets is given, whole.
    const FORMS: &'static [&'static [&'static str]] = &[];
    /// Parameters that no write depends on: a hand-over does without those that nobody knows yet.
    const ONLY_CHECKED: &'static [&'static str] = &[];

    /// Parameters in whose values a secret may stand, as the whole value of a field: the kind reads it when it sends it.
    const SECRETS: &'static [&'static str] = &[];
    /// The kind has a [`Step::guard`]: the attribute of identities that says where one belongs. Once the run has written, a guard
    /// that does not hold stops only those who belong where its own step does.
    const GUARDS: Option<&'static str> = None;

    /// Outputs that go on changing after the step is done: `verify` does not compare them with what was proven.
    const MOVING: &'static [&'static str] = &[];

    /// Parameters, after references are resolved.
    type Params: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// Outputs, as later steps read them.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + Sync;

    /// Parameters that are right in the simulator's default world: for docs, schema and conformance.
    fn example() -> Self::Params;

    /// What is wrong with parameters that fit their types: limits of the remote, and what does not go together. Said before
    /// anything is sent, so it needs no request. Limits of what is created do not hold where it is to be gone, nor for what
    /// is only named.
    fn misfits(params: &Self::Params, ensure: Ensure) -> Vec<Misfit> {
        let _ = (params, ensure);
        Vec::new()
    }

    /// What must hold before the run writes anything, whatever the order of its steps: asked with those parameters that the
    /// inputs give alone. Reads; an error that says that an identity cannot read it yet counts as [`Guarded::Unknown`].
    fn guard(
        &self,
        cx: &StepCx<'_>,
        known: &Value,
    ) -> impl Future<Output = Result<Guarded, StepError>> + Send {
        let _ = (cx, known);
        std::future::ready(Ok(Guarded::Met))
    }

    /// What this step changes, normalised: two live runs never claim it, two steps of a run never change it at once.
    fn claims(&self, cx: &StepCx<'_>, params: &Self::Params) -> Vec<ClaimKey>;

    /// Whether `apply` may be sent now. Asked only when `check` did not find what is wanted. Most kinds have nothing in the way.
    fn precondition(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
    ) -> impl Future<Output = Result<Readiness, StepError>> + Send {
        let _ = (cx, params);
        std::future::ready(Ok(Readiness::Ready))
    }

    /// Reads what is there.
    fn check(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
    ) -> impl Future<Output = Result<Observed<Self::Output>, StepError>> + Send;

    /// The one write.
    fn apply(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
    ) -> impl Future<Output = Result<Applied, StepError>> + Send;

    /// Removes what is there: what this run made and takes back, or (`cx.ensure` says absent) what the plan wants removed,
    /// whoever made it. `found` was read just now.
    fn undo(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
        found: &Self::Output,
    ) -> impl Future<Output = Result<Undone, StepError>> + Send;

    /// What the remote deletes along with `found`; `None`: it is gone by now. Read before a removal, where what this run created is no
    /// reason to ask, and where a person may decide to recreate it. Most resources hold nothing.
    fn contents(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
        found: &Self::Output,
    ) -> impl Future<Output = Result<Option<Contents>, StepError>> + Send {
        let _ = (cx, params, found);
        std::future::ready(Ok(Some(Contents::default())))
    }

    /// What a person does instead, where this program may not act; nothing is read or sent. A kind that only looks needs
    /// nothing done.
    fn hand_over(&self, cx: &StepCx<'_>, params: &Self::Params) -> Result<HandOver, StepError> {
        let _ = (cx, params);
        Ok(HandOver::default())
    }

    /// For whom the step will wait, whatever its parameters: told before a run, while they are not known. `identity` acts.
    fn foreseen(&self, identity: &Identity) -> Option<Wait> {
        let _ = identity;
        None
    }

    /// What whoever acts, and whoever's token goes along, has to be allowed to do for the look and the write; nothing is
    /// read or sent.
    fn rights(&self, cx: &StepCx<'_>, params: &Self::Params) -> Result<Vec<Right>, StepError> {
        let _ = (cx, params);
        Ok(Vec::new())
    }
}

/// Parameters that do not go together, or one that the remote does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The parameters that it is about, the one to change first: it is said only where all of them are known.
    pub about: &'static [&'static str],
    /// Where in the first of them: fields and positions.
    pub within: Vec<String>,
    /// What is wrong, with what is allowed.
    pub why: String,
}

impl Misfit {
    /// A misfit of whole parameters.
    pub fn new(about: &'static [&'static str], why: impl Into<String>) -> Self {
        Misfit { about, within: Vec::new(), why: why.into() }
    }

    /// The same in a part of the first parameter.
    #[must_use]
    pub fn within(mut self, part: impl ToString) -> Self {
        self.within.push(part.to_string());
        self
    }
}

/// How long a thing has to stand after the last removal in its run before it is removed itself, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dwell {
    /// How long.
    pub after: Duration,
    /// Why, for the person who waits: "removed sooner, …".
    pub why: &'static str,
}

/// A thing that at most one live run may change, normalised by the kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimKey(pub String);

impl ClaimKey {
    /// The same without case: what is claimed has none.
    pub(crate) fn folded(self) -> Self {
        ClaimKey(twinspan_plans::elements::folded(&self.0))
    }
}

/// Whether `apply` may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It may.
    Ready,
    /// Not yet, and why.
    Waiting(Wait),
    /// A person decides first; `overwrite` sends it all the same.
    Undecided(Decision),
}

/// What `check` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed<O> {
    /// Not there.
    Absent,
    /// There, on its way to what is wanted; nothing to do but wait. After a removal: on its way out.
    Converging {
        /// What it waits for.
        wait: Wait,
        /// Whether a marker was found.
        marker: Marker,
    },
    /// Somebody else's, or not to be told apart: a person decides.
    Conflict(Decision),
    /// There and as wanted, in a state that does not heal by itself: a person decides.
    Broken {
        /// What is there.
        output: O,
        /// What is the matter, and whom to ask.
        decision: Decision,
        /// Whether a marker was found.
        marker: Marker,
    },
    /// There, under our name, and not as wanted.
    Differs {
        /// What is there.
        output: O,
        /// In what it differs.
        differences: Vec<Difference>,
        /// Whether a marker was found.
        marker: Marker,
    },
    /// There and as wanted.
    Present {
        /// What is there.
        output: O,
        /// Whether a marker was found.
        marker: Marker,
    },
}

/// Whether the thing says which run made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marker {
    /// The kind has no place for a marker.
    NoPlace,
    /// There is a place, and no marker in it.
    None,
    /// First 8 digits of the run that made it ([`RunId::short`]).
    Of(String),
    /// It is not proven that this run's write created it, and why: undo keeps it for this reason.
    Before(String),
}

impl Marker {
    /// Reads the marker at the end of a description.
    pub fn in_description(description: Option<&str>) -> Self {
        let run = description
            .and_then(|text| text.trim_end().strip_suffix(']'))
            .and_then(|text| text.rsplit_once("[twinspan:"))
            .map(|(_, run)| run)
            .filter(|run| run.len() == 8 && run.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match run {
            Some(run) => Marker::Of(run.to_owned()),
            None => Marker::None,
        }
    }
}

/// The write was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Something only this answer carries (an invitation's redeem link): kept as a sensitive receipt, never exported.
    pub receipt: Option<Value>,
}

/// What undo did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undone {
    /// The removal was accepted; a read proves it.
    Removed,
    /// Left in place, and why.
    Kept(String),
}

/// Who acts: a name and what the plan says of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// Name in the plan.
    pub name: String,
    /// What the plan says of it, resolved (where it belongs, whom to ask). The engine does not read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// What an attempt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Read before the write.
    Probe,
    /// The write.
    Apply,
    /// Read after the write.
    Verify,
    /// Read before taking back.
    UndoProbe,
    /// The write that takes back.
    Undo,
    /// Read after taking back.
    UndoVerify,
}

impl Phase {
    /// Whether this phase may send its one write.
    pub fn writes(self) -> bool {
        matches!(self, Phase::Apply | Phase::Undo)
    }
}

/// An identity as the other side knows it: what its credential says of itself, never the credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ActedAs {
    /// Name of the identity in the plan.
    pub identity: String,
    /// Ids in the other side's terms, by name.
    #[serde(flatten)]
    pub ids: BTreeMap<String, String>,
}

/// An approval that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who gave it.
    pub by: String,
    /// For whom that person spoke, where it was said.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub speaks_for: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a step may use while it runs. It has no way to sleep: a step that must wait says so and is asked again.
pub struct StepCx<'a> {
    /// The run.
    pub run: RunId,
    /// The run whose marker is written: itself, or the earlier run of its key that keeps what is updated.
    pub owner: RunId,
    /// The step instance.
    pub step: &'a StepKey,
    /// What this attempt is for.
    pub phase: Phase,
    /// Whether the thing is to be there, or to be gone. Where it is to be gone, looks and the write have the phases of
    /// taking back, on the way forward too: a kind reads and removes in one way only.
    pub ensure: Ensure,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Longest time of this attempt; what a kind starts outside this process, the kind has to end.
    pub timeout: Duration,
    /// Who does it; the first acts.
    pub identities: &'a [Identity],
    /// The plan's other identities: one of them may look where the first cannot. Only the first ever writes.
    pub others: &'a [Identity],
    /// Whose token goes along.
    pub auxiliary: Option<&'a Identity>,
    /// When the step was first ready, for people.
    pub since: Timestamp,
    /// How long ago that is, whatever was done to the wall clock since: `delay` counts this.
    pub waited: Duration,
    /// Apply: the probe before this write found something, so that what the plan does not speak of is kept.
    pub overwrites: bool,
    /// Before a removal: normalised ids of what this run created.
    pub created: &'a [ClaimKey],
    /// Ended runs of the same key, as markers name them.
    pub earlier: Option<&'a HashSet<String>>,
    /// How long ago the response to the step's own last write was there; `None`: it has not written, or nobody knows when.
    pub written: Option<Duration>,
    /// What another step reads serves this one as well if that read began at this time of [`Clock::steady`] or later.
    /// [`Timestamp::MAX`]: only its own reads count.
    pub reads_from: Timestamp,
    /// The approval that was given to this step.
    pub approval: Option<&'a Approval>,
    /// What only the answer to this step's own write carried.
    pub receipt: Option<&'a Value>,
    /// Receipts of the steps that this one needs directly (a redeem link is shown by the step that waits for it).
    pub needed_receipts: &'a [Value],
    /// Outputs that a person stated: claims, which a read may prove.
    pub stated: &'a BTreeMap<String, Value>,
    /// Values that a GUID stands in for, because nobody knows them yet; empty but in a hand-over.
    pub unknown: &'a [Variable],
    /// The time; never the machine's own.
    pub clock: &'a dyn Clock,
    /// Where requests are recorded, and where the permission for the one write is.
    pub log: &'a AttemptLog,
}

impl StepCx<'_> {
    /// The wall clock: for people, and for dates that the remote gives.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A date that only goes forward, whatever is done to the wall clock: for spans within this process.
    pub fn steady(&self) -> Timestamp {
        self.clock.steady()
    }

    /// Who acts. A kind that takes no identity does not ask.
    pub fn identity(&self) -> Result<&Identity, StepError> {
        self.identities.first().ok_or_else(|| {
            StepError::new(FailureClass::Bug, format!("step {} has no identity to act as", self.step))
        })
    }

    /// Id of this attempt, the same after a crash.
    pub fn attempt_id(&self) -> Uuid {
        self.run.attempt_id(self.step, self.attempt)
    }

    /// A description that ends with the marker of the run that owns the resource.
    pub fn describe(&self, text: &str) -> String {
        if text.is_empty() { self.owner.marker() } else { format!("{text} {}", self.owner.marker()) }
    }
}
