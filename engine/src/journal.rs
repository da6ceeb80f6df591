//! The journal: the truth about every run, in one SQLite file. No SQLite type leaves this module.

mod backup;
mod body;
mod chain;
mod commit;
mod connect;
mod create;
mod cut;
mod driver_lock;
mod examine;
mod liveness;
mod log_check;
mod look;
mod packed;
mod place;
mod read;
mod recover;
mod schema;
mod session;
mod side_record;
mod standing;
mod upgrade;
mod verify;
mod watch;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use twinspan_plans::Digest;

use crate::backend::{BackendError, Durability, Mode, Opening, Started};
use crate::event::{Recorded, TakeOver};
use crate::ids::{DriverId, RunId, Seq, SignalId};
use crate::rollout::RunKey;
use crate::step::ClaimKey;

pub use body::Transcript;
pub(crate) use body::{Packed, pack_commit, whole_microseconds};
pub(crate) use commit::{Append, Held, Lease, NewRow, Refusal, Row, Summary, Taken};
pub use cut::{CutPoint, CutPoints};
pub(crate) use driver_lock::DriverLock;
pub use examine::{Examination, examine};
pub(crate) use liveness::{Liveness, Verdict};
pub(crate) use look::Look;
pub(crate) use read::{Chain, RunRow, Waiting};
pub use recover::{Acceptance, recover};
pub use verify::JournalReport;
pub(crate) use watch::Watch;
pub(crate) use writer::{Moved, Write, WriteFailure};

use connect::{Use, connect, foreign, unusable};
use liveness::Heartbeats;
use read::ReadError;
use schema::Schema;
use session::Session;
use side_record::SideRecord;
use standing::Standing;
use writer::{Files, Tools, Writer, task};

/// The journal.
pub(crate) struct Journal {
    path: PathBuf,
    mode: Mode,
    /// Which files these are.
    files: Files,
    heartbeats: Arc<Heartbeats>,
    // Before the writer: who writes last folds the log into the file when nothing else has it open.
    readers: Mutex<Vec<Connection>>,
    writer: Option<Writer>,
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
        let (standing, loss) = standing::examine(&path)?;
        if let Some(loss) = loss {
            return Err(loss.refusal(&path));
        }
        let writer = match (standing, reading) {
            (Standing::New, true) => {
                place::expect_file(&path)?;
                return Err(nothing_there(&path));
            }
            (Standing::Ours, true) => {
                drop(identify_current(&path, schema)?);
                None
            }
            (_, false) => Some(Self::open_writer(&path, opening, schema, standing)?),
        };
        let readers = Mutex::new(vec![connect(&path, Use::Read)?]);
        let files = Files::of(path.clone()).map_err(place::not_writable)?;
        let journal =
            Journal { path, mode: opening.mode, files, heartbeats: Arc::default(), readers, writer };
        // A file that cannot be read is refused here.
        journal.read(read::data_version)?;
        Ok(journal)
    }

    fn open_writer(
        path: &Path,
        opening: &Opening,
        schema: Schema,
        standing: Standing,
    ) -> Result<Writer, BackendError> {
        let session = Session::join(path).map_err(place::not_writable)?;
        if standing == Standing::New {
            session.exclude().map_err(place::not_writable)?;
            // Asked again: another process may have been first.
            match standing::examine(path)? {
                (_, Some(loss)) => return Err(loss.refusal(path)),
                (Standing::New, None) => create::create(path, opening, schema)?,
                (Standing::Ours, None) => {}
            }
        }
        // Without the lock of its own, a process that closes the journal may be about to remove its log.
        let alone = standing == Standing::New || session.is_alone();
        if !alone {
            session.share().map_err(place::not_writable)?;
        }
        let record = side_record::read(path);
        let (version, _first) = identify(path, schema)?;
        let mut connection = connect(path, Use::Write(opening.durability))?;
        if version != schema.version() {
            upgrade::bring_up_to_date(&mut connection, path, schema)?;
        }
        refuse_other_purpose(&connection, path, opening)?;
        let fail = |error| unusable(path, error);
        if let Some(loss) = standing::lost_tail(record, &connection).map_err(fail)? {
            return Err(loss.refusal(path));
        }
        place::keep_private(path).map_err(place::not_writable)?;
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
        let files = Files::of(path.to_owned()).map_err(place::not_writable)?;
        Writer::new(Tools { connection, files, record, session, cut: opening.cut.clone() }).map_err(fail)
    }

    /// Whether the files of the journal are still at their paths.
    pub(crate) fn expect_in_place(&self) -> Result<(), Moved> {
        self.files.expect_in_place()
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

    /// A connection to the files that were opened, and to no others.
    fn connection(&self) -> Result<Connection, BackendError> {
        self.expect_in_place()?;
        let connection = connect(&self.path, Use::Read);
        // Between the two the path may have come to lead elsewhere.
        self.expect_in_place()?;
        connection
    }

    fn try_read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Result<T, BackendError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connection()?,
        };
        let result = work(&connection);
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result.map_err(|error| match error {
            ReadError::Sql(error) => match error {
                rusqlite::Error::SqliteFailure(..) => self.files.fault(error),
                error => BackendError::Damaged(error.to_string()),
            },
            ReadError::Damaged(what) => BackendError::Damaged(what),
        })
    }

    // What others ask of the journal: thin names over `commit` and `read`.

    /// Accepts a run, unless it was there or may not begin.
    pub(crate) async fn start(&self, new: NewRow) -> Result<Started, BackendError> {
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

    /// Makes a lock of a new driver, whose heartbeat may stand still for `lease`.
    pub(crate) fn new_driver(&self, lease: Duration, since: i64) -> Result<DriverLock, BackendError> {
        driver_lock::sweep(&self.path, &self.read(commit::drivers)?);
        DriverLock::new(&self.path, lease, since).map_err(place::not_writable)
    }

    /// A driver's lock file has no use when the journal does not know the driver any more.
    pub(crate) fn forget_driver(&self, driver: DriverId) {
        let file = driver_lock::file_of(&driver_lock::folder_of(&self.path), driver);
        if let Err(error) = std::fs::remove_file(file) {
            tracing::debug!(%error, "the lock file of a driver that is gone stays behind");
        }
    }

    /// A write that moves a driver's heartbeat; it answers whether the journal knows the driver.
    pub(crate) fn beating(
        driver: DriverId,
        answer: impl FnOnce(Result<bool, WriteFailure>) + Send + 'static,
    ) -> Box<dyn Write> {
        task(move |connection| commit::beat(connection, driver), answer)
    }

    /// Gives up everything that a driver holds.
    pub(crate) async fn leave_driver(&self, driver: DriverId) -> Result<(), BackendError> {
        self.write(move |connection| commit::leave_driver(connection, driver)).await
    }

    /// A write that takes a run's lease.
    pub(crate) fn taking(
        &self,
        run: RunId,
        taker: commit::Holder,
        steal: bool,
        liveness: Arc<Liveness>,
        took: impl FnOnce(Seq, i64, u64, Option<TakeOver>) -> Option<(Recorded, Packed)> + Send + 'static,
        answer: impl FnOnce(Result<Result<Taken, Refusal>, WriteFailure>) + Send + 'static,
    ) -> Box<dyn Write> {
        task(move |connection| commit::take_lease(connection, run, &taker, steal, &liveness, took), answer)
    }

    /// A write that appends events.
    pub(crate) fn appending(
        append: Append,
        answer: impl FnOnce(Result<Result<(), Refusal>, WriteFailure>) + Send + 'static,
    ) -> Box<dyn Write> {
        task(move |connection| commit::append(connection, &append), answer)
    }

    /// A new look for signs of life of drivers.
    pub(crate) fn liveness(&self) -> Liveness {
        Liveness::new(&self.path, Arc::clone(&self.heartbeats))
    }

    /// A run's row.
    pub(crate) fn find(&self, run: RunId) -> Result<RunRow, BackendError> {
        self.read(|connection| read::find(connection, run))?.ok_or(BackendError::NoSuchRun(run))
    }

    /// Runs, newest first.
    pub(crate) fn list(&self, open: bool, key: Option<&RunKey>) -> Result<Vec<RunRow>, BackendError> {
        self.read(|connection| read::list(connection, open, key))
    }

    /// Open runs that `driver` does not have.
    pub(crate) fn open_runs(&self, driver: DriverId) -> Result<Vec<RunId>, BackendError> {
        self.read(|connection| read::open_runs(connection, driver))
    }

    /// A driver, and what is known of it at this moment.
    pub(crate) fn driver(&self, driver: i64, liveness: &Liveness) -> Result<Option<Held>, BackendError> {
        let holder = self.read(|connection| commit::holder(connection, driver))?;
        Ok(holder.map(|holder| Held { verdict: liveness.judge(&holder), holder }))
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

    /// The driver of a run, and what is known of it at this moment.
    pub(crate) fn driver_of(&self, run: RunId) -> Result<Option<Held>, BackendError> {
        self.find(run)?.driver.map_or(Ok(None), |driver| self.driver(driver, &self.liveness()))
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
        Ok(Look::new(self.connection()?))
    }

    /// A connection that watches for the commits of others.
    pub(crate) fn watch(&self) -> Result<Watch, BackendError> {
        Ok(Watch::new(&self.path, self.files.clone(), self.connection()?))
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

/// Version of the journal's tables, as its log has them; the connection stays open until others are.
fn identify(path: &Path, schema: Schema) -> Result<(i32, Connection), BackendError> {
    let connection = connect(path, Use::Read)?;
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

/// The same for who only reads: an older file, and one that lost its tail, are refused.
fn identify_current(path: &Path, schema: Schema) -> Result<(i32, Connection), BackendError> {
    let record = side_record::read(path);
    let (version, connection) = identify(path, schema)?;
    if version != schema.version() {
        return Err(too_old(path));
    }
    match standing::lost_tail(record, &connection).map_err(|error| unusable(path, error))? {
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
