//! What reads and writes of a step return: its phase, what was observed, markers, claims and evidence.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_plans::Digest;

use crate::decision::{Decision, Difference};
use crate::failure::StepError;
use crate::identity::ActedAs;
use crate::ids::Seq;
use crate::wait::Wait;

/// Whether `apply` may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It may be sent.
    Ready,
    /// It must wait; the wait says for what.
    Waiting(Wait),
    /// A person decides first; the choice `overwrite` sends it anyway.
    Undecided(Decision),
}

/// The result of `check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed<O> {
    /// The resource does not exist.
    Absent,
    /// It exists and is changing towards the wanted state. After a delete: it is being deleted.
    Converging {
        /// What it waits for.
        wait: Wait,
        /// Whether a marker was found.
        marker: Marker,
    },
    /// It belongs to another owner or cannot be told apart: a person decides.
    Conflict(Decision),
    /// It is as wanted but in a state that does not recover by itself: a person decides.
    Broken {
        /// Its current values.
        output: O,
        /// What is wrong, and who can help.
        decision: Decision,
        /// Whether a marker was found.
        marker: Marker,
    },
    /// It exists under our name and is not as wanted.
    Differs {
        /// Its current values.
        output: O,
        /// The differences from what is wanted.
        differences: Vec<Difference>,
        /// Whether a marker was found.
        marker: Marker,
    },
    /// It exists and is as wanted.
    Present {
        /// Its current values.
        output: O,
        /// Whether a marker was found.
        marker: Marker,
    },
}

/// Which run created a resource, as its marker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marker {
    /// The kind has no room for a marker.
    NoPlace,
    /// There is room for a marker, and none in it.
    None,
    /// First 8 digits of the id of the run that created it ([`RunId::short`](crate::ids::RunId::short)).
    Of(String),
    /// Why it is not proven that this run's write created it: undo keeps it for this reason.
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

/// The remote accepted the write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// A value that only this response carries (an invitation's redeem link): kept as a sensitive receipt, never
    /// exported.
    pub receipt: Option<Value>,
}

/// The result of an undo write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undone {
    /// The delete request was accepted; a later read proves it.
    Removed,
    /// The resource was kept, and why.
    Kept(String),
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
    /// Read before the undo write.
    UndoProbe,
    /// The undo write: a delete.
    Undo,
    /// Read after the undo write.
    UndoVerify,
}

impl Phase {
    /// Whether this phase may send its one write.
    pub fn writes(self) -> bool {
        matches!(self, Phase::Apply | Phase::Undo)
    }
}

/// The result of reading a guard.
#[derive(Clone, Debug, PartialEq)]
pub enum Guarded {
    /// It holds.
    Met,
    /// It does not: nothing may be written.
    Wrong(StepError),
    /// It cannot be read yet.
    Unknown,
}

/// The proof of a state: the read that shows it.
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
    /// The marker that was found.
    pub marker: Marker,
    /// The request that decided: verb, target, status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadProof>,
    /// The identities that read it, as the remote knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acted_as: Vec<ActedAs>,
    /// Other observations worth keeping ("seen Pending at …"), by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, String>,
    /// Why the resource may not have the effect that people expect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Evidence {
    /// The digest that stands for absence.
    pub(crate) fn of_absence() -> Digest {
        crate::digest::digest_of(&Value::String("absent".to_owned()))
    }

    /// Whether the proving read began after the end of the last write was recorded (invariant I2).
    pub fn is_after_last_write(&self) -> bool {
        self.write_recorded.is_none_or(|written| written <= self.read_after)
    }

    /// Whether it proves absence.
    pub fn is_of_absence(&self) -> bool {
        self.seen == Evidence::of_absence()
    }
}

/// The request that proved a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadProof {
    /// `GET` …
    pub verb: String,
    /// The target.
    pub target: String,
    /// The status of the response.
    pub status: u16,
}

/// The id of a step's resource, as its outputs contain it.
pub fn id_of(outputs: Option<&Value>) -> Option<&str> {
    let field = |name: &str| outputs?.get(name)?.as_str();
    field("id").or_else(|| field("object_id"))
}
