//! The writer thread. Writes that arrive while it syncs are committed together; each caller gets its result after the commit.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};

use super::connect::unusable;
use super::cut::{CutPoint, CutPoints};
use super::place::{self, FileId, log_of};
use super::read;
use super::session::{self, Checkpoint, Session};
use super::side_record::SideRecord;
use crate::error::BackendError;
use crate::event::Recorded;

/// At this many pages in the log, the writer starts a checkpoint.
const LARGEST_LOG: usize = 1000;

/// Largest number of writes in one commit: it bounds what a crash can lose, and the memory of the log.
const LARGEST_GROUP: usize = 4096;
/// How often the write lock is requested (each time for as long as the connection's busy time-out).
const LOCK_ATTEMPTS: u32 = 6;

/// Why nothing can be written any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteFailure {
    /// Another process kept the write lock.
    #[error("another program has kept the journal locked for half a minute")]
    Locked,
    /// Cut off by a test.
    #[error("the journal was cut off here by request")]
    Cut,
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// The file's content is not what this program wrote.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// The disk is full, faulty or missing.
    #[error("{0}")]
    Disk(String),
    /// The path leads to another file, or to none.
    #[error("{0}")]
    Moved(Moved),
}

/// A file of an open journal is no longer at its path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} was {} while the journal was open", path.display(), if *replaced { "replaced by another file" } else { "removed" })]
pub(crate) struct Moved {
    path: PathBuf,
    replaced: bool,
}

impl From<Moved> for BackendError {
    fn from(moved: Moved) -> Self {
        BackendError::Refused {
            message: format!("{moved}; nothing was sent after that was seen"),
            hint: format!(
                "put the file back at {}, or restore a backup; then `twinspan doctor` checks it and `twinspan resume` continues",
                moved.path.display()
            ),
        }
    }
}

/// The files of an open journal: their paths and identities.
#[derive(Clone, Debug)]
pub(crate) struct Files(Vec<(PathBuf, Option<FileId>)>);

impl Files {
    /// The files of the journal at `path`, which is open.
    pub(crate) fn of(path: PathBuf) -> std::io::Result<Self> {
        let paths = [log_of(&path), path];
        paths
            .into_iter()
            .map(|path| Ok((place::identity(&path)?, path)))
            .map(|file| file.map(|(id, path)| (path, id)))
            .collect::<Result<_, _>>()
            .map(Files)
    }

    /// Converts an error of a connection to these files.
    pub(crate) fn fault(&self, error: rusqlite::Error) -> BackendError {
        match (self.expect_in_place(), self.0.last()) {
            (Err(moved), _) => moved.into(),
            (Ok(()), Some((path, _))) => unusable(path, error),
            (Ok(()), None) => BackendError::Damaged(error.to_string()),
        }
    }

    /// Checks that each file is still at its path. A path that cannot be read does not count as moved.
    pub(crate) fn expect_in_place(&self) -> Result<(), Moved> {
        for (path, id) in &self.0 {
            match place::identity(path) {
                Ok(found) if found != *id => {
                    return Err(Moved { path: path.clone(), replaced: found.is_some() });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl From<rusqlite::Error> for WriteFailure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => WriteFailure::Locked,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => {
                WriteFailure::Damaged(error.to_string())
            }
            _ => WriteFailure::Disk(error.to_string()),
        }
    }
}

/// Work for the next commit. It decides before it writes: after its first write, only an error of the journal itself stops
/// it, and that stops the whole group.
pub(crate) trait Write: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error>;
    fn answer(self: Box<Self>, outcome: Result<(), WriteFailure>);
}

struct Task<W, T, A> {
    work: Option<W>,
    result: Option<T>,
    answer: A,
}

impl<W, T, A> Write for Task<W, T, A>
where
    W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send,
    T: Send,
    A: FnOnce(Result<T, WriteFailure>) + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(connection)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), WriteFailure>) {
        let Task { result, answer, .. } = *self;
        answer(outcome.and_then(|()| result.ok_or(WriteFailure::Closed)));
    }
}

/// A write that reports the result of `work` once it is durable.
pub(crate) fn task<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    answer: impl FnOnce(Result<T, WriteFailure>) + Send + 'static,
) -> Box<dyn Write> {
    Box::new(Task { work: Some(work), result: None, answer })
}

/// The resources of the writer.
pub(crate) struct Tools {
    pub(crate) connection: Connection,
    pub(crate) files: Files,
    /// `None`: a journal that is not durable has no side record.
    pub(crate) record: Option<SideRecord>,
    pub(crate) session: Session,
    pub(crate) cut: Option<Arc<dyn CutPoints>>,
}

/// The handle of the writer thread.
pub(crate) struct Writer {
    sender: Option<Sender<Vec<Box<dyn Write>>>>,
    thread: Option<JoinHandle<()>>,
    broken: Arc<OnceLock<WriteFailure>>,
}

impl Writer {
    pub(crate) fn new(mut tools: Tools) -> Result<Self, rusqlite::Error> {
        let (sender, receiver) = channel();
        let broken = Arc::new(OnceLock::new());
        let pages = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&pages);
        // Replaces SQLite's automatic checkpoints, because the main file must record how far it is up to date.
        tools.connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            counted.store(usize::try_from(pages).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        }))?;
        let state = State { tools, pages, broken: Arc::clone(&broken), commits: 0, events: Vec::new() };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || state.run(&receiver))
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(Writer { sender: Some(sender), thread: Some(thread), broken })
    }

    /// Hands writes over; each gets a result.
    pub(crate) fn post(&self, writes: Vec<Box<dyn Write>>) {
        let refused = match &self.sender {
            Some(sender) => sender.send(writes).err().map(|unsent| unsent.0),
            None => Some(writes),
        };
        for write in refused.into_iter().flatten() {
            write.answer(Err(self.broken.get().cloned().unwrap_or(WriteFailure::Closed)));
        }
    }

    /// Why nothing can be written any more, if so.
    pub(crate) fn broken(&self) -> Option<&WriteFailure> {
        self.broken.get()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // The last callback may drop the journal on the writer's own thread, which cannot join itself.
            if thread.thread().id() != std::thread::current().id() {
                // The panic hook has already reported a panic there.
                drop(thread.join());
            }
        }
    }
}

struct State {
    tools: Tools,
    /// Number of pages in the log after the last commit of this writer.
    pages: Arc<AtomicUsize>,
    broken: Arc<OnceLock<WriteFailure>>,
    commits: u64,
    /// The events of the current commit: read only for tests that cut it off.
    events: Vec<Recorded>,
}

impl State {
    fn run(mut self, receiver: &Receiver<Vec<Box<dyn Write>>>) {
        while let Ok(mut group) = receiver.recv() {
            while group.len() < LARGEST_GROUP
                && let Ok(more) = receiver.try_recv()
            {
                group.extend(more);
            }
            let outcome = match self.broken.get() {
                Some(broken) => Err(broken.clone()),
                None => self.commit(&mut group),
            };
            for write in group {
                write.answer(outcome.clone());
            }
            if outcome.is_ok() && self.cut_here(CutPoint::AfterAnswer) {
                self.fail(WriteFailure::Cut);
            }
        }
        self.end();
    }

    /// The last writer checkpoints, so that the main file is the whole journal.
    fn end(mut self) {
        if self.broken.get().is_some() || !self.tools.session.is_alone() {
            return;
        }
        match session::end(&self.tools.connection) {
            Ok(commits) => {
                if let Some(record) = &mut self.tools.record {
                    record.write(commits);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the journal could not be closed cleanly; its log is still needed")
            }
        }
        let Tools { connection, session, .. } = self.tools;
        // Before the lock is released, because closing removes the log.
        drop(connection);
        drop(session);
    }

    fn cut_here(&self, point: CutPoint) -> bool {
        self.tools.cut.as_ref().is_some_and(|cut| cut.cut(self.commits, point, &self.events))
    }

    /// After a failure nothing is written again: a second sync can succeed although the data was lost by the first.
    fn fail(&self, failure: WriteFailure) -> WriteFailure {
        self.broken.get_or_init(|| failure).clone()
    }

    fn commit(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), WriteFailure> {
        if let Err(moved) = self.tools.files.expect_in_place() {
            tracing::error!(%moved, "no further request is sent");
            return Err(self.fail(WriteFailure::Moved(moved)));
        }
        self.begin()?;
        self.commits += 1;
        let written = self.write(group);
        if written.is_ok() && self.cut_here(CutPoint::BeforeCommit) {
            self.roll_back();
            return Err(self.fail(WriteFailure::Cut));
        }
        let due = self.pages.load(Ordering::Relaxed) >= LARGEST_LOG;
        let committed = written.and_then(|()| self.count(due)).and_then(|commits| {
            self.tools.connection.execute_batch("COMMIT")?;
            Ok(commits)
        });
        let commits = match committed {
            Ok(commits) => commits,
            Err(error) => {
                self.roll_back();
                let failure = WriteFailure::from(error);
                tracing::error!(%failure, "the journal cannot be written; no further request is sent");
                return Err(self.fail(failure));
            }
        };
        if self.cut_here(CutPoint::BeforeAnswer) {
            return Err(self.fail(WriteFailure::Cut));
        }
        if let Some(record) = &mut self.tools.record {
            record.write(commits);
        }
        // The commit is durable in the log, so a failed checkpoint can be repeated later.
        if due && let Err(error) = session::checkpoint(&self.tools.connection, Checkpoint::Passive) {
            tracing::warn!(%error, "the log could not be brought into the main file");
        }
        Ok(())
    }

    /// Counts a commit; `based`: a checkpoint will follow it.
    fn count(&self, based: bool) -> Result<u64, rusqlite::Error> {
        let sql = if based {
            "UPDATE journal SET commits = commits + 1, based = commits + 1, open = 1 RETURNING commits"
        } else {
            "UPDATE journal SET commits = commits + 1, open = 1 RETURNING commits"
        };
        let commits: i64 = self.tools.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(u64::try_from(commits).unwrap_or_default())
    }

    fn write(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), rusqlite::Error> {
        let write = |group: &mut [Box<dyn Write>], connection: &Connection| {
            group.iter_mut().try_for_each(|write| write.run(connection))
        };
        if self.tools.cut.is_none() {
            return write(group, &self.tools.connection);
        }
        let before = read::newest_commit(&self.tools.connection)?;
        write(group, &self.tools.connection)?;
        self.events = read::events_after(&self.tools.connection, before)?;
        Ok(())
    }

    /// Waiting for the lock changes nothing, so it can be repeated.
    fn begin(&self) -> Result<(), WriteFailure> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            // IMMEDIATE takes the write lock now; a deferred transaction could fail to get it after it has read.
            match self.tools.connection.execute_batch("BEGIN IMMEDIATE").map_err(WriteFailure::from) {
                Ok(()) => return Ok(()),
                Err(WriteFailure::Locked) if attempts < LOCK_ATTEMPTS => {
                    tracing::warn!(attempts, "another program keeps the journal locked");
                }
                Err(WriteFailure::Locked) => return Err(WriteFailure::Locked),
                Err(failure) => return Err(self.fail(failure)),
            }
        }
    }

    /// Rolls back, because some errors leave the transaction open.
    fn roll_back(&self) {
        if !self.tools.connection.is_autocommit()
            && let Err(error) = self.tools.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "the transaction could not be rolled back");
        }
    }
}
