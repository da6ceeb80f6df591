//! Connections: every setting is applied and read back.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::BackendError;
use crate::journal::Durability;

/// The first SQLite version whose write-ahead log survives a reset while it is being read.
const OLDEST_SQLITE: i32 = 3_051_003;
/// How long one attempt to get the write lock waits.
const BUSY: Duration = Duration::from_secs(5);

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// The connection that writes.
    Write(Durability),
    /// A connection that reads.
    Read,
}

/// Opens a connection to an existing file.
pub(crate) fn connect(path: &Path, usage: Use) -> Result<Connection, BackendError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(BackendError::Refused {
            message: format!("SQLite {} is too old for the journal", rusqlite::version()),
            hint: "build twinspan with its bundled SQLite".to_owned(),
        });
    }
    // Without CREATE: the file is created elsewhere, with its permissions.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| unusable(path, error))?;
    settings(&connection, usage).map_err(|error| unusable(path, error))?.map_or(Ok(()), |wrong| {
        Err(BackendError::Refused {
            message: format!("the journal {} does not accept the setting {wrong}", path.display()),
            hint: "it must be on a local disk, and no other program may have it open".to_owned(),
        })
    })?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Applies the settings; returns the first one that did not read back as applied.
fn settings(connection: &Connection, usage: Use) -> Result<Option<String>, rusqlite::Error> {
    connection.busy_timeout(BUSY)?;
    // Otherwise a statement that could use a partial index is prepared again whenever another value is bound to it.
    if !connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)? {
        return Ok(Some("enable_qpsg".to_owned()));
    }
    // The last writer decides when to checkpoint (`session`); a reader must leave the log as it is.
    if !connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)? {
        return Ok(Some("no_ckpt_on_close".to_owned()));
    }
    let mut numbers: Vec<(&str, i64)> =
        vec![("foreign_keys", 1), ("trusted_schema", 0), ("cell_size_check", 1), ("mmap_size", 0)];
    match usage {
        Use::Write(durability) => {
            let synchronous = match durability {
                Durability::Full => 2,
                Durability::Normal => 1,
                Durability::Off => 0,
            };
            // Before the mode too, because changing the mode syncs the file several times.
            connection.pragma_update(None, "synchronous", synchronous)?;
            let mode: String =
                connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
            if !mode.eq_ignore_ascii_case("wal") {
                return Ok(Some("journal_mode=WAL".to_owned()));
            }
            numbers.push(("synchronous", synchronous));
            numbers.push(("journal_size_limit", 64 * 1024 * 1024));
            // On macOS a plain sync does not flush the cache of the drive.
            if cfg!(target_os = "macos") && durability == Durability::Full {
                numbers.push(("fullfsync", 1));
                numbers.push(("checkpoint_fullfsync", 1));
            }
        }
        Use::Read => numbers.push(("query_only", 1)),
    }
    for (name, value) in numbers {
        connection.pragma_update(None, name, value)?;
        if read_back(connection, name)? != value {
            return Ok(Some(format!("{name}={value}")));
        }
    }
    if read_back(connection, "busy_timeout")? != i64::try_from(BUSY.as_millis()).unwrap_or(i64::MAX) {
        return Ok(Some("busy_timeout".to_owned()));
    }
    Ok(None)
}

fn read_back(connection: &Connection, name: &str) -> Result<i64, rusqlite::Error> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Converts an error from opening or reading a journal.
pub(crate) fn unusable(path: &Path, error: rusqlite::Error) -> BackendError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => foreign(path),
        Some(ErrorCode::DatabaseCorrupt) => BackendError::Damaged(format!("{}: {error}", path.display())),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => BackendError::Refused {
            message: format!("the journal {} is locked by another program", path.display()),
            hint: "close the other program, or try again in a moment".to_owned(),
        },
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied,
        ) => BackendError::NotWritable(Box::new(error)),
        _ => BackendError::Damaged(format!("{}: {error}", path.display())),
    }
}

/// The error for a file that is not a journal.
pub(crate) fn foreign(path: &Path) -> BackendError {
    BackendError::Refused {
        message: format!("{} is not a journal of twinspan", path.display()),
        hint: "choose another file with --journal".to_owned(),
    }
}
