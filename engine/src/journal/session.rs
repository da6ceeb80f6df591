//! Tracks the processes that have a journal open for writing. The last one checkpoints everything into the main file, so that
//! this file alone is the whole journal; until then the file records that it needs its write-ahead log.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::driver_lock::release;
use super::place::{private, with_suffix};

/// How long a checkpoint waits for readers: what it cannot move to the main file stays in the log.
const PATIENCE: Duration = Duration::from_millis(250);

/// A writer's share of an open journal: a shared lock on a file beside it.
#[derive(Debug)]
pub(crate) struct Session(File);

impl Session {
    /// Opens the lock file of `journal`; the caller then locks it with [`Session::exclude`], [`Session::is_alone`] or
    /// [`Session::share`].
    pub(crate) fn join(journal: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = private(&mut options).open(with_suffix(journal, ".lock"))?;
        Ok(Session(file))
    }

    /// Waits until no other process opens, creates or closes the journal, and keeps others out.
    pub(crate) fn exclude(&self) -> io::Result<()> {
        self.0.lock()
    }

    /// Whether no other process writes; if so, keeps others out until [`Session::share`].
    pub(crate) fn is_alone(&self) -> bool {
        self.0.try_lock().is_ok()
    }

    /// Lets other processes write too.
    pub(crate) fn share(&self) -> io::Result<()> {
        self.0.lock_shared()
    }
}

impl Drop for Session {
    /// Releases the lock at once, for copies of the open file in children that are being started, too.
    fn drop(&mut self) {
        release(&self.0);
    }
}

/// The mode of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpoint {
    /// What can be moved to the main file without waiting.
    Passive,
    /// Everything; the log is empty afterwards.
    Truncate,
}

/// First writer: checkpoints the log of a killed one, and records in the main file that it needs its log.
pub(crate) fn begin(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch(
        "BEGIN IMMEDIATE; UPDATE journal SET commits = commits + 1, based = commits + 1, open = 1; COMMIT",
    )?;
    checkpoint(connection, Checkpoint::Truncate)
}

/// Last writer: checkpoints everything, and records in the main file that it is complete. Returns the number of commits.
pub(crate) fn end(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let commits: i64 = connection.query_row(
        "UPDATE journal SET commits = commits + 1, based = commits + 1, open = 0 RETURNING commits",
        [],
        |row| row.get(0),
    )?;
    checkpoint(connection, Checkpoint::Truncate)?;
    // SQLite removes the log when the last connection is closed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(u64::try_from(commits).unwrap_or_default())
}

/// Moves commits from the log to the main file, as far as readers allow.
pub(crate) fn checkpoint(connection: &Connection, mode: Checkpoint) -> Result<(), rusqlite::Error> {
    let usual = connection.pragma_query_value(None, "busy_timeout", |row| row.get::<_, u32>(0))?;
    connection.busy_timeout(PATIENCE)?;
    let sql = match mode {
        Checkpoint::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Checkpoint::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    let done = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(Duration::from_millis(usual.into()))?;
    match done {
        Ok(_) => Ok(()),
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}
