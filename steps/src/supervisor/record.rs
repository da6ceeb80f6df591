//! The files of one attempt of a local program.
//!
//! ```text
//! <attempt>.lock   what to run, then what was begun; locked as long as the supervisor, the program or what it started lives
//! <attempt>.json   how it ended; complete as soon as it is there
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use twinspan_engine::{Clock as _, SystemClock};
use uuid::Uuid;

/// Limit for reading a lock file: its first line contains the arguments of a program.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Records of finished attempts are kept this long: a run may be resumed weeks after its driver was killed.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What the supervisor is to run: the first line of the lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// The program is ended after this time.
    pub(super) timeout: Duration,
    /// Where the outcome is written.
    pub(super) outcome: PathBuf,
}

/// An entry of the supervisor in the lock file, one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Note {
    /// The program is about to start: from here on it may have run.
    Starting { at: Timestamp },
    /// It runs as this process.
    Started { process: u32 },
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// Beginning of what it wrote to its standard output, without secrets.
    pub(crate) stdout: String,
    /// Beginning of what it wrote to its standard error, without secrets.
    pub(crate) stderr: String,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
}

/// The way in which a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    /// It exited with this code.
    Exit(i32),
    /// A signal ended it, which the supervisor did not send.
    Signal(i32),
    /// The supervisor ended it after its timeout.
    TimeOut,
    /// The supervisor ended it on request.
    Stopped,
    /// It could not be started.
    NotStarted(String),
}

/// The record of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Whether a process of the attempt still runs.
    pub(crate) running: bool,
    /// When the program was started; `None` if it certainly was not.
    pub(crate) started: Option<Timestamp>,
    /// Process id of the program.
    pub(crate) process: Option<u32>,
    /// The outcome, if it is known.
    pub(crate) outcome: Option<Outcome>,
}

/// The files of one attempt.
#[derive(Clone, Debug)]
pub(super) struct Files {
    lock: PathBuf,
    pub(super) outcome: PathBuf,
}

impl Files {
    pub(super) fn of(folder: &Path, attempt: Uuid) -> Self {
        Files {
            lock: folder.join(format!("{attempt}.lock")),
            outcome: folder.join(format!("{attempt}.json")),
        }
    }

    /// Creates and locks the lock file. Fails if the file exists: an attempt is started only once.
    pub(super) fn begin(&self, order: &Order) -> io::Result<File> {
        let mut file =
            private(OpenOptions::new().read(true).write(true).create_new(true)).open(&self.lock)?;
        file.try_lock()?;
        append(&mut file, order)?;
        Ok(file)
    }

    /// Removes the lock file of an attempt that certainly did not start.
    pub(super) fn forget(&self) {
        if let Err(error) = fs::remove_file(&self.lock) {
            tracing::debug!(%error, "the lock file of an attempt stays behind");
        }
    }

    /// Reads the record of the attempt; `None` if there is none.
    pub(super) fn read(&self) -> io::Result<Option<Trace>> {
        let file = match OpenOptions::new().read(true).open(&self.lock) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // A shared lock, so that readers do not mistake each other for the program. Tested before the outcome is read: the
        // outcome is written before the lock is released.
        let running = match file.try_lock_shared() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text)?;
        let mut trace = Trace { running, started: None, process: None, outcome: None };
        // The last line may be incomplete.
        for note in text.lines().skip(1).filter_map(|line| serde_json::from_str(line).ok()) {
            match note {
                Note::Starting { at } => trace.started = Some(at),
                Note::Started { process } => trace.process = Some(process),
            }
        }
        trace.outcome = match fs::read(&self.outcome) {
            Ok(text) => Some(serde_json::from_slice(&text).map_err(io::Error::other)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Some(trace))
    }
}

/// Reads the order from a locked file.
pub(super) fn order(file: &File) -> io::Result<Order> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    serde_json::from_str(text.lines().next().unwrap_or_default()).map_err(io::Error::other)
}

/// Appends a line.
pub(super) fn append(file: &mut File, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(line).map_err(io::Error::other)?;
    text.push('\n');
    file.write_all(text.as_bytes())
}

/// Writes the outcome atomically.
pub(super) fn write_outcome(path: &Path, outcome: &Outcome) -> io::Result<()> {
    let text = serde_json::to_vec(outcome).map_err(io::Error::other)?;
    let part = path.with_extension("part");
    let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&part)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_folder(path)
}

/// A new file name is durable only when its folder is synced.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Creates the folder, accessible to its owner only.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Removes records that are old and not locked.
pub(super) fn prune(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if is_old(&path) && !is_locked(&path) {
            drop(fs::remove_file(&path));
        }
    }
}

fn is_old(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let changed = changed.and_then(|changed| Timestamp::try_from(changed).ok());
    changed.is_some_and(|changed| SystemClock.now().duration_since(changed) > KEPT_FOR)
}

fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock_shared().is_err())
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(folder: &Path) -> Order {
        Order {
            program: "/bin/true".into(),
            args: vec![],
            timeout: Duration::from_secs(1),
            outcome: folder.join("o"),
        }
    }

    #[test]
    fn a_lock_file_tells_what_is_begun_and_whether_it_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(folder.path(), Uuid::from_u128(1));
        assert_eq!(files.read().unwrap(), None);
        let mut lock = files.begin(&order(folder.path())).unwrap();
        let read = || files.read().unwrap().unwrap();
        assert_eq!((read().running, read().started), (true, None));
        let at = Timestamp::UNIX_EPOCH;
        append(&mut lock, &Note::Starting { at }).unwrap();
        append(&mut lock, &Note::Started { process: 7 }).unwrap();
        assert_eq!((read().started, read().process), (Some(at), Some(7)));
        drop(lock);
        assert!(!read().running);
        assert_eq!(
            files.begin(&order(folder.path())).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists,
            "an attempt has one chance"
        );
    }

    #[test]
    fn what_was_finished_long_ago_is_removed_and_what_runs_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let old = Timestamp::UNIX_EPOCH;
        let files = [1, 2, 3].map(|id| Files::of(folder.path(), Uuid::from_u128(id)));
        let locks: Vec<File> =
            files.iter().map(|files| files.begin(&order(folder.path())).unwrap()).collect();
        for lock in &locks[..2] {
            lock.set_modified(old.into()).unwrap();
        }
        let mut locks = locks.into_iter();
        drop(locks.next());
        prune(folder.path());
        let there = files.each_ref().map(|files| files.read().unwrap().is_some());
        assert_eq!(there, [false, true, true], "old and over; old and running; new");
    }
}
