//! Errors of the run store.

use std::time::Duration;

use jiff::Timestamp;

use crate::ids::RunId;

/// The driver that holds the lease of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// Process and host.
    pub name: String,
    /// When it took its first run.
    pub since: Timestamp,
    /// Whether it is alive on this machine, as its lock proves.
    pub here: bool,
    /// How long its heartbeat may stand still.
    pub lease: Duration,
    /// Time until its lease expires, if its heartbeat does not change until then; `None`: it is known to be alive.
    pub expires: Option<Duration>,
}

impl std::fmt::Display for LeaseHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} since {:.0}", self.name, self.since)
    }
}

/// Why an operation of the backend failed.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No such run.
    #[error("there is no run {0} in this journal")]
    NoSuchRun(RunId),
    /// Another driver holds its lease.
    #[error("run {run} is driven by {}", holder.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string))]
    Held {
        /// The run.
        run: RunId,
        /// The holder; `None`: it released the lease meanwhile.
        holder: Option<Box<LeaseHolder>>,
    },
    /// The journal cannot be used as it is: foreign, newer, rehearsal, not durable, on a network file system.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What the operator does next.
        hint: String,
    },
    /// A journal without any run was opened for reading.
    #[error("{0} is empty: no run was started there")]
    Empty(String),
    /// The journal cannot be written (full disk, I/O error); nothing was sent after that.
    #[error("the journal cannot be written")]
    NotWritable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The journal's content is not what this program wrote.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// A stored plan no longer compiles with this program.
    #[error("the stored plan of run {run} is not valid for this version: {message}")]
    PlanRejected {
        /// The run.
        run: RunId,
        /// The first diagnostics.
        message: String,
    },
}

/// An event or signal that serde cannot write: a bug, because all maps have text keys.
pub(crate) fn unencodable(error: serde_json::Error) -> BackendError {
    BackendError::NotWritable(Box::new(error))
}
