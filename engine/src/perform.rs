//! Carries out one phase of one step through the registry, and reports what was seen as a fact.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::clock::Clock;
use crate::failure::StepError;
use crate::ids::{RunId, StepKey};
use crate::registry::Registry;
use crate::step::{Approval, ClaimKey, Exchange, Identity, Observed, Phase, Readiness, Undone};

/// One phase of one step, with everything that it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepKey,
    /// Its kind.
    pub kind: String,
    /// What for.
    pub phase: Phase,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Resolved parameters.
    pub params: Arc<Value>,
    /// Who does it; the first acts.
    pub identities: Vec<Identity>,
    /// Whose token goes along.
    pub auxiliary: Option<Identity>,
    /// When the step was first ready.
    pub since: Timestamp,
    /// The approval that was given.
    pub approval: Option<Approval>,
    /// What only the answer to its own write carried.
    pub receipt: Option<Value>,
    /// Receipts of the steps that this one needs directly.
    pub needed_receipts: Vec<Value>,
    /// For Undo: what the undo probe found.
    pub found: Option<Arc<Value>>,
    /// Longest time for this attempt.
    pub timeout: Duration,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The step.
    pub step: StepKey,
    /// What for.
    pub phase: Phase,
    /// Number of the attempt.
    pub attempt: u32,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// The result.
    pub result: Result<Seen, StepError>,
    /// Requests and answers.
    pub exchanges: Vec<Exchange>,
    /// What the kind says of itself.
    pub rules: KindRules,
}

/// What the rules need to know of a kind, told with every fact so that the rules need no registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindRules {
    /// After an uncertain write: how long an absence must last before it is believed.
    pub settle: Duration,
    /// Why undo always keeps what this kind made; `None`: it is taken back.
    pub keeps: Option<&'static str>,
}

/// What a phase reports when it did not fail.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Probe, Verify, UndoProbe, UndoVerify: what `check` found, and whether `apply` may be sent (asked only in Probe,
    /// when what is wanted is not there), with what the step would claim.
    Checked {
        /// What was found.
        observed: Observed<Value>,
        /// Whether `apply` may be sent.
        readiness: Option<Readiness>,
        /// What the step changes.
        claims: Vec<ClaimKey>,
    },
    /// Apply: accepted.
    Applied {
        /// What only this answer carried.
        receipt: Option<Value>,
    },
    /// Undo: done, or kept with a reason.
    Undone(Undone),
}

/// Performs jobs.
pub struct Performer {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
}

impl Performer {
    /// A performer of the kinds in `registry`.
    pub fn new(registry: Arc<Registry>, clock: Arc<dyn Clock>) -> Self {
        Performer { registry, clock }
    }

    /// The kinds.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
