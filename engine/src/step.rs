//! The interface of a step author: one type per kind, plain `async fn`, no erased types.
//!
//! `check` always runs before `apply` and again after it. This one method gives adoption of existing resources,
//! recovery after a crash, proof of success and detection of drift; outputs come only from it.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use twinspan_plans::{Clash, Ensure};
use uuid::Uuid;

pub(crate) use crate::attempt_log::AttemptLog;
use crate::clock::Clock;
use crate::contents::Contents;
use crate::failure::{FailureClass, StepError};
use crate::hand_over::{HandOver, Variable};
use crate::identity::Identity;
use crate::ids::ClaimKey;
use crate::ids::{RunId, StepKey};
use crate::kind_meta::KindMeta;
use crate::observation::Applied;
use crate::observation::Guarded;
use crate::observation::Observed;
use crate::observation::Phase;
use crate::observation::Readiness;
use crate::observation::Undone;
use crate::permission::Permission;
use crate::signal::Approval;
use crate::wait::Wait;

/// A step kind.
pub trait Step: Send + Sync + 'static {
    /// What the kind declares about itself.
    const META: KindMeta;
    /// The paths of all texts in a value of a parameter in [`KindMeta::secrets`] that are secrets, by the name of their field or
    /// by their form. A plan must not contain them, nor read them from an input that is not a secret.
    const WRITTEN_SECRETS: fn(&Value) -> Vec<Vec<String>> = |_| Vec::new();

    /// Parameters, after references are resolved.
    type Params: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// Outputs that later steps read.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + Sync;

    /// Parameters that work in the simulator's default world: for docs, schema and conformance tests.
    fn example() -> Self::Params;

    /// Checks parameters that fit their types against limits of the remote and against each other. It runs before any
    /// request and sends none. Limits on creation do not apply with `ensure: absent`, nor to a resource that is only
    /// referenced.
    fn misfits(params: &Self::Params, ensure: Ensure) -> Vec<Misfit> {
        let _ = (params, ensure);
        Vec::new()
    }

    /// Compares the steps of this kind in one plan whose resource shall be present, by the parameters known before the run;
    /// `None`: they are not compared. Positions are those of the list.
    const CLASHES: Option<Compare<Self::Params>> = None;

    /// Checks what must hold before the run writes anything, whatever the order of its steps. It gets only the
    /// parameters that follow from the inputs. It only reads; an error that an identity cannot read yet counts as
    /// [`Guarded::Unknown`].
    fn guard(
        &self,
        cx: &StepCx<'_>,
        known: &Value,
    ) -> impl Future<Output = Result<Guarded, StepError>> + Send {
        let _ = (cx, known);
        std::future::ready(Ok(Guarded::Met))
    }

    /// The normalized ids that this step changes: two live runs never claim the same one, and two steps of a run never
    /// change it at the same time.
    fn claims(&self, cx: &StepCx<'_>, params: &Self::Params) -> Vec<ClaimKey>;

    /// Whether `apply` may be sent now. Called only when `check` did not find the wanted state. Most kinds are always
    /// ready.
    fn precondition(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
    ) -> impl Future<Output = Result<Readiness, StepError>> + Send {
        let _ = (cx, params);
        std::future::ready(Ok(Readiness::Ready))
    }

    /// Reads the current state of the resource.
    fn check(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
    ) -> impl Future<Output = Result<Observed<Self::Output>, StepError>> + Send;

    /// Sends the one write.
    fn apply(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
    ) -> impl Future<Output = Result<Applied, StepError>> + Send;

    /// Deletes the resource: what this run created (undo), or what the plan wants deleted (`cx.ensure` is absent),
    /// whichever run or person created it. `found` was read immediately before.
    fn undo(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
        found: &Self::Output,
    ) -> impl Future<Output = Result<Undone, StepError>> + Send;

    /// Lists what the remote deletes along with `found`; `None`: the resource is already gone. Read before a delete,
    /// so that contents this run did not create need a decision, and before a person decides to recreate. Most
    /// resources contain nothing.
    fn contents(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
        found: &Self::Output,
    ) -> impl Future<Output = Result<Option<Contents>, StepError>> + Send {
        let _ = (cx, params, found);
        std::future::ready(Ok(Some(Contents::default())))
    }

    /// Describes what a person does where this program may not act; it reads and sends nothing. A kind that only reads
    /// needs no action.
    fn hand_over(&self, cx: &StepCx<'_>, params: &Self::Params) -> Result<HandOver, StepError> {
        let _ = (cx, params);
        Ok(HandOver::default())
    }

    /// The wait that the step will enter whatever its parameters: reported before a run, while they are unknown.
    /// `identity` acts.
    fn expected_wait(&self, identity: &Identity) -> Option<Wait> {
        let _ = identity;
        None
    }

    /// Permissions that the acting identity and the auxiliary identity need for the reads and the write. Reads and
    /// sends nothing.
    fn permissions(&self, cx: &StepCx<'_>, params: &Self::Params) -> Result<Vec<Permission>, StepError> {
        let _ = (cx, params);
        Ok(Vec::new())
    }
}

/// Finds parameters of several steps that do not fit together.
pub type Compare<P> = fn(&[&P]) -> Vec<Clash>;

/// Parameters that do not fit together, or one that the remote does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The parameters concerned, the one to change first. Reported only when all of them are known.
    pub about: &'static [&'static str],
    /// Path within the first parameter: fields and positions.
    pub within: Vec<String>,
    /// What is wrong, with what is allowed.
    pub why: String,
}

impl Misfit {
    /// A misfit of whole parameters.
    pub fn new(about: &'static [&'static str], why: impl Into<String>) -> Self {
        Misfit { about, within: Vec::new(), why: why.into() }
    }

    /// Narrows it to a part of the first parameter.
    #[must_use]
    pub fn within(mut self, part: impl ToString) -> Self {
        self.within.push(part.to_string());
        self
    }
}

/// The context of a running step. It has no way to sleep: a step that must wait returns a wait and is called again.
pub struct StepCx<'a> {
    /// The run.
    pub run: RunId,
    /// The run whose marker is written: this run, or the earlier run of the same key that keeps the updated resource.
    pub owner: RunId,
    /// The step instance.
    pub step: &'a StepKey,
    /// What this attempt is for.
    pub phase: Phase,
    /// Whether the resource is to exist or to be absent. With `absent`, reads and the write have the phases of undo,
    /// also when the run goes forward: a kind has one way to read and delete.
    pub ensure: Ensure,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Time limit of this attempt; the kind must end what it starts outside this process.
    pub timeout: Duration,
    /// The identities of the step; the first acts.
    pub identities: &'a [Identity],
    /// The plan's other identities: one of them may read where the first cannot. Only the first writes.
    pub others: &'a [Identity],
    /// The identity whose token goes along.
    pub auxiliary: Option<&'a Identity>,
    /// When the step was first ready, for people.
    pub since: Timestamp,
    /// How long ago that was, whatever was done to the wall clock since: `delay` counts this.
    pub waited: Duration,
    /// Apply: the probe before this write found the resource, so values that the plan does not mention are kept.
    pub overwrites: bool,
    /// Before a delete: claim keys of what this run created.
    pub created: &'a [ClaimKey],
    /// Ended runs of the same key, as markers name them.
    pub earlier: Option<&'a HashSet<String>>,
    /// Time since the response to the step's own last write; `None`: it has not written, or the time is unknown.
    pub written: Option<Duration>,
    /// Another step's read also serves this step if it began at this time of [`Clock::steady`] or later.
    /// [`Timestamp::MAX`]: only the step's own reads count.
    pub reads_from: Timestamp,
    /// The approval that was given to this step.
    pub approval: Option<&'a Approval>,
    /// The receipt: what only the response to this step's own write carried.
    pub receipt: Option<&'a Value>,
    /// Receipts of the steps that this one needs directly (the step that waits for a redemption shows its link).
    pub needed_receipts: &'a [Value],
    /// Outputs that a person stated: claims, which a read may prove.
    pub stated: &'a BTreeMap<String, Value>,
    /// Variables whose values are not known yet, each represented by a GUID; empty except in a hand-over.
    pub unknown: &'a [Variable],
    /// The clock; never the system clock directly.
    pub clock: &'a dyn Clock,
    /// Records requests and holds the permit for the one write.
    pub log: &'a AttemptLog,
}

impl StepCx<'_> {
    /// The variable `name` of this step, for its hand-over: a value that is known only when the step is done.
    pub fn variable(&self, name: &str, words: impl Into<String>, sort: Option<&'static str>) -> Variable {
        Variable::of(self.run, self.step, name, words.into(), sort)
    }

    /// The wall clock: for people, and to compare with dates that the remote returns.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A time that only moves forward, whatever is done to the wall clock: for intervals within this process.
    pub fn steady(&self) -> Timestamp {
        self.clock.steady()
    }

    /// The acting identity. A kind that takes no identity does not call this.
    pub fn identity(&self) -> Result<&Identity, StepError> {
        self.identities.first().ok_or_else(|| {
            StepError::new(FailureClass::Bug, format!("step {} has no identity to act as", self.step))
        })
    }

    /// Id of this attempt; it stays the same after a crash.
    pub fn attempt_id(&self) -> Uuid {
        self.run.attempt_id(self.step, self.attempt)
    }

    /// `text` with the marker of the run that owns the resource at its end.
    pub fn describe(&self, text: &str) -> String {
        if text.is_empty() { self.owner.marker() } else { format!("{text} {}", self.owner.marker()) }
    }
}
