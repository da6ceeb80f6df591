//! Signals: instructions of people to a run.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::finding::Finding;
use crate::ids::{RunId, Seq, SignalId, StepKey};

/// The person who sends a signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub String);

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A row of the journal's inbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalRow {
    /// Sending the same id twice is a no-op.
    pub id: SignalId,
    /// The run.
    pub run: RunId,
    /// The sender.
    pub actor: Actor,
    /// Why.
    pub reason: Option<String>,
    /// The instruction.
    pub signal: Signal,
}

/// An instruction to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// Send no new request; requests in flight finish.
    Pause,
    /// Continue a paused run.
    Resume,
    /// Start no further step; end the run.
    Cancel,
    /// Approve a step that waits for approval.
    Approve {
        /// The step.
        step: StepKey,
        /// On whose behalf the person approves: one of the named approvers. Stated, not proven; recorded.
        #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
        speaks_for: Option<String>,
    },
    /// Reject a step that waits for approval.
    Reject {
        /// The step.
        step: StepKey,
    },
    /// Check or retry now: a step that waits, retries or has failed.
    Retry {
        /// The step; `None`: every one that can.
        step: Option<StepKey>,
    },
    /// Skip a step.
    Skip {
        /// The step.
        step: StepKey,
        /// Outputs given by the person.
        values: BTreeMap<String, Value>,
    },
    /// Decide about a step that needs a decision.
    Decide {
        /// The step.
        step: StepKey,
        /// The choice.
        choice: Choice,
    },
    /// State an output that cannot be read; a claim until a check proves it.
    Provide {
        /// The step.
        step: StepKey,
        /// The output.
        output: String,
        /// Its value.
        value: Value,
    },
    /// Undo the run: delete what it created.
    Undo,
    /// Call an undo off: a deleted resource stays deleted until the run, going forward, recreates it.
    Forward,
    /// Undo single steps of an ended run, because a later run of its key does not contain their resources. The run then ends
    /// again with its earlier outcome.
    Prune {
        /// The steps.
        steps: Vec<StepKey>,
        /// The later run.
        by: RunId,
    },
    /// Record that a later run of the same key updated what these steps created. No other effect.
    UpdatedSince {
        /// The steps.
        steps: Vec<StepKey>,
        /// The later run.
        by: RunId,
    },
    /// Repair what was found drifted; reopens an ended run.
    Repair {
        /// The requested step.
        step: StepKey,
        /// The changes that the person was shown and agreed to.
        repairs: Vec<Repair>,
    },
    /// Record the findings of a verification. No other effect.
    Verified {
        /// When the first read began.
        began: Timestamp,
        /// The run's last event when it began.
        after: Seq,
        /// One for each step that was read.
        findings: Vec<Finding>,
    },
}

/// One step of a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The step.
    pub step: StepKey,
    /// The choice for what the probe finds; `None`: probe it, and create it if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
}

/// A choice of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Take the resource as it is.
    Adopt,
    /// Write the wanted values over it.
    Overwrite,
    /// Delete it and create it again.
    Recreate,
    /// Give up the step.
    Abort,
}

/// An approval that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who gave it.
    pub by: String,
    /// On whose behalf that person approved, if given.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub speaks_for: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a signal does not fit the run now; a sentence for its sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SignalRefused {
    /// What is wrong.
    pub what: String,
    /// What to do instead.
    pub hint: Option<String>,
}
