//! One phase of one step: the order to perform it, and the fact that results.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use twinspan_plans::Ensure;

use crate::attempt_log::Exchange;
use crate::clock::Now;
use crate::decision::Difference;
use crate::failure::StepError;
use crate::guards::Guards;
use crate::identity::{ActedAs, Identity};
use crate::ids::ClaimKey;
use crate::ids::{RunId, Seq, StepKey};
use crate::kind_meta::DeleteDelay;
use crate::observation::{Observed, Phase, Readiness, Undone};
use crate::signal::{Approval, Choice};

/// One phase of one step, with everything that is needed to perform it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepKey,
    /// Its kind.
    pub kind: String,
    /// The phase.
    pub phase: Phase,
    /// Whether the resource is to exist or to be absent.
    pub ensure: Ensure,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Resolved parameters.
    pub params: Arc<Value>,
    /// The identities of the step; the first acts.
    pub identities: Vec<Identity>,
    /// The plan's other identities, as far as they can be resolved.
    pub others: Vec<Identity>,
    /// The identity whose token goes along.
    pub auxiliary: Option<Identity>,
    /// When the step was first ready.
    pub since: Timestamp,
    /// How long ago that was, by the boot-time clock; for the time before this driver, by the wall clock.
    pub waited: Duration,
    /// The run's last event when the job was created.
    pub asked: Seq,
    /// Apply: the probe before it found the resource.
    pub overwrites: bool,
    /// Probe: what a person has decided about what is there.
    pub decided: Option<Choice>,
    /// Before a delete: claim keys of what this run created.
    pub created: Vec<ClaimKey>,
    /// Ended runs of the same key, as markers name them.
    pub earlier: Arc<HashSet<String>>,
    /// The approval that was given.
    pub approval: Option<Approval>,
    /// The receipt: what only the response to its own write carried.
    pub receipt: Option<Value>,
    /// Receipts of the steps that this one needs directly.
    pub needed_receipts: Vec<Value>,
    /// Outputs that a person stated.
    pub stated: BTreeMap<String, Value>,
    /// For a delete: what the probe before it found.
    pub found: Option<Arc<Value>>,
    /// The earlier run of the same key that keeps the updated resource; `None`: this run owns what is written.
    pub owner: Option<RunId>,
    /// Longest time for this attempt.
    pub timeout: Duration,
    /// Time since the response to its last write.
    pub written: Option<Duration>,
    /// Which reads of other steps also serve it.
    pub reads: Reads,
    /// What must hold before the run's first write; only in a probe.
    pub guards: Option<Guards>,
}

/// Which reads of other steps also serve a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// None: only its own reads.
    Own,
    /// Those that began within this time, and within [`READ_SERVES`].
    Within(Duration),
    /// Those that began after this time of [`Clock::steady`](crate::clock::Clock::steady), and within [`READ_SERVES`].
    After(Timestamp),
}

/// The age at which no read of another step is used any more. Within it, only changes by other clients can be missed; a
/// change by this process is never hidden by an earlier read.
pub const READ_SERVES: Duration = Duration::from_secs(5);

impl Reads {
    /// The earliest allowed start of such a read, for an attempt that begins at `now`.
    pub(crate) fn since(self, now: Timestamp) -> Timestamp {
        let oldest = |age: Duration| now.saturating_sub(age.min(READ_SERVES)).unwrap_or(now);
        match self {
            Reads::Own => Timestamp::MAX,
            Reads::Within(age) => oldest(age),
            Reads::After(at) => oldest(READ_SERVES).max(at.saturating_add(TICK).unwrap_or(at)),
        }
    }
}

/// The smallest unit of time.
const TICK: Duration = Duration::from_micros(1);

impl Job {
    /// The phase that the kind performs: with `ensure: absent`, a resource is read and deleted as in undo.
    pub(crate) fn acting(&self) -> Phase {
        match (self.ensure, self.phase) {
            (Ensure::Absent, Phase::Probe) => Phase::UndoProbe,
            (Ensure::Absent, Phase::Apply) => Phase::Undo,
            (Ensure::Absent, Phase::Verify) => Phase::UndoVerify,
            (_, phase) => phase,
        }
    }
}

/// The result of a performed phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The step.
    pub step: StepKey,
    /// The phase.
    pub phase: Phase,
    /// Number of the attempt.
    pub attempt: u32,
    /// The run's last event when the job was created.
    pub asked: Seq,
    /// When it began; if a read of another step served it, when the earliest of those began.
    pub began: Now,
    /// When it ended.
    pub ended: Now,
    /// The result.
    pub result: Result<Seen, StepError>,
    /// Requests and responses.
    pub exchanges: Vec<Exchange>,
    /// Why the resource may not have the effect that people expect.
    pub warnings: Vec<String>,
    /// The kind's constants.
    pub rules: KindRules,
}

impl Fact {
    /// The identities that sent its requests, each once.
    pub(crate) fn acted_as(&self) -> Vec<ActedAs> {
        let mut all: Vec<ActedAs> = Vec::new();
        for acted_as in self.exchanges.iter().flat_map(|exchange| &exchange.acted_as) {
            if !all.contains(acted_as) {
                all.push(acted_as.clone());
            }
        }
        all
    }
}

/// The constants of a kind that the rules need, sent with every fact so that the rules need no registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindRules {
    /// The consistency delay: after an uncertain write, how long an absence must last before it is believed.
    pub settle: Duration,
    /// The request window.
    pub window: Duration,
    /// Why undo always keeps what this kind created; `None`: undo deletes it.
    pub keeps: Option<&'static str>,
    /// The delete delay, if the kind has one.
    pub delete_delay: Option<DeleteDelay>,
}

/// The result of a phase that did not fail.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one for each performed phase, taken apart at once")]
pub enum Seen {
    /// Probe, Verify, UndoProbe, UndoVerify: what `check` found and what the step would claim. In a Probe that did not find
    /// the wanted state, also whether `apply` may be sent.
    Checked {
        /// What was found.
        observed: Observed<Value>,
        /// Probe, where a person may decide to recreate the resource or has decided so: what it holds, which is deleted too.
        contents: Option<Difference>,
        /// Whether `apply` may be sent.
        readiness: Option<Readiness>,
        /// The claims of the step.
        claims: Vec<ClaimKey>,
    },
    /// Apply: accepted.
    Applied {
        /// What only this response carried.
        receipt: Option<Value>,
    },
    /// Undo: accepted, or kept with a reason.
    Undone(Undone),
}
