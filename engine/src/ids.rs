//! Identifiers: runs, steps, signals, positions in the journal.

mod fresh;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use fresh::{folder_name, journal_id};

/// Namespace of every deterministic UUID of the engine.
const NAMESPACE: Uuid = Uuid::from_u128(0x7477_696e_7370_616e_0000_0000_0000_0001);

/// A run. Time-ordered (UUID version 7), so lists sort by start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

/// A signal; sending the same id twice is a no-op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignalId(pub Uuid);

/// A driver: one for each time that a process drives runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DriverId(pub(crate) Uuid);

/// Position of an event in its run, from 1, without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

/// Number of drivers that have taken the run; a write of an older epoch is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// A step or block instance: `scope-connection`, `connect[fabrikam-prod].scope-connection`, `members[vnet-app-1a2b3c4d]`. A
/// heading is not part of the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepKey(pub Arc<str>);

impl RunId {
    /// The run with these bytes as its id.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        RunId(Uuid::from_bytes(bytes))
    }

    /// First 8 hexadecimal digits of the random part, used in markers and on the command line.
    pub fn short(self) -> String {
        let text = self.0.simple().to_string();
        text[24..].to_owned()
    }

    /// The marker in a description that says that this run created the resource: `[twinspan:1a2b3c4d]`.
    pub fn marker(self) -> String {
        format!("[twinspan:{}]", self.short())
    }

    /// Id of one attempt of a step: the same after a crash, so that the remote's log and the journal can be joined.
    pub fn attempt_id(self, step: &StepKey, attempt: u32) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("{}/{}/{attempt}", self.0, step.0).as_bytes())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StepKey {
    fn from(text: &str) -> Self {
        StepKey(text.into())
    }
}

/// A claim key: the normalized id of a resource that at most one live run may change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimKey(pub String);

impl ClaimKey {
    /// The key in lower case: claimed ids are case-insensitive.
    pub(crate) fn folded(self) -> Self {
        ClaimKey(twinspan_plans::elements::folded(&self.0))
    }
}
