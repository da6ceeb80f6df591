//! Reads a journal that this account may not write to: SQLite would have to write the index of the log, and this account may
//! not.
//!
//! The main file and the log are copied to a private folder, and the copy is checked like a journal that is opened. The
//! copied files are removed as soon as they are open, so that none stays behind however this process ends. SQLite never opens
//! the journal itself for this (except for its first row, see `standing`), so no lock of its writers is touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::connect::{Use, connect};
use super::place::{self, FileId};
use super::schema::{self, Schema};
use super::{access, file_state, identify_current_as, side_record};
use crate::clock::boot_now;
use crate::error::BackendError;

/// Length of a log's header, which identifies its generation: its salts change whenever the log restarts.
const LOG_HEADER: u64 = 32;
/// How often copying is restarted because the log restarted meanwhile.
const ATTEMPTS: u32 = 40;
/// Number of damaged copies before the damage is believed: a copy made during a write may be torn.
const DOUBTS: u32 = 3;
/// Connections to one copy: reads can be nested, and a file without a name cannot be opened again.
const CONNECTIONS: usize = 3;
/// A journal that changes all the time is copied again only after this multiple of the time that the last copy took.
const REST: u32 = 4;

/// Metadata of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    id: Option<FileId>,
    length: u64,
    modified: Option<std::time::SystemTime>,
}

impl FileState {
    /// `None`: there is no file.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(FileState {
                id: place::identity(path)?,
                length: metadata.len(),
                modified: metadata.modified().ok(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A fingerprint of the journal's files: any commit, checkpoint or replacement changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    main: Option<FileState>,
    log: Option<FileState>,
    log_header: Vec<u8>,
    /// The side record, which counts the commits.
    record: Vec<u8>,
}

impl Stamp {
    fn of(journal: &Path) -> io::Result<Self> {
        let log = place::log_of(journal);
        Ok(Stamp {
            main: FileState::of(journal)?,
            log: FileState::of(&log)?,
            log_header: beginning(&log, LOG_HEADER)?,
            record: beginning(&side_record::path_of(journal), side_record::LENGTH)?,
        })
    }

    /// Whether files copied between the two stamps, the main file first, form one consistent state. While a log keeps its
    /// generation, every page that a checkpoint writes into the main file stays in the log, which was copied later: it
    /// replaces a torn page. Without a log nothing may have changed.
    fn spans_one_generation(&self, later: &Stamp) -> bool {
        let id = |file: &Option<FileState>| file.as_ref().and_then(|file| file.id);
        if id(&self.main) != id(&later.main) || id(&self.log) != id(&later.log) {
            return false;
        }
        let has_log =
            self.log_header.len() as u64 == LOG_HEADER && self.log_header.iter().any(|byte| *byte != 0);
        if has_log { self.log_header == later.log_header } else { self == later }
    }
}

/// The first bytes of a file; empty if there is no file.
fn beginning(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => drop(file.take(length).read_to_end(&mut bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(bytes)
}

/// Connections to a copy of a journal; the copy is renewed when the journal has changed.
pub(crate) struct PrivateCopy {
    journal: PathBuf,
    schema: Schema,
    state: Mutex<State>,
}

struct State {
    /// Number of copies so far.
    generation: u64,
    idle: Vec<Connection>,
    /// The fingerprint of the copied files.
    stamp: Stamp,
    /// When the last copy was complete, on the boot-time clock, and how long it took.
    made: Duration,
    took: Duration,
}

/// A borrowed connection to a copy.
pub(crate) struct Lent {
    generation: u64,
    pub(crate) connection: Connection,
}

impl PrivateCopy {
    /// Copies the journal at `journal`.
    pub(crate) fn new(journal: &Path, schema: Schema) -> Result<Self, BackendError> {
        let began = boot_now();
        let (idle, stamp) = copy(journal, schema)?;
        let made = boot_now();
        let state = State { generation: 1, idle, stamp, made, took: made.saturating_sub(began) };
        Ok(PrivateCopy { journal: journal.to_owned(), schema, state: Mutex::new(state) })
    }

    /// Borrows a connection to a copy of the current journal.
    pub(crate) fn take(&self) -> Result<Lent, BackendError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Stamp::of(&self.journal).map_err(|error| self.failed(error))?;
        let current = (now == state.stamp).then(|| state.idle.pop()).flatten();
        let connection = match current {
            Some(connection) => connection,
            None => {
                let began = boot_now();
                let (mut idle, stamp) = copy(&self.journal, self.schema)?;
                let made = boot_now();
                let connection = idle.pop().ok_or_else(|| changing(&self.journal))?;
                let generation = state.generation + 1;
                *state = State { generation, idle, stamp, made, took: made.saturating_sub(began) };
                connection
            }
        };
        Ok(Lent { generation: state.generation, connection })
    }

    /// Returns a connection, unless a newer copy exists.
    pub(crate) fn give_back(&self, lent: Lent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.generation == lent.generation {
            state.idle.push(lent.connection);
        }
    }

    /// A connection that is not returned.
    pub(crate) fn connection(&self) -> Result<Connection, BackendError> {
        self.take().map(|lent| lent.connection)
    }

    /// Whether the journal changed since `seen`; true at the first call. If copies take long, a change is reported later.
    pub(crate) fn changed(&self, seen: &mut Option<SourceStamp>) -> Result<bool, BackendError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rests = boot_now().saturating_sub(state.made) < state.took * REST;
        drop(state);
        if seen.is_some() && rests {
            return Ok(false);
        }
        let now = SourceStamp(Stamp::of(&self.journal).map_err(|error| self.failed(error))?);
        let changed = seen.as_ref() != Some(&now);
        *seen = Some(now);
        Ok(changed)
    }

    fn failed(&self, error: io::Error) -> BackendError {
        failed(&self.journal, error)
    }
}

/// The fingerprint that a watcher saw last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SourceStamp(Stamp);

fn failed(journal: &Path, error: io::Error) -> BackendError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => access::forbidden(journal),
        _ => place::not_writable(error),
    }
}

fn changing(journal: &Path) -> BackendError {
    BackendError::Refused {
        message: format!("{} is written to faster than it can be copied to be read", journal.display()),
        hint: "try again in a moment".to_owned(),
    }
}

/// Copies the journal; returns connections to the copy and the fingerprint of its files.
fn copy(journal: &Path, schema: Schema) -> Result<(Vec<Connection>, Stamp), BackendError> {
    let mut doubts = 0;
    for _ in 0..ATTEMPTS {
        let before = Stamp::of(journal).map_err(|error| failed(journal, error))?;
        let folder = PrivateFolder::new().map_err(|error| unwritable(journal, error))?;
        let copy = folder.0.join("journal.db");
        copy_files(journal, &copy, &before).map_err(|error| match error {
            Copying::Source(error) => failed(journal, error),
            Copying::Target(error) => unwritable(journal, error),
        })?;
        let after = Stamp::of(journal).map_err(|error| failed(journal, error))?;
        if !before.spans_one_generation(&after) {
            std::thread::yield_now();
            continue;
        }
        match open(&copy, journal, schema) {
            Ok(connections) => return Ok((connections, before)),
            Err(error) => {
                doubts += 1;
                if doubts == DOUBTS {
                    return Err(error);
                }
            }
        }
    }
    Err(changing(journal))
}

/// A private folder; removed when dropped.
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("twinspan-{}", crate::ids::folder_name()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Not recursive, and never an existing folder, which another account could own.
        builder.create(&path)?;
        Ok(PrivateFolder(path))
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the private copy of the journal stays behind");
        }
    }
}

fn unwritable(journal: &Path, error: io::Error) -> BackendError {
    BackendError::Refused {
        message: format!("{} cannot be copied to be read: {error}", journal.display()),
        hint: "make room in the folder for temporary files, or name another with TMPDIR".to_owned(),
    }
}

enum Copying {
    Source(io::Error),
    Target(io::Error),
}

/// Copies the earlier side record, then the main file, then the log: each may only be newer than the one before.
fn copy_files(journal: &Path, copy: &Path, before: &Stamp) -> Result<(), Copying> {
    if !before.record.is_empty() {
        fs::write(side_record::path_of(copy), &before.record).map_err(Copying::Target)?;
    }
    for (from, to) in [(journal.to_owned(), copy.to_owned()), (place::log_of(journal), place::log_of(copy))] {
        let mut from = match File::open(from) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Copying::Source(error)),
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let mut to = place::private(&mut options).open(to).map_err(Copying::Target)?;
        io::copy(&mut from, &mut to).map_err(Copying::Target)?;
    }
    Ok(())
}

/// Checks the copy like a journal that is opened, and connects to it. Errors name the journal.
fn open(copy: &Path, journal: &Path, schema: Schema) -> Result<Vec<Connection>, BackendError> {
    if let Ok((_, Some(loss))) = file_state::examine(copy) {
        return Err(loss.refusal(journal));
    }
    let (_, first) = identify_current_as(copy, journal, schema)?;
    let mut connections = vec![first];
    while connections.len() < CONNECTIONS {
        connections.push(connect(copy, Use::Read)?);
    }
    for connection in &connections {
        // The first read opens the files, whose names are removed soon.
        schema::identity(connection).map_err(|error| super::unusable(journal, error))?;
    }
    Ok(connections)
}

#[cfg(test)]
mod tests;
