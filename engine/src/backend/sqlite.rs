//! The embedded backend: journal and driver in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::opening::Opening;
use super::{
    Backend, BackendError, BoxFuture, DriveOptions, Filter, NewRun, Parked, RunSummary, Runs, Started,
    StopToken,
};
use crate::event::Recorded;
use crate::ids::{RunId, Seq};
use crate::perform::Performer;
use crate::signal::SignalRow;
use crate::state::RunState;

/// The embedded backend: journal and driver in this process.
pub struct SqliteBackend {
    _opening: Opening,
}

impl SqliteBackend {
    /// Opens the journal at `path`; makes it, unless it is only read.
    pub fn open(_path: &Path, opening: Opening) -> Result<Self, BackendError> {
        Ok(SqliteBackend { _opening: opening })
    }

    /// Sends a signal and returns when it is in force: taken by the run's live driver, or, where there is none, by this
    /// call itself. Pause and cancel are in force when they are acknowledged.
    pub async fn signal_and_settle(
        &self,
        signal: SignalRow,
        _wait: Duration,
    ) -> Result<Settled, BackendError> {
        Err(BackendError::NoSuchRun(signal.run))
    }

    /// Checks a run's record from end to end.
    pub async fn verify_journal(&self, run: RunId) -> Result<JournalReport, BackendError> {
        Err(BackendError::NoSuchRun(run))
    }
}

/// Who took a signal in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The run's live driver.
    ByDriver,
    /// This call: no driver was alive.
    Here,
    /// Nobody within the time given; it stays in the inbox.
    NotYet,
}

/// What a check of a run's record found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalReport {
    /// The run.
    pub run: RunId,
    /// Events read.
    pub events: u64,
    /// Commits read, each with its hash.
    pub commits: u64,
    /// Hash of the last commit, in hexadecimal: whoever noted it down can tell whether the record was rewritten.
    pub head: String,
    /// What is wrong; empty: the record is whole.
    pub problems: Vec<String>,
}

impl Backend for SqliteBackend {
    fn start(&self, run: NewRun) -> BoxFuture<'_, Result<Started, BackendError>> {
        Box::pin(async move { Err(BackendError::NoSuchRun(run.run)) })
    }

    fn signal(&self, signal: SignalRow) -> BoxFuture<'_, Result<(), BackendError>> {
        Box::pin(async move { Err(BackendError::NoSuchRun(signal.run)) })
    }

    fn read(
        &self,
        run: RunId,
        _from: Seq,
        _wait: Option<Duration>,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, BackendError>> {
        Box::pin(async move { Err(BackendError::NoSuchRun(run)) })
    }

    fn load(&self, run: RunId) -> BoxFuture<'_, Result<RunState, BackendError>> {
        Box::pin(async move { Err(BackendError::NoSuchRun(run)) })
    }

    fn list(&self, _filter: Filter) -> BoxFuture<'_, Result<Vec<RunSummary>, BackendError>> {
        Box::pin(async move { Ok(Vec::new()) })
    }

    fn drive(
        &self,
        _runs: Runs,
        _performer: Arc<Performer>,
        _options: DriveOptions,
        stop: StopToken,
    ) -> BoxFuture<'_, Result<Parked, BackendError>> {
        Box::pin(async move { Ok(Parked { runs: Vec::new(), stopped: stop.asked() > 0 }) })
    }
}
