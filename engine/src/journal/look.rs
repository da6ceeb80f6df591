//! The last look before writes are sent: whether their lease holds and no signal waits.

use rusqlite::Connection;

use super::commit::{Lease, Row};
use super::read;
use crate::backend::BackendError;

/// Looks at one moment of the journal for many runs: a moment costs more than an answer. It begins with the first question
/// and has to be ended soon, because what is committed later is not seen in it.
pub(crate) struct Look {
    connection: Connection,
    begun: bool,
}

impl Look {
    pub(crate) fn new(connection: Connection) -> Self {
        Look { connection, begun: false }
    }

    /// Whether a write may be sent under `lease`.
    pub(crate) fn may_send(&mut self, row: Row, lease: Lease) -> Result<bool, BackendError> {
        self.ask(row, lease).map_err(failed)
    }

    /// The next question is about a later moment.
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
