//! The operations of the journal: thin wrappers of `commit` and `read`.

use std::sync::Arc;
use std::time::Duration;

use twinspan_plans::Digest;

use super::{
    Append, Chain, DriverLock, Held, Journal, JournalReport, Lease, Liveness, NewRow, Packed, Readers,
    Refusal, Row, RunRow, SendCheck, Summary, Taken, Transcript, Waiting, Watch, Write, WriteFailure, commit,
    driver_lock, place, read, task, verify,
};
use crate::backend::Started;
use crate::error::BackendError;
use crate::event::{Recorded, TakeOver};
use crate::ids::ClaimKey;
use crate::ids::{DriverId, RunId, Seq, SignalId};
use crate::rollout::RunKey;

impl Journal {
    /// Creates a run, unless it exists already or may not begin.
    pub(crate) async fn start(&self, new: NewRow) -> Result<Started, BackendError> {
        self.write(move |connection| commit::start(connection, &new)).await
    }

    /// Puts a signal into a run's inbox; false when there is no such run.
    pub(crate) async fn put_signal(
        &self,
        id: SignalId,
        run: RunId,
        body: String,
    ) -> Result<bool, BackendError> {
        self.write(move |connection| commit::put_signal(connection, id, run, &body)).await
    }

    /// Creates the lock of a new driver; `lease` is how long its heartbeat may stand still.
    pub(crate) fn new_driver(&self, lease: Duration, since: i64) -> Result<DriverLock, BackendError> {
        driver_lock::sweep(&self.path, &self.read(commit::drivers)?);
        DriverLock::new(&self.path, lease, since, &self.sharing).map_err(place::not_writable)
    }

    /// Removes the lock file of a driver that the journal no longer knows.
    pub(crate) fn forget_driver(&self, driver: DriverId) {
        let file = driver_lock::file_of(&driver_lock::folder_of(&self.path), driver);
        if let Err(error) = std::fs::remove_file(file) {
            tracing::debug!(%error, "the lock file of an ended driver could not be removed");
        }
    }

    /// A write that increments a driver's heartbeat; its result says whether the journal knows the driver.
    pub(crate) fn beating(
        driver: DriverId,
        answer: impl FnOnce(Result<bool, WriteFailure>) + Send + 'static,
    ) -> Box<dyn Write> {
        task(move |connection| commit::beat(connection, driver), answer)
    }

    /// Releases everything that a driver holds.
    pub(crate) async fn leave_driver(&self, driver: DriverId) -> Result<(), BackendError> {
        self.write(move |connection| commit::leave_driver(connection, driver)).await
    }

    /// A write that takes a run's lease.
    pub(crate) fn taking(
        &self,
        run: RunId,
        taker: commit::Holder,
        steal: bool,
        liveness: Arc<Liveness>,
        took: impl FnOnce(Seq, i64, u64, Option<TakeOver>) -> Option<(Recorded, Packed)> + Send + 'static,
        answer: impl FnOnce(Result<Result<Taken, Refusal>, WriteFailure>) + Send + 'static,
    ) -> Box<dyn Write> {
        task(move |connection| commit::take_lease(connection, run, &taker, steal, &liveness, took), answer)
    }

    /// A write that appends events.
    pub(crate) fn appending(
        append: Append,
        answer: impl FnOnce(Result<Result<(), Refusal>, WriteFailure>) + Send + 'static,
    ) -> Box<dyn Write> {
        task(move |connection| commit::append(connection, &append), answer)
    }

    /// Starts a check of which drivers are alive.
    pub(crate) fn liveness(&self) -> Liveness {
        Liveness::new(&self.path, Arc::clone(&self.heartbeats))
    }

    /// A run's row.
    pub(crate) fn find(&self, run: RunId) -> Result<RunRow, BackendError> {
        self.read(|connection| read::find(connection, run))?.ok_or(BackendError::NoSuchRun(run))
    }

    /// Runs, newest first.
    pub(crate) fn list(&self, open: bool, key: Option<&RunKey>) -> Result<Vec<RunRow>, BackendError> {
        self.read(|connection| read::list(connection, open, key))
    }

    /// Open runs that `driver` does not hold.
    pub(crate) fn open_runs(&self, driver: DriverId) -> Result<Vec<RunId>, BackendError> {
        self.read(|connection| read::open_runs(connection, driver))
    }

    /// A driver, and whether it is alive now.
    pub(crate) fn driver(&self, driver: i64, liveness: &Liveness) -> Result<Option<Held>, BackendError> {
        let holder = self.read(|connection| commit::holder(connection, driver))?;
        Ok(holder.map(|holder| Held { verdict: liveness.judge(&holder), holder }))
    }

    /// A run's row and its events from `from` on, read in one transaction.
    pub(crate) fn events(&self, run: RunId, from: Seq) -> Result<(RunRow, Chain), BackendError> {
        self.try_read(|connection| {
            let moment = connection.unchecked_transaction()?;
            let Some(row) = read::find(&moment, run)? else { return Ok(None) };
            let chain = read::events(&moment, &row, from)?;
            Ok(Some((row, chain)))
        })?
        .ok_or(BackendError::NoSuchRun(run))
    }

    /// Digest of a stored plan's text.
    pub(crate) fn plan_digest(&self, plan: i64) -> Result<Digest, BackendError> {
        self.read(|connection| read::plan_digest(connection, plan))
    }

    /// Text of a stored plan.
    pub(crate) fn plan_text(&self, plan: i64) -> Result<String, BackendError> {
        self.try_read(|connection| read::plan_text(connection, plan))
    }

    /// Signals that no driver has taken in yet.
    pub(crate) fn inbox(&self, row: Option<Row>) -> Result<Vec<Waiting>, BackendError> {
        self.read(|connection| read::inbox(connection, row))
    }

    /// Whether a signal was taken in; `None`: it is not in the inbox.
    pub(crate) fn is_known(&self, id: SignalId) -> Result<Option<bool>, BackendError> {
        self.read(|connection| read::is_taken(connection, id))
    }

    /// Whether a signal was taken in.
    pub(crate) fn is_taken(&self, id: SignalId) -> Result<bool, BackendError> {
        Ok(self.is_known(id)?.unwrap_or(false))
    }

    /// Whether `lease` is still held.
    pub(crate) fn still_holds(&self, row: Row, lease: Lease) -> Result<bool, BackendError> {
        self.read(|connection| read::still_holds(connection, row, lease.driver, lease.epoch))
    }

    /// The driver of a run, and whether it is alive now.
    pub(crate) fn driver_of(&self, run: RunId) -> Result<Option<Held>, BackendError> {
        self.find(run)?.driver.map_or(Ok(None), |driver| self.driver(driver, &self.liveness()))
    }

    /// The other open run that holds `key`.
    pub(crate) fn claimed_by_other(&self, row: Row, key: &ClaimKey) -> Result<Option<RunId>, BackendError> {
        self.read(|connection| commit::claimed_by_other(connection, row, key))
    }

    /// Transcripts of a run, oldest first, each checked against the chain.
    pub(crate) fn transcripts(&self, run: RunId) -> Result<Vec<Transcript>, BackendError> {
        let row = self.find(run)?;
        self.try_read(|connection| verify::transcripts(connection, row.row))
    }

    /// Checks a run's journal; `fold` computes its status from the events.
    pub(crate) fn verify(
        &self,
        run: RunId,
        fold: impl FnOnce(&RunRow, &[Recorded]) -> Result<Summary, String>,
    ) -> Result<JournalReport, BackendError> {
        self.try_read(|connection| verify::verify(connection, run, fold))?.ok_or(BackendError::NoSuchRun(run))
    }

    /// The check before writes are sent.
    pub(crate) fn look(&self) -> Result<SendCheck, BackendError> {
        Ok(SendCheck::new(self.connection()?))
    }

    /// A watch for the commits of other connections.
    pub(crate) fn watch(&self) -> Result<Watch, BackendError> {
        match &self.readers {
            Readers::Open(_) => Ok(Watch::new(&self.path, self.files.clone(), self.connection()?)),
            Readers::Copied(copy) => Ok(Watch::of_copy(Arc::clone(copy))),
        }
    }
}
