//! Names of things: runs, steps, signals, positions in the journal.

mod fresh;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use fresh::{folder_name, journal_id};

/// Namespace of every deterministic UUID that the engine makes.
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

/// Counts the drivers that a run has had; a write of an older epoch is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// A step instance or a block instance: `scope-connection`, `connect[fabrikam-prod].scope-connection`,
/// `members[vnet-app-1a2b3c4d]`. A heading adds nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepKey(pub Arc<str>);

impl RunId {
    /// The run of these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        RunId(Uuid::from_bytes(bytes))
    }

    /// First 8 hexadecimal digits of the random part: what markers carry and people type.
    pub fn short(self) -> String {
        let text = self.0.simple().to_string();
        text[24..].to_owned()
    }

    /// The text that proves in a description that this run made a thing: `[twinspan:1a2b3c4d]`.
    pub fn marker(self) -> String {
        format!("[twinspan:{}]", self.short())
    }

    /// Id of one attempt of one step: the same after a crash, so that a server's log and ours can be joined.
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
