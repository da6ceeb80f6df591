//! The journal: the truth about every run, in one SQLite file. No SQLite type leaves this module.

mod body;
mod chain;
mod commit;
mod connect;
mod cut;
mod driver_lock;
mod examine;
mod look;
mod packed;
mod place;
mod read;
mod schema;
mod upgrade;
mod verify;
mod watch;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use twinspan_plans::Digest;

use crate::backend::{BackendError, Durability, Mode, Opening};
use crate::event::Recorded;
use crate::ids::{DriverId, RunId, Seq, SignalId};
use crate::step::ClaimKey;

pub use body::Transcript;
pub(crate) use body::{Packed, pack_commit, whole_microseconds};
pub(crate) use commit::{Append, Holder, Lease, NewRow, Refusal, Row, Summary, Taken};
pub use cut::{CutPoint, CutPoints};
pub(crate) use driver_lock::{Death, DriverLock};
pub use examine::{Examination, examine};
pub(crate) use look::Look;
pub(crate) use read::{Chain, RunRow, Waiting};
pub use verify::JournalReport;
pub(crate) use watch::Watch;
pub(crate) use writer::{Write, WriteFailure};

use connect::{Use, connect, foreign, unusable};
use read::ReadError;
use schema::Schema;
use writer::{Writer, task};

/// The journal.
pub(crate) struct Journal {
    path: PathBuf,
    mode: Mode,
    // Before the writer: who closes last folds the log into the file, and syncs as its connection is told to.
    readers: Mutex<Vec<Connection>>,
    writer: Option<Writer>,
}

/// A file, before anything is done to it.
enum Found {
    /// Nothing in it: new, or its maker was killed.
    Empty,
    /// A journal of this version or an older one.
    Ours(i32),
}

impl Journal {
    /// Opens the file; makes it, unless it is only read.
    pub(crate) fn open(path: &Path, opening: &Opening) -> Result<Self, BackendError> {
        Self::open_as(path, opening, schema::CURRENT)
    }

    /// Opens the file as a program with these tables does.
    fn open_as(path: &Path, opening: &Opening, schema: Schema) -> Result<Self, BackendError> {
        if cfg!(windows) && opening.mode == Mode::Live {
            return Err(BackendError::Refused {
                message: "runs cannot be driven on Windows yet".to_owned(),
                hint: "use Linux, macOS or the Windows Subsystem for Linux".to_owned(),
            });
        }
        let reading = opening.mode == Mode::Reading;
        let path = place::prepare(path, !reading)?;
        if reading {
            place::expect_file(&path)?;
        } else {
            place::make_file(&path, opening.durability)?;
        }
        // Open until the others are: the first one to come reads the log again after a kill, and the last one to go puts it
        // into the file.
        let (found, first) = identify(&path, schema)?;
        let writer = if reading {
            match found {
                Found::Ours(version) if version == schema.version() => None,
                Found::Ours(_) => return Err(too_old(&path)),
                Found::Empty => return Err(nothing_there(&path)),
            }
        } else {
            let mut connection = connect(&path, Use::Write(opening.durability))?;
            if !matches!(found, Found::Ours(version) if version == schema.version()) {
                upgrade::bring_up_to_date(&mut connection, &path, opening, schema)?;
            }
            refuse_other_purpose(&connection, &path, opening)?;
            if let Some(pages) = opening.page_limit {
                connection
                    .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
                    .map_err(|error| unusable(&path, error))?;
            }
            let writer = Writer::new(connection, opening.cut.clone()).map_err(place::not_writable)?;
            Some(writer)
        };
        let journal = Journal { path, mode: opening.mode, writer, readers: Mutex::default() };
        // A reader is opened now, so that a file that cannot be read is refused here.
        journal.read(read::data_version)?;
        drop(first);
        Ok(journal)
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Why nothing is written any more, if so.
    pub(crate) fn broken(&self) -> Option<BackendError> {
        let failure = self.writer.as_ref().and_then(Writer::broken)?;
        Some(failure.clone().into())
    }

    /// Hands writes to the writer, to be committed together.
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
        // A caller that does not wait any more needs no answer.
        self.post(vec![task(work, move |result| drop(sender.send(result)))]);
        receiver.await.unwrap_or(Err(WriteFailure::Closed)).map_err(BackendError::from)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, BackendError> {
        self.try_read(|connection| work(connection).map_err(ReadError::from))
    }

    fn try_read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Result<T, BackendError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, Use::Read)?,
        };
        let result = work(&connection);
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result.map_err(|error| match error {
            ReadError::Sql(error) => match error {
                rusqlite::Error::SqliteFailure(..) => unusable(&self.path, error),
                error => BackendError::Damaged(error.to_string()),
            },
            ReadError::Damaged(what) => BackendError::Damaged(what),
        })
    }

    // What others ask of the journal: thin names over `commit` and `read`.

    /// Accepts a run; false when it was there.
    pub(crate) async fn start(&self, new: NewRow) -> Result<bool, BackendError> {
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

    /// Makes a lock of a new driver.
    pub(crate) fn new_driver(&self) -> Result<DriverLock, BackendError> {
        DriverLock::new(&self.path).map_err(place::not_writable)
    }

    /// Gives up everything that a driver holds.
    pub(crate) async fn leave_driver(&self, driver: DriverId) -> Result<(), BackendError> {
        self.write(move |connection| commit::leave_driver(connection, driver)).await
    }

    /// A write that takes a run's lease.
    pub(crate) fn taking(
        &self,
        run: RunId,
        taker: Holder,
        steal: bool,
        death: Arc<Death>,
        took: impl FnOnce(Seq, i64, u64, bool) -> Option<(Recorded, Packed)> + Send + 'static,
        answer: impl FnOnce(Result<Result<Taken, Refusal>, WriteFailure>) + Send + 'static,
    ) -> Box<dyn Write> {
        task(move |connection| commit::take_lease(connection, run, &taker, steal, &death, took), answer)
    }

    /// A write that appends events.
    pub(crate) fn appending(
        append: Append,
        answer: impl FnOnce(Result<Result<(), Refusal>, WriteFailure>) + Send + 'static,
    ) -> Box<dyn Write> {
        task(move |connection| commit::append(connection, &append), answer)
    }

    /// A new look for proof that drivers are dead.
    pub(crate) fn death(&self) -> Death {
        Death::new(&self.path)
    }

    /// A run's row.
    pub(crate) fn find(&self, run: RunId) -> Result<RunRow, BackendError> {
        self.read(|connection| read::find(connection, run))?.ok_or(BackendError::NoSuchRun(run))
    }

    /// Runs, newest first.
    pub(crate) fn list(&self, open: bool, limit: Option<usize>) -> Result<Vec<RunRow>, BackendError> {
        self.read(|connection| read::list(connection, open, limit))
    }

    /// Open runs that `driver` does not have.
    pub(crate) fn open_runs(&self, driver: DriverId) -> Result<Vec<RunId>, BackendError> {
        self.read(|connection| read::open_runs(connection, driver))
    }

    /// Name of a driver, and whether it is known to be alive (one elsewhere counts as alive).
    pub(crate) fn driver(&self, driver: i64, death: &Death) -> Result<Option<(String, bool)>, BackendError> {
        let holder = self.read(|connection| commit::holder(connection, driver))?;
        Ok(holder.map(|holder| (holder.name(), !death.is_proven(&holder))))
    }

    /// A run's row and its events from `from` on, of one moment.
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

    /// Signals that nobody took in yet.
    pub(crate) fn inbox(&self, row: Option<Row>) -> Result<Vec<Waiting>, BackendError> {
        self.read(|connection| read::inbox(connection, row))
    }

    /// Whether a signal was taken in.
    pub(crate) fn is_taken(&self, id: SignalId) -> Result<bool, BackendError> {
        Ok(self.read(|connection| read::is_taken(connection, id))?.unwrap_or(false))
    }

    /// Whether `lease` still holds.
    pub(crate) fn still_holds(&self, row: Row, lease: Lease) -> Result<bool, BackendError> {
        self.read(|connection| read::still_holds(connection, row, lease.driver, lease.epoch))
    }

    /// Name of the driver of a run.
    pub(crate) fn driver_of(&self, run: RunId) -> Result<Option<String>, BackendError> {
        match self.find(run)?.driver {
            Some(driver) => {
                Ok(self.read(|connection| commit::holder(connection, driver))?.map(|holder| holder.name()))
            }
            None => Ok(None),
        }
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

    /// Checks a run's record; `fold` makes the status again from its events.
    pub(crate) fn verify(
        &self,
        run: RunId,
        fold: impl FnOnce(&RunRow, &[Recorded]) -> Result<Summary, String>,
    ) -> Result<JournalReport, BackendError> {
        self.try_read(|connection| verify::verify(connection, run, fold))?.ok_or(BackendError::NoSuchRun(run))
    }

    /// What is asked before writes are sent.
    pub(crate) fn look(&self) -> Result<Look, BackendError> {
        Ok(Look::new(connect(&self.path, Use::Read)?))
    }

    /// A connection that watches for the commits of others.
    pub(crate) fn watch(&self) -> Result<Watch, BackendError> {
        Ok(Watch::new(&self.path, connect(&self.path, Use::Read)?))
    }
}

impl From<WriteFailure> for BackendError {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Damaged(what) => BackendError::Damaged(what),
            failure => BackendError::NotWritable(Box::new(failure)),
        }
    }
}

/// Looks at a file without changing it.
fn identify(path: &Path, schema: Schema) -> Result<(Found, Connection), BackendError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let look = || -> Result<(i32, i32, i64, String, Connection), rusqlite::Error> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "query_only", 1)?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        let (application, version) = (number("application_id")?, number("user_version")?);
        let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let written_by = if application == schema::APPLICATION && version > schema.version() {
            connection
                .query_row("SELECT value FROM header WHERE key = 'written_by'", [], |row| row.get(0))
                .unwrap_or_else(|_| "a later version of twinspan".to_owned())
        } else {
            String::new()
        };
        Ok((application, version, tables, written_by, connection))
    };
    match look().map_err(|error| unusable(path, error))? {
        (0, 0, 0, _, connection) => Ok((Found::Empty, connection)),
        (schema::APPLICATION, version, _, written_by, _) if version > schema.version() => {
            Err(BackendError::Refused {
                message: format!(
                    "{} was written by {written_by}, which is newer than this program",
                    path.display()
                ),
                hint: format!("use {written_by} or later"),
            })
        }
        (schema::APPLICATION, version, _, _, connection) if version > 0 => {
            Ok((Found::Ours(version), connection))
        }
        _ => Err(foreign(path)),
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
    // How a rehearsal or a benchmark is written from here on is its own matter: nobody relies on what is in it.
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
        hint: "`resume` brings it up to date, and keeps a copy".to_owned(),
    }
}

fn nothing_there(path: &Path) -> BackendError {
    BackendError::Empty(path.display().to_string())
}
