//! The last check before writes are sent: whether their lease is held and no signal waits.

use rusqlite::Connection;

use super::commit::{Lease, Row};
use super::read;
use crate::error::BackendError;

/// Answers for many runs from one read transaction, because starting one costs more than a query. It starts with the first
/// query and must be ended soon: it does not see later commits.
pub(crate) struct SendCheck {
    connection: Connection,
    begun: bool,
}

impl SendCheck {
    pub(crate) fn new(connection: Connection) -> Self {
        SendCheck { connection, begun: false }
    }

    /// Whether a write may be sent under `lease`.
    pub(crate) fn may_send(&mut self, row: Row, lease: Lease) -> Result<bool, BackendError> {
        self.ask(row, lease).map_err(failed)
    }

    /// Ends the transaction; the next query sees a later state.
    pub(crate) fn end(&mut self) -> Result<(), BackendError> {
        if std::mem::take(&mut self.begun) {
            self.connection.prepare_cached("COMMIT").and_then(|mut end| end.execute([])).map_err(failed)?;
        }
        Ok(())
    }

    fn ask(&mut self, row: Row, lease: Lease) -> Result<bool, rusqlite::Error> {
        if !self.begun {
            self.connection.prepare_cached("BEGIN")?.execute([])?;
            self.begun = true;
        }
        read::may_send(&self.connection, row, lease.driver, lease.epoch)
    }
}

fn failed(error: rusqlite::Error) -> BackendError {
    match error {
        rusqlite::Error::SqliteFailure(..) => BackendError::NotWritable(Box::new(error)),
        error => BackendError::Damaged(error.to_string()),
    }
}
