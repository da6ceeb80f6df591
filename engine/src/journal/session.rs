//! Who has a journal open for writing. The last one to go brings everything into the main file, so that the file alone is
//! the whole journal; until then it says of itself that it needs its write-ahead log.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::place::{private, with_suffix};

/// How long a checkpoint waits for readers: what it cannot bring into the main file stays in the log.
const PATIENCE: Duration = Duration::from_millis(250);

/// A writer's share of an open journal: a shared lock on a file beside it.
#[derive(Debug)]
pub(crate) struct Session(File);

impl Session {
    /// Joins those who write to `journal`; `alone` is done first where nobody else does, or while they all wait.
    pub(crate) fn join(journal: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = private(&mut options).open(with_suffix(journal, ".lock"))?;
        Ok(Session(file))
    }

    /// Waits until no other process is opening, making or closing the journal, and keeps others from it.
    pub(crate) fn exclude(&self) -> io::Result<()> {
        self.0.lock()
    }

    /// Whether no other process writes; it then keeps others out until [`Session::share`].
    pub(crate) fn is_alone(&self) -> bool {
        self.0.try_lock().is_ok()
    }

    /// Lets others write, too.
    pub(crate) fn share(&self) -> io::Result<()> {
        self.0.lock_shared()
    }
}

/// How far a checkpoint goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpoint {
    /// What can be brought into the main file without waiting.
    Passive,
    /// Everything, and the log is empty afterwards.
    Truncate,
}

/// The first writer: what a killed one left comes into the main file, and the main file says that it needs its log.
pub(crate) fn begin(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch(
        "BEGIN IMMEDIATE; UPDATE journal SET commits = commits + 1, based = commits + 1, open = 1; COMMIT",
    )?;
    checkpoint(connection, Checkpoint::Truncate)
}

/// The last writer: everything comes into the main file, and it says that it is whole. Returns the number of commits.
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

/// Brings commits from the log into the main file, as far as readers allow.
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
