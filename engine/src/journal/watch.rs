//! Notices commits. A change notification of the system saves reading in vain.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::private_copy::{PrivateCopy, SourceStamp};
use super::writer::Files;
use super::{driver_lock, inbox, place, read};
use crate::error::BackendError;

/// Watches for commits of this process and of others.
pub(crate) struct Watch {
    source: Source,
    /// `None`: this system has no change notification.
    writes: Option<Writes>,
}

/// How commits are seen.
enum Source {
    Open { files: Files, connection: Connection, seen: i64 },
    Copied { copy: Arc<PrivateCopy>, seen: Option<SourceStamp> },
}

impl Watch {
    pub(crate) fn new(journal: &Path, files: Files, connection: Connection) -> Self {
        let source = Source::Open { files, connection, seen: -1 };
        Watch { source, writes: Writes::to_log_of(journal) }
    }

    /// Watches a journal that is read in a copy.
    pub(crate) fn of_copy(copy: Arc<PrivateCopy>) -> Self {
        Watch { source: Source::Copied { copy, seen: None }, writes: None }
    }

    /// Whether something was committed since the last call; true at the first call.
    pub(crate) fn changed(&mut self) -> Result<bool, BackendError> {
        match &mut self.source {
            Source::Open { files, connection, seen } => {
                let version = read::data_version(connection).map_err(|error| files.fault(error))?;
                Ok(std::mem::replace(seen, version) != version)
            }
            Source::Copied { copy, seen } => copy.changed(seen),
        }
    }

    /// Returns when the journal may have changed: at once without a change notification.
    pub(crate) async fn stirs(&mut self) {
        if let Some(writes) = &self.writes {
            writes.next().await;
        }
    }
}

/// Notifications of writes to a journal's log, and of files that appear and disappear beside it. The log stays the same file
/// while a connection is open.
#[cfg(target_os = "linux")]
struct Writes(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Writes {
    /// The log exists as soon as a connection has read, and the caller has one that did.
    fn to_log_of(journal: &Path) -> Option<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let log = place::log_of(journal);
        // Files that appear and disappear: those of the journal, and the lock files of drivers.
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let told = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).and_then(|told| {
            add_watch(&told, &log, WatchFlags::MODIFY)?;
            if let Some(folder) = journal.parent() {
                add_watch(&told, folder, names)?;
            }
            let locks = driver_lock::folder_of(journal);
            match add_watch(&told, &locks, WatchFlags::DELETE | WatchFlags::MOVED_FROM) {
                // Without drivers there is no folder to watch.
                Err(rustix::io::Errno::NOENT) => {}
                added => drop(added?),
            }
            // Signals of other accounts.
            match add_watch(&told, inbox::folder_of(journal), WatchFlags::MOVED_TO | WatchFlags::CREATE) {
                Err(rustix::io::Errno::NOENT) => {}
                added => drop(added?),
            }
            Ok(told)
        });
        #[expect(
            deprecated,
            reason = "sound here: an OwnedFd stays open while it is registered; the successor is unsafe code"
        )]
        let told = told.map_err(std::io::Error::from).and_then(tokio::io::unix::AsyncFd::new);
        told.map(Writes)
            .inspect_err(
                |error| tracing::debug!(%error, "no change notification; the journal is polled ten times a second"),
            )
            .ok()
    }

    async fn next(&self) {
        let mut events = [0; 4096];
        while let Ok(mut ready) = self.0.readable().await {
            let read = ready.try_io(|told| Ok(rustix::io::read(told.get_ref(), &mut events)?));
            // On a persistent error it is better to read the journal than to wait for ever.
            if read.is_ok() {
                return;
            }
        }
    }
}

/// This platform has no change notification; the caller polls instead.
#[cfg(not(target_os = "linux"))]
struct Writes;

#[cfg(not(target_os = "linux"))]
impl Writes {
    fn to_log_of(_journal: &Path) -> Option<Self> {
        None
    }

    async fn next(&self) {}
}
