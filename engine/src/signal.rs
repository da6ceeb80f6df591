//! What people ask of a run.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::drift::Finding;
use crate::ids::{RunId, Seq, SignalId, StepKey};

/// Who asks.
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
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: Option<String>,
    /// What for.
    pub signal: Signal,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// Send nothing more; what is in flight ends.
    Pause,
    /// Go on.
    Resume,
    /// Begin nothing more, for good.
    Cancel,
    /// Let a step that waits for approval go on.
    Approve {
        /// The step.
        step: StepKey,
        /// For whom the person speaks: one of those whom the gate names. It is stated, not proven, and recorded.
        #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
        speaks_for: Option<String>,
    },
    /// Refuse it.
    Reject {
        /// The step.
        step: StepKey,
    },
    /// Try now: a step that waits, retries or has failed.
    Retry {
        /// The step; `None`: every one that can.
        step: Option<StepKey>,
    },
    /// Leave a step out.
    Skip {
        /// The step.
        step: StepKey,
        /// Outputs given by the person.
        values: BTreeMap<String, Value>,
    },
    /// Settle a step that needs a decision.
    Decide {
        /// The step.
        step: StepKey,
        /// How.
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
    /// Take back what the run made.
    Undo,
    /// Call an undo off: what was deleted stays deleted until the run creates it anew on its way forward.
    Forward,
    /// Undo single steps of a run that has ended: a later run of its key does not contain what they created. The run ends
    /// once more as it had ended.
    Prune {
        /// The steps.
        steps: Vec<StepKey>,
        /// The later run.
        by: RunId,
    },
    /// Record that a later run of the same key updated what these steps created. It asks for nothing.
    UpdatedSince {
        /// The steps.
        steps: Vec<StepKey>,
        /// The later run.
        by: RunId,
    },
    /// Mend what was found drifted; a run that has ended is reopened.
    Repair {
        /// The step that was asked for.
        step: StepKey,
        /// What the person was shown, and agreed to.
        mends: Vec<Mend>,
    },
    /// Record what a look at everything that is in place found. It asks for nothing.
    Verified {
        /// When the first read began.
        began: Timestamp,
        /// The run's last event when it began.
        after: Seq,
        /// One for each step that was looked at.
        findings: Vec<Finding>,
    },
}

/// One step of a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mend {
    /// The step.
    pub step: StepKey,
    /// What is done about what is found there; `None`: it is looked at, and made where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
}

/// How a decision is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Take what is there as it is.
    Adopt,
    /// Write ours over it.
    Overwrite,
    /// Remove it and make it anew.
    Recreate,
    /// Give the step up.
    Abort,
}
