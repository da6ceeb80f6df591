//! Checks the files of a journal before SQLite opens them: whether the file is a journal, and whether something is lost.
//! It writes nothing, takes no lock, and leaves a foreign file as it is. It reads the main file alone, without its
//! write-ahead log; see `docs/decisions/2026-11-30-journal-files.md`.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::connect::{foreign, unusable};
use super::log_check::{self, Log};
use super::place::{self, log_of};
use super::schema;
use super::side_record::{self, Stated};
use crate::error::BackendError;

/// How often the main file is read again while it is inconsistent: another process may be checkpointing into it.
const READINGS: u32 = 5;

/// The kind of file at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    /// None: a journal can be created there.
    New,
    /// A journal, of any version.
    Ours,
}

/// A loss of a journal's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The side record names a journal that no longer exists.
    Gone(Stated),
    /// There is a log without its journal.
    OrphanLog,
    /// The side record names another journal.
    Replaced { was: Stated, found: Uuid },
    /// Commits were made after the last checkpoint, and the log that contains them is missing.
    LogMissing,
    /// The log belongs to another journal.
    LogForeign,
    /// A byte of the log was changed; the first `after` frames are valid.
    LogDamaged { after: usize },
    /// The side record counts more commits than the journal has.
    Tail { stated: u64, found: u64 },
}

impl Loss {
    /// The refusal to use the journal at `path`.
    pub(crate) fn refusal(&self, path: &Path) -> BackendError {
        let (at, log) = (path.display(), log_of(path));
        let log = log.display();
        let message = match self {
            Loss::Gone(Stated { journal, commits }) => {
                format!("the journal at {at} is gone: journal {journal} with {commits} commits was there")
            }
            Loss::OrphanLog => {
                format!("the journal at {at} is gone, and its write-ahead log {log} is still there")
            }
            Loss::Replaced { was, found } => format!(
                "the journal at {at} was replaced: journal {} with {} commits was there, now it is journal {found}",
                was.journal, was.commits
            ),
            Loss::LogMissing => {
                format!(
                    "the journal {at} is incomplete: its write-ahead log {log} is missing, and with it the last commits"
                )
            }
            Loss::LogForeign => format!("{log} is the write-ahead log of another journal than {at}"),
            Loss::LogDamaged { after } => {
                format!(
                    "the write-ahead log {log} is damaged after frame {after}: commits that follow cannot be read"
                )
            }
            Loss::Tail { stated, found } => format!(
                "the journal {at} lost its last commits: it had {stated}, now it has {found} (an older copy, or a damaged log)"
            ),
        };
        let restore = match self {
            Loss::LogMissing => format!("put {log} back beside it"),
            Loss::LogForeign => format!("put the log of this journal back as {log}"),
            _ => "put the newer copy of the journal and of its -wal back".to_owned(),
        };
        BackendError::Refused {
            message,
            hint: format!(
                "{restore}; if there is none, `twinspan recover` shows what can be kept and how to continue without the rest"
            ),
        }
    }
}

/// The main file of a journal, read without its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MainFile {
    journal: Uuid,
    commits: u64,
    /// Number of commits at the last intended checkpoint.
    based: u64,
    /// A writer has it open, or had it open when it was killed.
    open: bool,
}

/// Examines the files at `path`.
pub(crate) fn examine(path: &Path) -> Result<(FileState, Option<Loss>), BackendError> {
    let (record, log_path) = (side_record::read(path), log_of(path));
    let log = |owner: Option<&[u8]>| log_check::check(&log_path, owner).map_err(place::not_writable);
    let empty = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len() == 0,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(place::not_writable(error)),
    };
    if empty {
        let loss = match (record, log(None)?) {
            (Some(stated), _) => Some(Loss::Gone(stated)),
            (None, Log::Missing | Log::Empty) => None,
            (None, _) => Some(Loss::OrphanLog),
        };
        return Ok((FileState::New, loss));
    }
    let Some(main) = main_file(path)? else { return Ok((FileState::Ours, None)) };
    if let Some(was) = record.filter(|stated| stated.journal != main.journal) {
        return Ok((FileState::Ours, Some(Loss::Replaced { was, found: main.journal })));
    }
    let loss = match log(Some(main.journal.as_bytes()))? {
        Log::Missing if main.open && main.commits == main.based => Some(Loss::LogMissing),
        Log::Foreign => Some(Loss::LogForeign),
        Log::Damaged { after } => Some(Loss::LogDamaged { after }),
        Log::Missing | Log::Empty | Log::Whole => None,
    };
    Ok((FileState::Ours, loss))
}

/// The loss that the side record, read before the journal, proves.
pub(crate) fn lost_tail(
    record: Option<Stated>,
    connection: &Connection,
) -> Result<Option<Loss>, rusqlite::Error> {
    let Some(stated) = record else { return Ok(None) };
    let (journal, found) = schema::identity(connection)?;
    let behind = stated.journal == journal && stated.commits > found;
    Ok(behind.then_some(Loss::Tail { stated: stated.commits, found }))
}

/// Reads the main file without its log, and refuses a foreign file. `None`: it is inconsistent now; the error appears when it
/// is opened.
fn main_file(path: &Path) -> Result<Option<MainFile>, BackendError> {
    for _ in 0..READINGS {
        match read_main_file(path) {
            Ok(Ok(main)) => return Ok(Some(main)),
            Ok(Err(refusal)) => return Err(refusal),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
                return Err(foreign(path));
            }
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) => {}
            Err(rusqlite::Error::SqliteFailure(failure, message)) => {
                return Err(unusable(path, rusqlite::Error::SqliteFailure(failure, message)));
            }
            Err(_) => {}
        }
        std::thread::yield_now();
    }
    Ok(None)
}

fn read_main_file(path: &Path) -> Result<Result<MainFile, BackendError>, rusqlite::Error> {
    // Immutable: SQLite reads this file and no other, takes no lock and creates no file beside it. Only for this check; no
    // run is ever read this way.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(uri(path), flags)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (number("application_id")?, number("user_version")?) {
        (0, 0) if tables == 0 => Ok(Err(BackendError::Refused {
            message: format!(
                "{} is a database without tables: it is not a journal, or its write-ahead log is missing",
                path.display()
            ),
            hint: format!(
                "put {} back beside it, or choose another file with --journal",
                log_of(path).display()
            ),
        })),
        (schema::APPLICATION, version) if version == schema::CURRENT.version() => {
            let sql = "SELECT id, commits, based, open FROM journal";
            let main = connection.query_row(sql, [], |row| {
                Ok(MainFile {
                    journal: Uuid::from_bytes(row.get(0)?),
                    commits: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
                    based: u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default(),
                    open: row.get(3)?,
                })
            })?;
            Ok(Ok(main))
        }
        // Of another version: the migration decides when it is opened.
        (schema::APPLICATION, version) if version > 0 => Err(rusqlite::Error::InvalidQuery),
        _ => Ok(Err(foreign(path))),
    }
}

/// The path as a SQLite URI.
fn uri(path: &Path) -> std::path::PathBuf {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(*byte))
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri.into()
}

#[cfg(test)]
mod tests;
