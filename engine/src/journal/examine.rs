//! Examines a journal without changing it: its settings as they read back, its structure, its location.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::access::{self, Access};
use super::connect::{Use, connect, unusable};
use super::file_state::{self, FileState};
use super::private_copy::PrivateCopy;
use super::schema;
use super::sharing::{Sharing, Wider};
use super::{identify_current, inbox, nothing_there, place};
use crate::accounts;
use crate::error::BackendError;
use crate::journal::Durability;

/// The findings about a journal as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// The settings of a writing connection, each read back after it was applied.
    pub settings: Vec<(&'static str, String)>,
    /// Errors in the file's structure, as SQLite reports them.
    pub problems: Vec<String>,
    /// Version of the file's format.
    pub version: i32,
    /// Version of SQLite.
    pub sqlite: &'static str,
    /// Bytes of the file and of its write-ahead log.
    pub bytes: u64,
    /// Permissions that are wider than configured.
    pub wider: Vec<Wider>,
    /// The owner, if this account may only read the journal; the other findings are of a copy.
    pub read_only_of: Option<String>,
    /// Whether there is an inbox folder for signals of other accounts.
    pub takes_signals: bool,
    /// Free bytes on its disk for this user; `None`: unknown.
    pub free: Option<u64>,
}

/// Largest number of structural errors reported: a damaged file has thousands.
const MOST_PROBLEMS: u32 = 20;

const SETTINGS: [&str; 8] = [
    "journal_mode",
    "synchronous",
    "foreign_keys",
    "busy_timeout",
    "trusted_schema",
    "cell_size_check",
    "mmap_size",
    "journal_size_limit",
];

/// Examines the journal at `path`; `sharing` says which accounts may use it.
pub fn examine(path: &Path, sharing: &Sharing) -> Result<Examination, BackendError> {
    let path = place::prepare(path, false)?;
    place::expect_file(&path)?;
    let access = Access::of(&path)?;
    let sharing = if access::belongs_to_another(&path) { &Sharing::AsItIs } else { sharing };
    sharing.expect_possible(&path)?;
    let (file_state, loss) = file_state::examine(&path)?;
    if let Some(loss) = loss {
        return Err(loss.refusal(&path));
    }
    if file_state == FileState::New {
        return Err(nothing_there(&path));
    }
    let (version, connection) = match access {
        Access::Write => {
            let (version, _open) = identify_current(&path, schema::CURRENT)?;
            // Opened as for a run, so that a setting that does not apply is reported here too.
            (version, connect(&path, Use::Write(Durability::Full))?)
        }
        Access::Read { .. } => {
            (schema::CURRENT.version(), PrivateCopy::new(&path, schema::CURRENT)?.connection()?)
        }
    };
    let look = |connection: &Connection| -> Result<_, rusqlite::Error> {
        let mut settings = Vec::new();
        for name in SETTINGS {
            settings.push((name, setting(connection, name)?));
        }
        Ok((settings, problems(connection)?))
    };
    let (settings, problems) = look(&connection).map_err(|error| unusable(&path, error))?;
    Ok(Examination {
        settings,
        problems,
        version,
        sqlite: rusqlite::version(),
        bytes: size(&path) + size(&place::log_of(&path)),
        wider: sharing.wider(&path),
        read_only_of: match access {
            Access::Write => None,
            Access::Read { owner } => Some(accounts::name_of(owner)),
        },
        takes_signals: inbox::folder_of(&path).is_dir(),
        free: place::free(&path),
    })
}

fn setting(connection: &Connection, name: &str) -> Result<String, rusqlite::Error> {
    connection.pragma_query_value(None, name, |row| {
        row.get::<_, i64>(0).map(|number| number.to_string()).or_else(|_| row.get::<_, String>(0))
    })
}

fn problems(connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let mut problems: Vec<String> = connection
        .prepare(&format!("PRAGMA integrity_check({MOST_PROBLEMS})"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    problems.retain(|problem| problem != "ok");
    let orphans: Vec<String> = connection
        .prepare("PRAGMA foreign_key_check")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if let Some(table) = orphans.first() {
        problems.push(format!("{} rows belong to nothing, the first in table {table}", orphans.len()));
    }
    Ok(problems)
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
