//! The journal: the authoritative record of every run, in one SQLite file. No SQLite type leaves this module.

mod access;
mod backup;
mod body;
mod chain;
mod commit;
mod connect;
mod create;
mod cut;
mod driver_lock;
mod examine;
mod file_state;
mod inbox;
mod letters;
mod liveness;
mod log_check;
mod look;
mod opening;
mod operations;
mod packed;
mod place;
mod private_copy;
mod read;
mod recover;
mod schema;
mod session;
mod sharing;
mod side_record;
mod upgrade;
mod verify;
mod watch;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use crate::accounts;
use crate::error::BackendError;

pub use access::belongs_to_another;
pub use body::Transcript;
pub(crate) use body::{Packed, pack_commit, whole_microseconds};
pub(crate) use commit::{Append, Held, Lease, NewRow, Refusal, Row, Summary, Taken};
pub use cut::{CutPoint, CutPoints};
pub(crate) use driver_lock::DriverLock;
pub use examine::{Examination, examine};
pub(crate) use liveness::{Liveness, Verdict};
pub(crate) use look::SendCheck;
pub use opening::{Durability, LEASE, Mode, Opening, Remarks};
pub(crate) use read::{Chain, RunRow, Waiting};
pub use recover::{Acceptance, recover};
pub use sharing::{Sharing, Wider};
pub use verify::JournalReport;
pub(crate) use watch::Watch;
pub(crate) use writer::{Moved, Write, WriteFailure};

use access::Access;
use connect::{Use, connect, foreign, unusable};
use file_state::FileState;
use inbox::Inbox;
use liveness::Heartbeats;
use private_copy::PrivateCopy;
use read::ReadError;
use schema::Schema;
use session::Session;
use side_record::SideRecord;
use writer::{Files, Tools, Writer, task};

/// The journal.
pub(crate) struct Journal {
    path: PathBuf,
    mode: Mode,
    /// The files that were opened.
    files: Files,
    heartbeats: Arc<Heartbeats>,
    sharing: Sharing,
    /// The inbox folder for signals of other accounts, if they may send any.
    inbox: Option<Arc<Inbox>>,
    /// The owner's account number, if this account can only send signals to the journal.
    sends_to: Option<u32>,
    // Dropped before the writer: the last writer checkpoints the log when no other connection has the file open.
    readers: Readers,
    writer: Option<Writer>,
}

/// How a journal is read.
enum Readers {
    /// In its own files: the idle connections.
    Open(Mutex<Vec<Connection>>),
    /// In a private copy, because this account may not write to its files.
    Copied(Arc<PrivateCopy>),
}

impl Journal {
    /// Opens the journal; creates it, unless it is opened for reading.
    pub(crate) fn open(path: &Path, opening: &Opening) -> Result<Self, BackendError> {
        Self::open_as(path, opening, schema::CURRENT)
    }

    /// Opens the file as a program with these tables would.
    fn open_as(path: &Path, opening: &Opening, schema: Schema) -> Result<Self, BackendError> {
        if cfg!(windows) && opening.mode == Mode::Live {
            return Err(BackendError::Refused {
                message: "runs cannot be driven on Windows yet".to_owned(),
                hint: "use Linux, macOS or the Windows Subsystem for Linux".to_owned(),
            });
        }
        let path = place::prepare(path, opening.mode != Mode::Reading && !opening.asks)?;
        let (reading, access) = (opening.mode == Mode::Reading, Access::of(&path)?);
        let owner = match access {
            Access::Write => None,
            Access::Read { owner } if reading => Some(owner),
            // An account that may not write can still send signals, by files in the inbox folder.
            Access::Read { owner } if opening.asks && accounts::own_id() != Some(owner) => Some(owner),
            Access::Read { owner } => return Err(access::only_readable(&path, owner)),
        };
        // Permissions of another account's journal stay as they are, even if this account could change them.
        let sharing = if belongs_to_another(&path) { Sharing::AsItIs } else { opening.sharing.clone() };
        sharing.expect_possible(&path)?;
        let (file_state, loss) = file_state::examine(&path)?;
        if let Some(loss) = loss {
            return Err(loss.refusal(&path));
        }
        let fresh = file_state == FileState::New;
        if fresh && (reading || owner.is_some()) {
            place::expect_file(&path)?;
            return Err(nothing_there(&path));
        }
        if owner.is_none() {
            sharing.apply_to_folders(&path).map_err(place::not_writable)?;
            sharing.make_companions(&path).map_err(place::not_writable)?;
        }
        let writer = match (reading, owner) {
            (_, Some(_)) => None,
            (true, None) => {
                drop(identify_current(&path, schema)?);
                None
            }
            (false, None) => Some(Self::open_writer(&path, opening, &sharing, schema, file_state)?),
        };
        let readers = match owner {
            Some(_) => Readers::Copied(Arc::new(PrivateCopy::new(&path, schema)?)),
            None => Readers::Open(Mutex::new(vec![connect(&path, Use::Read)?])),
        };
        let inbox = sharing.group().filter(|_| opening.mode == Mode::Live && writer.is_some());
        let inbox = inbox.map(|group| Arc::new(Inbox::new(&path, group.clone(), opening.remarks.clone())));
        let journal = Journal {
            files: Files::of(path.clone()).map_err(place::not_writable)?,
            path,
            mode: if owner.is_some() { Mode::Reading } else { opening.mode },
            heartbeats: Arc::default(),
            sharing,
            inbox,
            sends_to: owner.filter(|_| opening.asks),
            readers,
            writer,
        };
        // An unreadable file is refused here.
        journal.read(read::data_version)?;
        Ok(journal)
    }

    fn open_writer(
        path: &Path,
        opening: &Opening,
        sharing: &Sharing,
        schema: Schema,
        file_state: FileState,
    ) -> Result<Writer, BackendError> {
        let session = Session::join(path).map_err(place::not_writable)?;
        if file_state == FileState::New {
            session.exclude().map_err(place::not_writable)?;
            // Checked again under the lock: another process may have created it first.
            match file_state::examine(path)? {
                (_, Some(loss)) => return Err(loss.refusal(path)),
                (FileState::New, None) => create::create(path, opening, schema)?,
                (FileState::Ours, None) => {}
            }
        }
        // A process that closes the journal may be about to remove its log, unless the lock is held exclusively.
        let alone = file_state == FileState::New || session.is_alone();
        if !alone {
            session.share().map_err(place::not_writable)?;
        }
        let record = side_record::read(path);
        // Before anything is in the log: a new journal has no log yet.
        sharing.make_companions(path).map_err(place::not_writable)?;
        let (version, _first) = identify(path, path, schema)?;
        let mut connection = connect(path, Use::Write(opening.durability))?;
        if version != schema.version() {
            upgrade::bring_up_to_date(&mut connection, path, schema)?;
        }
        refuse_other_purpose(&connection, path, opening)?;
        let fail = |error| unusable(path, error);
        if let Some(loss) = file_state::lost_tail(record, &connection).map_err(fail)? {
            return Err(loss.refusal(path));
        }
        // Only after all checks have passed.
        sharing.apply_to_files(path).map_err(place::not_writable)?;
        if let Some(pages) = opening.page_limit {
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(fail)?;
        }
        if alone {
            session::begin(&connection).map_err(fail)?;
            session.share().map_err(place::not_writable)?;
        }
        let (journal, commits) = schema::identity(&connection).map_err(fail)?;
        let mut record = (opening.durability == Durability::Full).then(|| SideRecord::open(path, journal));
        if let Some(record) = record.as_mut().filter(|_| alone) {
            record.write(commits);
        }
        // The side record may have just been created.
        sharing.apply_to(&side_record::path_of(path)).map_err(place::not_writable)?;
        let files = Files::of(path.to_owned()).map_err(place::not_writable)?;
        Writer::new(Tools { connection, files, record, session, cut: opening.cut.clone() }).map_err(fail)
    }

    /// Checks that the files of the journal are still at their paths.
    pub(crate) fn expect_in_place(&self) -> Result<(), Moved> {
        self.files.expect_in_place()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Why nothing can be written any more, if so.
    pub(crate) fn broken(&self) -> Option<BackendError> {
        let failure = self.writer.as_ref().and_then(Writer::broken)?;
        Some(failure.clone().into())
    }

    /// Hands writes to the writer, which commits them together.
    pub(crate) fn post(&self, writes: Vec<Box<dyn Write>>) {
        match &self.writer {
            Some(writer) => writer.post(writes),
            None => writes.into_iter().for_each(|write| write.answer(Err(WriteFailure::Closed))),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // If the caller no longer waits, no receiver is left.
        self.post(vec![task(work, move |result| drop(sender.send(result)))]);
        receiver.await.unwrap_or(Err(WriteFailure::Closed)).map_err(BackendError::from)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, BackendError> {
        self.try_read(|connection| work(connection).map_err(ReadError::from))
    }

    /// Opens a connection, and makes sure that it is to the files that were opened first.
    fn connection(&self) -> Result<Connection, BackendError> {
        if let Readers::Copied(copy) = &self.readers {
            return copy.connection();
        }
        self.expect_in_place()?;
        let connection = connect(&self.path, Use::Read);
        // Checked again, because the path may have been changed in between.
        self.expect_in_place()?;
        connection
    }

    fn try_read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Result<T, BackendError> {
        let result = match &self.readers {
            Readers::Open(idle) => {
                let found = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let connection = match found {
                    Some(connection) => connection,
                    None => self.connection()?,
                };
                let result = work(&connection);
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                result
            }
            Readers::Copied(copy) => {
                let lent = copy.take()?;
                let result = work(&lent.connection);
                copy.give_back(lent);
                result
            }
        };
        result.map_err(|error| match error {
            ReadError::Sql(error) => match (error, &self.readers) {
                (error @ rusqlite::Error::SqliteFailure(..), Readers::Open(_)) => self.files.fault(error),
                (error @ rusqlite::Error::SqliteFailure(..), Readers::Copied(_)) => {
                    unusable(&self.path, error)
                }
                (error, _) => BackendError::Damaged(error.to_string()),
            },
            ReadError::Damaged(what) => BackendError::Damaged(what),
        })
    }
}

impl From<WriteFailure> for BackendError {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Damaged(what) => BackendError::Damaged(what),
            WriteFailure::Moved(moved) => moved.into(),
            failure => BackendError::NotWritable(Box::new(failure)),
        }
    }
}

/// Returns the version of the journal's tables, as its log has them, with a connection to keep open until others are. Error
/// messages name the journal at `path`; `file` may be a copy of it.
fn identify(file: &Path, path: &Path, schema: Schema) -> Result<(i32, Connection), BackendError> {
    let connection = connect(file, Use::Read)?;
    let look = || -> Result<(i32, i32, String), rusqlite::Error> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        let (application, version) = (number("application_id")?, number("user_version")?);
        let written_by = if application == schema::APPLICATION && version > schema.version() {
            connection
                .query_row("SELECT value FROM header WHERE key = 'written_by'", [], |row| row.get(0))
                .unwrap_or_else(|_| "a later version of twinspan".to_owned())
        } else {
            String::new()
        };
        Ok((application, version, written_by))
    };
    match look().map_err(|error| unusable(path, error))? {
        (schema::APPLICATION, version, written_by) if version > schema.version() => {
            Err(BackendError::Refused {
                message: format!(
                    "{} was written by {written_by}, which is newer than this program",
                    path.display()
                ),
                hint: format!("use {written_by} or later"),
            })
        }
        (schema::APPLICATION, version, _) if version > 0 => Ok((version, connection)),
        _ => Err(foreign(path)),
    }
}

/// The same for readers: refuses an older file, and one that lost its tail.
fn identify_current(path: &Path, schema: Schema) -> Result<(i32, Connection), BackendError> {
    identify_current_as(path, path, schema)
}

/// The same for a copy of the journal at `path`.
fn identify_current_as(file: &Path, path: &Path, schema: Schema) -> Result<(i32, Connection), BackendError> {
    let record = side_record::read(file);
    let (version, connection) = identify(file, path, schema)?;
    if version != schema.version() {
        return Err(too_old(path));
    }
    match file_state::lost_tail(record, &connection).map_err(|error| unusable(path, error))? {
        Some(loss) => Err(loss.refusal(path)),
        None => Ok((version, connection)),
    }
}

fn word(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
        Durability::Off => "off",
    }
}

fn refuse_other_purpose(connection: &Connection, path: &Path, opening: &Opening) -> Result<(), BackendError> {
    let header = |key: &str| -> Result<String, BackendError> {
        connection
            .query_row("SELECT value FROM header WHERE key = ?1", [key], |row| row.get(0))
            .map_err(|error| unusable(path, error))
    };
    let (purpose, durability) = (header("purpose")?, header("durability")?);
    let refused = |message: String| {
        Err(BackendError::Refused { message, hint: "choose another journal with --journal".to_owned() })
    };
    match (opening.mode, purpose.as_str()) {
        (Mode::Live, "runs") | (Mode::Rehearsal, "rehearsal") | (Mode::Reading, _) => {}
        (Mode::Live, _) => return refused(format!("{} is the journal of a rehearsal", path.display())),
        (Mode::Rehearsal, _) => return refused(format!("{} is a journal of real runs", path.display())),
    }
    // Durability matters only for real runs: no one relies on the content of a rehearsal or benchmark.
    if opening.mode == Mode::Live && durability != word(opening.durability) {
        return refused(format!(
            "{} was made with durability {durability}; this needs {}",
            path.display(),
            word(opening.durability)
        ));
    }
    Ok(())
}

fn too_old(path: &Path) -> BackendError {
    BackendError::Refused {
        message: format!("{} was written by an older version of twinspan", path.display()),
        hint: "`resume` brings it up to date, and keeps a backup copy".to_owned(),
    }
}

fn nothing_there(path: &Path) -> BackendError {
    BackendError::Empty(path.display().to_string())
}
