//! How a run's status is stored beside its events.

use serde::{Deserialize, Serialize};

use crate::journal::Summary;
use crate::state::RunStatus;

/// The entry of a status for the list of runs.
pub(crate) fn summary_of(status: &RunStatus, drift: Option<usize>, undo: bool) -> Summary {
    let open = !matches!(status, RunStatus::Done { .. } | RunStatus::Cancelled { .. } | RunStatus::Undone);
    let kept = Kept { status: status.clone(), drift, undo };
    // A status has no map and no float: it can always be written.
    Summary { status: serde_json::to_string(&kept).unwrap_or_default(), open }
}

/// The stored status, with the result of the last verification.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    pub(crate) status: RunStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drift: Option<usize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) undo: bool,
}
