//! New ids: the only file that creates random ones.

use uuid::Uuid;

use super::{DriverId, NAMESPACE, RunId, SignalId};

/// A new time-ordered id.
#[expect(clippy::disallowed_methods, reason = "this file makes the ids")]
fn fresh() -> Uuid {
    Uuid::now_v7()
}

impl RunId {
    /// A new run.
    #[expect(clippy::new_without_default, reason = "a default id would be a random one")]
    pub fn new() -> Self {
        RunId(fresh())
    }

    /// The run id of a seed: the same seed gives the same id, and so the same journal.
    pub fn of_seed(seed: u64) -> Self {
        RunId(Uuid::new_v5(&NAMESPACE, &seed.to_be_bytes()))
    }
}

impl SignalId {
    /// A new signal.
    #[expect(clippy::new_without_default, reason = "a default id would be a random one")]
    pub fn new() -> Self {
        SignalId(fresh())
    }
}

impl DriverId {
    /// A new driver.
    pub(crate) fn new() -> Self {
        DriverId(fresh())
    }
}

/// Id of a new journal: random bytes that occur in no other file.
#[expect(clippy::disallowed_methods, reason = "this file makes the ids")]
pub(crate) fn journal_id() -> Uuid {
    Uuid::now_v7()
}

/// A new name of a temporary folder.
pub(crate) fn folder_name() -> Uuid {
    fresh()
}
