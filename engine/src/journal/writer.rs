//! The one thread that writes. What arrives while it syncs is committed together, whoever it is from; callers are
//! answered after the commit.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};

use super::cut::{CutPoint, CutPoints};
use super::read;
use crate::event::Recorded;

/// At most this many writes in one commit: it bounds what a crash can take back, and the memory of the log.
const LARGEST_GROUP: usize = 4096;
/// How often the write lock is asked for (each time for as long as the connection's busy time-out).
const LOCK_ATTEMPTS: u32 = 6;

/// Why nothing is written any more.
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
    /// The file is not what this program wrote.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// The disk is full, broken or gone.
    #[error("{0}")]
    Disk(String),
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

/// Something to be done in the next commit. It decides before it writes: once it has written, only an error of the
/// journal itself stops it, and that stops the whole group.
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

/// A write that answers with what `work` returned, once it is durable.
pub(crate) fn task<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    answer: impl FnOnce(Result<T, WriteFailure>) + Send + 'static,
) -> Box<dyn Write> {
    Box::new(Task { work: Some(work), result: None, answer })
}

/// The writer.
pub(crate) struct Writer {
    sender: Option<Sender<Vec<Box<dyn Write>>>>,
    thread: Option<JoinHandle<()>>,
    broken: Arc<OnceLock<WriteFailure>>,
}

impl Writer {
    pub(crate) fn new(connection: Connection, cut: Option<Arc<dyn CutPoints>>) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let broken = Arc::new(OnceLock::new());
        let state = State { connection, cut, broken: Arc::clone(&broken), commits: 0, events: Vec::new() };
        let thread =
            std::thread::Builder::new().name("journal".to_owned()).spawn(move || state.run(&receiver))?;
        Ok(Writer { sender: Some(sender), thread: Some(thread), broken })
    }

    /// Hands writes over; each is answered.
    pub(crate) fn post(&self, writes: Vec<Box<dyn Write>>) {
        let refused = match &self.sender {
            Some(sender) => sender.send(writes).err().map(|unsent| unsent.0),
            None => Some(writes),
        };
        for write in refused.into_iter().flatten() {
            write.answer(Err(self.broken.get().cloned().unwrap_or(WriteFailure::Closed)));
        }
    }

    /// Why nothing is written any more, if so.
    pub(crate) fn broken(&self) -> Option<&WriteFailure> {
        self.broken.get()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // The last answer may drop the journal on the writer's own thread.
            if thread.thread().id() != std::thread::current().id() {
                // A panic there was reported by the hook already.
                drop(thread.join());
            }
        }
    }
}

struct State {
    connection: Connection,
    cut: Option<Arc<dyn CutPoints>>,
    broken: Arc<OnceLock<WriteFailure>>,
    commits: u64,
    /// What the commit at hand holds: read only for who may cut it off.
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
    }

    fn cut_here(&self, point: CutPoint) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut.cut(self.commits, point, &self.events))
    }

    /// From here on nothing is written: a second try after a failed sync may succeed without the data being there.
    fn fail(&self, failure: WriteFailure) -> WriteFailure {
        self.broken.get_or_init(|| failure).clone()
    }

    fn commit(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), WriteFailure> {
        self.begin()?;
        self.commits += 1;
        let written = self.write(group);
        if written.is_ok() && self.cut_here(CutPoint::BeforeCommit) {
            self.roll_back();
            return Err(self.fail(WriteFailure::Cut));
        }
        if let Err(error) = written.and_then(|()| self.connection.execute_batch("COMMIT")) {
            self.roll_back();
            let failure = WriteFailure::from(error);
            tracing::error!(%failure, "the journal cannot be written; nothing is sent any more");
            return Err(self.fail(failure));
        }
        if self.cut_here(CutPoint::BeforeAnswer) {
            return Err(self.fail(WriteFailure::Cut));
        }
        Ok(())
    }

    fn write(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), rusqlite::Error> {
        let write = |group: &mut [Box<dyn Write>], connection: &Connection| {
            group.iter_mut().try_for_each(|write| write.run(connection))
        };
        if self.cut.is_none() {
            return write(group, &self.connection);
        }
        let before = read::newest_commit(&self.connection)?;
        write(group, &self.connection)?;
        self.events = read::events_after(&self.connection, before)?;
        Ok(())
    }

    /// Waiting for the lock changes nothing, so it may be tried again.
    fn begin(&self) -> Result<(), WriteFailure> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.connection.execute_batch("BEGIN IMMEDIATE").map_err(WriteFailure::from) {
                Ok(()) => return Ok(()),
                Err(WriteFailure::Locked) if attempts < LOCK_ATTEMPTS => {
                    tracing::warn!(attempts, "another program keeps the journal locked");
                }
                Err(WriteFailure::Locked) => return Err(WriteFailure::Locked),
                Err(failure) => return Err(self.fail(failure)),
            }
        }
    }

    /// Some errors end the transaction by themselves, some leave it open.
    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "the transaction could not be taken back");
        }
    }
}
